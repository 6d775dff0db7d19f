"""The step `run`: call a function of the host's, and wait for what it returns.

The call is a delivery for a channel of its own, so that it is leased, retried and given up as any other.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import AfterValidator, Field, JsonValue
from typing_extensions import override

from whereupon.errors import Diagnostic
from whereupon.rules.field_types import Name
from whereupon.rules.form import invalid, shown
from whereupon.rules.rule_reader import Path, RuleReader
from whereupon.rules.steps.on_failure import OnFailure, OnFailureName
from whereupon.rules.steps.step_form import Step, StepForm
from whereupon.templates import Content

if TYPE_CHECKING:
    from whereupon.rules.plan.plan_checker import PlanChecker

FUNCTION_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
"""The name of a function: a variable of a template may have it."""
LONGEST_RESULT: Final = 32 * 1024
"""The most bytes that a result has as JSON."""
_CHANNEL: Final = "run:"


def channel_of(function: str) -> str:
    """The channel whose deliveries are the calls of a function."""
    return f"{_CHANNEL}{function}"


def function_of(channel: str) -> str | None:
    """The function whose calls are the deliveries of a channel; None for any other channel."""
    return channel.removeprefix(_CHANNEL) if channel.startswith(_CHANNEL) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run(Step):
    """Call a function of the host's, and wait for what it returns.

    Attributes:
        content: what the function gets beside the person; texts are templates.
        on_failure: what happens if the call fails for good.
    """

    key = "run"
    delivers = True
    takes_time = True

    function: str
    content: Content
    on_failure: OnFailure = OnFailure.CONTINUE

    @property
    @override
    def in_words(self) -> str:
        """``runs`` and the function."""
        return f"runs {self.function}"

    @property
    @override
    def holds_entry(self) -> bool:
        return True


def _function_name(name: str) -> str:
    if FUNCTION_NAME.fullmatch(name) is None:
        raise invalid(
            code="wrong-value",
            text="the name of a function is letters, digits, - and _, such as score-lead; this is {found}",
            found=shown(name),
        )
    return name


class RunForm(StepForm):
    """Call a function that the host registered, and wait for what it returns."""

    step = Run

    run: Annotated[
        Name,
        AfterValidator(_function_name),
        Field(json_schema_extra={"pattern": f"^{FUNCTION_NAME.pattern}$"}),
    ] = Field(
        description=(
            "The name of the function, such as score-lead. What it returns is {{ run.score-lead }} in the "
            "steps that follow."
        ),
        examples=["score-lead"],
    )
    given: dict[str, JsonValue] = Field(
        default_factory=dict,
        alias="with",
        description="What the function gets beside the person; texts are Liquid templates.",
        examples=[{"order": "{{ properties.order_id }}"}],
    )
    on_failure: OnFailureName = Field(
        default="continue",
        description=(
            "What happens if the call fails for good: continue (the default) goes on without a result, exit ends "
            "the entry."
        ),
        examples=["exit"],
    )

    @override
    @classmethod
    def check(
        cls, raw: dict[str, JsonValue], path: Path, checker: "PlanChecker"
    ) -> Iterator[Diagnostic]:
        """The function, and what every step is checked for."""
        if isinstance(function := raw.get("run"), str):
            yield from checker.function(function, (*path, "run"))
        yield from super().check(raw, path, checker)

    @override
    def read_step(self, reader: RuleReader, path: Path) -> Run:
        content = reader.content(self.given, (*path, "with"))
        return Run(function=self.run, content=content, on_failure=OnFailure(self.on_failure))
