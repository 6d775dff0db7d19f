"""The key `reentry`: whether, and when, the same person may enter again."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias, assert_never

from pydantic import Discriminator, Field, JsonValue, Tag

from whereupon.conditions.paths import parts_of
from whereupon.errors import Diagnostic
from whereupon.rules.field_types import MessagePath, PositiveDuration
from whereupon.rules.form import Form, IfMissing
from whereupon.rules.keys.key_row import Key
from whereupon.rules.keys.when import tag_by_key
from whereupon.rules.rule_reader import RuleReader

if TYPE_CHECKING:
    from whereupon.rules.plan.plan_checker import PlanChecker


@dataclass(frozen=True, slots=True)
class Once:
    """A person enters once, ever."""


@dataclass(frozen=True, slots=True)
class EveryTime:
    """Every message that matches opens an entry."""


@dataclass(frozen=True, slots=True)
class OncePer:
    """No two entries closer than ``period``, on the messages' own times, in both directions."""

    period: timedelta


@dataclass(frozen=True, slots=True)
class OncePerKey:
    """One entry per value found at ``path`` in the message, such as ``("properties", "order_id")``."""

    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NotWhileActive:
    """No second entry while one is still running."""


EVERY_TIME = EveryTime()

Reentry: TypeAlias = Once | EveryTime | OncePer | OncePerKey | NotWhileActive


class OncePerForm(Form):
    """No two entries closer than this."""

    once_per: PositiveDuration = Field(
        description="The least time between two entries of one person.", examples=["7d"]
    )


class OncePerKeyForm(Form):
    """One entry per value of a property."""

    once_per_key: MessagePath = Field(
        description="The path of a value in the message: one entry for each person and value.",
        examples=["properties.order_id"],
    )


def _tag(raw: object) -> str | None:
    if isinstance(raw, str):
        return "<word>" if raw in ("once", "every_time", "not_while_active") else None
    return tag_by_key(raw, "once_per", "once_per_key")


_ReentryForm: TypeAlias = Annotated[
    Annotated[Literal["once", "every_time", "not_while_active"], Tag("<word>")]
    | Annotated[OncePerForm, Tag("<once_per>")]
    | Annotated[OncePerKeyForm, Tag("<once_per_key>")],
    Discriminator(
        _tag,
        custom_error_type="bad-reentry",
        custom_error_message=(
            "`reentry` is once, every_time, not_while_active, {once_per: 7d} or "
            "{once_per_key: properties.order_id}"
        ),
    ),
]
_MISSING = IfMissing(
    "say whether the same person may enter again: add reentry: once, every_time, "
    "not_while_active, {once_per: 7d} or {once_per_key: properties.order_id}",
    code="reentry-required",
)


def _read(form: _ReentryForm, reader: RuleReader) -> Reentry:
    return reader.pool.one(_reentry(form))


def _reentry(form: _ReentryForm) -> Reentry:
    match form:
        case "once":
            return Once()
        case "every_time":
            return EVERY_TIME
        case "not_while_active":
            return NotWhileActive()
        case OncePerForm():
            return OncePer(form.once_per)
        case OncePerKeyForm():
            return OncePerKey(parts_of(form.once_per_key))
        case _:
            assert_never(form)


def _check(raw: JsonValue, checker: "PlanChecker") -> Iterator[Diagnostic]:
    key = raw.get("once_per_key") if isinstance(raw, dict) else None
    if isinstance(key, str):
        yield from checker.value(parts_of(key), ("reentry", "once_per_key"))


REENTRY = Key(
    name="reentry",
    attribute="reentry",
    written=Annotated[_ReentryForm, _MISSING],
    field=Field(
        description="Whether, and when, the same person may enter again.",
        examples=[
            "once",
            "every_time",
            "not_while_active",
            {"once_per": "7d"},
            {"once_per_key": "properties.order_id"},
        ],
    ),
    read=_read,
    check=_check,
)
