"""What an identify would claim, and what that would trigger; nothing is written, nothing is sent.

It loads and decides as the identify itself would, on what the store holds now. It uses up no key of the store.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from whereupon.decide import BatchResult, Notice, Snapshot
from whereupon.decide.decisions import Decision
from whereupon.errors import MessageRejectedError
from whereupon.insight.clauses import subject_of
from whereupon.messages.model import Message, Origin, SenderClass, id_in_ref
from whereupon.pipeline.batches import Pipeline
from whereupon.pipeline.fresh_ids import fresh_id
from whereupon.pipeline.ingestion import read_batch, refuse
from whereupon.ports import Session
from whereupon.records import Delivery, EntryState, StoredMessage


@dataclass(frozen=True, slots=True)
class ClaimedMessage:
    """A message that would become the person's.

    Attributes:
        subject: its name, or its type if it has none.
        before: the first user id of its present owner; None if nobody has claimed it.
    """

    message_id: str
    subject: str
    timestamp: datetime
    anonymous_id: str
    before: str | None


@dataclass(frozen=True, slots=True)
class WaitingEntry:
    """An entry that opens and then waits; its next step comes at ``due_at``.

    Attributes:
        due_at: None if it waits for something without an end.
        step: the address of that step; of a step at which it waits for something, that step's.
        then: what that step does, in words; empty if that cannot be said.
    """

    rule: str
    person: str
    message_id: str
    due_at: datetime | None
    then: str = ""
    step: str = ""


@dataclass(frozen=True, slots=True)
class EndedEntry:
    """A running entry that would end, since its person leaves by it."""

    rule: str
    person: str
    message_id: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What a message would do if it were taken now.

    Attributes:
        silenced: whether a tombstone would suppress it: the person is suppressed, or the message happened before the
            person was deleted.
        claimed: in the order in which they happened.
        deliveries: what would be due at once.
        waiting: entries that would be opened and wait.
        ended: running entries that would end.
        broadcasts: broadcasts that a campaign's step would start.
    """

    message_id: str
    silenced: bool
    claimed: tuple[ClaimedMessage, ...]
    decisions: tuple[Decision, ...]
    deliveries: tuple[Delivery, ...]
    waiting: tuple[WaitingEntry, ...]
    ended: tuple[EndedEntry, ...]
    broadcasts: tuple[str, ...]
    warnings: tuple[Notice, ...]


def preview_identify(
    session: Session, pipeline: Pipeline, said: Mapping[str, object], now: datetime
) -> Preview:
    """What an identify would do if it were taken now.

    Args:
        said: its fields, in wire form.

    Raises:
        MessageRejectedError: it would not be accepted, or not as this person's.
    """
    reading = read_batch(
        [{**said, "type": "identify"}],
        received_at=now,
        source=SenderClass.SERVER,
        origin=Origin.LIVE,
        new_id=fresh_id,
    )
    refuse(reading.rejected)
    (message,) = reading.messages
    if message.user_id is None and message.remarks:  # what would be taken is nobody's identify
        code, reason = message.remarks[0]
        raise MessageRejectedError(code=code, field="userId", reason=reason)
    return preview(session, pipeline, message)


def preview(session: Session, pipeline: Pipeline, message: Message) -> Preview:
    """What a message that erases nobody would do if it were taken now."""
    loaded, result = pipeline.preview(session, message)
    emitted, changes = list(result.records()), result.changes
    running = [e for e in changes.entries.values() if e.state is EntryState.ACTIVE]
    opened = [e for e in running if e.key in changes.new_entries]
    ended = [
        e
        for key, e in changes.entries.items()
        if e.state is EntryState.EXITED and key not in changes.new_entries
    ]
    return Preview(
        message_id=message.message_id,
        silenced=message.ref in changes.erased_ids,
        claimed=tuple(_claimed(loaded, result)),
        decisions=tuple(each for each in emitted if isinstance(each, Decision)),
        deliveries=tuple(each for each in emitted if isinstance(each, Delivery)),
        waiting=tuple(
            WaitingEntry(
                e.rule,
                _name(loaded, result, e.person_key),
                id_in_ref(e.occasion),
                e.waits_until,
                step=e.address,
            )
            for e in opened
        ),
        ended=tuple(
            EndedEntry(e.rule, _name(loaded, result, e.person_key), id_in_ref(e.occasion))
            for e in ended
        ),
        broadcasts=tuple(run.rule for run in changes.runs.values()),
        warnings=tuple(each for each in emitted if isinstance(each, Notice)),
    )


def _claimed(loaded: Snapshot, result: BatchResult) -> list[ClaimedMessage]:
    given = {key for key, _ in result.changes.owners}
    taken = [
        stored
        for messages in loaded.anonymous_messages.values()
        for stored in messages
        if stored.key in given
    ]
    return [_as_claimed(loaded, stored) for stored in sorted(taken, key=_when)]


def _when(stored: StoredMessage) -> tuple[datetime, int]:
    return stored.timestamp, stored.key


def _as_claimed(loaded: Snapshot, stored: StoredMessage) -> ClaimedMessage:
    before = loaded.persons.get(stored.owner)
    return ClaimedMessage(
        stored.message_id,
        subject_of(stored),
        stored.timestamp,
        stored.anonymous_id or "",
        before.user_id if before else None,
    )


def _name(loaded: Snapshot, result: BatchResult, person_key: int) -> str:
    person = result.changes.persons.get(person_key) or loaded.persons[person_key]
    return person.user_id
