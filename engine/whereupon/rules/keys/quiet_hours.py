"""The key `quiet_hours`: in the settings, when nobody is sent anything; in a rule, that this does not hold for it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import time
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import BeforeValidator, Field, JsonValue, WithJsonSchema

from whereupon.errors import Diagnostic
from whereupon.rules.field_types import Name
from whereupon.rules.form import Form, invalid, shown, there
from whereupon.rules.keys.key_row import Key
from whereupon.rules.rule_reader import RuleReader

if TYPE_CHECKING:
    from whereupon.rules.plan.plan_checker import PlanChecker

OFF: Final = "off"
_TIME: Final = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


@dataclass(frozen=True, slots=True)
class QuietHours:
    """When people are sent nothing on some channels.

    Attributes:
        start, end: times of day on the person's clock; from `start` on, and no longer at `end`. If `end` is not
            later than `start`, it belongs to the next day. They differ.
        channels: the names of the channels; None for all.
    """

    start: time
    end: time
    channels: tuple[str, ...] | None = None

    def concern(self, channel: str) -> bool:
        """Whether they hold for a channel."""
        return self.channels is None or channel in self.channels


def _time(value: object) -> str:
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise invalid(
            code="bad-quiet-hours",
            text="a time of day has hours and minutes, such as '21:00'; this is {found}",
            found=shown(value),
        )
    return value


_TimeOfDay = Annotated[
    str,
    BeforeValidator(_time),
    WithJsonSchema({"type": "string", "pattern": f"^({_TIME.pattern})$"}),
]

Channels = Annotated[
    Annotated[list[Name], Field(min_length=1)] | None,
    BeforeValidator(there),
]
"""The names of channels that a setting holds for, as they are written."""


class QuietHoursForm(Form):
    """When people are sent nothing, on the clock of each person."""

    start: _TimeOfDay = Field(
        alias="from",
        description="The time of day from which on nothing is sent, on the person's clock.",
        examples=["21:00"],
    )
    end: _TimeOfDay = Field(
        alias="until",
        description="The time of day at which what has waited is sent; on the next day if it is not later.",
        examples=["08:00"],
    )
    channels: Channels = Field(
        default=None,
        description="The channels that the quiet hours hold for; all by default.",
        examples=[["email", "push", "sms"]],
    )


def read_quiet_hours(form: QuietHoursForm | None, reader: RuleReader) -> QuietHours | None:
    """The value of what is written; None if nothing is."""
    if form is None:
        return None
    if form.start == form.end:
        message = (
            f"from and until are both {form.end}: write two times of day, or take quiet_hours out"
        )
        reader.report(("quiet_hours", "until"), "bad-quiet-hours", message)
    channels = None if form.channels is None else tuple(dict.fromkeys(form.channels))
    return QuietHours(time.fromisoformat(form.start), time.fromisoformat(form.end), channels)


def check_channels(
    raw: JsonValue, checker: "PlanChecker", path: tuple[str | int, ...]
) -> Iterator[Diagnostic]:
    """The names of the channels that a setting holds for; ``path`` is the setting's in the file."""
    named = raw.get("channels") if isinstance(raw, dict) else None
    for place, channel in enumerate(named if isinstance(named, list) else ()):
        if isinstance(channel, str):
            yield from checker.channel(channel, (*path, "channels", place))


def _off(value: object) -> object:
    if value != OFF:
        raise invalid(
            code="bad-quiet-hours",
            text="a rule says quiet_hours: off, or nothing: the hours themselves stand in settings.yaml; "
            "this is {found}",
            found=shown(value),
        )
    return value


def _read(form: str | None, _: RuleReader) -> bool:
    return form == OFF


QUIET_HOURS = Key(
    name="quiet_hours",
    attribute="ignores_quiet_hours",
    written=Annotated[Literal["off"] | None, BeforeValidator(_off)],
    field=Field(
        default=None,
        description="off: what this rule sends goes out in the quiet hours of the settings, too.",
        examples=[OFF],
    ),
    read=_read,
)
