"""Transactions that met another writer, and are done again from their start.

A batch is pure: loading and folding it again, from what the winner left, is all that it takes.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from time import sleep
from typing import TypeVar

from whereupon.errors import StoreError
from whereupon.ports import Session

TRIES = 25
"""How often a transaction is begun; each loss means that somebody else's was committed, or is at it."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.001, 0.25
"""Seconds between two tries; the pauses double, and make four seconds in all."""

T = TypeVar("T")


class LostRaceError(StoreError):
    """Another writer was first. Nothing is written; the same work can be done again."""

    def __init__(self, *, reason: str) -> None:
        super().__init__(code="conflict", reason=reason)


def retrying(
    begin: Callable[[], AbstractContextManager[Session]], work: Callable[[Session], T]
) -> T:
    """Do work in a transaction of its own, again and again while races are lost.

    Raises:
        StoreError: with the code ``busy``, when every try was lost.
    """
    lost: LostRaceError | None = None
    for attempt in range(TRIES):
        if attempt:
            sleep(min(_FIRST_PAUSE * 2 ** (attempt - 1), _LONGEST_PAUSE))
        try:
            with begin() as session:
                return work(session)
        except LostRaceError as error:
            lost = error
    reason = f"lost {TRIES} races in a row against other writers; the last: {lost and lost.reason}"
    raise StoreError(code="busy", reason=reason) from lost
