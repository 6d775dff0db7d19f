"""What a replay or an import came to: counted by rule, action and rejection, and shown as tables."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from whereupon.decisions import Decision, Outcome
from whereupon.fold import Warned
from whereupon.render.lines import show
from whereupon.render.records import Record
from whereupon.render.texts import clean, counted
from whereupon.state import Delivery, DeliveryState, Request
from whereupon.streams import BadLine

_SHOWN_LINES = 20


@dataclass(slots=True)
class _OfRule:
    entered: int = 0
    retroactive: int = 0
    delivered: int = 0
    withheld: int = 0
    skipped: Counter[str] = field(default_factory=Counter)

    def decide(self, decision: Decision) -> None:
        if decision.outcome is Outcome.ENTERED:
            self.entered += 1
            self.retroactive += decision.retroactive
        else:
            self.skipped[str(decision.reason)] += 1

    def deliver(self, delivery: Delivery) -> None:
        if delivery.state is DeliveryState.WITHHELD:
            self.withheld += 1
        else:
            self.delivered += 1


class Tally:
    """Counts records as they come, and shows what they came to.

    Args:
        rules: the ids of all rules, so that those that nothing named are told too.
    """

    def __init__(self, rules: Iterable[str], *, several: bool = False) -> None:
        self._silent = list(rules)
        self._several = several
        self._rules: dict[str, _OfRule] = {}
        self._requests: Counter[tuple[str, str, str]] = Counter()
        self._lines: list[BadLine] = []
        self._rejected: Counter[str] = Counter()
        self._warnings = 0

    def tell(self, record: Record) -> None:
        """Count one record."""
        match record:
            case Decision():
                self._of(record.rule).decide(record)
            case Delivery():
                self._of(record.rule).deliver(record)
            case Request():
                self._requests[record.action, record.outcome, record.reason or ""] += 1
            case Warned():
                self._warnings += 1
            case BadLine():
                self._rejected[record.code] += 1
                if len(self._lines) < _SHOWN_LINES:
                    self._lines.append(record)

    def _of(self, rule: str) -> _OfRule:
        return self._rules.setdefault(rule, _OfRule())

    # --- showing --------------------------------------------------------------------------------

    def show_rejected(self, console: Console) -> None:
        """Every line that is no message, the first twenty of them in full."""
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
            more = f"and {total - len(self._lines):,} more (--json tells each); in all: {rest}"
            show(console, Padding(Text(more), (0, 0, 0, 2)))

    def show(self, console: Console, counts: Mapping[str, int]) -> None:
        """The counts, and what each rule made of the messages that named it."""
        console.print(Text("\nSummary", "bold underline"))
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
        yield "deliveries", f"{counts['deliveries']:,}", _remarks((withheld, "more held back"))
        asked = (
            f"{action} {outcome}{f' ({reason})' if reason else ''} {count:,}"
            for (action, outcome, reason), count in sorted(self._requests.items())
        )
        yield "requests", f"{counts['requests']:,}", "; ".join(asked)
        if self._warnings:
            yield "warnings", f"{self._warnings:,}", "marked ! above"

    def _show_rules(self, console: Console) -> None:
        if self._rules:
            table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
            for title in ("rule", "entered", "retroactively", "deliveries", "skipped", "why"):
                is_text = title in ("rule", "why")
                table.add_column(title, justify="left" if is_text else "right")
            for name in sorted(self._rules):
                table.add_row(*_cells(name, self._rules[name]))
            console.print()
            show(console, table)
        if silent := [name for name in self._silent if name not in self._rules]:
            text = f"No message named {counted(len(silent), 'rule')}: {', '.join(silent)}."
            show(console, Text(f"\n{text}", "dim"))


def _cells(name: str, rule: _OfRule) -> Sequence[Text]:
    numbers = (rule.entered, rule.retroactive, rule.delivered, rule.skipped.total())
    why = ", ".join(f"{reason} {count:,}" for reason, count in rule.skipped.most_common())
    return (
        Text(name, "bold" if rule.entered else ""),
        *(Text(f"{number:,}", "" if number else "dim") for number in numbers),
        Text(why, "dim"),
    )


def _grid(*columns: tuple[str, str]) -> Table:
    grid = Table.grid(padding=(0, 0, 0, 2))
    for justify, style in columns:
        grid.add_column(justify="right" if justify == "right" else "left", style=style)
    return grid


def _remarks(*parts: tuple[int, str]) -> str:
    return ", ".join(f"{number:,} {what}" for number, what in parts if number)


def _lines(count: int) -> str:
    return counted(count, "line that is no message", "lines that are no messages")
