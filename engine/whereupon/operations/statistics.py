"""Statistics: how many people entered each rule, what was sent to them, and what became of it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from whereupon.errors import UnknownNameError
from whereupon.operations.pruner import kept_since
from whereupon.ports import Session
from whereupon.records import DeliveryFigures, RetainedKind


@dataclass(frozen=True, slots=True)
class RuleStatistics:
    """The figures of one rule.

    Attributes:
        entered: how many entries were opened.
        channels: by channel, the figures of its deliveries.
    """

    rule: str
    entered: int
    channels: Mapping[str, DeliveryFigures]

    @property
    def total(self) -> DeliveryFigures:
        """The figures of all channels together."""
        return sum(self.channels.values(), DeliveryFigures())


@dataclass(frozen=True, slots=True)
class Statistics:
    """The figures of rules, by what the store still keeps.

    Attributes:
        rules: by id.
        since: from when on entries and deliveries were counted; None for all.
        entries_kept_since, deliveries_kept_since: from when on all of them are kept; None if none were pruned.
    """

    rules: tuple[RuleStatistics, ...]
    since: datetime | None = None
    entries_kept_since: datetime | None = None
    deliveries_kept_since: datetime | None = None


def statistics(
    session: Session,
    rule: str | None,
    since: datetime | None,
    known: Collection[str] = (),
) -> Statistics:
    """The figures of one rule, or of all (see `Engine.stats`).

    Args:
        known: rules that there are, even if nobody has entered them yet.
    """
    entered, figures = session.count_entered(rule, since), session.figures(rule, since)
    names = {*entered, *(name for name, _ in figures)}
    if rule is None:
        names |= set(known)
    elif rule in known or since is not None:
        names.add(rule)
    elif not names:
        everyone = {*known, *session.count_entered(None, None)}
        raise UnknownNameError(kind="rule", name=rule, known=tuple(sorted(everyone)))
    return Statistics(
        tuple(
            RuleStatistics(
                name,
                entered.get(name, 0),
                {channel: each for (of, channel), each in figures.items() if of == name},
            )
            for name in sorted(names)
        ),
        since,
        kept_since(session, RetainedKind.ENTRIES),
        kept_since(session, RetainedKind.DELIVERIES),
    )
