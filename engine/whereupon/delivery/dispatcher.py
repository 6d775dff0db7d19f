"""The outbox's other end: due deliveries are handed to channels, retried, and given up at last.

Deliveries are leased in one transaction, handed over outside of any, and settled one by one when each call
returns. After a crash the leases run out, and what was under way goes out again under the same idempotency key:
at least once, never silently. Right before each call the person is read again: a person who must not be sent the
delivery any more does not get it, and the channel gets the person's address as it is now.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from whereupon.delivery.host_calls import HostCaller, Line
from whereupon.delivery.monitor import Monitor
from whereupon.delivery.retries import RetryPolicy
from whereupon.delivery.settlements import ChannelTimeoutError, DeliverySettler
from whereupon.messages.times import later
from whereupon.ports import Channel, Clock, Session, Store
from whereupon.records import Delivery, DeliveryState


@dataclass(frozen=True, slots=True)
class Dispatched:
    """What a round of dispatching did."""

    sent: int = 0
    retried: int = 0
    dead: int = 0
    withheld: int = 0

    def __add__(self, other: "Dispatched") -> "Dispatched":
        """What two rounds did together."""
        return Dispatched(
            self.sent + other.sent,
            self.retried + other.retried,
            self.dead + other.dead,
            self.withheld + other.withheld,
        )


class Dispatcher:
    """Hands due deliveries to the registered channels. Thread-safe; many may share a store.

    Args:
        fallback: the channel for every name that is not registered; with None such deliveries are held until
            some process has their channel.
        is_paused: whether a rule is switched off. The deliveries that it has made already wait until it is on
            again.
    """

    def __init__(
        self,
        store: Store,
        channels: Mapping[str, Channel],
        fallback: Channel | None,
        clock: Clock,
        policy: RetryPolicy | None = None,
        monitor: Monitor | None = None,
        *,
        is_paused: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._is_paused = is_paused
        self._store = store
        self._channels = channels
        self._fallback = fallback
        self._clock = clock
        self._policy = policy or RetryPolicy()
        self._monitor = monitor or Monitor()
        self._limit = self._policy.timeout.total_seconds()
        self._caller = HostCaller[Delivery](
            "channel", lambda delivery: delivery.idempotency_key, ChannelTimeoutError
        )

    @property
    def names(self) -> tuple[str, ...] | None:
        """The channels whose deliveries this process takes; None for all."""
        return tuple(self._channels) if self._fallback is None else None

    def dispatch_due(self, limit: int = 100) -> Dispatched:
        """Hand over everything that is due by now."""
        counts: Counter[DeliveryState] = Counter()
        hanging: set[str] = set()
        while not self._caller.is_stopped:
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
        """Begin no more calls, and put back what was leased and not handed over."""
        self._caller.stop()

    def end(self, seconds: float) -> bool:
        """Wait until no call runs, and then abandon those that do; whether all ended by themselves."""
        return self._caller.end(seconds)

    def _lease(
        self, session: Session, *, leased_until: datetime, limit: int
    ) -> tuple[list[Delivery], dict[str, int]]:
        """Due deliveries for channels of this process; once there are none, those that were held."""
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

        After its lease a delivery may be with another process already, sent or not.

        Args:
            hanging: channels that hang in this round and are not called again in it; the call adds to them.
        """
        deadline = later(self._clock.now(), self._policy.lease / 2)
        settler = DeliverySettler(
            store=self._store,
            clock=self._clock,
            policy=self._policy,
            monitor=self._monitor,
            counts=counts,
            leased_until=leased_until,
            is_paused=self._is_paused,
        )
        by_channel: dict[str, list[Delivery]] = defaultdict(list)
        for delivery in leased:
            by_channel[delivery.channel].append(delivery)
        hanging |= self._caller.call(
            [
                Line(name, self._channel(name), theirs, self._limit)
                for name, theirs in by_channel.items()
            ],
            settler,
            lambda: self._clock.now() < deadline,
            closed=frozenset(hanging),
        )

    def _channel(self, name: str) -> Channel:
        found = self._channels.get(name, self._fallback)
        assert found is not None  # noqa: S101 - only deliveries for channels of this process were leased
        return found
