"""What statistics ask of a database."""

from datetime import datetime

from whereupon.messages.times import LAST_INSTANT, as_micros
from whereupon.ports import FigureQuestions
from whereupon.records import DeliveryFigures, EntryFigures, EntryGroup
from whereupon.storage.sql.access import since_or_ever
from whereupon.storage.sql.reads import SqlReads


class SqlFigureQuestions(SqlReads, FigureQuestions):
    """The ports say what each method answers."""

    def entry_groups(
        self, rule: str | None, since: datetime | None, until: datetime | None, now: datetime
    ) -> list[EntryGroup]:
        """How many entries, by rule, holdout and arms."""
        asked = {**_asked(rule, since, until), "now": as_micros(now)}
        found = self._queries.entry_groups.fetch(self._connection, **asked)
        return [
            EntryGroup(name, bool(held_out), arms, EntryFigures(*map(int, counts)))
            for name, held_out, arms, *counts in found
        ]

    def figures(
        self, rule: str | None, since: datetime | None, until: datetime | None = None
    ) -> dict[tuple[str, str], DeliveryFigures]:
        """How many deliveries, by rule and channel."""
        found = self._queries.figures.fetch(self._connection, **_asked(rule, since, until))
        return {(row[0], row[1]): DeliveryFigures(*map(int, row[2:])) for row in found}

    def held_back(
        self, rule: str | None, since: datetime | None, until: datetime | None = None
    ) -> dict[tuple[str, str], int]:
        """How many deliveries were held back, by rule and reason."""
        found = self._queries.held_back.fetch(self._connection, **_asked(rule, since, until))
        return {(str(name), str(reason)): int(count) for name, reason, count in found}

    def waiting_sends(self, rule: str | None) -> dict[tuple[str, str], int]:
        """How many sends wait, by rule and what holds them up."""
        asked = {"any_rule": int(rule is None), "rule": rule or ""}
        found = self._queries.waiting_sends.fetch(self._connection, **asked)
        return {(str(name), str(why)): int(count) for name, why, count in found}


def _asked(
    rule: str | None, since: datetime | None, until: datetime | None = None
) -> dict[str, object]:
    return {
        "any_rule": int(rule is None),
        "rule": rule or "",
        "since": since_or_ever(since),
        "until": as_micros(LAST_INSTANT) + 1 if until is None else as_micros(until),
    }
