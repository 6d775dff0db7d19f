"""The outbox's other end: due deliveries are handed to channels, retried, and given up at last.

Deliveries are leased in one transaction, handed over outside of any, and settled one by one, when each
call returns. A crash leaves the leases to run out; what was under way then goes out again under the
same idempotency key: at least once, never silently. Right before each call the person is looked at
again: who must not be sent it any more is not, and the channel gets their address as it is now.
"""

import logging
import sys
from _thread import LockType
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from threading import Lock
from typing import TextIO

from whereupon.decide.consent import reason_to_withhold
from whereupon.delivery.channel_calls import (
    ChannelCaller,
    ChannelHangsError,
    ChannelTimeoutError,
    Handed,
    NotRunError,
)
from whereupon.delivery.monitoring import Event, Monitor
from whereupon.errors import StoreError, WhereuponError
from whereupon.messages.codec import encode
from whereupon.messages.times import ZERO, later
from whereupon.ports import Channel, Clock, LeasedNow, Session, Settlement, Store
from whereupon.records import Delivery, DeliveryState

_LOG = logging.getLogger("whereupon.delivery")
_GRACE = 5.0
"""Seconds for what is between two calls: it writes to the store."""


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


class GiveUp(WhereuponError):  # noqa: N818 - what a channel says, no fault
    """Raised by a channel that will never take the delivery: it is dead at once."""

    def __init__(self, reason: str = "given up") -> None:
        super().__init__(reason)


PAUSE = timedelta(minutes=1)
"""After so long it is looked again whether a rule that is switched off is on."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential backoff: ``first``, doubled each time up to ``longest``, for three days.

    The jitter (up to a quarter more) follows from the delivery's idempotency key, so that it spreads
    a burst and is the same on every machine.

    Attributes:
        tries: how many at most, however soon they are over; None for as many as `for_at_least` takes.
        for_at_least: how long it is tried before it is given up, counted in pauses: a channel that
            asks for more time only adds to it.
        lease: how long a delivery is kept from others while it is being handed over.
        timeout: how long a channel may take for one delivery, by the machine's own clock; then it
            counts as failed. Keep it well below half the lease.

    Raises:
        ValueError: ``first`` is nothing, and so are all pauses, and there is no limit to the tries.
    """

    tries: int | None = None
    first: timedelta = timedelta(seconds=10)
    longest: timedelta = timedelta(hours=6)
    lease: timedelta = timedelta(minutes=5)
    timeout: timedelta = timedelta(seconds=30)
    for_at_least: timedelta = timedelta(hours=72)

    def __post_init__(self) -> None:
        if self.tries is None and min(self.first, self.longest) <= ZERO:
            message = "without pauses it would be tried for ever: say tries="
            raise ValueError(message)

    def pause(self, delivery: Delivery, attempts: int) -> timedelta:
        """How long to wait after that many attempts."""
        return self.pause_for(delivery.idempotency_key, attempts)

    def pause_for(self, idempotency_key: str, attempts: int) -> timedelta:
        """The same for anything that has an idempotency key."""
        doubled = self.first * 2 ** min(attempts - 1, 40)
        jitter = int(idempotency_key[:4], 16) / 0xFFFF / 4
        pause: timedelta = min(doubled, self.longest) * (1 + jitter)
        return pause

    def gives_up(self, attempts: int) -> bool:
        """Whether that many attempts are enough."""
        if self.tries is not None and attempts >= self.tries:
            return True
        return self._tried_for(attempts) >= self.for_at_least

    def _tried_for(self, attempts: int) -> timedelta:
        """How long the pauses between that many attempts are together, without jitter."""
        total, pause, left = ZERO, self.first, attempts - 1
        while left > 0 and ZERO < pause < self.longest:
            total, pause, left = total + pause, 2 * pause, left - 1
        return total + left * min(pause, self.longest)

    def after_failure(
        self, idempotency_key: str, attempts: int, error: BaseException
    ) -> timedelta | None:
        """How long to wait after an attempt that failed; None to give up.

        A channel may ask for more time than the backoff gives it, and never for less: one that is in
        trouble often says *at once*.
        """
        if isinstance(error, GiveUp) or self.gives_up(attempts):
            return None
        pause = self.pause_for(idempotency_key, attempts)
        asked = error.after if isinstance(error, RetryLater) else None
        return pause if asked is None else max(pause, asked)


@dataclass(frozen=True, slots=True)
class Dispatched:
    """How a round of dispatching went."""

    sent: int = 0
    retried: int = 0
    dead: int = 0
    withheld: int = 0

    def __add__(self, other: "Dispatched") -> "Dispatched":
        """How two rounds went together."""
        return Dispatched(
            self.sent + other.sent,
            self.retried + other.retried,
            self.dead + other.dead,
            self.withheld + other.withheld,
        )


