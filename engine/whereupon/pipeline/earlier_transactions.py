"""Before a pass over all people begins, every transaction is over that may make a person known and knows nothing of the pass."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple, TypeAlias

from whereupon.messages.times import later
from whereupon.ports import Session

LONGEST_TRANSACTION = timedelta(hours=1)
"""No transaction is taken to last longer."""

Place: TypeAlias = tuple[str, str]
"""What a pass is for: a subject of timers, and the digest of its rule or its condition."""


class _Earlier(NamedTuple):
    """The transactions that were open when a pass was first seen, as far as they still are, and when that was."""

    seen_at: datetime
    still_open: frozenset[str]


class EarlierTransactions:
    """What passes wait for that have not begun. Each process notes it for itself. Threads share it.

    The pass does not see people whom an open transaction makes known. That transaction sees to them itself if it
    began after the pass was stored, as then it knows of it.
    """

    def __init__(self) -> None:
        self._of: Mapping[Place, _Earlier] = {}

    def look(self, session: Session, places: Collection[Place], now: datetime) -> None:
        """Note which transactions are open when a pass is seen for the first time, and which of them no more.

        Args:
            places: of all passes that have not begun.
            now: the clock's time.
        """
        before = self._of
        if all(place in before and not before[place].still_open for place in places):
            self._of = {place: before[place] for place in places}
            return
        are_open = session.open_transactions()
        new = _Earlier(now, are_open)
        seen = {place: before.get(place, new) for place in places}
        self._of = {
            place: _Earlier(each.seen_at, each.still_open & are_open)
            for place, each in seen.items()
        }

    def are_over(self, place: Place, now: datetime) -> bool:
        """Whether a pass may begin, at which `look` has looked: it waits no longer than a transaction lasts."""
        earlier = self._of.get(place)
        if earlier is None:
            return False
        return not earlier.still_open or now >= later(earlier.seen_at, LONGEST_TRANSACTION)
