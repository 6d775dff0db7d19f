"""Skips: why messages did not open rules, and the search for one rule in the records of skips."""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import NamedTuple, TypeAlias

from pydantic import JsonValue

from whereupon.messages.codec import decode
from whereupon.messages.times import as_micros

_EVERY_PLACE = 2**31 - 1
"""Behind the last place of any rule list."""

SkipVerdict: TypeAlias = tuple[str, str, str, str | None, Mapping[str, JsonValue]]
"""One rule that was skipped: its id and digest, the reason, the condition that failed, the values it read."""


class SkipSummary(NamedTuple):
    """The rules of a list that a message did not open and that were not decided one by one.

    Why each rule was skipped is decided again when it is read, from the stored message, the version of the rule
    and what is kept here.

    Attributes:
        revision: the digest under which the list is stored: its rules, their versions, their order.
        kind: campaigns or broadcasts only; None for both.
        since, until: the places in the list that are meant, from one up to another.
        decided: the places among them that are not meant: rules that were entered, or that have a verdict.
        decided_at: in microseconds since the epoch; as `retroactive`, of these rules.
        reason: of all these rules; None if each has its own.
        person: the attributes that the rules read, as they were.
    """

    revision: str
    kind: str | None
    since: int
    until: int
    decided: tuple[int, ...]
    decided_at: int
    retroactive: bool
    reason: str | None
    person: Mapping[str, JsonValue]

    def covers(self, place: int, kind: str) -> bool:
        """Whether the rule at that place, of that kind, is meant."""
        if self.kind not in {None, kind} or place in self.decided:
            return False
        return self.since <= place < self.until


class Skips(NamedTuple):
    """The skips of one message, in one record, since skips are many.

    Attributes:
        verdicts: the rules that were decided one by one.
        summaries: the other rules that the message was evaluated against.
    """

    message_key: int
    person_key: int
    decided_at: datetime
    retroactive: bool
    verdicts: tuple[SkipVerdict, ...] = ()
    summaries: tuple[SkipSummary, ...] = ()

    @property
    def has_record(self) -> bool:
        """Whether it says more than the message's row does (see `SkippedList`), which no record says."""
        return bool(self.verdicts) or any(each.until != _EVERY_PLACE for each in self.summaries)

    def without_person(self, rules: Collection[str]) -> "Skips | None":
        """The skips that were decided before a person was known; None if there are none.

        Args:
            rules: ids of the broadcasts, whose verdicts are about no person.
        """
        verdicts = tuple(verdict for verdict in self.verdicts if verdict[0] in rules)
        summaries = tuple(each for each in self.summaries if not each.retroactive)
        left = self._replace(verdicts=verdicts, summaries=summaries, retroactive=False)
        return left if verdicts or summaries else None


class SkippedList(NamedTuple):
    """A rule list that a message skipped whole as it arrived, each rule for its own reason.

    Most messages do. A message says it with its row, so it has no record of skips then, unless more was decided.

    Attributes:
        revision, kind: as of `SkipSummary`.
    """

    revision: str
    kind: str | None

    def skips(
        self, message_key: int, person_key: int, received_at: datetime, others: Skips | None = None
    ) -> Skips:
        """The skips of a message that says so.

        Args:
            received_at: the message's; it was evaluated then.
            others: the record of its other skips.
        """
        at = as_micros(received_at)
        whole = SkipSummary(self.revision, self.kind, 0, _EVERY_PLACE, (), at, False, None, {})
        if others is None:
            return Skips(message_key, person_key, received_at, False, summaries=(whole,))
        return others._replace(summaries=(whole, *others.summaries))


def read_rule_list(kept: bytes | None) -> Mapping[str, tuple[int, str, str]]:
    """The rules of a rule list as it was kept, by id: place in the list, digest and kind."""
    whole = decode(kept) if kept else None
    listed = whole.get("roll") if isinstance(whole, dict) else None
    rules = listed if isinstance(listed, list) else []
    return {
        str(r[0]): (n, str(r[1]), str(r[2])) for n, r in enumerate(rules) if isinstance(r, list)
    }


class SkipSearch:
    """Searches many records for one rule.

    Args:
        rule: its id.
        version: what is kept under a digest. Each rule list is read once.
    """

    def __init__(self, rule: str, version: Callable[[str], bytes | None]) -> None:
        self._rule = rule
        self._version = version
        self._places: dict[str, tuple[int, str] | None] = {}

    def is_in(self, skips: Skips) -> bool:
        """Whether the record says that the rule was skipped."""
        if any(verdict[0] == self._rule for verdict in skips.verdicts):
            return True
        return any(map(self._is_covered, skips.summaries))

    def _is_covered(self, summary: SkipSummary) -> bool:
        revision = summary.revision
        if revision not in self._places:
            found = read_rule_list(self._version(revision)).get(self._rule)
            self._places[revision] = None if found is None else (found[0], found[2])
        place = self._places[revision]
        return place is not None and summary.covers(*place)
