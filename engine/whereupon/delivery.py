"""The outbox's other end: due deliveries are handed to channels, retried, and given up at last.

Each delivery is leased in one transaction, handed over outside of any, and settled in another. A
crash between leaves the lease to run out, and the delivery goes out again under the same idempotency
key: at least once, never silently.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TextIO

from whereupon.codec import encode
from whereupon.errors import WhereuponError
from whereupon.handing import (
    ChannelHangsError,
    ChannelTimeoutError,
    Handed,
    Hands,
    NotRunError,
)
from whereupon.ports import Channel, Clock, Session, Settlement, Store
from whereupon.state import Delivery, DeliveryState
from whereupon.times import later


class RetryLater(WhereuponError):  # noqa: N818 - what a channel asks for, no fault
    """Raised by a channel that cannot take the delivery now.

    Attributes:
        after: how long to wait at least, as a ``Retry-After`` said; None for the usual backoff.
    """

    def __init__(
        self, *, after: timedelta | float | None = None, reason: str = "asked to wait"
    ) -> None:
        """Args: ``after`` is a duration, or seconds, as in the header."""
        self.after = _as_duration(after)
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential backoff: ``first``, doubled each time up to ``longest``, ``tries`` in all.

    The jitter (up to a quarter more) follows from the delivery's idempotency key, so that it spreads
    a burst and is the same on every machine.

    Attributes:
        lease: how long a delivery is kept from others while it is being handed over.
        timeout: how long a channel may take for one delivery, by the machine's own clock; then it
            counts as failed. Keep it well below half the lease.
    """

    tries: int = 8
    first: timedelta = timedelta(seconds=10)
    longest: timedelta = timedelta(hours=6)
    lease: timedelta = timedelta(minutes=5)
    timeout: timedelta = timedelta(seconds=30)

    def pause(self, delivery: Delivery, attempts: int) -> timedelta:
        """How long to wait after that many attempts."""
        return self.pause_for(delivery.idempotency_key, attempts)

    def pause_for(self, idempotency_key: str, attempts: int) -> timedelta:
        """The same for anything that has an idempotency key."""
        doubled = self.first * 2 ** min(attempts - 1, 40)
        jitter = int(idempotency_key[:4], 16) / 0xFFFF / 4
        pause: timedelta = min(doubled, self.longest) * (1 + jitter)
        return pause


@dataclass(frozen=True, slots=True)
class Dispatched:
    """How a round of dispatching went."""

    sent: int = 0
    retried: int = 0
    dead: int = 0


class Dispatcher:
    """Hands due deliveries to the registered channels. Thread-safe; many may share a store."""

    def __init__(
        self,
        store: Store,
        channels: Mapping[str, Channel],
        otherwise: Channel,
        clock: Clock,
        policy: RetryPolicy | None = None,
    ) -> None:
        self._store = store
        self._channels = channels
        self._otherwise = otherwise
        self._clock = clock
        self._policy = policy or RetryPolicy()
        self._hands = Hands(self._policy.timeout.total_seconds())

    def dispatch_due(self, limit: int = 100) -> Dispatched:
        """Hand over everything that is due by now; returns how it went."""
        total = Dispatched()
        hanging: set[str] = set()
        while leased := self._lease(limit):
            settled = self._hand_over_in_time(leased, hanging)
            tried = {settlement.key for settlement in settled}
            left = [delivery for delivery in leased if delivery.key not in tried]
            ends = [*settled, *map(_put_back, left)]
            self._store.transact(partial(_settle, ends=ends))
            total = _counted(total, settled)
        return total

    def _hand_over_in_time(self, leased: list[Delivery], hanging: set[str]) -> list[Settlement]:
        """Hand over what can be settled well within the lease.

        Past its lease a delivery may be in other hands already, sent or not.

        Args:
            leased: what to hand over.
            hanging: channels that hang in this round, and are not called again in it; adds to them.
        """
        deadline = self._clock.now() + self._policy.lease / 2
        handed = self._hands.hand_over(
            leased,
            lambda name: self._channels.get(name, self._otherwise),
            lambda: self._clock.now() < deadline,
            closed=hanging,
        )
        settled = []
        for each in handed:
            settled.append(self._settlement(each))
            if isinstance(each.error, ChannelTimeoutError):
                hanging.add(each.delivery.channel)
        return settled

    def _lease(self, limit: int) -> list[Delivery]:
        now = self._clock.now()
        leased_until = now + self._policy.lease
        return self._store.transact(
            lambda session: session.lease_deliveries(now, leased_until, limit)
        )

    def _settlement(self, handed: Handed) -> Settlement:
        delivery, error = handed
        attempts = delivery.attempts + 1
        match error:
            case None:
                now = self._clock.now()
                return Settlement(delivery.key, DeliveryState.SENT, attempts, now, None)
            case RetryLater() as request:
                return self._failed(delivery, attempts, _words_of(request), request.after)
            case ChannelTimeoutError() | NotRunError():
                return self._failed(delivery, attempts, str(error), None)
            case ChannelHangsError():
                due_at = self._clock.now() + self._policy.first
                state = DeliveryState.PENDING
                return Settlement(delivery.key, state, delivery.attempts, due_at, str(error))
            case _:
                reason = f"{type(error).__name__}: {_words_of(error)}"
                return self._failed(delivery, attempts, reason, None)

    def _failed(
        self, delivery: Delivery, attempts: int, reason: str, after: timedelta | None
    ) -> Settlement:
        now = self._clock.now()
        if attempts >= self._policy.tries:
            return Settlement(delivery.key, DeliveryState.DEAD, attempts, now, reason)
        pause = self._policy.pause(delivery, attempts)
        due_at = later(now, max(pause, after or pause))
        return Settlement(delivery.key, DeliveryState.PENDING, attempts, due_at, reason)


def _as_duration(after: timedelta | float | None) -> timedelta | None:
    if after is None or isinstance(after, timedelta):
        return after
    if isinstance(after, int | float):
        return timedelta(seconds=after)
    message = f"`after` is a timedelta or a number of seconds; this is {type(after).__name__}"
    raise TypeError(message)


def _words_of(error: BaseException) -> str:
    """What an error of the host's says, as text that every database can keep."""
    try:
        said = str(error)
    except Exception as fault:  # noqa: BLE001 - the host's code, too
        return f"(its text cannot be had: {type(fault).__name__})"
    return said.replace("\0", "\N{SYMBOL FOR NULL}").encode("utf-8", "replace").decode()


def _settle(session: Session, *, ends: list[Settlement]) -> None:
    session.settle(ends)


def _put_back(delivery: Delivery) -> Settlement:
    return Settlement(
        delivery.key, delivery.state, delivery.attempts, delivery.due_at, delivery.reason
    )


def _counted(total: Dispatched, settlements: list[Settlement]) -> Dispatched:
    states = [settlement.state for settlement in settlements]
    return Dispatched(
        total.sent + states.count(DeliveryState.SENT),
        total.retried + states.count(DeliveryState.PENDING),
        total.dead + states.count(DeliveryState.DEAD),
    )


def console_channel(stream: TextIO | None = None) -> Channel:
    """The channel that every name has until the host registers one: it prints one line a delivery."""

    def show(delivery: Delivery) -> None:
        content = encode(delivery.content).decode()
        out = stream or sys.stdout
        out.write(f"[{delivery.channel}] to {delivery.person} ({delivery.rule}): {content}\n")

    return show
