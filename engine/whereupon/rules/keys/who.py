"""The key `who`: which persons count."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import Field, JsonValue

from whereupon.conditions import Condition
from whereupon.errors import Diagnostic
from whereupon.rules.field_types import RawCondition
from whereupon.rules.keys.key_row import Key
from whereupon.rules.rule_reader import RuleReader

if TYPE_CHECKING:
    from whereupon.rules.plan.plan_checker import PlanChecker


def _read(raw: JsonValue, reader: RuleReader) -> Condition:
    return reader.condition(raw, ("who",), root="person")


def _check(raw: JsonValue, checker: "PlanChecker") -> Iterator[Diagnostic]:
    return checker.condition(raw, ("who",), "person", events=checker.opening)


WHO = Key(
    name="who",
    attribute="who",
    written=RawCondition,
    field=Field(
        default=None,
        description=(
            "Asked at entry only: a condition over the person and what they did before. "
            "In a broadcast it is the audience."
        ),
        examples=[{"plan": ["pro", "team"]}],
    ),
    read=_read,
    check=_check,
)
