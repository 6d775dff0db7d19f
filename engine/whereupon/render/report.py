"""A whole run for people: the timeline, then what was rejected, then what it came to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TextIO

from rich.text import Text

from whereupon.render.choices import Skipping
from whereupon.render.formatting import listed
from whereupon.render.lines import Lines, console_on
from whereupon.render.records import Record
from whereupon.render.tally import Tally
from whereupon.render.timeline import Timeline
from whereupon.rules.model import Rulebook


@dataclass(frozen=True, slots=True)
class View:
    """What of a run is shown.

    Attributes:
        skipping: how much of who did not enter.
        quiet: leave the timeline out.
        several: there is more than one stream, so a rejected line must name its own.
        rules, people: what is told of, by rule id and user id; empty for everything.
    """

    skipping: Skipping = Skipping.BRIEF
    quiet: bool = False
    several: bool = False
    rules: frozenset[str] = frozenset()
    people: frozenset[str] = frozenset()

    @property
    def is_partial(self) -> bool:
        """Whether something is not told of."""
        return bool(self.rules or self.people)


class Report:
    """Takes records as they come, like `records.JsonLines`.

    Args:
        out: where it is written.
        book: the rules, for the words of a skip.
        heading: the first line, which says what this is.
        view: what is shown.
    """

    def __init__(self, out: TextIO, book: Rulebook, *, heading: str, view: View) -> None:
        self._console = console_on(out)
        rules = {rule.id: rule for rule in book.rules}
        lines = Lines(self._console)
        self._timeline = None if view.quiet else Timeline(lines, rules, skipping=view.skipping)
        shown = sorted(view.rules or rules)
        self._tally = Tally(() if view.people else shown, several=view.several)
        self._of = _of(view)
        self._heading = "" if view.quiet else heading

    def tell(self, record: Record) -> None:
        """Take one record."""
        self._head()
        self._tally.tell(record)
        if self._timeline is not None:
            self._timeline.tell(record)

    def summarize(self, counts: Mapping[str, int]) -> None:
        """The end: print what is left."""
        self._head()
        if self._timeline is not None:
            self._timeline.close()
        self._tally.show_rejected(self._console)
        self._tally.show_waiting(self._console)
        self._tally.show(self._console, counts, self._of)

    def _head(self) -> None:
        """Print the heading once it is certain that there is something to read."""
        heading, self._heading = self._heading, ""
        if heading:
            self._console.print(Text(heading), style="dim")


def _of(view: View) -> str:
    """What a summary is of, where it is not of everything."""
    parts = [f" of {listed(sorted(view.rules))}"] if view.rules else []
    parts += [f" for {listed(sorted(view.people))}"] if view.people else []
    return "".join(parts) + (" (messages and people are all there were)" if parts else "")
