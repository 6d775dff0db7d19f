"""Batches for the pure core, decided directly: no engine, no store, no clock."""

from datetime import UTC, datetime, timedelta

from pydantic import JsonValue
from tests.rule_files import File, book_of

from whereupon.decide import BatchResult, Settings, Snapshot, decide
from whereupon.decide.decisions import Decision
from whereupon.matching import RuleIndex
from whereupon.messages.codec import encode
from whereupon.messages.model import Message, MessageType, Origin, SenderClass
from whereupon.records import Tombstone

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)
"""The shortest time that two messages can be apart."""


def message(
    message_id: str,
    event: str = "",
    *,
    user: str | None = None,
    anonymous: str | None = None,
    at: timedelta = timedelta(),
    arrives: timedelta | None = None,
    properties: JsonValue = None,
) -> Message:
    """Make a track message, or an identify if there is no event; times are since noon."""
    type_ = MessageType.TRACK if event else MessageType.IDENTIFY
    key = "properties" if event else "traits"
    body: JsonValue = {"type": str(type_), "event": event, key: properties or {}}
    return Message(
        message_id=message_id,
        type=type_,
        name=event,
        user_id=user,
        anonymous_id=anonymous,
        target_id=None,
        timestamp=NOON + at,
        received_at=NOON + (at if arrives is None else arrives),
        original_timestamp=None,
        source=SenderClass.SERVER,
        origin=Origin.LIVE,
        body=encode(body),
    )


def decide_batch(
    files: list[File], *messages: Message, tombstones: list[Tombstone] | None = None
) -> BatchResult:
    """Decide the messages in this order, with nothing recorded before."""
    loaded = Snapshot(first_key=1, keys=1_000, tombstones=tombstones or [])
    return decide(loaded, messages, RuleIndex(book_of(*files)), Settings())


def verdicts(result: BatchResult) -> dict[str, str]:
    """The outcome of each message that a rule names: ``entered``, or the reason."""
    decisions: list[Decision] = list(result.decisions)
    return {each.message_id: each.reason or str(each.outcome) for each in decisions}
