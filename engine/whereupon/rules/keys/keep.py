"""The key `keep` of the settings file: how long the store keeps what is over."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, Field, JsonValue, WithJsonSchema

from whereupon.messages.times import ZERO, parse_long_duration
from whereupon.rules.form import Form, invalid, shown

FOREVER = "forever"
_SCHEMA: dict[str, JsonValue] = {
    "type": "string",
    "pattern": r"^((?=.*[1-9])(\d{1,9}[smhdwy])+|forever)$",
    "examples": ["30d", "2w", "1y", FOREVER],
}


@dataclass(frozen=True, slots=True)
class Retention:
    """How long the store keeps what nothing waits for any more (``keep`` of the settings file).

    Each is counted from the end of what is kept; None is for ever.

    Attributes:
        skips: decisions that let nobody in, from the message's arrival.
        deliveries: deliveries that are over, from when they were sent, withheld or given up.
        entries: entries that have ended, from their end; and runs of broadcasts to named people.
        set_aside: messages on which the engine failed, from when they were set aside.
    """

    skips: timedelta | None = timedelta(days=30)
    deliveries: timedelta | None = timedelta(days=90)
    entries: timedelta | None = timedelta(days=365)
    set_aside: timedelta | None = timedelta(days=90)


DEFAULT_RETENTION = Retention()


def _time(value: object) -> timedelta | None:
    if value == FOREVER:
        return None
    duration = parse_long_duration(value) if isinstance(value, str) else None
    if duration is None or duration <= ZERO:
        raise invalid(
            code="bad-duration",
            text="this is how long it is kept, such as 30d, 2w or 1y, or forever; this is {found}",
            found=shown(value),
        )
    return duration


_Time = Annotated[timedelta | None, BeforeValidator(_time), WithJsonSchema(_SCHEMA)]


class KeepForm(Form):
    """How long what is done with is kept."""

    skips: _Time = Field(
        default=None,
        description="Decisions that a person does not enter; 30d by default.",
        examples=["30d"],
    )
    deliveries: _Time = Field(
        default=None, description="Deliveries that are over; 90d by default.", examples=["2w"]
    )
    entries: _Time = Field(
        default=None, description="Entries that have ended; 1y by default.", examples=["forever"]
    )
    set_aside: _Time = Field(
        default=None,
        description="Messages on which the engine failed; 90d by default.",
        examples=["90d"],
    )


def read_keep(form: KeepForm | None) -> Retention:
    """A key that is not written has its default; ``forever`` is None."""
    return DEFAULT_RETENTION if form is None else Retention(**form.model_dump(exclude_unset=True))
