"""Metrics: what providers, apps and hosts report of a delivery after it was handed over.

A delivery keeps each metric once, as one bit of a number. The order in which metrics are reported does not matter.
"""

from collections.abc import Iterable
from enum import StrEnum
from functools import lru_cache


class Metric(StrEnum):
    """What can be reported of a delivery. No metric changes the state of the delivery."""

    SENT = "sent"
    DELIVERED = "delivered"
    OPENED = "opened"
    CLICKED = "clicked"
    CONVERTED = "converted"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    UNSUBSCRIBED = "unsubscribed"
    DROPPED = "dropped"
    DEFERRED = "deferred"
    FAILED = "failed"


METRIC_NAMES = {**{metric.value: metric for metric in Metric}, "spammed": Metric.COMPLAINED}
"""Every name of a metric that is accepted. ``spammed`` is Customer.io's word for ``complained``."""

CLIENT_METRICS = frozenset({Metric.DELIVERED, Metric.OPENED, Metric.CLICKED, Metric.CONVERTED})
"""What a browser or an app may report. The others withhold deliveries or count failures of a provider."""

UNSUBSCRIBING = frozenset({Metric.UNSUBSCRIBED, Metric.COMPLAINED})
"""The metrics by which a person says that they want no more marketing."""

METRIC_BITS = {metric: 1 << number for number, metric in enumerate(Metric)}
"""The bit of each metric in a store. It never changes."""


def as_bits(metrics: Iterable[Metric]) -> int:
    """The number that stands for some metrics."""
    return sum(METRIC_BITS[metric] for metric in set(metrics))


@lru_cache(maxsize=1 << len(Metric))
def from_bits(bits: int) -> frozenset[Metric]:
    """The metrics that a number stands for; bits that this version does not know are left out."""
    return frozenset(metric for metric, bit in METRIC_BITS.items() if bits & bit)
