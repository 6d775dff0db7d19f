"""The lane of one channel: it leases due deliveries as the channel's policy allows, and has them handed over.

Rate and breaker are a row in the store, which all processes change in the transaction that leases. So a call
has its place under the rate before it is begun, and of the processes that see a channel end its rest, one
makes the first call.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, Final, TypeVar

from whereupon.delivery.channel_policy import is_whole
from whereupon.delivery.event_loop import EventLoop
from whereupon.delivery.host_code import is_async
from whereupon.delivery.host_secrets import HostSecrets
from whereupon.delivery.lanes import CallEnd, Lane
from whereupon.delivery.monitor import delivery_facts
from whereupon.delivery.settlements import (
    ChannelTimeoutError,
    DeliverySettler,
    Leased,
    Outcomes,
    Parcel,
)
from whereupon.messages.times import later
from whereupon.ports import BatchSender, Channel, Session, SpanFacts
from whereupon.records import Delivery

T = TypeVar("T")

BATCH: Final = 100
"""The most deliveries that `send_many` gets where the channel does not say it."""

_AHEAD: Final = 4
_LEAST: Final = 20
"""How many deliveries are leased at once: at least so many, and for each call side by side so many."""

_LATE: Final = 5.0
"""Seconds more that an `async` call may take: it is cancelled in time, unless it blocks the loop."""

_OF_LEASE: Final = 0.4
"""The share of a lease that one call may take, and after which no call begins."""


class ChannelLane:
    """One channel of a process.

    Args:
        channel: a function, or an object with `send_many`.
        settler: records how the calls end.
        loop: runs `async` functions.
        when_idle: called when the last call has ended.
        secrets: put into the calls of `webhook` steps.

    Attributes:
        goes_on_at: the lane has nothing to do before, by its policy; None if its policy allows calls.
    """

    def __init__(
        self,
        channel: Channel | BatchSender,
        settler: DeliverySettler,
        loop: EventLoop,
        when_idle: Callable[[], object],
        secrets: HostSecrets,
    ) -> None:
        self._settler = settler
        policy, retry = settler.policy, settler.retry
        timeout = policy.timeout or retry.timeout
        self._lease_time = max(retry.lease, timeout / _OF_LEASE)
        self._size = 1
        self.goes_on_at: datetime | None = None
        seconds = timeout.total_seconds()
        function: Callable[[Any], object]
        if isinstance(channel, BatchSender):
            function = channel.send_many
            self._size = _size_of(channel)
            call = _batches_of(secrets.around_many(_plain(function, loop, seconds)))
        else:
            function = channel
            call = _singles_of(secrets.around(_plain(function, loop, seconds)))
        self._lane = Lane[Parcel](
            "channel",
            settler.channel,
            settler.monitor.watched("channel", settler.channel, call, _facts_of),
            _Work(self.take, self._settle_and_prepare, settler),
            limit=seconds + _LATE * is_async(function),
            key_of=lambda parcel: parcel[0].delivery.idempotency_key,
            timeout_error=ChannelTimeoutError,
            width=policy.concurrency,
            when_idle=when_idle,
        )
        self.wake, self.join = self._lane.wake, self._lane.join
        self.pause, self.stop, self.end = self._lane.pause, self._lane.stop, self._lane.end

    @property
    def is_busy(self) -> bool:
        """Whether it looks for work, or calls."""
        return self._lane.is_busy

    @property
    def hanging(self) -> int:
        """How many calls hang."""
        return self._lane.hanging

    @property
    def is_closed(self) -> bool:
        """Whether it hangs in so many calls that it begins no other."""
        return self._lane.is_closed

    def take(self, free: int) -> Sequence[Parcel]:
        """Lease deliveries for so many calls that could begin now."""
        wanted = max(_LEAST, _AHEAD * self._settler.policy.concurrency)
        if self._settler.policy.rate is not None:  # their calls begin at once
            wanted = free
        work = partial(self._lease, wanted=wanted * self._size)
        leased, goes_on_at = self._settler.store.transact(work)
        self.goes_on_at = goes_on_at
        if goes_on_at is not None:
            settler = self._settler
            settler.monitor.measures.count_event("channel-waited", settler.channel)
        return [tuple(leased[at : at + self._size]) for at in range(0, len(leased), self._size)]

    def _settle_and_prepare(
        self, ended: CallEnd[Parcel] | None, following: Parcel | None
    ) -> Parcel | None:
        """Settle and prepare; if that ends a rest, look for what was left waiting during it."""
        has_rested = self._settler.rests_until is not None
        ready = self._settler.settle_and_prepare(ended, following)
        if has_rested and self._settler.rests_until is None:
            self.wake()
        return ready

    def _lease(self, session: Session, *, wanted: int) -> tuple[list[Leased], datetime | None]:
        """Deliveries as many as the policy allows; when it allows more, if it allows none."""
        settler, now = self._settler, self._settler.clock.now()
        policy, has_limits = settler.policy, settler.policy.rate or settler.policy.breaker
        state = (session.lock_channel if has_limits else session.channel)(settler.channel)
        settler.know(state)
        if state.rests_until is not None and now < state.rests_until:
            return [], state.rests_until
        is_probe = policy.breaker is not None and state.failures >= policy.breaker.failures
        wanted = self._size if is_probe else wanted
        if policy.rate is not None:
            wanted = min(wanted, policy.rate.calls - state.begun(now, policy.rate.span))
            if wanted <= 0:
                return [], state.free_at(now, policy.rate.span)
        until = later(now, self._lease_time)
        found = session.lease_deliveries(settler.channel, now, until, wanted)
        if not found:
            return [], None
        if policy.rate is not None:
            state = state.with_calls(len(found), now, policy.rate.span)
        if is_probe:
            state = replace(state, rests_until=until)
        if has_limits and (is_probe or policy.rate is not None):
            session.put_channel(state)
        latest = later(now, self._lease_time * _OF_LEASE)
        return [Leased(delivery, until, latest, is_probe) for delivery in found], None


class _Work:
    """A channel's work: what its lane leases, and what its settler records."""

    def __init__(
        self,
        take: Callable[[int], Sequence[Parcel]],
        settle_and_prepare: Callable[[CallEnd[Parcel] | None, Parcel | None], Parcel | None],
        settler: DeliverySettler,
    ) -> None:
        self.take = take
        self.settle_and_prepare = settle_and_prepare
        self.settle = settler.settle
        self.put_back = settler.put_back


