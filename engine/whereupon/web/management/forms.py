"""What the requests and answers of several resources have in common: ids in addresses, pages, cursors.

A cursor is the place of the last item of a page, not its number. So a page stays as it is while rows are added, and each
is found by an index. Every text that has the form of a cursor is a place.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Generic, TypeAlias, TypeVar
from urllib.parse import unquote

from fastapi import Path, Query
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue

from whereupon.messages.codec import decode, object_text
from whereupon.messages.times import FIRST_INSTANT, LAST_INSTANT

T = TypeVar("T")
F = TypeVar("F")


class Form(BaseModel):
    """What a request may say; other members, and values of other types, are refused."""

    model_config = ConfigDict(extra="forbid", strict=True)


def as_whole(value: object) -> object:
    """A number without a fraction as a whole number."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Count: TypeAlias = Annotated[int, Field(ge=1, le=10**9), BeforeValidator(as_whole)]
"""A whole number in a body; 5.0 is one (JSON Schema Validation, section 6.1.1)."""

Seconds: TypeAlias = Annotated[int, Field(ge=1, le=31_536_000), BeforeValidator(as_whole)]
"""A time; at most a year."""

SecondsOrZero: TypeAlias = Annotated[int, Field(ge=0, le=31_536_000), BeforeValidator(as_whole)]
"""A time that may be zero."""

RowNumber: TypeAlias = Annotated[int, Field(ge=1, le=2**53), BeforeValidator(as_whole)]
"""The number of a row."""


class Page(BaseModel, Generic[T]):
    """One page of a list."""

    items: list[T]
    next: str | None = Field(
        description="The cursor of the next page; null on the last one.", examples=["17"]
    )


def page(
    found: Sequence[F], limit: int, as_form: Callable[[F], T], cursor: Callable[[F], str]
) -> Page[T]:
    """The page of what was found, when one more than its items was asked for.

    Args:
        found: at most ``limit`` + 1 items.
        cursor: the place of an item.
    """
    shown = found[:limit]
    behind = cursor(shown[-1]) if len(found) > limit else None
    return Page(items=[as_form(each) for each in shown], next=behind)


# --- parameters -------------------------------------------------------------------------------------


def _in_path(description: str, example: str) -> object:
    return Path(description=description, examples=[example], min_length=1, max_length=1_000)


PersonId: TypeAlias = Annotated[
    str, BeforeValidator(unquote), _in_path("One of the person's user ids, percent-encoded.", "ada")
]
RuleId: TypeAlias = Annotated[
    str, BeforeValidator(unquote), _in_path("The rule's id.", "sock-thanks")
]
DeliveryKey: TypeAlias = Annotated[
    str,
    BeforeValidator(unquote),
    _in_path("The delivery's idempotency key.", "4f0c1d2e3b4a59687786a5b4c3d2e1f0"),
]
Number: TypeAlias = Annotated[int, Path(ge=1, le=2**53, examples=[1])]
Limit: TypeAlias = Annotated[
    int, Query(ge=1, le=500, description="The most items of a page.", examples=[50])
]
DEFAULT_LIMIT = 50

_CURSOR = "The `next` of the page before; none for the first page."
KeyCursor: TypeAlias = Annotated[
    str | None, Query(description=_CURSOR, pattern=r"^[0-9]{1,18}$", examples=["17"])
]
IdCursor: TypeAlias = Annotated[
    str | None, Query(description=_CURSOR, max_length=200, examples=["sock-thanks"])
]
PlaceCursor: TypeAlias = Annotated[
    str | None,
    Query(
        description=_CURSOR,
        pattern=r"^[0-9]{1,18}-[0-9]{1,18}-[0-9]{1,18}$",
        examples=["63908179200000000-17-0"],
    ),
]
NameCursor: TypeAlias = Annotated[
    str | None,
    Query(
        description=_CURSOR,
        pattern=r"^[0-9]{1,18}-([0-9a-f]{2}){0,1000}$",
        examples=["63908179200000000-6e657773"],
    ),
]

_TICK = timedelta(microseconds=1)


def as_ticks(instant: datetime) -> str:
    """An instant in a cursor: microseconds since the year 1."""
    return str((instant - FIRST_INSTANT) // _TICK)


def from_ticks(ticks: str) -> datetime:
    """The instant of a cursor; the last one there is, for a number that is larger."""
    most = (LAST_INSTANT - FIRST_INSTANT) // _TICK
    return FIRST_INSTANT + min(int(ticks), most) * _TICK


def as_place(instant: datetime, *keys: int) -> str:
    """A place by time, then keys."""
    return "-".join((as_ticks(instant), *map(str, keys)))


def as_named_place(instant: datetime, name: str) -> str:
    """A place by time, then a name."""
    return f"{as_ticks(instant)}-{name.encode('utf-8', 'replace').hex()}"


def from_named_place(cursor: str) -> tuple[datetime, str]:
    """The time and name of a place."""
    ticks, _, name = cursor.partition("-")
    return from_ticks(ticks), bytes.fromhex(name).decode("utf-8", "replace").replace("\0", "")


# --- values -----------------------------------------------------------------------------------------


def plain_object(value: object) -> dict[str, JsonValue]:
    """An object that the store keeps, perhaps as text, as plain values; empty for what is no object."""
    read = decode(object_text(value)) if isinstance(value, Mapping) else None
    return read if isinstance(read, dict) else {}
