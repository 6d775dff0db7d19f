"""The key `where`: which messages count."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import Field, JsonValue

from whereupon.conditions import Condition
from whereupon.errors import Diagnostic
from whereupon.rules.field_types import MessageCondition
from whereupon.rules.keys.key_row import Key
from whereupon.rules.rule_reader import RuleReader

if TYPE_CHECKING:
    from whereupon.rules.plan.plan_checker import PlanChecker


def _read(raw: JsonValue, reader: RuleReader) -> Condition:
    return reader.condition(raw, ("where",), root="properties")


def _check(raw: JsonValue, checker: "PlanChecker") -> Iterator[Diagnostic]:
    return checker.condition(raw, ("where",), "properties", events=checker.opening)


WHERE = Key(
    name="where",
    attribute="where",
    written=MessageCondition,
    field=Field(
        default=None,
        description=(
            "A condition over the message's properties; "
            "only a message that meets it lets the person in."
        ),
        examples=[{"product": "socks", "price": {"gt": 20}}],
    ),
    read=_read,
    check=_check,
)
