"""Of whom something has arrived since a moment, for subjects whose timers are being made."""

from collections.abc import Collection
from datetime import datetime, timedelta

from whereupon.messages.times import earlier
from whereupon.ports import Session

MOST_LATE = timedelta(days=1)
"""How long ago a message may have happened that arrives meanwhile; one that is later still is not looked for."""


def arrivals_since(
    session: Session, persons: Collection[int], moment: datetime
) -> dict[int, datetime]:
    """By person, when the last message arrived; those from whom nothing has arrived are left out."""
    last: dict[int, datetime] = {}
    for stored in session.owned_messages(persons, earlier(moment, MOST_LATE)):
        arrived = stored.message.received_at
        if arrived > moment:
            last[stored.owner] = max(arrived, last.get(stored.owner, moment))
    return last
