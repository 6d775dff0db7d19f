"""Transactions that met another writer, and are done again from their start.

A batch is pure: loading and folding it again, from what the winner left, is all that it takes.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TypeVar

from whereupon.errors import StoreError
from whereupon.ports import Session

TRIES = 25
"""How often a transaction is begun; each loss means that somebody else's was committed."""

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
    for _ in range(TRIES):
        try:
            with begin() as session:
                return work(session)
        except LostRaceError as error:
            lost = error
    reason = f"lost {TRIES} races in a row against other writers; the last: {lost and lost.reason}"
    raise StoreError(code="busy", reason=reason) from lost
