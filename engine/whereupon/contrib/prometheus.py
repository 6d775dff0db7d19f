"""Metrics for Prometheus: a collector for a registry of the host's, and a server of its own.

    from prometheus_client import REGISTRY
    from whereupon.contrib.prometheus import collector

    REGISTRY.register(collector(engine))

Counters are those of the process that is scraped. Gauges of what waits are those of the store: they are read
at most every few seconds, and every process says the same. A store that is away never makes a scrape fail.
Needs the extra ``prometheus``.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from threading import Thread
from typing import Protocol
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, generate_latest, start_http_server
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from whereupon.api.config import Waiting
from whereupon.delivery.measures import BOUNDS, Activity
from whereupon.errors import StoreError
from whereupon.ports import Clock
from whereupon.records import DeliveryState
from whereupon.runtime.forks import ProcessLock

FRESH = timedelta(seconds=5)
"""How long what was read from the store is told again, by the engine's clock."""


class Watched(Protocol):
    """What a collector asks of an `Engine`."""

    @property
    def clock(self) -> Clock:
        """Says the time."""
        ...

    def activity(self) -> Activity:
        """What the process did so far."""
        ...

    def waiting(self) -> Waiting:
        """What waits in the store."""
        ...


def collector(engine: Watched, *, name: str = "", fresh: timedelta = FRESH) -> Collector:
    """A collector of the metrics of one engine, for ``registry.register``.

    Args:
        engine: an open `Engine`. While it is closed, ``whereupon_store_up`` is 0.
        name: tells several engines of one process apart, as the label ``engine``; register each with a name
            of its own, by `collectors`.
        fresh: how long what was read from the store is told again, by the engine's clock.
    """
    return collectors({name: engine}, fresh=fresh)


def collectors(engines: Mapping[str, Watched], *, fresh: timedelta = FRESH) -> Collector:
    """A collector of the metrics of several engines, by the names that their label ``engine`` gets."""
    return _Collector({name: _Scraped(engine, fresh) for name, engine in engines.items()})


def serve(
    engine: Watched, port: int, *, address: str = "127.0.0.1", more: Iterable[Collector] = ()
) -> tuple[WSGIServer, Thread]:
    """Serve an engine's metrics at ``/metrics``, from a thread of its own.

    Args:
        port: of TCP; 0 for any that is free (``server.server_port`` says which).
        address: where to listen; nobody else's computer reaches the default.
        more: further collectors, such as `traffic_collector` of a `Server`.

    Returns:
        The server, to be ended by ``shutdown()`` and ``server_close()``, and its thread.

    Raises:
        OSError: the port is taken.
    """
    return start_http_server(port, address, _registry(engine, more))


def text(engine: Watched, *, more: Iterable[Collector] = ()) -> bytes:
    """An engine's metrics in the text form of Prometheus.

    Args:
        more: further collectors, as for `serve`.
    """
    return generate_latest(_registry(engine, more))


def _registry(engine: Watched, more: Iterable[Collector]) -> CollectorRegistry:
    registry = CollectorRegistry()
    for each in (collector(engine), *more):
        registry.register(each)
    return registry


class _Scraped:
    """One engine, and what was last read of its store."""

    def __init__(self, engine: Watched, fresh: timedelta) -> None:
        self.engine = engine
        self._fresh = fresh
        self._lock = ProcessLock()
        self._waiting: Waiting | None = None
        self._read_at: datetime | None = None
        self.errors: Counter[str] = Counter()

    def waiting(self) -> Waiting | None:
        """What waits; None while the store cannot say it."""
        with self._lock:  # one scrape asks, and those that come meanwhile get its answer
            now = self.engine.clock.now()
            if self._read_at is None or not timedelta(0) <= now - self._read_at < self._fresh:
                self._waiting = self._read()
                self._read_at = now
            return self._waiting

    def _read(self) -> Waiting | None:
        try:
            return self.engine.waiting()
        except StoreError as error:
            self.errors[error.code] += 1
            return None


class _Collector(Collector):
    """Makes the families of metrics anew at each scrape."""

    def __init__(self, engines: Mapping[str, _Scraped]) -> None:
        self._engines = engines

    def describe(self) -> Iterable[Metric]:
        """The families without values, so that registering asks no store."""
        return list(_Families().all.values())

    def collect(self) -> Iterable[Metric]:
        """The families with the values of now."""
        families = _Families()
        for name, scraped in self._engines.items():
            waiting = scraped.waiting()
            families.add_activity(name, scraped.engine.activity())
            families.add("store_up", (name,), int(waiting is not None))
            for code, number in scraped.errors.items():
                families.add("store_read_errors", (name, code), number)
            if waiting is not None:
                families.add_waiting(name, waiting, scraped.engine.clock.now())
        return list(families.all.values())


