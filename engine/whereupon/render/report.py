"""A whole run for people: the timeline, then what was rejected, then what it came to."""

from collections.abc import Mapping
from typing import TextIO

from whereupon.render.lines import Lines, console_on
from whereupon.render.records import Record
from whereupon.render.tally import Tally
from whereupon.render.timeline import Skipping, Timeline
from whereupon.rules import Rulebook


class Report:
    """Takes records as they come, like `records.JsonLines`.

    Args:
        heading: the first line, which says what this is.
        quiet: leave the timeline out.
    """

    def __init__(
        self,
        out: TextIO,
        book: Rulebook,
        *,
        heading: str,
        skipping: Skipping = Skipping.BRIEF,
        quiet: bool = False,
        several: bool = False,
    ) -> None:
        self._console = console_on(out)
        rules = {rule.id: rule for rule in book.rules}
        lines = Lines(self._console)
        self._timeline = None if quiet else Timeline(lines, rules, skipping=skipping)
        self._tally = Tally(sorted(rules), several=several)
        if not quiet:
            self._console.print(heading, style="dim")

    def tell(self, record: Record) -> None:
        """Take one record."""
        self._tally.tell(record)
        if self._timeline is not None:
            self._timeline.tell(record)

    def summarize(self, counts: Mapping[str, int]) -> None:
        """The end: print what is left."""
        if self._timeline is not None:
            self._timeline.close()
        self._tally.show_rejected(self._console)
        self._tally.show(self._console, counts)
