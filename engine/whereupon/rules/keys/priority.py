"""The key `priority`: which rule goes first if several compete at one moment."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from whereupon.rules.form import invalid, shown
from whereupon.rules.keys.key_row import Key
from whereupon.rules.rule_reader import RuleReader

_LIMIT = 1_000_000


def _whole(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > _LIMIT:
        raise invalid(
            code="bad-priority",
            text="a priority is a whole number such as 10, of six digits at most; the higher one goes "
            "first; this is {found}",
            found=shown(value),
        )
    return value


def _read(form: int, _: RuleReader) -> int:
    return form


PRIORITY = Key(
    name="priority",
    attribute="priority",
    written=Annotated[
        int,
        BeforeValidator(_whole),
        Field(json_schema_extra={"minimum": -_LIMIT, "maximum": _LIMIT}),
    ],
    field=Field(
        default=0,
        description=(
            "Which rule goes first if several have something to do for a person at one moment: the one with "
            "the higher number; 0 by default."
        ),
        examples=[10],
    ),
    read=_read,
)
