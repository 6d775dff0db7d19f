"""The step `wait`: let time pass."""

from dataclasses import dataclass
from datetime import timedelta

from pydantic import Field
from typing_extensions import override

from whereupon.messages.times import format_duration
from whereupon.rules.field_types import PositiveDuration
from whereupon.rules.rule_reader import Path, RuleReader
from whereupon.rules.steps.step_form import Step, StepForm


@dataclass(frozen=True, slots=True)
class Wait(Step):
    """Let time pass, from the moment the step is reached."""

    key = "wait"
    takes_time = True

    duration: timedelta

    @property
    @override
    def in_words(self) -> str:
        """``waits`` and how long."""
        return f"waits {format_duration(self.duration)} more"


class WaitForm(StepForm):
    """Let time pass."""

    step = Wait

    wait: PositiveDuration = Field(
        description="How long the entry waits, from when the step before was done.", examples=["2h"]
    )

    @override
    def read(self, reader: RuleReader, path: Path) -> Wait:
        return Wait(self.wait)
