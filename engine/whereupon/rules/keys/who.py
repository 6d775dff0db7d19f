"""The key `who`: which persons count."""

from pydantic import Field, JsonValue

from whereupon.conditions import Condition
from whereupon.rules.field_types import RawCondition
from whereupon.rules.keys.key_row import Key
from whereupon.rules.rule_reader import RuleReader


def _read(raw: JsonValue, reader: RuleReader) -> Condition:
    return reader.condition(raw, ("who",), root="person")


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
)
