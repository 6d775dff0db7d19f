"""Figures: how many deliveries and entries there are, by rule and channel."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Final, NamedTuple

from whereupon.messages.metrics import Metric
from whereupon.records.deliveries import Delivery, DeliveryState
from whereupon.records.entries import Entry, EntryState
from whereupon.records.trail import MarkKind, mark_at

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


NO_ADDRESS: Final = "no-address"
_UNREACHABLE = (NO_ADDRESS, "no-device")
_OF_MAILS = "the person has no "
"""How channels begin the reason for which they give up what has nowhere to go."""


def held_back_by(delivery: Delivery) -> str | None:
    """The word for why a delivery was held back for good; None if it was not.

    That is the reason for which it is withheld, up to a colon; and ``no-address`` or ``no-device`` if its channel gave
    it up since the person has none.
    """
    reason = delivery.reason or ""
    word = reason.partition(":")[0]
    if delivery.state is DeliveryState.WITHHELD:
        return word
    if delivery.state is not DeliveryState.DEAD:
        return None
    if reason.startswith(_OF_MAILS):
        return NO_ADDRESS
    return word if word in _UNREACHABLE else None


def waits_to_send_by(record: Entry | Delivery) -> str | None:
    """The word for what holds up an entry at a send, or a delivery before its hand-over; None if nothing does."""
    if isinstance(record, Delivery):
        is_postponed = record.state is DeliveryState.PENDING and record.reason == MarkKind.QUIET
        return MarkKind.QUIET.value if is_postponed else None
    if record.state is not EntryState.ACTIVE:
        return None
    mark = mark_at(record.trail, record.address, MarkKind.QUIET, MarkKind.CAP)
    return None if mark is None else mark.kind.value


@dataclass(frozen=True, slots=True)
class EntryFigures:
    """How many entries there are, and what became of them; each counts once under a name.

    Attributes:
        sent: those that were sent something; kept for rules with a goal, a holdout or a split.
        converted: those whose person reached the goal.
        watched: those whose person has not reached it; some of them still may.
        open: the watched ones whose time is not over.
    """

    entered: int = 0
    sent: int = 0
    converted: int = 0
    watched: int = 0
    open: int = 0

    def __add__(self, other: "EntryFigures") -> "EntryFigures":
        """Both together."""
        names = [each.name for each in fields(self)]
        return EntryFigures(**{n: getattr(self, n) + getattr(other, n) for n in names})

    def rate(self, name: str) -> float | None:
        """The share of a figure, from 0 to 1, in the entries; None if there are none."""
        return getattr(self, name) / self.entered if self.entered else None


class EntryGroup(NamedTuple):
    """Entries of a rule that have taken the same arms.

    Attributes:
        is_held_out: whether they are of the holdout.
        arms: see `Entry.arms`; empty for none.
    """

    rule: str
    is_held_out: bool
    arms: str
    figures: EntryFigures
