"""Caps: how much a person is sent at most within a rolling window, over all rules.

A marketing delivery takes a place under each cap of its channel in the transaction that makes it: from then on
it counts, as long as it waits, and after it was sent until the window has passed. One that is withheld, withdrawn
or dead has given its place back; one that is withdrawn while its channel is called, when the call has ended. A transaction holds the persons whose sends it counts, so that no other one takes
the same place.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from whereupon.messages.times import ZERO, earlier, later
from whereupon.records import CountedSend, Delivery, Entry, EntryState, MarkKind, mark_at
from whereupon.rules.model import Cap

CAP: Final = "cap"
"""The reason for which a delivery over a cap is withheld."""


_ACTIVE = EntryState.ACTIVE


class FullCap(NamedTuple):
    """A cap under which there is no place now.

    Attributes:
        free_at: the first moment at which there may be one, by what is known now. It is later if a delivery that
            waits is sent later.
    """

    cap: Cap
    free_at: datetime


def full_caps(
    caps: Iterable[Cap], channel: str, sends: Sequence[CountedSend], now: datetime
) -> list[FullCap]:
    """The caps that leave no place for one more delivery on a channel.

    Args:
        caps: of the folder.
        channel: its name.
        sends: all that may count for the person.
        now: when the delivery would be made. What was sent exactly the window's length before counts no more.
    """
    return [
        FullCap(cap, free_at)
        for cap in caps
        if cap.concerns(channel) and (free_at := _free_at(cap, sends, now)) > now
    ]


def free_from(
    caps: Iterable[Cap], channel: str, sends: Sequence[CountedSend], now: datetime
) -> datetime:
    """The first moment at which every cap may leave a place (see `full_caps`); now if each does."""
    return max((each.free_at for each in full_caps(caps, channel, sends, now)), default=now)


def _free_at(cap: Cap, sends: Sequence[CountedSend], now: datetime) -> datetime:
    """From when on there is a place; now if there is one."""
    ends = sorted(
        end
        for send in sends
        if cap.concerns(send.channel) and (end := _counts_until(send, cap.per, now)) > now
    )
    return now if len(ends) < cap.at_most else ends[len(ends) - cap.at_most]


def _counts_until(send: CountedSend, per: timedelta, now: datetime) -> datetime:
    """The end of the window in which a send counts; one that is put off may be sent from now on."""
    if send.is_withdrawn:
        return send.at
    return later(send.at if send.is_sent else min(send.at, now), per)


def counted_since(caps: Iterable[Cap], moment: datetime) -> datetime:
    """Sends later than this may count at a moment, and after it."""
    return earlier(moment, longest_window(caps))


def longest_window(caps: Iterable[Cap]) -> timedelta:
    """The length of the longest window; zero without caps."""
    return max((cap.per for cap in caps), default=ZERO)


def waits_for_place(entry: Entry, at: datetime) -> bool:
    """Whether the entry stands at a send and waits for a place longer than until an instant."""
    if entry.state is not _ACTIVE or entry.due_at is None or entry.due_at <= at:
        return False
    return mark_at(entry.trail, entry.address, MarkKind.CAP) is not None


class BatchSends:
    """What counts under caps for the persons of a batch, what the batch itself has made included.

    Args:
        loaded: what the store has; nothing if the folder has no caps.
    """

    def __init__(self, loaded: Iterable[CountedSend]) -> None:
        self._of: dict[int, list[CountedSend]] = {}
        for send in loaded:
            self.take(send)

    def add(self, delivery: Delivery) -> None:
        """Note a delivery that the batch makes."""
        send = CountedSend.of(delivery)
        if send is not None:
            self.take(send)

    def take(self, send: CountedSend) -> None:
        """Note that a place is taken."""
        self._of.setdefault(send.person_key, []).append(send)

    def of(self, person_key: int, withdrawn: Collection[str]) -> list[CountedSend]:
        """All of a person.

        Args:
            person_key: the person's.
            withdrawn: idempotency keys of deliveries that the batch withdraws; one that was sent counts all the same.
        """
        theirs = self._of.get(person_key, ())
        after = (s.withdrawn() if s.idempotency_key in withdrawn else s for s in theirs)
        return [send for send in after if send is not None]

    def gives_back(self, person_key: int, withdrawn: Collection[str]) -> bool:
        """Whether deliveries of a person give places back as they are withdrawn, given by their idempotency keys."""
        theirs = self._of.get(person_key, ())
        return any(not s.is_sent and s.idempotency_key in withdrawn for s in theirs)

    def move(self, loser: int, survivor: int) -> None:
        """Give the sends of a person to another one, into whom they are merged."""
        if theirs := self._of.pop(loser, None):
            self._of.setdefault(survivor, []).extend(theirs)
