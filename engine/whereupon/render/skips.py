"""Skips in short, so that they do not drown the rest: like ones counted, and only some a day told."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TypeAlias

from rich.text import Text

import whereupon.render.phrases as phrases
from whereupon.decide.decisions import Decision
from whereupon.render.lines import Lines
from whereupon.rules.model import Rule

_TOLD_A_DAY = 8

Likeness: TypeAlias = tuple[object, ...]


@dataclass(slots=True)
class _Run:
    """Like skips in a row."""

    first: Decision
    last: Decision
    count: int = 0


class Skips:
    """Holds skips back until something else happens or the day ends.

    The first of a day are told, like ones as one; of the rest, how many by rule and reason.
    """

    def __init__(self, lines: Lines, rules: Mapping[str, Rule]) -> None:
        self._lines = lines
        self._rules = rules
        self._day: date | None = None
        self._runs: dict[Likeness, _Run] = {}
        self._told = 0
        self._rest: Counter[tuple[str, str]] = Counter()

    def add(self, skip: Decision) -> None:
        """Hold one back."""
        self.reach(skip.decided_at.date())
        likeness = _likeness(skip)
        if likeness not in self._runs and self._told + len(self._runs) >= _TOLD_A_DAY:
            self._rest[skip.rule, str(skip.reason)] += 1
            return
        run = self._runs.setdefault(likeness, _Run(skip, skip))
        run.last = skip
        run.count += 1

    def reach(self, day: date) -> None:
        """End the day before, if this is another."""
        if day != self._day:
            self.end_day()
            self._day = day

    def tell(self) -> None:
        """Tell those that are held back, before something else is told."""
        runs, self._runs = self._runs, {}
        self._told += len(runs)
        for run in runs.values():
            skip = run.first if run.count == 1 else run.first._replace(values={})
            title = phrases.done(skip)
            if run.count > 1:
                title.append(f", {run.count:,} times{_until(run)}")
            reason = phrases.skipped(skip, self._rules.get(skip.rule)).text
            title.append(" · ").append_text(reason).stylize("dim")
            self._lines.moment(skip.decided_at, title, [])

    def end_day(self) -> None:
        """Tell what is left of the day."""
        self.tell()
        rest, self._rest, self._told = self._rest, Counter(), 0
        if not rest:
            return
        each = ", ".join(
            f"{rule} {count:,} ({reason})" for (rule, reason), count in rest.most_common()
        )
        text = f"{rest.total():,} more did not enter: {each}"
        self._lines.moment(None, Text(text, "dim"), [])


def _until(run: _Run) -> str:
    last = f"{run.last.decided_at:%H:%M}"
    return "" if last == f"{run.first.decided_at:%H:%M}" else f" until {last}"


def _likeness(skip: Decision) -> Likeness:
    return (skip.person, skip.type, skip.event, skip.rule, skip.reason, skip.condition)
