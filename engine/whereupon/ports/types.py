"""Values that the store's port takes and returns, and that no table holds as they are."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from pydantic import JsonValue

from whereupon.records import Delivery, DeliveryState, Person


class HistoryNeed(NamedTuple):
    """Which past messages of one person or anonymous id a rule may ask about.

    Attributes:
        owner: the key of the person or anonymous id.
        names: of track messages.
        since: the oldest timestamp that matters; None if all do.
    """

    owner: int
    names: frozenset[str]
    since: datetime | None


@dataclass(frozen=True, slots=True)
class Settlement:
    """How one try at a delivery ended.

    Attributes:
        key: the delivery's.
        due_at: when the next try is due, if the state is pending.
        reason: why it failed; None if it did not.
        awaited_by: the key of the entry that waits for the delivery's end; None if no entry does.
        result: what the function of a `run` step returned.
    """

    key: int
    state: DeliveryState
    attempts: int
    due_at: datetime
    reason: str | None
    awaited_by: int | None = None
    result: JsonValue = None

    @property
    def wakes(self) -> int | None:
        """The key of the entry that has waited for this; None if none has, or if it waits on."""
        is_final = self.state in (DeliveryState.SENT, DeliveryState.DEAD, DeliveryState.WITHHELD)
        return self.awaited_by if is_final else None


class LeasedNow(NamedTuple):
    """A leased delivery and its person, as they are now.

    Attributes:
        state: another process may have settled or withheld it since.
        due_at: when its lease ends. It has changed if another process has leased it since.
        user_id: the person's first; None if the person is gone.
        attributes: the person's, as they are now; None likewise.
        is_suppressing: whether any address of its channel is suppressed.
        is_paused: whether an operator has paused its rule.
    """

    state: DeliveryState
    due_at: datetime
    user_id: str | None
    attributes: Mapping[str, JsonValue] | None
    is_suppressing: bool = False
    is_paused: bool = False


class WaitingChannels(NamedTuple):
    """The channels of deliveries that wait.

    Attributes:
        pending: when the first of a channel's pending deliveries is due.
        held: channels that have held deliveries.
    """

    pending: Mapping[str, datetime]
    held: frozenset[str]


class DeadLetters(NamedTuple):
    """A filter on dead deliveries: by channel, by rule, by when they died. None means any."""

    channel: str | None = None
    rule: str | None = None
    since: datetime | None = None


class DeliveryFilter(NamedTuple):
    """A filter on deliveries. None means any.

    Attributes:
        before: only deliveries with smaller keys, which are older.
    """

    channel: str | None = None
    rule: str | None = None
    person_key: int | None = None
    before: int | None = None

    def passes(self, delivery: Delivery) -> bool:
        """Whether a delivery passes."""
        return (
            self.channel in {None, delivery.channel}
            and self.rule in {None, delivery.rule}
            and self.person_key in {None, delivery.person_key}
            and (self.before is None or delivery.key < self.before)
        )


ANY_DELIVERY = DeliveryFilter()
"""Every delivery passes."""


class Backlog(NamedTuple):
    """The number of deliveries of one channel in one state: pending, held, paused or dead.

    Attributes:
        oldest: when the first of them was due, or died.
    """

    state: DeliveryState
    channel: str
    number: int
    oldest: datetime


@dataclass(frozen=True, slots=True)
class Counts:
    """How many rows a store holds."""

    messages: int
    persons: int
    entries: int
    deliveries: int


class Stretch(NamedTuple):
    """A part of all persons, by key.

    Attributes:
        cursor: the key of the last person who was looked at; None if there is nobody behind.
    """

    persons: list[Person]
    cursor: int | None


def is_meant(delivery: Delivery, which: DeadLetters) -> bool:
    """Whether a delivery is dead and passes the filter."""
    return (
        delivery.state is DeliveryState.DEAD
        and which.channel in {None, delivery.channel}
        and which.rule in {None, delivery.rule}
        and (which.since is None or delivery.due_at >= which.since)
    )
