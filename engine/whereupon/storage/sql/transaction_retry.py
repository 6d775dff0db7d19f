"""Transactions that met another writer, and run again from their start.

Deciding a batch is pure, so it is loaded and decided again from what the other writer has written.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TypeVar

from whereupon.errors import StoreError
from whereupon.ports import Session
from whereupon.storage.deadline import Deadline

T = TypeVar("T")


class LostRaceError(StoreError):
    """Another writer was first. Nothing is written; the same work can run again."""

    def __init__(self, *, reason: str) -> None:
        super().__init__(code="conflict", reason=reason)


def retry(
    begin: Callable[[], AbstractContextManager[Session]],
    work: Callable[[Session], T],
    deadline: Deadline,
) -> T:
    """Do work in a transaction of its own, again while others are in the way.

    Raises:
        StoreError: with the code ``busy``, if the deadline passes.
    """
    while True:
        try:
            with begin() as session:
                return work(session)
        except StoreError as error:
            if not isinstance(error, LostRaceError) and error.code != "busy":
                raise
            if not deadline.wait():
                raise _late(error) from error


def _late(last: StoreError) -> StoreError:
    if last.code == "busy":
        return last
    reason = f"lost one race after another against other writers; the last: {last.reason}"
    return StoreError(code="busy", reason=reason)