_COUNTERS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "messages": ("Messages that came into this process.", ("outcome",)),
    "decisions": ("Decisions on a message and a rule.", ("outcome", "reason")),
    "delivery_events": ("What happened to deliveries.", ("event", "channel")),
    "action_events": ("What happened to actions of the host's.", ("event", "action")),
    "channel_events": (
        "Channels that went down or up, or had to wait by their policy.",
        ("event", "channel"),
    ),
    "failures": ("Batches and rounds of due work that failed.", ("of", "code")),
    "store_read_errors": ("Scrapes to which the store gave no answer.", ("code",)),
}
_GAUGES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "store_up": ("Whether the store answered when it was last asked.", ()),
    "deliveries": ("Deliveries in the store that are not at their end.", ("state", "channel")),
    "queue_age_seconds": ("How long the oldest pending delivery has been due.", ("channel",)),
    "due_lag_seconds": ("How long the first due work has been due.", ("work",)),
    "channel_resting": ("Whether a channel rests after failures.", ("channel",)),
    "channel_failures": ("Failed calls since the last that did not fail.", ("channel",)),
    "claims_unfinished": ("Large claims that are carried out in steps.", ()),
    "paused": ("Rules, runs of broadcasts and entries that operators have paused.", ("what",)),
    "hanging_calls": ("Calls that did not return in time, and have not yet.", ("kind", "name")),
}
_DURATION = "call_duration_seconds"


class _Families:
    """One family for each metric, filled for one scrape."""

    def __init__(self) -> None:
        self._counters = {
            name: CounterMetricFamily(f"whereupon_{name}", words, labels=("engine", *labels))
            for name, (words, labels) in _COUNTERS.items()
        }
        self._gauges = {
            name: GaugeMetricFamily(f"whereupon_{name}", words, labels=("engine", *labels))
            for name, (words, labels) in _GAUGES.items()
        }
        self._durations = HistogramMetricFamily(
            f"whereupon_{_DURATION}",
            "How long calls of channels and actions took.",
            labels=("engine", "kind", "name"),
        )

    @property
    def all(self) -> Mapping[str, Metric]:
        """The families, by their names without the prefix."""
        return {**self._counters, **self._gauges, _DURATION: self._durations}

    def add(self, name: str, labels: tuple[str, ...], value: float) -> None:
        """Add one sample."""
        (self._counters.get(name) or self._gauges[name]).add_metric(labels, value)

    def add_activity(self, engine: str, activity: Activity) -> None:
        """Add what a process did."""
        for outcome, number in activity.messages.items():
            self.add("messages", (engine, outcome), number)
        for (outcome, reason), number in activity.decisions.items():
            self.add("decisions", (engine, outcome, reason), number)
        for (event, name), number in activity.events.items():
            kind, _, what = event.partition("-")
            self.add(f"{kind}_events", (engine, what, name), number)
        for (of, code), number in activity.failures.items():
            self.add("failures", (engine, of, code), number)
        for (kind, name), number in activity.hanging.items():
            self.add("hanging_calls", (engine, kind, name), number)
        for (kind, name), times in activity.calls.items():
            classes = [(str(bound), n) for bound, n in zip(BOUNDS, times.within, strict=True)]
            buckets = [*classes, ("+Inf", times.number)]
            self._durations.add_metric((engine, kind, name), buckets, times.seconds)

    def add_waiting(self, engine: str, waiting: Waiting, now: datetime) -> None:
        """Add what waits in a store."""
        for state, channel, number, oldest in waiting.deliveries:
            self.add("deliveries", (engine, state.value, channel), number)
            if state is DeliveryState.PENDING:
                self.add("queue_age_seconds", (engine, channel), _seconds_since(oldest, now))
        for known in waiting.channels:
            rests = known.rests_until is not None and now < known.rests_until
            self.add("channel_resting", (engine, known.name), int(rests))
            self.add("channel_failures", (engine, known.name), known.failures)
        for work, due in _due_times(waiting):
            self.add("due_lag_seconds", (engine, work), _seconds_since(due, now))
        self.add("claims_unfinished", (engine,), waiting.claims)
        for what, number in zip(("rules", "runs", "entries"), waiting.paused, strict=True):
            self.add("paused", (engine, what), number)


def _due_times(waiting: Waiting) -> Iterator[tuple[str, datetime | None]]:
    yield "steps", waiting.work_due
    yield "requests", waiting.request_due


def _seconds_since(due: datetime | None, now: datetime) -> float:
    return 0.0 if due is None else max(0.0, (now - due).total_seconds())
