"""Skips that time alone led to: no message came at that moment, so no message's skips have them."""

from datetime import datetime
from typing import NamedTuple

from whereupon.records.skips import SkipVerdict


class TimeSkip(NamedTuple):
    """A rule that a moment of a person's did not open.

    Attributes:
        occasion: what led to the rule, and when, as ``SUBJECT@INSTANT`` (see `Timer`).
        timestamp: the moment.
        decided_at: when the engine came to it.
        verdict: the rule, and why it was skipped.
    """

    key: int
    person_key: int
    occasion: str
    timestamp: datetime
    decided_at: datetime
    verdict: SkipVerdict

    @property
    def message_key(self) -> int:
        """0, since no message led to it; as of an entry that time opened."""
        return 0

    @property
    def rule(self) -> str:
        """The id of the rule."""
        return self.verdict[0]
