"""Questions of statistics: how many entries and deliveries there are, what was held back, and what waits.

Each has a default that reads all records of a kind, as in `Questions`.
"""

from collections import Counter, defaultdict
from datetime import datetime
from itertools import chain
from typing import Protocol

from whereupon.ports.reads import Reads
from whereupon.records import (
    Delivery,
    DeliveryFigures,
    Entry,
    EntryFigures,
    EntryGroup,
    figures_of,
    held_back_by,
    waits_to_send_by,
)


class FigureQuestions(Reads, Protocol):
    """What statistics count."""

    def entry_groups(
        self, rule: str | None, since: datetime | None, until: datetime | None, now: datetime
    ) -> list[EntryGroup]:
        """How many entries there are and what became of them, by rule, holdout and arms.

        Args:
            rule: only of this one; None for all.
            since: only those that were opened at this instant or later; None for all.
            until: only those that were opened before this instant; None for all.
            now: whose watch is not over by then is open.
        """
        found: dict[tuple[str, bool, str], EntryFigures] = defaultdict(EntryFigures)
        for each in self.scan(Entry):
            if rule in {None, each.rule} and _is_between(each.entered_at, since, until):
                watched = each.watched_until
                found[each.rule, each.is_held_out, each.arms or ""] += EntryFigures(
                    entered=1,
                    sent=each.sent_at is not None,
                    converted=each.converted_at is not None,
                    watched=watched is not None,
                    open=watched is not None and watched >= now,
                )
        return [EntryGroup(*place, figures) for place, figures in sorted(found.items())]

    def figures(
        self, rule: str | None, since: datetime | None, until: datetime | None = None
    ) -> dict[tuple[str, str], DeliveryFigures]:
        """How many deliveries there are, by rule and channel.

        Args:
            rule: only this one; None for all.
            since: only those that ended, or are due, at this instant or later; None for all.
            until: only those that ended, or are due, before this instant; None for all.
        """
        found: dict[tuple[str, str], list[Delivery]] = defaultdict(list)
        for each in self.scan(Delivery):
            if rule in {None, each.rule} and _is_between(each.due_at, since, until):
                found[each.rule, each.channel].append(each)
        return {place: figures_of(found[place]) for place in sorted(found)}

    def held_back(
        self, rule: str | None, since: datetime | None, until: datetime | None = None
    ) -> dict[tuple[str, str], int]:
        """How many deliveries were held back for good, by rule and reason (see `held_back_by`).

        Args:
            rule, since, until: as for `figures`.
        """
        found = Counter[tuple[str, str]]()
        for each in self.scan(Delivery):
            reason = held_back_by(each)
            is_asked = rule in {None, each.rule} and _is_between(each.due_at, since, until)
            if reason is not None and is_asked:
                found[each.rule, reason] += 1
        return dict(sorted(found.items()))

    def waiting_sends(self, rule: str | None) -> dict[tuple[str, str], int]:
        """How many entries wait at a send now, and deliveries before their hand-over, by rule and what holds them up.

        Args:
            rule: only of this one; None for all.
        """
        found = Counter[tuple[str, str]]()
        for each in chain[Entry | Delivery](self.scan(Entry), self.scan(Delivery)):
            why = waits_to_send_by(each)
            if why is not None and rule in {None, each.rule}:
                found[each.rule, why] += 1
        return dict(sorted(found.items()))


def _is_between(at: datetime, since: datetime | None, until: datetime | None) -> bool:
    return (since is None or at >= since) and (until is None or at < until)
