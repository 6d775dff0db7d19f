"""Rows and values: how what the engine remembers becomes what a table holds, and back.

Each pair of functions follows the order of the table's columns. Text of JSON is written by `codec`,
so that numbers come back as they were said.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any, Final, TypeAlias, cast

from pydantic import JsonValue

from whereupon.messages.codec import LazyObject, decode, encode, object_text
from whereupon.messages.columns import is_uniform
from whereupon.messages.model import (
    Message,
    MessageType,
    Origin,
    SenderClass,
    id_in_ref,
    ref_of,
    refs_of,
)
from whereupon.messages.times import (
    EPOCH,
    MICROSECOND,
    all_as_micros,
    as_micros,
    from_micros,
    micros_beside,
)
from whereupon.records import (
    NO_STAMPS,
    ChannelState,
    ClaimJob,
    ClaimRun,
    Device,
    Identifier,
    IdKind,
    Merge,
    MetricReport,
    ObjectRecord,
    Person,
    Relationship,
    SetAside,
    StoredMessage,
    SuppressedAddress,
    Tombstone,
    email_of,
)
from whereupon.storage.sql.dialects import Parameters

_TYPES = {member.value: member for member in MessageType}
SOURCES = {member.value: member for member in SenderClass}
_LIVE = Origin.LIVE  # an attribute of an enumeration is looked up slowly
_CLIENT = SenderClass.CLIENT.value
_ID_KINDS = {member.value: member for member in IdKind}
SOURCE_TEXTS = {member: member.value for member in SenderClass}
_new: Final = tuple.__new__  # a named tuple of values that are in its order already

Record: TypeAlias = Sequence[Any]  # what a column holds is known here only


def message_columns(
    messages: Sequence[StoredMessage],
    names: Sequence[int],
    lists: Sequence[int | None],
) -> list[Sequence[object]]:
    """The columns of messages' rows, for the rows are many.

    Args:
        messages: at least one.
        names: the number of each message's type and name.
        lists: the number of the rule list that each message skipped whole; None if it skipped none so.
    """
    said = [each.message for each in messages]
    keys, owners = [each.key for each in messages], [each.owner for each in messages]
    ids, sources = [each.message_id for each in said], [each.source for each in said]
    timestamps, arrivals = [each.timestamp for each in said], [each.received_at for each in said]
    originals = [each.original_timestamp for each in said]
    happened = all_as_micros(timestamps)
    return [
        keys,
        refs_of(ids, sources),
        names,
        owners,
        [each.user_id for each in said],
        [each.anonymous_id for each in said],
        [each.target_id for each in said],
        happened,
        [as_micros(arrivals[0])] * len(keys)
        if is_uniform(arrivals)
        else micros_beside(arrivals, timestamps, happened),
        happened if originals == timestamps else micros_beside(originals, timestamps, happened),
        _source_texts(sources),
        [each.depth for each in said],
        [each.body for each in said],
        lists,
    ]


def message_row(stored: StoredMessage, name: int, list_: int | None) -> Parameters:
    """The row of one message, with the values that `message_columns` has for it."""
    said = stored.message
    timestamp, arrived, original = said.timestamp, said.received_at, said.original_timestamp
    happened = as_micros(timestamp)
    return (
        stored.key,
        ref_of(said.message_id, said.source),
        name,
        stored.owner,
        said.user_id,
        said.anonymous_id,
        said.target_id,
        happened,
        happened if arrived is timestamp else as_micros(arrived),
        happened if original is timestamp else micros_or_none(original),
        SOURCE_TEXTS[said.source],
        said.depth,
        said.body,
        list_,
    )


def _source_texts(sources: Sequence[SenderClass]) -> list[str]:
    if is_uniform(sources):
        return [SOURCE_TEXTS[sources[0]]] * len(sources)
    return [*map(SOURCE_TEXTS.__getitem__, sources)]


def messages_from(found: Iterable[Record]) -> list[StoredMessage]:
    """Messages in the order of their rows, whose columns the part ``message`` of the statements names."""
    made: list[StoredMessage] = []
    arrivals: dict[int, datetime] = {}  # equal ones are made once
    for row in found:
        key, ref, owner, user_id, anonymous_id, target_id, timestamp, arrived, original = row[:9]
        source, depth, body, type_, name = row[9:]
        happened = EPOCH + timestamp * MICROSECOND
        if arrived not in arrivals:
            arrivals[arrived] = from_micros(arrived)
        made.append(
            StoredMessage(
                key,
                owner,
                Message(
                    id_in_ref(ref) if source == _CLIENT else ref,
                    _TYPES[type_],
                    name,
                    user_id,
                    anonymous_id,
                    target_id,
                    happened,
                    arrivals[arrived],
                    happened if original == timestamp else instant_or_none(original),
                    SOURCES[source],
                    _LIVE,
                    body,
                    depth,
                ),
            )
        )
    return made


def message_from(row: Record) -> StoredMessage:
    """One message, likewise."""
    return messages_from([row])[0]


def newest_last(found: Iterable[Record]) -> list[Record]:
    """Rows of messages by timestamp, then key."""
    by_key = sorted(found, key=itemgetter(0))  # twice, since numbers are compared faster than pairs
    return sorted(by_key, key=itemgetter(6))


def person_row(person: Person) -> Parameters:
    """A person's row."""
    return (
        person.key,
        person.user_id,
        as_micros(person.created_at),
        object_text(person.attributes),
        object_text(person.stamps),
        email_of(person.attributes),
    )


