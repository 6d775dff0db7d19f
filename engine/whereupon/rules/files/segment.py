"""Segment files: a named condition over the person."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, JsonValue
from typing_extensions import override

from whereupon.conditions import Condition
from whereupon.errors import Diagnostic
from whereupon.rules.field_types import Id, RawCondition
from whereupon.rules.files.file_form import FileForm
from whereupon.rules.form import IfMissing
from whereupon.rules.rule_reader import RuleReader

if TYPE_CHECKING:
    from whereupon.rules.plan.plan_checker import PlanChecker


@dataclass(frozen=True, slots=True)
class Segment:
    """A named condition over the person; ``source`` is the condition as the file says it."""

    id: str
    description: str
    who: Condition
    source: JsonValue = None


class SegmentForm(FileForm):
    """A segment: a named condition over the person."""

    segment: Id = Field(
        description="The id, which is the file's name without its ending.", examples=["pro-users"]
    )
    who: Annotated[
        RawCondition, IfMissing("say who is in it: add who: with a condition over the person")
    ] = Field(
        description="Who is in it: a condition over the person and what they did.",
        examples=[{"plan": "pro"}],
    )

    @override
    def read(self, reader: RuleReader) -> Segment:
        who = reader.condition(self.who, ("who",), root="person")
        return Segment(self.segment, self.description, who, source=self.who)

    @override
    @classmethod
    def check(cls, source: Mapping[str, JsonValue], checker: "PlanChecker") -> Iterator[Diagnostic]:
        """The condition."""
        return checker.condition(source.get("who"), ("who",), "person")
