"""The step `track`: send a track message of the person's into the engine."""

from whereupon.decide.steps.context import StepContext, StepResult
from whereupon.rules.steps.track import TrackEvent


def run_track(step: TrackEvent, context: StepContext) -> StepResult:
    """Send the message."""
    return context.emit(step.event, step.properties)
