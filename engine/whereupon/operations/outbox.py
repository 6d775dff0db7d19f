"""The outbox for its operators: list deliveries, count those that wait, send dead ones again."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from whereupon.errors import UnknownNameError
from whereupon.messages.times import earlier
from whereupon.ports import (
    ANY_DELIVERY,
    Backlog,
    Clock,
    DeadLetters,
    DeliveryFilter,
    HostTransaction,
    Session,
    Store,
)
from whereupon.records import ChannelState, Delivery, DeliveryState, is_storable

_STEP = 1_000
"""Deliveries that one transaction puts back."""


def resting_channels(session: Session, now: datetime) -> list[ChannelState]:
    """The channels that no process calls now, since they failed or their providers asked for it; by name."""
    found = session.scan(ChannelState)
    resting = (each for each in found if each.rests_until is not None and each.rests_until > now)
    return sorted(resting, key=lambda each: each.name)


class Outbox:
    """Deliveries of one store.

    Args:
        wake: called when something has become due.
    """

    def __init__(self, store: Store, clock: Clock, wake: Callable[[], None]) -> None:
        self._store = store
        self._clock = clock
        self._wake = wake

    def deliveries(
        self,
        *states: DeliveryState,
        limit: int = 100,
        which: DeliveryFilter = ANY_DELIVERY,
        person: str | None = None,
    ) -> list[Delivery]:
        """Deliveries in these states (all by default) that pass the filter, newest first.

        Args:
            person: only those of the person with this user id.
        """
        with self._store.reading() as session:
            if person is not None:
                which = which._replace(person_key=_key_of(session, person))
            return session.deliveries(states or tuple(DeliveryState), limit, which)

    def backlog(self) -> list[Backlog]:
        """How many deliveries are pending, held and dead, by channel, and how old the oldest is."""
        with self._store.reading() as session:
            return session.backlog()

    def retry(self, delivery: Delivery, *, connection: HostTransaction | None = None) -> None:
        """Put a dead delivery back, due now (see `Engine.retry`)."""
        now = self._clock.now()
        if connection is None:
            revived = self._store.transact(lambda session: session.revive(delivery.key, now))
            self._wake()
        else:
            with self._store.session(connection) as session:
                revived = session.revive(delivery.key, now)
        if not revived:
            raise UnknownNameError(kind="dead delivery", name=delivery.idempotency_key)

    def dead(
        self,
        *,
        channel: str | None = None,
        rule: str | None = None,
        since: timedelta | None = None,
    ) -> int:
        """How many deliveries are dead: of a channel, of a rule, that died at most `since` ago."""
        which = self._which(channel, rule, since)
        with self._store.reading() as session:
            return session.dead(which)

    def retry_all(
        self,
        *,
        channel: str | None = None,
        rule: str | None = None,
        since: timedelta | None = None,
    ) -> int:
        """Put all of these back, due now, in transactions of bounded size; returns how many."""
        now, which = self._clock.now(), self._which(channel, rule, since)
        with self._store.reading() as session:
            left = session.dead(which)
        total = 0
        while left > 0:  # deliveries that die again meanwhile are left for another call
            most = min(left, _STEP)
            step = self._store.transact(partial(_revive, which=which, now=now, most=most))
            total += step
            left = left - step if step else 0
        if total:
            self._wake()
        return total

    def _which(self, channel: str | None, rule: str | None, since: timedelta | None) -> DeadLetters:
        return DeadLetters(
            channel, rule, None if since is None else earlier(self._clock.now(), since)
        )


def _key_of(session: Session, user_id: str) -> int:
    known = session.identifiers([user_id], []) if is_storable(user_id) else []
    if not known:
        raise UnknownNameError(kind="person", name=user_id)
    return known[0].key


def _revive(session: Session, *, which: DeadLetters, now: datetime, most: int) -> int:
    return session.revive_some(which, now, most)