def _facts_of(parcel: Parcel) -> SpanFacts:
    return delivery_facts([leased.delivery for leased in parcel])


def _size_of(channel: BatchSender) -> int:
    """The most deliveries that `send_many` gets.

    Raises:
        ValueError: the channel's `batch_size` is no number of deliveries.
    """
    size: object = getattr(channel, "batch_size", BATCH)
    if isinstance(size, int) and is_whole(size) and size > 0:
        return size
    message = f"batch_size is a whole number from 1 on, not {size!r}"
    raise ValueError(message)


def _singles_of(call: Callable[[Delivery], object]) -> Callable[[Parcel], object]:
    """What calls a channel with the one delivery of a parcel."""

    def send(parcel: Parcel) -> object:
        (leased,) = parcel
        return call(leased.delivery)

    return send


def _batches_of(call: Callable[[Sequence[Delivery]], object]) -> Callable[[Parcel], object]:
    """What calls `send_many` with the deliveries of a parcel."""

    def send(parcel: Parcel) -> object:
        return Outcomes(call([leased.delivery for leased in parcel]))

    return send


def _plain(
    function: Callable[[T], object], loop: EventLoop, seconds: float
) -> Callable[[T], object]:
    """The function, or what runs an `async` one on the loop and waits for it."""
    if not is_async(function):
        return function

    def run(argument: T) -> object:
        try:
            return loop.run(lambda: function(argument), seconds)  # type: ignore[arg-type,return-value]
        except TimeoutError as error:
            raise ChannelTimeoutError(seconds) from error

    return run
