"""The counts of a replay or an import, by rule, action and rejection, shown as tables."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from whereupon.decide import Converted, Ended, Notice
from whereupon.decide.decisions import Decision, Outcome
from whereupon.insight.identify_preview import WaitingEntry
from whereupon.messages.streams import BadLine
from whereupon.messages.times import format_instant
from whereupon.records import Delivery, DeliveryState, Request
from whereupon.render.console import show
from whereupon.render.formatting import clean, counted, named
from whereupon.replay.records import Record

_SHOWN_LINES = 20
_SHOWN_RECEIVERS = 3
_COLUMNS = (
    "rule",
    "entered",
    "retroactively",
    "exited",
    "deliveries",
    "held back",
    "waiting",
    "skipped",
)


@dataclass(slots=True)
class _RuleCounts:
    """The counts of one rule; its deliveries do not include the withheld ones."""

    entered: int = 0
    retroactive: int = 0
    delivered: int = 0
    withheld: int = 0
    converted: int = 0
    exited: int = 0
    waiting: int = 0
    skipped: Counter[str] = field(default_factory=Counter)

    def decide(self, decision: Decision) -> None:
        """Count a decision."""
        if decision.outcome is Outcome.ENTERED:
            self.entered += 1
            self.retroactive += decision.retroactive
        else:
            self.skipped[str(decision.reason)] += 1

    def follow(self, record: Ended | Converted) -> None:
        """Count an entry that ended early, or whose person reached the goal."""
        if isinstance(record, Ended):
            self.exited += 1
        else:
            self.converted += 1

    def deliver(self, delivery: Delivery) -> None:
        """Count a delivery, sent or withheld."""
        if delivery.state is DeliveryState.WITHHELD:
            self.withheld += 1
        else:
            self.delivered += 1


class Tally:
    """Counts records, and prints the counts.

    Args:
        rules: the ids of all rules, so that rules without a record are named too.
        several: whether there is more than one stream, so that a rejected line names its stream.
    """

    def __init__(self, rules: Iterable[str], *, several: bool = False) -> None:
        self._rule_ids = list(rules)
        self._several = several
        self._rules: dict[str, _RuleCounts] = {}
        self._requests: Counter[tuple[str, str, str]] = Counter()
        self._lines: list[BadLine] = []
        self._rejected: Counter[str] = Counter()
        self._warnings = 0
        self._received: Counter[str] = Counter()
        self._waiting: list[WaitingEntry] = []

    def count(self, record: Record) -> None:
        """Count one record; what entries pass is not counted."""
        match record:
            case Decision():
                self._counts_of(record.rule).decide(record)
            case Delivery():
                self._deliver(record)
            case Ended() | Converted():
                self._counts_of(record.rule).follow(record)
            case WaitingEntry():
                self._wait(record)
            case Request():
                self._requests[record.action, record.outcome, record.reason or ""] += 1
            case Notice():
                self._warnings += 1
            case BadLine():
                self._reject(record)

    def _deliver(self, delivery: Delivery) -> None:
        self._counts_of(delivery.rule).deliver(delivery)
        if delivery.state is not DeliveryState.WITHHELD:
            self._received[delivery.person] += 1

    def _wait(self, waiting: WaitingEntry) -> None:
        self._counts_of(waiting.rule).waiting += 1
        if len(self._waiting) < _SHOWN_LINES:
            self._waiting.append(waiting)

    def _reject(self, line: BadLine) -> None:
        self._rejected[line.code] += 1
        if len(self._lines) < _SHOWN_LINES:
            self._lines.append(line)

    def _counts_of(self, rule: str) -> _RuleCounts:
        return self._rules.setdefault(rule, _RuleCounts())

    def show_rejected(self, console: Console) -> None:
        """Print the rejected lines: the first twenty in full, the others as counts."""
        if not self._lines:
            return
        total = self._rejected.total()
        console.print(Text.assemble("\n", ("Rejected", "bold underline"), f"  {_lines(total)}"))
        table = _grid(("right", "red"), ("left", ""), ("left", ""))
        for line in self._lines:
            place = f"{line.stream}:{line.line}" if self._several else f"line {line.line}"
            table.add_row(Text(clean(place)), Text(line.code), Text(clean(line.message)))
        show(console, table)
        if total > len(self._lines):
            rest = ", ".join(f"{code} {count:,}" for code, count in self._rejected.most_common())
            more = f"and {total - len(self._lines):,} more (--json prints each); in all: {rest}"
            show(console, Padding(Text(more), (0, 0, 0, 2)))

    def show_waiting(self, console: Console) -> None:
        """Print the first twenty waiting entries: until when they wait, and for which step."""
        if not self._waiting:
            return
        total = sum(rule.waiting for rule in self._rules.values())
        heading = Text.assemble("\n", ("Still waiting", "bold underline"))
        console.print(heading.append(f"  {counted(total, 'entry', 'entries')}"))
        table = _grid(("left", ""), ("left", "bold"), ("left", ""))
        for each in self._waiting:
            then = f" {each.then}" if each.then else ""
            until = Text(f"{each.rule}{then}")
            due = "for ever" if each.due_at is None else format_instant(each.due_at)
            table.add_row(Text(due), Text(named(each.person)), until)
        show(console, table)
        if total > len(self._waiting):
            more = f"and {total - len(self._waiting):,} more (--json prints each)"
            show(console, Padding(Text(more), (0, 0, 0, 2)))

    def show(self, console: Console, counts: Mapping[str, int], of: str = "") -> None:
        """Print the counts, in total and by rule.

        Args:
            of: the rules and people that were counted; empty for all.
        """
        console.print(Text.assemble("\n", ("Summary", "bold underline"), of))
        table = _grid(("right", ""), ("right", "bold"), ("left", "dim"))
        for name, number, remark in self._rows(counts):
            table.add_row(Text(name), Text(number), Text(remark))
        show(console, table)
        self._show_rules(console)

    def _rows(self, counts: Mapping[str, int]) -> Iterable[tuple[str, str, str]]:
        rules = self._rules.values()
        retroactive = sum(rule.retroactive for rule in rules)
        withheld = sum(rule.withheld for rule in rules)
        yield (
            "messages",
            f"{counts['messages']:,}",
            _remarks(
                (counts["accepted"], "new"),
                (counts["duplicates"], "seen before"),
                (counts["rejected"], "rejected"),
            ),
        )
        yield "people", f"{counts['persons']:,}", "known at the end"
        entered = f"entered ({retroactive:,} retroactively)" if retroactive else "entered"
        yield (
            "decisions",
            f"{counts['decisions']:,}",
            _remarks(
                (counts["entered"], entered), (counts["decisions"] - counts["entered"], "did not")
            ),
        )
        exited = sum(rule.exited for rule in rules)
        waiting = sum(rule.waiting for rule in rules)
        converted = sum(rule.converted for rule in rules)
        if exited or waiting or converted:
            gone = _remarks(
                (converted, "reached the goal"), (exited, "left early"), (waiting, "still wait")
            )
            yield "entries", f"{counts['entered']:,}", gone
        yield "deliveries", f"{counts['deliveries']:,}", _remarks((withheld, "more held back"))
        if self._received:
            yield "per person", *self._per_person()
        asked = (
            f"{action} {outcome}{f' ({reason})' if reason else ''} {count:,}"
            for (action, outcome, reason), count in sorted(self._requests.items())
        )
        yield "requests", f"{counts['requests']:,}", "; ".join(asked)
        if self._warnings:
            yield "warnings", f"{self._warnings:,}", "marked ! above"

    def _per_person(self) -> tuple[str, str]:
        """The median number of deliveries of the persons with any, and the persons with the most."""
        each = sorted(self._received.values())
        top = self._received.most_common(_SHOWN_RECEIVERS)
        most = ", ".join(f"{named(person)} {count:,}" for person, count in top)
        people = counted(len(each), "person", "people")
        return f"{each[(len(each) - 1) // 2]:,}", f"is the median of {people}; the most: {most}"

    def _show_skipped(self, console: Console) -> None:
        """Print how many messages each rule skipped, by reason."""
        skipped = {name: rule.skipped for name, rule in self._rules.items() if rule.skipped}
        if not skipped:
            return
        console.print(Text("\nSkipped, and why", "bold"))
        table = _grid(("left", ""), ("left", "dim"))
        for name in sorted(skipped):
            why = ", ".join(f"{reason} {n:,}" for reason, n in skipped[name].most_common())
            table.add_row(Text(name), Text(why))
        show(console, table)

    def _show_rules(self, console: Console) -> None:
        if self._rules:
            table = Table(
                box=SIMPLE_HEAD,
                pad_edge=False,
                show_edge=False,
                header_style="bold",
                padding=(0, 0, 0, 1),
            )
            for title in _COLUMNS:
                table.add_column(title, justify="left" if title == "rule" else "right")
            for name in sorted(self._rules):
                table.add_row(*_cells(name, self._rules[name]))
            console.print()
            show(console, table)
            self._show_skipped(console)
        if unnamed := [name for name in self._rule_ids if name not in self._rules]:
            text = f"Nothing led to {counted(len(unnamed), 'rule')}: {', '.join(unnamed)}."
            show(console, Text(f"\n{text}", "dim"))


def _cells(name: str, rule: _RuleCounts) -> Sequence[Text]:
    numbers = (
        rule.entered,
        rule.retroactive,
        rule.exited,
        rule.delivered,
        rule.withheld,
        rule.waiting,
        rule.skipped.total(),
    )
    return (
        Text(name, "bold" if rule.entered else ""),
        *(Text(f"{number:,}", "" if number else "dim") for number in numbers),
    )


def _grid(*columns: tuple[str, str]) -> Table:
    grid = Table.grid(padding=(0, 0, 0, 2))
    for justify, style in columns:
        grid.add_column(justify="right" if justify == "right" else "left", style=style)
    return grid


def _remarks(*parts: tuple[int, str]) -> str:
    return ", ".join(f"{number:,} {what}" for number, what in parts if number)


def _lines(count: int) -> str:
    return counted(count, "line that is not a message", "lines that are not messages")
