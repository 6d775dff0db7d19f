"""The inbox: messages that the host itself shows to people."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from pydantic import JsonValue

from whereupon.messages.times import as_micros, from_micros
from whereupon.records.deliveries import SendKind


class InboxItem(NamedTuple):
    """One message in a person's inbox.

    Attributes:
        key: the idempotency key of its delivery.
        rule, channel, kind, topic: as its delivery has them.
        content: the fields of the step, filled in.
        created_at: when it was put there.
        expires_at: from when on it is no longer shown; None for never.
        read_at: when it was marked as read; None if it is unread.
        occasion: of its entry.
    """

    key: str
    person_key: int
    rule: str
    channel: str
    kind: SendKind
    topic: str | None
    content: Mapping[str, JsonValue]
    created_at: datetime
    expires_at: datetime | None = None
    read_at: datetime | None = None
    occasion: str | None = None

    @property
    def cursor(self) -> str:
        """Its place: ``before=`` this the next page begins."""
        return f"{as_micros(self.created_at)}.{self.key}"

    @property
    def place(self) -> tuple[datetime, str]:
        """What the items of a person are ordered by."""
        return self.created_at, self.key

    def is_shown(self, now: datetime) -> bool:
        """Whether it has not expired."""
        return self.expires_at is None or self.expires_at > now


def is_storable(text: str) -> bool:
    """Whether every database can hold the text: it has neither NUL nor half a character."""
    return "\0" not in text and text.encode("utf-8", "ignore").decode() == text


def place_at(cursor: str) -> tuple[datetime, str]:
    """The place that a cursor stands for; raises `ValueError` if it is not one of an `InboxItem`."""
    micros, dot, key = cursor.partition(".")
    try:
        if dot and is_storable(key):
            return from_micros(int(micros)), key
    except (ValueError, OverflowError):
        pass
    message = "this is not a cursor; give the `cursor` of the last inbox item that you have"
    raise ValueError(message)
