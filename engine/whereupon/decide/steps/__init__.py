"""The steps of an entry: one module for each kind of step, which says how it runs.

A step is a pure function from the step and its context to the entry after it and an effect; `entries` carries
the effect out. A new kind of step is a module here with its row in `_RUNNERS`, and a module in `rules.steps`.

For others in `decide`: `advance`, `StepContext`, and the effects `StepMessage` and `StepFailed`.
"""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias, TypeVar, cast

from whereupon.conditions import ALWAYS
from whereupon.decide.steps.branch import run_branch
from whereupon.decide.steps.context import (
    StepContext,
    StepEffect,
    StepFailed,
    StepMessage,
    StepResult,
)
from whereupon.decide.steps.exit import run_exit
from whereupon.decide.steps.run import run_run
from whereupon.decide.steps.send import run_send
from whereupon.decide.steps.set import run_set
from whereupon.decide.steps.split import run_split
from whereupon.decide.steps.track import run_track
from whereupon.decide.steps.wait import run_wait
from whereupon.decide.steps.wait_for import run_wait_for
from whereupon.decide.steps.webhook import run_webhook
from whereupon.records import MarkKind, mark_at
from whereupon.rules.steps.branch import Branch
from whereupon.rules.steps.exit import Leave
from whereupon.rules.steps.run import Run
from whereupon.rules.steps.send import Send
from whereupon.rules.steps.set import SetAttributes
from whereupon.rules.steps.split import Split
from whereupon.rules.steps.step_form import Step
from whereupon.rules.steps.track import TrackEvent
from whereupon.rules.steps.wait import Wait
from whereupon.rules.steps.wait_for import WaitFor
from whereupon.rules.steps.webhook import Webhook

__all__ = [
    "StepContext",
    "StepEffect",
    "StepFailed",
    "StepMessage",
    "StepResult",
    "advance",
]

_Runner: TypeAlias = Callable[[Step, StepContext], StepResult]
_S = TypeVar("_S", bound=Step)


def _row(
    kind: type[_S], run: Callable[[_S, StepContext], StepResult]
) -> tuple[type[Step], _Runner]:
    return kind, cast("_Runner", run)  # `advance` calls it with a step of that kind only


_RUNNERS: Final[Mapping[type[Step], _Runner]] = dict(
    (
        _row(Send, run_send),
        _row(SetAttributes, run_set),
        _row(TrackEvent, run_track),
        _row(Wait, run_wait),
        _row(Webhook, run_webhook),
        _row(WaitFor, run_wait_for),
        _row(Branch, run_branch),
        _row(Split, run_split),
        _row(Run, run_run),
        _row(Leave, run_exit),
    )
)


def advance(context: StepContext) -> StepResult:
    """Run the entry's next step.

    Returns:
        The entry after that step: with a due time if it goes on, ended if it left the rule or sent the
        rule's last delivery. And the step's effect.
    """
    step, entry = context.place.step, context.entry
    if step.condition is not ALWAYS and not mark_at(entry.trail, entry.address, MarkKind.WAITS):
        failure = step.condition.failing(context.data(), context.history())
        if failure is not None:
            mark = context.mark(MarkKind.STEP_IF, detail=failure.text, values=failure.values)
            return context.next_step().marked(mark), None
    return _RUNNERS[type(step)](step, context)
