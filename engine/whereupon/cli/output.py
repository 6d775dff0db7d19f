"""Where a run's records go: JSON Lines or a report for people, both on standard output."""

import sys
from collections.abc import Mapping
from typing import Protocol

from whereupon.render.records import JsonLines, Record
from whereupon.render.report import Report, View
from whereupon.rules import Rulebook


class Output(Protocol):
    """Takes a run's records as they come, then its counts."""

    def tell(self, record: Record) -> None:
        """Take one record."""
        ...

    def summarize(self, counts: Mapping[str, int]) -> None:
        """Take the counts; the last call."""
        ...


def output_on(book: Rulebook, *, as_json: bool, heading: str, view: View) -> Output:
    """The output that the options ask for."""
    if as_json:
        return JsonLines(sys.stdout.buffer, several=view.several)
    return Report(sys.stdout, book, heading=heading, view=view)
