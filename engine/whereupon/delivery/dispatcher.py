"""The outbox's other end: due deliveries are handed to channels, retried, and given up at last.

Each channel has a lane. It leases deliveries in one transaction, hands them over outside of any, and settles
each when its call returns. After a crash the leases run out, and what was under way goes out again under the
same idempotency key: at least once, never silently. Right before each call the person is read again: a person
who must not be sent the delivery any more does not get it, and the channel gets the person's address as it is
now. No channel waits for another one.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock, Thread
from time import monotonic

from whereupon.decide import Settings
from whereupon.delivery.address_check import AddressCheck
from whereupon.delivery.channel_lane import ChannelLane
from whereupon.delivery.channel_policy import ChannelPolicy
from whereupon.delivery.event_loop import EventLoop
from whereupon.delivery.host_secrets import HostSecrets
from whereupon.delivery.monitor import Monitor
from whereupon.delivery.objections import HandOverCheck, QuietUntil
from whereupon.delivery.retries import Retry
from whereupon.delivery.settled_counts import Counts
from whereupon.delivery.settlements import DeliverySettler
from whereupon.ports import BatchSender, Channel, Clock, Session, Store
from whereupon.records import Delivery, DeliveryState
from whereupon.rules.model import Cap
from whereupon.runtime.forks import ForkAware, watch_forks
from whereupon.runtime.log_lines import log_event

_HELD_AT_ONCE = 1_000
"""Deliveries that one transaction holds."""

_LOG = logging.getLogger("whereupon.waking")


@dataclass(frozen=True, slots=True)
class Dispatched:
    """What a round of dispatching did.

    Attributes:
        awaited: how many entries go on that have waited for the end of one.
    """

    sent: int = 0
    retried: int = 0
    dead: int = 0
    withheld: int = 0
    awaited: int = field(default=0, repr=False)

    def __add__(self, other: "Dispatched") -> "Dispatched":
        """What two rounds did together."""
        return Dispatched(
            self.sent + other.sent,
            self.retried + other.retried,
            self.dead + other.dead,
            self.withheld + other.withheld,
            self.awaited + other.awaited,
        )


class Dispatcher(ForkAware):
    """Hands due deliveries to the registered channels. Thread-safe; many may share a store.

    Args:
        fallback: the channel for every name that is not registered; with None such deliveries are held until
            some process has their channel.
        is_paused: whether a rule is switched off. The deliveries that it has made already wait until it is on
            again.
        quiet_until: until when quiet hours hold a delivery back; they do not by default.
        caps: gives the caps in use; none by default.
        settings: gives the settings in use, by whose keys addresses are hashed.
        when_idle: called when a channel's last call has ended.
        when_answered: called when an entry is due that has waited for a delivery's end.
        when_gone: called with deliveries that are withheld now, or dead; how many entries are due by it.
        secrets: the host's; none by default.
    """

    def __init__(  # noqa: PLR0913 - what it shares with the engine
        self,
        store: Store,
        fallback: Channel | None,
        clock: Clock,
        retry: Retry | None = None,
        monitor: Monitor | None = None,
        *,
        is_paused: Callable[[str], bool] = lambda _: False,
        settings: Callable[[], Settings] = Settings,
        quiet_until: QuietUntil = lambda *_: None,
        caps: Callable[[], Sequence[Cap]] = tuple,
        when_idle: Callable[[], object] = lambda: None,
        when_answered: Callable[[], object] = lambda: None,
        when_gone: Callable[[Sequence[Delivery]], int] = lambda _: 0,
        secrets: HostSecrets | None = None,
    ) -> None:
        self._when_answered = when_answered
        self._when_gone = when_gone
        self._secrets = secrets or HostSecrets()
        self._when_idle = when_idle
        self._objections = HandOverCheck(
            clock=clock,
            is_paused=is_paused,
            addresses=AddressCheck(settings),
            quiet_until=quiet_until,
            caps=caps,
        )
        self._store = store
        self._fallback = fallback
        self._clock = clock
        self._retry = retry or Retry()
        self._monitor = monitor or Monitor()
        self._counts = Counts()
        self._loop = EventLoop()
        self._lanes: dict[str, ChannelLane] = {}
        self._watched: dict[str, Thread] = {}
        self._lock = Lock()
        self._is_stopped = False
        watch_forks(self)

    def after_fork_in_child(self) -> None:
        """The threads that watch are the parent's."""
        self._lock = Lock()
        self._watched.clear()

    @property
    def names(self) -> tuple[str, ...] | None:
        """The channels whose deliveries this process takes; None for all."""
        return tuple(self._lanes) if self._fallback is None else None

    @property
    def registered(self) -> tuple[str, ...]:
        """The channels that this process has."""
        return tuple(self._lanes)

    @property
    def hanging(self) -> dict[str, int]:
        """How many calls hang, by channel; those without any are left out."""
        return {name: lane.hanging for name, lane in self._lanes.items() if lane.hanging}

    def register(
        self, name: str, channel: Channel | BatchSender, policy: ChannelPolicy | None = None
    ) -> None:
        """Hand deliveries for a name to this channel from now on."""
        settler = DeliverySettler(
            channel=name,
            store=self._store,
            clock=self._clock,
            policy=policy or ChannelPolicy(),
            retry=(policy and policy.retry) or self._retry,
            monitor=self._monitor,
            counts=self._counts,
            objections=self._objections,
            when_answered=self._when_answered,
            when_gone=self._when_gone,
        )
        lane = ChannelLane(channel, settler, self._loop, self._when_idle, self._secrets)
        with self._lock:
            former, self._lanes[name] = self._lanes.get(name), lane
        if former is not None:
            former.stop()

    def dispatch_due(self, *, wait: bool = True) -> Dispatched:
        """Hand over everything that is due by now.

        Args:
            wait: whether to wait until it is done; otherwise threads of the channels go on with it.

        Returns:
            What was done, by this call or by calls that did not wait, and that no call has returned yet.
        """
        with self._store.reading() as session:
            waiting = session.waiting_channels()
        now = self._clock.now()
        due = {name for name, at in waiting.pending.items() if at <= now}
        lanes = {name: self._lane(name) for name in due | waiting.held}
        woken = {name: lane for name, lane in lanes.items() if lane is not None}
        if not self._is_stopped:
            for name in sorted(due - woken.keys()):
                self._hold(name, now)
        for lane in woken.values():
            lane.wake()
        if wait:
            _join(woken.values())
        else:
            for name, lane in woken.items():
                self._watch(name, lane)
        counts, awaited = self._counts.take()
        return Dispatched(
            counts[DeliveryState.SENT],
            counts[DeliveryState.PENDING],
            counts[DeliveryState.DEAD],
            counts[DeliveryState.WITHHELD],
            awaited,
        )

    def next_due(self, session: Session) -> datetime | None:
        """When this process has to look again: a delivery is due, or a channel goes on.

        A channel that is busy, or hangs, says itself when it is done.
        """
        waiting, now, times = session.waiting_channels(), self._clock.now(), list[datetime]()
        for name, at in [*waiting.pending.items(), *((name, now) for name in waiting.held)]:
            lane = self._lanes.get(name)
            if lane is None and self._fallback is not None:
                times.append(at)
            elif lane is not None and not lane.is_busy and not lane.is_closed:
                times.append(max(at, lane.goes_on_at or at))
        return min(times, default=None)

    def stop(self) -> None:
        """Begin no more calls, and put back what was leased and not handed over."""
        self._is_stopped = True
        for lane in self._all():
            lane.stop()

    def end(self, seconds: float) -> bool:
        """Wait until no call runs, and then abandon those that do; whether all ended by themselves."""
        until = monotonic() + seconds
        ended = [lane.end(until - monotonic()) for lane in self._all()]
        self._loop.close()
        return all(ended)

    def _all(self) -> list[ChannelLane]:
        with self._lock:
            return [*self._lanes.values()]

    def _lane(self, name: str) -> ChannelLane | None:
        """The lane of a channel; a name that is not registered gets one for the fallback."""
        if name not in self._lanes and self._fallback is not None:
            self.register(name, self._fallback)
        return self._lanes.get(name)

    def _hold(self, name: str, now: datetime) -> None:
        """Hold what is due for a channel that this process lacks."""
        held = 0
        while True:
            step = self._store.transact(
                lambda session: session.hold_deliveries(name, now, _HELD_AT_ONCE)
            )
            held += step
            if step < _HELD_AT_ONCE:
                break
        if held:
            self._monitor.warn_of_held({name: held})

    def _watch(self, name: str, lane: ChannelLane) -> None:
        """Give up calls that hang, in a thread; with nobody who waits for the lane."""
        with self._lock:
            watching = self._watched.get(name)
            if watching is not None and watching.is_alive():
                return
            thread = Thread(
                target=self._watch_over, args=(lane,), name=f"watch {name}", daemon=True
            )
            self._watched[name] = thread
        thread.start()

    def _watch_over(self, lane: ChannelLane) -> None:
        try:
            with self._monitor.counting("round"):
                lane.join()
        except Exception as error:  # noqa: BLE001 - it is logged with its traceback, and the next round tries again
            log_event(_LOG, logging.ERROR, "round-failed", raised=error)


def _join(lanes: Iterable[ChannelLane]) -> None:
    """Wait for lanes; if one fails, for the others, too. An interruption ends all."""
    joined, failure = [*lanes], None
    try:
        for lane in joined:
            try:
                lane.join()
            except Exception as error:  # noqa: BLE001 - raised when all have ended
                failure = failure or error
    except BaseException:
        for lane in joined:
            lane.pause()
        raise
    if failure is not None:
        raise failure
