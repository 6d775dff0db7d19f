"""The kinds of single values that test files hold, each with its check and its JSON Schema."""

from datetime import timedelta
from typing import Annotated, Final

from pydantic import BeforeValidator, Field, JsonValue, WithJsonSchema

from whereupon.decide.consent import ERASED, TOPIC, UNSUBSCRIBED
from whereupon.decide.decisions import Reason
from whereupon.messages.times import parse_duration
from whereupon.rules.field_types import Name
from whereupon.rules.form import IfMissing, invalid, shown, there

SEND_REASONS: Final = (UNSUBSCRIBED, TOPIC, ERASED, "template", "cap")
"""Why a step sends nothing to a person who has entered."""

STEP_IF: Final = "step-if"
"""Why a step is left out: its `if` did not hold."""

_SKIP_REASONS: Final = (*Reason, *SEND_REASONS, STEP_IF)


def _signed(value: object, sign: str) -> timedelta | None:
    if not isinstance(value, str) or not value.startswith(sign):
        return None
    return parse_duration(value.removeprefix(sign))


def _offset(value: object) -> timedelta:
    offset = _signed(value, "+")
    if offset is None:
        raise invalid(
            code="bad-offset",
            text="a time counts from the test's start, such as +0s, +10m or +2h10m; this is {found}",
            found=shown(value),
        )
    return offset


def _backdating(value: object) -> timedelta:
    before = _signed(value, "-")
    if before is None:
        raise invalid(
            code="bad-offset",
            text="say how long before its arrival it happened, such as -5m or -3d; this is {found}",
            found=shown(value),
        )
    return before


def _reason(value: object) -> object:
    if isinstance(value, str) and value not in _SKIP_REASONS:
        raise invalid(
            code="unknown-reason",
            text="there is no reason {found}; there are {known}",
            found=repr(value),
            known=", ".join(_SKIP_REASONS),
        )
    return value


def _time_schema(sign: str) -> dict[str, JsonValue]:
    return {"type": "string", "pattern": rf"^{sign}(\d{{1,9}}[smhd])+$"}


Offset = Annotated[timedelta | None, BeforeValidator(_offset), WithJsonSchema(_time_schema(r"\+"))]
Backdating = Annotated[
    timedelta | None, BeforeValidator(_backdating), WithJsonSchema(_time_schema("-"))
]
SkipReason = Annotated[
    str, BeforeValidator(_reason), WithJsonSchema({"type": "string", "enum": [*_SKIP_REASONS]})
]
Objects = dict[str, JsonValue]

MaybeRule = Annotated[
    Name | None,
    BeforeValidator(there),
    WithJsonSchema({"type": "string", "minLength": 1}),
]
Recipient = Annotated[Name, IfMissing("add to: with the person's user id")]
MaybeCount = Annotated[
    Annotated[int, Field(ge=0)] | None,
    BeforeValidator(there),
    WithJsonSchema({"type": "integer", "minimum": 0}),
]


def _label(value: object) -> object:
    """An arm's label, or an address; ``arm: 0`` is the number 0 in YAML."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Label = Annotated[
    Name,
    BeforeValidator(_label),
    WithJsonSchema({"anyOf": [{"type": "string", "minLength": 1}, {"type": "integer"}]}),
]
