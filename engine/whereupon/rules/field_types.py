"""The kinds of single values that rule files hold, each with its check and its JSON Schema.

A check that fails raises a pydantic error whose type is our stable code, and whose text says what
to write instead.
"""

import re
from datetime import datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, WithJsonSchema

from whereupon.conditions.paths import parts_of
from whereupon.messages.times import ZERO, parse_duration, parse_instant
from whereupon.rules.form import invalid, shown, there
from whereupon.rules.reserved import ACTION_EVENTS, action_of

_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
"""A time of day: hours and minutes."""
_LOCALE = re.compile(r"[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_DURATION_SCHEMA: dict[str, JsonValue] = {
    "type": "string",
    "pattern": r"^(\d{1,9}[smhd])+$",
    "examples": ["90s", "15m", "2h", "7d", "2h10m"],
}
POSITIVE_SCHEMA = {**_DURATION_SCHEMA, "pattern": r"^(?=.*[1-9])(\d{1,9}[smhd])+$"}
_INSTANT_SCHEMA: dict[str, JsonValue] = {
    "type": "string",
    "pattern": r"^\d{4}-\d{2}-\d{2}",
    "examples": ["2026-01-31", "2026-01-31T09:00:00+01:00"],
}
_SEMANTIC: JsonValue = [name for names in ACTION_EVENTS.values() for name in names]


def _duration(value: object) -> timedelta:
    duration = parse_duration(value) if isinstance(value, str) else None
    if duration is None:
        raise invalid(
            code="bad-duration",
            text="a duration is a whole number and a unit, such as 90s, 15m, 2h or 7d; this is {found}",
            found=shown(value),
        )
    return duration


def _positive(duration: timedelta) -> timedelta:
    if duration <= ZERO:
        raise invalid(code="bad-duration", text="this duration must be longer than nothing")
    return duration


def _instant(value: object) -> datetime:
    dated = isinstance(value, str) and _DATE.match(value) is not None
    instant = parse_instant(value) if dated else None
    if instant is None:
        raise invalid(
            code="bad-instant",
            text="a time is ISO 8601, such as 2026-01-31 or 2026-01-31T09:00:00+01:00; this is {found}",
            found=shown(value),
        )
    return instant


def check_time(text: str, *, code: str = "bad-time") -> str:
    """A time of day such as 09:00; raises a pydantic error with our code."""
    if not TIME.fullmatch(text):
        raise invalid(
            code=code,
            text="a time of day has hours and minutes, such as '09:00'; this is {found}",
            found=shown(text),
        )
    return text


def check_timezone(name: str) -> str:
    """The name of a timezone that there is; raises a pydantic error with our code."""
    try:
        ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        raise invalid(
            code="bad-timezone",
            text="there is no timezone {name}; write one such as Europe/Paris or UTC",
            name=repr(name[:60]),
        ) from None
    return name


def _locale(name: str) -> str:
    if _LOCALE.fullmatch(name) is None:
        raise invalid(
            code="bad-locale",
            text="a locale is a language, with a country where that matters, such as en, de-AT or pt_BR; "
            "this is {found}",
            found=shown(name),
        )
    return name


def _kebab(text: str) -> str:
    if not _ID.fullmatch(text):
        raise invalid(
            code="bad-id",
            text="an id is lower-case letters and digits, with hyphens between, such as sock-thanks",
        )
    return text


def _not_semantic(name: str) -> str:
    action = action_of(name)
    if action is not None:
        raise invalid(
            code="semantic-event",
            text="{name} asks for the action {action} and is consumed by it: no rule ever sees it",
            name=repr(name),
            action=action,
        )
    return name


def _star_at_end(name: str) -> str:
    if "*" in name[:-1]:
        raise invalid(
            code="unknown-trigger",
            text="a * may only stand at the end of a name, such as 'Product *'",
        )
    return name


def _starless(name: str) -> str:
    if name.endswith("*"):
        raise invalid(code="wrong-value", text="a * is not read here; write the event's whole name")
    return name


def _message_path(path: str) -> str:
    root, *rest = parts_of(path)
    if root not in ("properties", "context") or not rest or "" in rest:
        raise invalid(
            code="bad-reentry",
            text="a key is a path into the message, such as properties.order_id; this is {found}",
            found=shown(path),
        )
    return path


def _attribute_path(path: str) -> str:
    parts = parts_of(path)
    if "" in parts or parts[0] == "person":
        raise invalid(
            code="wrong-value",
            text="this is the name of an attribute of a person, such as timezone, without person. before "
            "it; this is {found}",
            found=shown(path),
        )
    return path


Id = Annotated[
    str, AfterValidator(_kebab), Field(json_schema_extra={"pattern": f"^{_ID.pattern}$"})
]
Name = Annotated[str, Field(min_length=1)]
EventName = Annotated[
    Name,
    AfterValidator(_not_semantic),
    Field(json_schema_extra={"not": {"enum": _SEMANTIC}}),
]
WholeName = Annotated[
    EventName, AfterValidator(_starless), Field(json_schema_extra={"pattern": r"[^*]$"})
]
NamePattern = Annotated[
    EventName, AfterValidator(_star_at_end), Field(json_schema_extra={"pattern": r"^[^*]*\*?$"})
]
Duration = Annotated[timedelta, BeforeValidator(_duration), WithJsonSchema(_DURATION_SCHEMA)]
PositiveDuration = Annotated[Duration, AfterValidator(_positive), WithJsonSchema(POSITIVE_SCHEMA)]
MaybeDuration = Annotated[
    timedelta | None, BeforeValidator(_duration), WithJsonSchema(_DURATION_SCHEMA)
]
MaybeInstant = Annotated[
    datetime | None, BeforeValidator(_instant), WithJsonSchema(_INSTANT_SCHEMA)
]
TimeOfDay = Annotated[
    str, AfterValidator(check_time), Field(json_schema_extra={"pattern": f"^{TIME.pattern}$"})
]
"""Hours and minutes on a clock, such as ``09:00``."""
MaybeName = Annotated[Name | None, BeforeValidator(there)]
Timezone = Annotated[Name, AfterValidator(check_timezone)]
Locale = Annotated[
    Name, AfterValidator(_locale), Field(json_schema_extra={"pattern": f"^{_LOCALE.pattern}$"})
]
"""The name of a locale: letters and digits, its parts joined by ``-`` or ``_``."""
MaybeLocale = Annotated[Locale | None, BeforeValidator(there)]
MessagePath = Annotated[
    Name,
    AfterValidator(_message_path),
    Field(json_schema_extra={"pattern": r"^(properties|context)(\.[^.]+)+$"}),
]
AttributePath = Annotated[
    Name,
    AfterValidator(_attribute_path),
    Field(json_schema_extra={"pattern": r"^(?!person(\.|$))[^.]+(\.[^.]+)*$"}),
]
"""The name of an attribute of a person, or the path of a value within one."""
RawCondition = Annotated[
    JsonValue, BeforeValidator(there), WithJsonSchema({"x-ref": "#/$defs/Condition"})
]
"""A condition over the person as it is written; `conditions` reads it."""
MessageCondition = Annotated[
    JsonValue, BeforeValidator(there), WithJsonSchema({"x-ref": "#/$defs/MessageCondition"})
]
"""A condition over the message."""