class Dispatcher:
    """Hands due deliveries to the registered channels. Thread-safe; many may share a store.

    Args:
        otherwise: takes the deliveries of every name that is not registered; with None they are held
            until some process has their channel.
        is_paused: whether a rule is switched off: what it has made already is not handed over until it
            is on again.
    """

    def __init__(
        self,
        store: Store,
        channels: Mapping[str, Channel],
        otherwise: Channel | None,
        clock: Clock,
        policy: RetryPolicy | None = None,
        monitor: Monitor | None = None,
        *,
        is_paused: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._is_paused = is_paused
        self._store = store
        self._channels = channels
        self._otherwise = otherwise
        self._clock = clock
        self._policy = policy or RetryPolicy()
        self._monitor = monitor or Monitor()
        self._hands = ChannelCaller(self._policy.timeout.total_seconds())
        self._is_stopped = False

    @property
    def names(self) -> tuple[str, ...] | None:
        """The channels whose deliveries this process takes; None for all."""
        return tuple(self._channels) if self._otherwise is None else None

    def dispatch_due(self, limit: int = 100) -> Dispatched:
        """Hand over everything that is due by now; returns how it went."""
        counts: Counter[DeliveryState] = Counter()
        hanging: set[str] = set()
        while not self._is_stopped:
            leased_until = later(self._clock.now(), self._policy.lease)
            leased, held = self._store.transact(
                partial(self._lease, leased_until=leased_until, limit=limit)
            )
            self._monitor.warn_of_held(held)
            if leased:
                self._hand_over(leased, leased_until, hanging, counts)
            elif not held:
                break
        return Dispatched(
            counts[DeliveryState.SENT],
            counts[DeliveryState.PENDING],
            counts[DeliveryState.DEAD],
            counts[DeliveryState.WITHHELD],
        )

    def stop(self) -> None:
        """Begin no more calls, and put back what was taken and has not been handed over."""
        self._is_stopped = True
        self._hands.stop()

    def end(self, seconds: float) -> bool:
        """Wait so long until no call is under way, and then leave behind those that are.

        Returns:
            Whether there were none.
        """
        if self._hands.wait(seconds):
            return True
        self._hands.abandon()
        self._hands.wait(_GRACE)
        return False

    def _lease(
        self, session: Session, *, leased_until: datetime, limit: int
    ) -> tuple[list[Delivery], dict[str, int]]:
        """What is due, of channels that are here; and what was held, once there is no more of that."""
        now, names = self._clock.now(), self.names
        leased = session.lease_deliveries(now, leased_until, limit, names)
        if names is None or len(leased) == limit:
            return leased, {}
        return leased, session.hold_deliveries(now, names, limit)

    def _hand_over(
        self,
        leased: list[Delivery],
        leased_until: datetime,
        hanging: set[str],
        counts: Counter[DeliveryState],
    ) -> None:
        """Hand over what can be settled well within the lease.

        Past its lease a delivery may be in other hands already, sent or not.

        Args:
            hanging: channels that hang in this round, and are not called again in it; adds to them.
        """
        deadline = later(self._clock.now(), self._policy.lease / 2)
        told = self._monitor, counts
        settler = _Settler(
            self._store, self._clock, self._policy, *told, leased_until, self._is_paused
        )
        hanging |= self._hands.hand_over(
            leased,
            self._channel,
            settler,
            lambda: self._clock.now() < deadline,
            closed=frozenset(hanging),
        )

    def _channel(self, name: str) -> Channel:
        found = self._channels.get(name, self._otherwise)
        assert found is not None  # noqa: S101 - only what is here was leased
        return found


@dataclass(slots=True)
class _Settler:
    """Writes down what becomes of what was leased together; see `handing.Settler`."""

    store: Store
    clock: Clock
    policy: RetryPolicy
    monitor: Monitor
    counts: Counter[DeliveryState]
    leased_until: datetime
    is_paused: Callable[[str], bool]
    lock: LockType = field(default_factory=Lock)

    def settle_and_prepare(
        self, returned: Handed | None, following: Delivery | None
    ) -> Delivery | None:
        """Settle one delivery, and look at the next, in one transaction."""
        ends = [] if returned is None else [self._settlement(returned)]
        ready, refused = self.store.transact(
            partial(self._settle_and_prepare, ends=ends, following=following)
        )
        if returned is not None:
            self._tell(returned, ends[0])
        if following is not None and refused is not None:
            self._count(refused.state)
            self.monitor.tell_of_delivery(
                Event.WITHHELD, _settled(following, refused), reason=refused.reason or ""
            )
        return ready

    def _settle_and_prepare(
        self, session: Session, *, ends: list[Settlement], following: Delivery | None
    ) -> tuple[Delivery | None, Settlement | None]:
        """The next delivery as it is to be handed over, or why it is withheld; neither where it is gone."""
        session.settle(ends)
        leased_now = None if following is None else session.leased_now(following.key)
        if following is None or leased_now is None or not self._is_ours(leased_now):
            return None, None
        if self.is_paused(following.rule):
            until = later(self.clock.now(), PAUSE)
            state, tried = DeliveryState.PENDING, following.attempts
            session.settle([Settlement(following.key, state, tried, until, following.reason)])
            return None, None
        kind, topic = following.kind, following.topic
        reason = reason_to_withhold(leased_now.attributes, kind, topic)
        if reason is not None:
            state, now = DeliveryState.WITHHELD, self.clock.now()
            refused = Settlement(following.key, state, following.attempts, now, reason)
            session.settle([refused])
            return None, refused
        person, recipient = leased_now.user_id or following.person, leased_now.attributes or {}
        return following._replace(person=person, recipient=recipient), None

    def _is_ours(self, leased_now: LeasedNow) -> bool:
        """Whether it still waits for this hand-over, and was not taken by others when that took long."""
        return leased_now.state is DeliveryState.PENDING and leased_now.due_at == self.leased_until

    def settle(self, ends: Sequence[Handed]) -> None:
        """Settle several at once."""
        settlements = [self._settlement(end) for end in ends]
        self.store.transact(lambda session: session.settle(settlements))
        for end, settlement in zip(ends, settlements, strict=True):
            self._tell(end, settlement)

    def put_back(self, deliveries: Sequence[Delivery]) -> bool:
        """Let go of deliveries; where the store cannot, their lease runs out."""
        ends = [Settlement(d.key, d.state, d.attempts, d.due_at, d.reason) for d in deliveries]
        try:
            self.store.transact(lambda session: session.settle(ends))
        except StoreError as error:
            _LOG.warning("put-back-failed code=%s deliveries=%d", error.code, len(ends))
            return False
        return True

    def _settlement(self, handed: Handed) -> Settlement:
        delivery, error = handed
        attempts, now = delivery.attempts + 1, self.clock.now()
        if error is None:
            return Settlement(delivery.key, DeliveryState.SENT, attempts, now, None)
        reason = _reason_of(error)
        if isinstance(error, ChannelHangsError):
            state, due_at = DeliveryState.PENDING, later(now, self.policy.first)
            return Settlement(delivery.key, state, delivery.attempts, due_at, reason)
        pause = self.policy.after_failure(delivery.idempotency_key, attempts, error)
        if pause is None:
            return Settlement(delivery.key, DeliveryState.DEAD, attempts, now, reason)
        due_at = later(now, pause)
        return Settlement(delivery.key, DeliveryState.PENDING, attempts, due_at, reason)

    def _tell(self, handed: Handed, settlement: Settlement) -> None:
        self._count(settlement.state)
        error = handed.error
        if isinstance(error, ChannelHangsError):
            return
        after = _settled(handed.delivery, settlement)
        if error is None:
            self.monitor.tell_of_delivery(Event.SENT, after)
            return
        self.monitor.tell_of_delivery(Event.FAILED, after, error=type(error).__name__)
        if settlement.state is DeliveryState.DEAD:
            self.monitor.tell_of_delivery(Event.DEAD, after, error=type(error).__name__)

    def _count(self, state: DeliveryState) -> None:
        with self.lock:
            self.counts[state] += 1


def _settled(delivery: Delivery, end: Settlement) -> Delivery:
    return delivery._replace(
        state=end.state, attempts=end.attempts, due_at=end.due_at, reason=end.reason
    )


def _as_duration(after: timedelta | float | None) -> timedelta | None:
    if after is None or isinstance(after, timedelta):
        return after
    if isinstance(after, int | float):
        return timedelta(seconds=after)
    message = f"`after` is a timedelta or a number of seconds; this is {type(after).__name__}"
    raise TypeError(message)


def _reason_of(error: BaseException) -> str:
    if isinstance(
        error, RetryLater | GiveUp | ChannelTimeoutError | ChannelHangsError | NotRunError
    ):
        return _words_of(error)
    return f"{type(error).__name__}: {_words_of(error)}"


def _words_of(error: BaseException) -> str:
    """What an error of the host's says, as text that every database can keep."""
    try:
        said = str(error)
    except Exception as fault:  # noqa: BLE001 - the host's code, too
        return f"(its text cannot be had: {type(fault).__name__})"
    return said.replace("\0", "\N{SYMBOL FOR NULL}").encode("utf-8", "replace").decode()


def console_channel(stream: TextIO | None = None) -> Channel:
    """A channel that prints one line a delivery."""

    def show(delivery: Delivery) -> None:
        content = encode(delivery.content).decode()
        out = stream or sys.stdout
        out.write(f"[{delivery.channel}] to {delivery.person} ({delivery.rule}): {content}\n")

    return show
