"""Metrics of a `whereupon.web.serving.Server` for Prometheus: requests, the queue and connections.

    server = Server(engine, figures=lambda traffic: text(engine, more=[traffic_collector(traffic)]))

Routes are templates of paths, so that no id and no key is a label. Needs the extra ``serve``.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from whereupon.web.serving.traffic import BOUNDS, Durations, Traffic

_PREFIX = "whereupon_http"


def traffic_collector(traffic: Traffic) -> Collector:
    """A collector of what a server counts (`Server.traffic`)."""
    return _Collector(traffic)


class _Collector(Collector):
    """Makes the families of metrics anew at each scrape."""

    def __init__(self, traffic: Traffic) -> None:
        self._traffic = traffic

    def collect(self) -> Iterable[Metric]:
        """The families with the values of now."""
        return chain(_counters(self._traffic), _gauges(self._traffic), _histograms(self._traffic))


def _counters(traffic: Traffic) -> Iterator[Metric]:
    requests = CounterMetricFamily(
        f"{_PREFIX}_requests",
        "Requests with their answers; the status is 0 where the client had gone.",
        labels=("route", "status", "key_kind"),
    )
    for (route, status, kind), number in dict(traffic.requests).items():
        requests.add_metric((route, str(status), kind), number)
    yield requests
    yield _by("refused", "code", "Requests refused as a whole, by why.", traffic.refused)
    yield _by("rejected", "code", "Items of batches that were not accepted.", traffic.rejected)
    yield _by("connections_closed", "reason", "Connections that the server ended.", traffic.closed)
    for name, words, value in (
        ("received_bytes", "Bytes of requests.", traffic.received),
        ("sent_bytes", "Bytes of the bodies of answers.", traffic.sent),
        ("over_limit", "Messages over limits that only count.", traffic.over_limit),
        ("connections_accepted", "Connections.", traffic.connections_taken),
    ):
        yield CounterMetricFamily(f"{_PREFIX}_{name}", words, value=value)


def _by(name: str, label: str, words: str, counts: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(f"{_PREFIX}_{name}", words, labels=(label,))
    for value, number in dict(counts).items():
        family.add_metric((value,), number)
    return family


def _gauges(traffic: Traffic) -> Iterator[Metric]:
    for name, words, value in (
        ("connections", "Open connections.", traffic.connections),
        ("queue_bytes", "Bodies that are received, wait or are worked on.", traffic.budget.held),
        ("queue_requests", "Requests that wait for a thread.", len(traffic.queue)),
    ):
        yield GaugeMetricFamily(f"{_PREFIX}_{name}", words, value=value)


def _histograms(traffic: Traffic) -> Iterator[Metric]:
    durations = HistogramMetricFamily(
        f"{_PREFIX}_request_seconds", "From the headers to the answer.", labels=("route",)
    )
    for route, times in dict(traffic.durations).items():
        durations.add_metric((route,), *_buckets(times))
    yield durations
    waits = HistogramMetricFamily(f"{_PREFIX}_queue_seconds", "How long requests waited.")
    waits.add_metric((), *_buckets(traffic.waits))
    yield waits


def _buckets(times: Durations) -> tuple[list[tuple[str, float]], float]:
    bounds = (*map(str, BOUNDS), "+Inf")
    return list(zip(bounds, map(float, times.within), strict=True)), times.seconds