def person_from(row: Record) -> Person:
    """A person."""
    key, user_id, created_at, attributes, stamps = row[:5]
    said: Any = {} if attributes == "{}" else decode(attributes)
    sent: Any = NO_STAMPS if stamps == "{}" else LazyObject(stamps)
    return Person(key, user_id, from_micros(created_at), said, sent)


def identifier_from(row: Record) -> Identifier:
    """An identifier."""
    value, kind, key = row
    return _new(Identifier, (_ID_KINDS[kind], value, key))


def claim_row(claim: ClaimRun) -> Parameters:
    """A claim's row."""
    since, until = as_micros(claim.since), as_micros(claim.until)
    return (claim.anonymous_key, since, claim.person_key, until, claim.message_id)


def claim_from(row: Record) -> ClaimRun:
    """A claim."""
    anonymous_key, since, person_key, until, message_id = row
    return ClaimRun(anonymous_key, person_key, from_micros(since), from_micros(until), message_id)


def claim_job_row(job: ClaimJob) -> Parameters:
    """The row of a claim that is being carried out."""
    happened, key = job.after
    noted = {
        "chosen": job.is_chosen,
        "taken": dict(job.taken),
        "attributes": dict(job.attributes),
        "put": job.is_put,
        "entered": list(job.entered),
        "left": list(job.left),
        "known": job.makes_known,
        "again": [list(each) for each in job.again],
    }
    place = (job.anonymous_key, job.person_key, job.message_key)
    return (*place, as_micros(job.due_at), as_micros(happened), key, encode(noted).decode())


def claim_job_from(row: Record) -> ClaimJob:
    """A claim that is being carried out."""
    anonymous_key, person_key, message_key, due_at, happened, key, text = row
    noted = cast("dict[str, Any]", decode(text))
    return ClaimJob(
        anonymous_key,
        person_key,
        message_key,
        from_micros(due_at),
        (from_micros(happened), key),
        is_chosen=noted["chosen"],
        taken=noted["taken"],
        attributes=noted["attributes"],
        is_put=noted["put"],
        entered=tuple(noted["entered"]),
        left=tuple(noted["left"]),
        makes_known=noted.get("known", False),
        again=tuple((key, rule, bool(late)) for key, rule, late in noted.get("again", ())),
    )


def set_aside_row(aside: SetAside) -> Parameters:
    """The row of a message set aside."""
    return (
        aside.ref,
        aside.user_id,
        aside.anonymous_id,
        as_micros(aside.received_at),
        aside.source,
        aside.origin,
        aside.body,
        aside.reason,
        as_micros(aside.set_aside_at),
    )


