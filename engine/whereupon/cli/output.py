"""The output of a replay or an import: JSON Lines, or a report for people, on standard output."""

import sys
from collections.abc import Mapping
from typing import Protocol

from whereupon.cli.exit_status import print_to_stderr
from whereupon.decide import Notice
from whereupon.messages.streams import BadLine
from whereupon.records import Delivery, Request
from whereupon.render.records import JsonLines
from whereupon.render.report import RunReport, View
from whereupon.replay.records import Record, Summary
from whereupon.rules.model import Rulebook
from whereupon.rules.spelling import nearest


class Output(Protocol):
    """Takes the records of a run in order, then its counts."""

    def emit(self, record: Record) -> None:
        """Take one record."""
        ...

    def summarize(self, counts: Mapping[str, int]) -> None:
        """Take the counts. This is the last call."""
        ...


def output_on(book: Rulebook, *, as_json: bool, heading: str, view: View) -> Output:
    """The output for the options of a command."""
    out: Output
    if as_json:
        of = {"rules": sorted(view.rules), "people": sorted(view.people)}
        shown = {"of": of} if view.is_partial else {}
        out = JsonLines(sys.stdout.buffer, several=view.several, shown=shown)
    else:
        out = RunReport(sys.stdout, book, heading=heading, view=view)
    return Selection(out, view) if view.is_partial else out


class Selection:
    """An output of the records of some rules or some people alone, with counts of these.

    A record without rule and person, such as a rejected line, is left out.
    """

    def __init__(self, out: Output, view: View) -> None:
        self._out = out
        self._view = view
        self._summary = Summary()
        self._messages: set[str] = set()
        self._people: set[str] = set()

    def emit(self, record: Record) -> None:
        """Take one record, and pass it on if it is selected."""
        if not self._is_selected(record):
            return
        self._summary.count(record)
        self._out.emit(record)

    def summarize(self, counts: Mapping[str, int]) -> None:
        """Pass on the counts of the selected records, and the counts of all messages and people."""
        for person in sorted(self._view.people - self._people):
            print_to_stderr(f"there is no record of {person!r}{nearest(person, self._people)}")
        own = self._summary.as_dict()
        whole = {name: counts[name] for name in _OF_THE_STREAM}
        self._out.summarize({**own, **whole})

    def _is_selected(self, record: Record) -> bool:
        rules, people = self._view.rules, self._view.people
        if not isinstance(record, Notice | BadLine) and record.person is not None:
            self._people.add(record.person)
        match record:
            case BadLine():
                return False
            case Notice():
                return record.message_id in self._messages
            case Request():
                selected = not rules and record.person in people
            case _:
                selected = (not rules or record.rule in rules) and (
                    not people or record.person in people
                )
        if selected and not isinstance(record, Delivery):
            self._messages.add(record.message_id)
        return selected


_OF_THE_STREAM = ("messages", "accepted", "duplicates", "rejected", "persons")
