"""How and when messages come in, and what was found valid in those before."""

from collections.abc import Callable
from datetime import datetime
from typing import TypeAlias

from whereupon.messages.model import Origin, SenderClass
from whereupon.messages.structs import Unfrozen, field

ValidTexts: TypeAlias = dict[object, str]
"""Ids or names that were found valid, so that each is checked once; cleared when there are many."""

_MOST_VALID = 10_000


class Validated(Unfrozen):
    """What was found valid in messages, so that each text is checked once. Thread-safe."""

    ids: ValidTexts = field(default_factory=dict)
    names: ValidTexts = field(default_factory=dict)


class Arrival(Unfrozen):
    """How and when messages come in.

    Attributes:
        received_at: the arrival; with `by_message` that of the last message, before which the next cannot arrive.
        new_id: returns an id for a message that has none.
        by_message: the message's own ``receivedAt``, or else its time, is the arrival, as in a stream.
        all_at_once: with `by_message`, every message arrives at `received_at` all the same, as in an import.
        valid: the ids and names that were found valid.
    """

    received_at: datetime
    source: SenderClass
    new_id: Callable[[], str]
    origin: Origin = Origin.LIVE
    by_message: bool = False
    all_at_once: bool = False
    valid: Validated = field(default_factory=Validated)

    def times(
        self, collected: datetime | None, happened: datetime | None
    ) -> tuple[datetime, datetime | None]:
        """The arrival of a message, and the time of receipt that corrects the sender's clock, if known.

        Args:
            collected: when a collector received it, by its ``receivedAt``.
            happened: when it happened, by its own time.
        """
        received_at = self.received_at
        if not self.by_message:
            is_later = collected is None or received_at < collected
            return received_at, received_at if is_later else collected
        if self.all_at_once:
            return received_at, collected
        return max(collected or happened or received_at, received_at), collected


def as_valid(text: str, valid: ValidTexts) -> str:
    """Note a text that was found valid; gives it back."""
    if len(valid) >= _MOST_VALID:
        valid.clear()
    return valid.setdefault(text, text)
