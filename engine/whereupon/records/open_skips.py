"""Skips by `who` that stay open, because the rule gives people some grace."""

from datetime import datetime
from typing import NamedTuple


class OpenSkip(NamedTuple):
    """A message that a rule skipped by `who`, and decides once more if an attribute changes in time.

    Attributes:
        until: up to when a change counts, by the time of the message that makes it.
        expires_at: from when on the rule would not take the message any more, however the person changes.
        retroactive: the message was anonymous, and a claim brought it to the person.
    """

    message_key: int
    rule: str
    person_key: int
    until: datetime
    expires_at: datetime
    retroactive: bool

    @property
    def place(self) -> tuple[int, str]:
        """Its key: the message's, and the rule's id."""
        return self.message_key, self.rule
