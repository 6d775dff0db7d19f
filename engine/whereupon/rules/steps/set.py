"""The step `set`: set attributes of the person."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import Field, JsonValue
from typing_extensions import override

from whereupon.errors import Diagnostic
from whereupon.messages.model import MessageType
from whereupon.rules.rule_reader import Path, RuleReader
from whereupon.rules.steps.step_form import Step, StepForm
from whereupon.templates import Content

if TYPE_CHECKING:
    from whereupon.rules.plan.plan_checker import PlanChecker


@dataclass(frozen=True, slots=True)
class SetAttributes(Step):
    """Set attributes of the person; text values are templates."""

    key = "set"

    attributes: Content

    @property
    @override
    def in_words(self) -> str:
        """``sets`` and the attributes."""
        return f"sets {', '.join(self.attributes)}"

    @property
    @override
    def messages_sent(self) -> tuple[tuple[MessageType, str], ...]:
        """An identify message."""
        return ((MessageType.IDENTIFY, ""),)

    @property
    @override
    def attributes_set(self) -> Collection[str]:
        return self.attributes.keys()


class SetForm(StepForm):
    """Set attributes of the person."""

    step = SetAttributes

    set: dict[str, JsonValue] = Field(
        min_length=1,
        description="Attributes of the person and their new values; texts are Liquid templates.",
        examples=[{"last_thanked": "{{ timestamp }}"}],
    )

    @override
    def read_step(self, reader: RuleReader, path: Path) -> SetAttributes:
        return SetAttributes(reader.content(self.set, (*path, "set")))

    @override
    @classmethod
    def check(
        cls, raw: dict[str, JsonValue], path: Path, checker: "PlanChecker"
    ) -> Iterator[Diagnostic]:
        """The attributes, and the variables of templates."""
        yield from checker.attributes(raw.get("set"), (*path, "set"))
        yield from super().check(raw, path, checker)
