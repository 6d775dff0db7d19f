"""The key `limits` of guard files: how many requests may run in a window."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

from whereupon.messages.times import ZERO, format_duration, parse_duration
from whereupon.rules.field_types import Name
from whereupon.rules.form import invalid, shown

_LIMIT = re.compile(r"(\d{1,9}(?:\.\d{1,4})?)(%?) per (\S+)(?: by (action|source))?")
_PERCENT = 100
_SHAPE = (
    r"^(\d{1,9}|(?=[^%]*[1-9])0{0,6}(\d{1,2}(\.\d{1,4})?|100(\.0{1,4})?)%)"
    r" per (?=[^ ]*[1-9])(\d{1,9}[smhd])+( by (action|source))?$"
)


class Scope(StrEnum):
    """What a limit counts together: all that the guard file guards, one action, one class of sender."""

    TOTAL = "total"
    ACTION = "action"
    SOURCE = "source"


@dataclass(frozen=True, slots=True)
class Limit:
    """How many requests may run in a window that ends now. Either ``most`` or ``share`` is given.

    Attributes:
        guard: the id of the guard file, whose breaker opens past the limit.
        actions: the actions that count together.
        share: percent of all known persons; the limit is never less than one request.
    """

    guard: str
    actions: tuple[str, ...]
    per: timedelta
    most: int | None = None
    share: float | None = None
    scope: Scope = Scope.TOTAL

    def allowed(self, people: int) -> int:
        """How many requests may run if so many persons are known."""
        if self.most is not None:
            return self.most
        return max(1, int(people * (self.share or 0) / 100))

    @property
    def text(self) -> str:
        """The limit in words, such as ``50 in 1h`` or ``1% in 1d by source``."""
        amount = f"{self.share:g}%" if self.most is None else str(self.most)
        scope = "" if self.scope is Scope.TOTAL else f" by {self.scope}"
        return f"{amount} in {format_duration(self.per)}{scope}"


def _checked(text: str) -> str:
    if _parts(text) is None:
        raise invalid(
            code="bad-limit",
            text="a limit is a number or a share of all people, and a time, such as 50 per 1h, "
            "1% per 1d, or 20 per 1h by source; this is {found}",
            found=shown(text),
        )
    return text


LimitText = Annotated[Name, AfterValidator(_checked), Field(json_schema_extra={"pattern": _SHAPE})]


def read_limits(texts: Sequence[str], *, guard: str, actions: tuple[str, ...]) -> Iterator[Limit]:
    """The limits of a guard file."""
    for text in texts:
        parts = _parts(text)
        if parts is not None:
            most, share, per, scope = parts
            yield Limit(guard, actions, per, most, share, scope)


def _parts(text: str) -> tuple[int | None, float | None, timedelta, Scope] | None:
    """The number or the share, the window and the scope; None if the text is no limit."""
    found = _LIMIT.fullmatch(text)
    if found is None:
        return None
    amount, percent, span, scope = found.groups()
    per = parse_duration(span)
    share = float(amount) if percent else None
    if per is None or per <= ZERO or (share is not None and not 0 < share <= _PERCENT):
        return None
    if share is None and "." in amount:
        return None
    most = int(amount) if share is None else None
    return most, share, per, Scope(scope) if scope else Scope.TOTAL
