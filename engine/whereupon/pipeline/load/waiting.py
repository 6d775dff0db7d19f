"""The messages that wait under anonymous ids, or were claimed from there."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from whereupon.messages.model import Message
from whereupon.records import MessageName, StoredMessage


def messages_in(waiting: Mapping[int, Sequence[StoredMessage]]) -> list[Message]:
    """The messages that wait under anonymous ids."""
    return [stored.message for of_one in waiting.values() for stored in of_one] if waiting else []


def first_of_each(waiting: Iterable[StoredMessage]) -> dict[MessageName, datetime]:
    """When the first message of each type and name happened."""
    first: dict[MessageName, datetime] = {}
    for stored in waiting:
        message = stored.message
        named = (message.type, message.name)
        first[named] = min(message.timestamp, first.get(named, message.timestamp))
    return first
