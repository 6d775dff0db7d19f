"""Figures: how many deliveries and entries there are, by rule and channel."""

from collections.abc import Iterable
from dataclasses import dataclass, fields

from whereupon.messages.metrics import Metric
from whereupon.records.deliveries import Delivery

ARRIVED = frozenset(
    {Metric.DELIVERED, Metric.OPENED, Metric.CLICKED, Metric.COMPLAINED, Metric.UNSUBSCRIBED}
)
"""Each of these metrics says that a delivery has arrived."""


@dataclass(frozen=True, slots=True)
class DeliveryFigures:
    """How many deliveries are, or were, what the names say; each delivery counts once under a name.

    Attributes:
        delivered: those that arrived, by their own metric or by a later one, such as ``opened``.
    """

    pending: int = 0
    held: int = 0
    paused: int = 0
    sent: int = 0
    withheld: int = 0
    dead: int = 0
    delivered: int = 0
    opened: int = 0
    clicked: int = 0
    converted: int = 0
    bounced: int = 0
    complained: int = 0
    unsubscribed: int = 0
    dropped: int = 0
    deferred: int = 0
    failed: int = 0

    def __add__(self, other: "DeliveryFigures") -> "DeliveryFigures":
        """Both together."""
        names = [each.name for each in fields(self)]
        return DeliveryFigures(**{n: getattr(self, n) + getattr(other, n) for n in names})

    def rate(self, name: str) -> float | None:
        """The share of a figure, from 0 to 1, in what was sent; None if nothing was.

        Bounces are shares of what was tried, since a delivery that bounces at once is dead and not sent.
        """
        base = self.sent + self.dead if name in {"bounced", "failed"} else self.sent
        return getattr(self, name) / base if base else None


def figures_of(deliveries: Iterable[Delivery]) -> DeliveryFigures:
    """The figures of some deliveries."""
    counts = {each.name: 0 for each in fields(DeliveryFigures)}
    for delivery in deliveries:
        reports = delivery.reports
        counts[delivery.state.value] += 1
        counts["delivered"] += not reports.isdisjoint(ARRIVED)
        for metric in reports - {Metric.SENT, Metric.DELIVERED}:
            counts[metric.value] += 1
    return DeliveryFigures(**counts)
