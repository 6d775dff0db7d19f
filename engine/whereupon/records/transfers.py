"""Waiting messages that become a person's by a claim without being evaluated."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple, TypeAlias

from whereupon.messages.model import MessageType
from whereupon.messages.times import FIRST_INSTANT
from whereupon.records.skips import SkipSummary

MessageName: TypeAlias = tuple[MessageType, str]
"""A message's type and name."""


class Inert(NamedTuple):
    """Which waiting messages have no effect when a claim makes them a person's.

    Attributes:
        names: names whose messages have no effect at any age.
        aged: names whose messages have no effect if they happened before ``before``.
    """

    names: frozenset[MessageName] = frozenset()
    aged: frozenset[MessageName] = frozenset()
    before: datetime = FIRST_INSTANT

    def covers(self, name: MessageName, timestamp: datetime) -> bool:
        """Whether a message of that name and time is inert."""
        return name in self.names or (name in self.aged and timestamp < self.before)


ALL_LIVE = Inert()
"""No message is known to have no effect."""


class Transfer(NamedTuple):
    """Inert messages of an anonymous id that become a person's, all in one statement.

    Attributes:
        anonymous_key: the key under which they wait.
        person_key: their new owner.
        since, until: the first and the last instant at which they happened.
        inert: which of them; the others change owner one by one.
        decided_at: when the claim arrived.
        skips: by name, the summary of the rules that skip each of the messages; names without rules are not
            listed.
    """

    anonymous_key: int
    person_key: int
    since: datetime
    until: datetime
    inert: Inert
    decided_at: datetime
    skips: Mapping[MessageName, SkipSummary]

    def includes(self, name: MessageName, timestamp: datetime) -> bool:
        """Whether it takes a waiting message of that name and time along."""
        return self.since <= timestamp <= self.until and self.inert.covers(name, timestamp)
