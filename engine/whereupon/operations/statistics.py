"""Statistics: how many people entered each rule, what was sent to them, and what became of it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import Final, NamedTuple, TypeVar

from whereupon.errors import UnknownNameError
from whereupon.messages.times import earlier
from whereupon.operations.conversions import Conversions, conversions
from whereupon.operations.pruner import kept_since
from whereupon.ports import Session
from whereupon.records import DeliveryFigures, RetainedKind

NO_CONVERSIONS: Final = Conversions()


@dataclass(frozen=True, slots=True)
class RuleStatistics:
    """The figures of one rule.

    Attributes:
        entered: how many entries were opened; those that were held out do not count.
        channels: by channel, the figures of its deliveries.
        conversions: what became of the entries, by arm and beside the holdout.
        held_back: how many deliveries were held back for good, by reason (see `held_back_by`).
        waiting: how many sends wait now, by what holds them up: ``quiet`` or ``cap``.
    """

    rule: str
    entered: int
    channels: Mapping[str, DeliveryFigures]
    conversions: Conversions = NO_CONVERSIONS
    held_back: Mapping[str, int] = field(default_factory=dict)
    waiting: Mapping[str, int] = field(default_factory=dict)

    @property
    def total(self) -> DeliveryFigures:
        """The figures of all channels together."""
        return sum(self.channels.values(), DeliveryFigures())


class Period(NamedTuple):
    """What is counted: from an instant on, and before another one; None for no bound. ``now`` is the present."""

    since: datetime | None
    until: datetime | None
    now: datetime

    @classmethod
    def of(
        cls, now: datetime, since: timedelta | datetime | None, until: timedelta | datetime | None
    ) -> "Period":
        """A period whose bounds are instants, or so long ago."""
        start, end = (
            earlier(now, each) if isinstance(each, timedelta) else each for each in (since, until)
        )
        return cls(start, end, now)


@dataclass(frozen=True, slots=True)
class Statistics:
    """The figures of rules, by what the store still keeps.

    Attributes:
        rules: by id.
        since, until: from when on, and before when entries and deliveries were counted; None for all.
        entries_kept_since, deliveries_kept_since: from when on all of them are kept; None if none were pruned.
    """

    rules: tuple[RuleStatistics, ...]
    since: datetime | None = None
    until: datetime | None = None
    entries_kept_since: datetime | None = None
    deliveries_kept_since: datetime | None = None


def statistics(
    session: Session,
    rule: str | None,
    period: Period,
    known: Collection[str] = (),
) -> Statistics:
    """The figures of one rule, or of all (see `Engine.stats`).

    Args:
        known: rules that there are, even if nobody has entered them yet.
    """
    since, until, now = period
    figures = session.figures(rule, since, until)
    groups = session.entry_groups(rule, since, until, now)
    entered = {
        name: conversions(of_one) for name, of_one in groupby(groups, key=attrgetter("rule"))
    }
    held_back, waiting = session.held_back(rule, since, until), session.waiting_sends(rule)
    names = {*entered, *(name for name, _ in (*figures, *waiting))}
    if rule is None:
        names |= set(known)
    elif rule in known or since is not None or until is not None:
        names.add(rule)
    elif not names:
        everyone = {*known, *(each.rule for each in session.entry_groups(None, None, None, now))}
        raise UnknownNameError(kind="rule", name=rule, known=tuple(sorted(everyone)))
    return Statistics(
        tuple(
            RuleStatistics(
                name,
                entered.get(name, NO_CONVERSIONS).entries.entered,
                _of(name, figures),
                entered.get(name, NO_CONVERSIONS),
                _of(name, held_back),
                _of(name, waiting),
            )
            for name in sorted(names)
        ),
        since,
        until,
        kept_since(session, RetainedKind.ENTRIES),
        kept_since(session, RetainedKind.DELIVERIES),
    )


_T = TypeVar("_T")


def _of(rule: str, figures: Mapping[tuple[str, str], _T]) -> dict[str, _T]:
    """The figures of one rule, by what stands beside it."""
    return {beside: each for (of, beside), each in figures.items() if of == rule}
