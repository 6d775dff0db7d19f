"""A replay or an import for people: the timeline, the rejected lines, the counts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TextIO

from rich.text import Text

from whereupon.render.choices import SkipDetail
from whereupon.render.console import TimelinePrinter, console_on
from whereupon.render.formatting import listed
from whereupon.render.tally import Tally
from whereupon.render.timeline import Timeline
from whereupon.replay.records import Record
from whereupon.rules.model import Rulebook


@dataclass(frozen=True, slots=True)
class View:
    """Which part of a run is shown.

    Attributes:
        skips: how skips are shown.
        quiet: whether the timeline is left out.
        several: whether there is more than one stream, so that a rejected line names its stream.
        rules, people: ids of the rules and user ids of the people to show; empty for all.
    """

    skips: SkipDetail = SkipDetail.BRIEF
    quiet: bool = False
    several: bool = False
    rules: frozenset[str] = frozenset()
    people: frozenset[str] = frozenset()

    @property
    def is_partial(self) -> bool:
        """Whether only some rules or people are shown."""
        return bool(self.rules or self.people)


class RunReport:
    """Takes records in order, as `records.JsonLines` does, and prints them for people.

    Args:
        book: the rules, which the reasons of skips quote.
        heading: the first line.
    """

    def __init__(self, out: TextIO, book: Rulebook, *, heading: str, view: View) -> None:
        self._console = console_on(out)
        rules = {rule.id: rule for rule in book.rules}
        printer = TimelinePrinter(self._console)
        self._timeline = None if view.quiet else Timeline(printer, rules, detail=view.skips)
        shown = sorted(view.rules or rules)
        self._tally = Tally(() if view.people else shown, several=view.several)
        self._of = _of(view)
        self._heading = "" if view.quiet else heading

    def emit(self, record: Record) -> None:
        """Take one record."""
        self._print_heading()
        self._tally.count(record)
        if self._timeline is not None:
            self._timeline.emit(record)

    def summarize(self, counts: Mapping[str, int]) -> None:
        """Print the end of the report."""
        self._print_heading()
        if self._timeline is not None:
            self._timeline.close()
        self._tally.show_rejected(self._console)
        self._tally.show_waiting(self._console)
        self._tally.show(self._console, counts, self._of)

    def _print_heading(self) -> None:
        """Print the heading before the first output, and once."""
        heading, self._heading = self._heading, ""
        if heading:
            self._console.print(Text(heading), style="dim")


def _of(view: View) -> str:
    """The rules and people of a summary; empty if it is of all."""
    parts = [f" of {listed(sorted(view.rules))}"] if view.rules else []
    parts += [f" for {listed(sorted(view.people))}"] if view.people else []
    return "".join(parts) + (" (messages and people are all there were)" if parts else "")
