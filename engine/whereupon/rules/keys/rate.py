"""The key `rate`: how many people a broadcast's run lets in at most in any stretch of time of one length."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Final

from pydantic import BeforeValidator, Field, JsonValue, WithJsonSchema

from whereupon.messages.times import ZERO, parse_duration
from whereupon.rules.form import invalid, shown
from whereupon.rules.keys.key_row import Key
from whereupon.rules.rule_reader import RuleReader

_WRITTEN: Final = re.compile(r"([1-9]\d{0,8})\s+per\s+((?:\d{1,9}[smhd])+)")


@dataclass(frozen=True, slots=True)
class AudienceRate:
    """At most so many people enter in any stretch of time of this length.

    Attributes:
        per: longer than nothing.
    """

    people: int
    per: timedelta


def _rate(value: object) -> AudienceRate:
    written = _WRITTEN.fullmatch(value) if isinstance(value, str) else None
    per = None if written is None else parse_duration(written[2])
    if written is None or per is None or per <= ZERO:
        raise invalid(
            code="bad-rate",
            text="a rate is a number of people and a duration, such as 500 per 1m; this is {found}",
            found=shown(value),
        )
    return AudienceRate(int(written[1]), per)


_SCHEMA: dict[str, JsonValue] = {
    "type": "string",
    "pattern": r"^[1-9]\d{0,8}\s+per\s+(?=.*[1-9])(\d{1,9}[smhd])+$",
    "examples": ["500 per 1m", "10000 per 1h"],
}


def _read(form: AudienceRate | None, reader: RuleReader) -> AudienceRate | None:
    return None if form is None else reader.pool.one(form)


RATE = Key(
    name="rate",
    attribute="rate",
    written=Annotated[AudienceRate | None, BeforeValidator(_rate), WithJsonSchema(_SCHEMA)],
    field=Field(
        default=None,
        description=(
            "How many people a run lets in at most, in any stretch of time of that length; without it, as "
            "fast as it can."
        ),
        examples=["500 per 1m"],
    ),
    read=_read,
)