def set_aside_from(row: Record) -> SetAside:
    """A message set aside, from its row."""
    message_id, user_id, anonymous_id, received, source, origin, body, reason, at = row
    said = (source, origin, bytes(body), reason)
    return SetAside(
        id_in_ref(message_id), user_id, anonymous_id, from_micros(received), *said, from_micros(at)
    )


def device_row(device: Device) -> Parameters:
    """A device's row."""
    attributes, updated_at = object_text(device.attributes), as_micros(device.updated_at)
    return (device.token, device.person_key, device.platform, attributes, updated_at)


def object_row(record: ObjectRecord) -> Parameters:
    """An object's row."""
    attributes, updated_at = object_text(record.attributes), as_micros(record.updated_at)
    return (record.type_id, record.object_id, attributes, updated_at)


def object_from(row: Record) -> ObjectRecord:
    """An object."""
    type_id, object_id, attributes, updated_at = row
    return ObjectRecord(type_id, object_id, LazyObject(attributes), from_micros(updated_at))


def tombstone_row(tombstone: Tombstone) -> Parameters:
    """A tombstone's row."""
    until = micros_or_none(tombstone.until)
    return (tombstone.digest.hex(), tombstone.of.hex(), until, tombstone.reason)


def tombstone_from(row: Record) -> Tombstone:
    """A tombstone."""
    digest, of, until, reason = row
    return Tombstone(bytes.fromhex(digest), bytes.fromhex(of), instant_or_none(until), reason)


def relationship_row(tie: Relationship) -> Parameters:
    """A tie's row."""
    return (tie.person_key, tie.type_id, tie.object_id)


def relationship_from(row: Record) -> Relationship:
    """A tie."""
    return Relationship(*row)


def report_row(report: MetricReport) -> Parameters:
    """A report's row."""
    head = (report.ref, report.kind, report.subject, report.metric)
    return (*head, report.person, as_micros(report.timestamp), report.reason)


def report_from(row: Record) -> MetricReport:
    """A report."""
    ref, kind, subject, metric, person, timestamp, reason = row
    return MetricReport(ref, kind, subject, metric, person, from_micros(timestamp), reason)


def suppressed_row(address: SuppressedAddress) -> Parameters:
    """The row of a suppressed address."""
    return (address.channel, address.digest.hex(), address.reason, as_micros(address.since))


def suppressed_from(row: Record) -> SuppressedAddress:
    """A suppressed address."""
    channel, digest, reason, since = row
    return SuppressedAddress(channel, bytes.fromhex(digest), reason, from_micros(since))


def merge_row(merge: Merge) -> Parameters:
    """A merge's row."""
    keys = (merge.survivor_key, merge.loser_key)
    return (merge.ref, *keys, merge.loser, as_micros(merge.merged_at))


def merge_from(row: Record) -> Merge:
    """A merge."""
    ref, survivor, loser_key, loser, merged_at = row
    return Merge(survivor, loser_key, loser, ref, from_micros(merged_at))


def instant_or_none(micros: int | None) -> datetime | None:
    """An instant, where there is one."""
    return None if micros is None else from_micros(micros)


def micros_or_none(instant: datetime | None) -> int | None:
    """Microseconds, where there is an instant."""
    return None if instant is None else as_micros(instant)


def mapping(text: str) -> Mapping[str, JsonValue]:
    """A JSON object."""
    return cast("Mapping[str, JsonValue]", decode(text))


def channel_row(state: ChannelState) -> Parameters:
    """The row of a channel."""
    calls = encode([*state.calls]).decode()
    return (state.name, calls, state.failures, micros_or_none(state.rests_until))


def channel_from(row: Record) -> ChannelState:
    """A channel's state."""
    name, calls, failures, rests_until = row
    begun = tuple((int(at), int(count)) for at, count in cast("list[list[int]]", decode(calls)))
    return ChannelState(name, begun, failures, instant_or_none(rests_until))
