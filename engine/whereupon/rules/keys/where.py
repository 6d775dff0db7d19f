"""The key `where`: which messages count."""

from pydantic import Field, JsonValue

from whereupon.conditions import Condition
from whereupon.rules.field_types import MessageCondition
from whereupon.rules.keys.key_row import Key
from whereupon.rules.rule_reader import RuleReader


def _read(raw: JsonValue, reader: RuleReader) -> Condition:
    return reader.condition(raw, ("where",), root="properties")


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
)
