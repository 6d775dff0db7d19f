"""Where a run's records go: JSON Lines or a report for people, both on standard output."""

import sys
from collections.abc import Mapping
from typing import Protocol

from whereupon.cli.exit_status import say
from whereupon.decide import Notice
from whereupon.messages.streams import BadLine
from whereupon.records import Delivery, Request
from whereupon.render.records import JsonLines, Record
from whereupon.render.report import Report, View
from whereupon.replay.stream_replay import Summary
from whereupon.rules.model import Rulebook
from whereupon.rules.spelling import nearest


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
    out: Output
    if as_json:
        of = {"rules": sorted(view.rules), "people": sorted(view.people)}
        shown = {"of": of} if view.is_partial else {}
        out = JsonLines(sys.stdout.buffer, several=view.several, shown=shown)
    else:
        out = Report(sys.stdout, book, heading=heading, view=view)
    return Selection(out, view) if view.is_partial else out


class Selection:
    """Lets through what is about some rules, or some people; and counts that alone.

    What is of no rule and of nobody, as a line that is no message, is not of these.
    """

    def __init__(self, out: Output, view: View) -> None:
        self._out = out
        self._view = view
        self._summary = Summary()
        self._messages: set[str] = set()
        self._people: set[str] = set()

    def tell(self, record: Record) -> None:
        """Take one record."""
        if not self._is_meant(record):
            return
        self._summary.count(record)
        self._out.tell(record)

    def summarize(self, counts: Mapping[str, int]) -> None:
        """The counts of what was let through; of messages and people, of all."""
        for person in sorted(self._view.people - self._people):
            say(f"nothing here is about {person!r}{nearest(person, self._people)}")
        own = self._summary.as_dict()
        whole = {name: counts[name] for name in _OF_THE_STREAM}
        self._out.summarize({**own, **whole})

    def _is_meant(self, record: Record) -> bool:
        rules, people = self._view.rules, self._view.people
        if not isinstance(record, Notice | BadLine) and record.person is not None:
            self._people.add(record.person)
        match record:
            case BadLine():
                return False
            case Notice():
                return record.message_id in self._messages
            case Request():
                meant = not rules and record.person in people
            case _:
                meant = (not rules or record.rule in rules) and (
                    not people or record.person in people
                )
        if meant and not isinstance(record, Delivery):
            self._messages.add(record.message_id)
        return meant


_OF_THE_STREAM = ("messages", "accepted", "duplicates", "rejected", "persons")
