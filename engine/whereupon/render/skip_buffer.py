"""Short lines for skips: similar ones are counted, and each day shows only some of them."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TypeAlias

from rich.text import Text

import whereupon.render.phrases as phrases
from whereupon.decide.decisions import Decision
from whereupon.render.console import TimelinePrinter
from whereupon.rules.model import Rule

_SHOWN_A_DAY = 8

Likeness: TypeAlias = tuple[object, ...]


@dataclass(slots=True)
class _Run:
    """Consecutive similar skips."""

    first: Decision
    last: Decision
    count: int = 0


class SkipBuffer:
    """Keeps skips until another record comes or the day ends.

    The first eight of a day are shown, similar ones as one line. The others are counted by rule and reason.
    """

    def __init__(self, printer: TimelinePrinter, rules: Mapping[str, Rule]) -> None:
        self._printer = printer
        self._rules = rules
        self._day: date | None = None
        self._runs: dict[Likeness, _Run] = {}
        self._shown = 0
        self._rest: Counter[tuple[str, str]] = Counter()

    def add(self, skip: Decision) -> None:
        """Keep a skip."""
        self.reach(skip.decided_at.date())
        likeness = _likeness(skip)
        if likeness not in self._runs and self._shown + len(self._runs) >= _SHOWN_A_DAY:
            self._rest[skip.rule, str(skip.reason)] += 1
            return
        run = self._runs.setdefault(likeness, _Run(skip, skip))
        run.last = skip
        run.count += 1

    def reach(self, day: date) -> None:
        """Go on to a day, and end the day before."""
        if day != self._day:
            self.end_day()
            self._day = day

    def flush(self) -> None:
        """Write the kept skips, before other lines are written."""
        runs, self._runs = self._runs, {}
        self._shown += len(runs)
        for run in runs.values():
            skip = run.first if run.count == 1 else run.first._replace(values={})
            title = phrases.decision_title(skip)
            if run.count > 1:
                title.append(f", {run.count:,} times{_until(run)}")
            reason = phrases.skipped(skip, self._rules.get(skip.rule)).text
            title.append(" · ").append_text(reason).stylize("dim")
            self._printer.print_paragraph(skip.decided_at, title, [])

    def end_day(self) -> None:
        """Write the kept skips, and the counts of the others of the day."""
        self.flush()
        rest, self._rest, self._shown = self._rest, Counter(), 0
        if not rest:
            return
        each = ", ".join(
            f"{rule} {count:,} ({reason})" for (rule, reason), count in rest.most_common()
        )
        text = f"{rest.total():,} more did not enter: {each}"
        self._printer.print_paragraph(None, Text(text, "dim"), [])


def _until(run: _Run) -> str:
    last = f"{run.last.decided_at:%H:%M}"
    return "" if last == f"{run.first.decided_at:%H:%M}" else f" until {last}"


def _likeness(skip: Decision) -> Likeness:
    return (skip.person, skip.type, skip.event, skip.rule, skip.reason, skip.condition)
