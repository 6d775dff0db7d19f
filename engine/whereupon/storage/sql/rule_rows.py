"""Rows and values of what rules made: entries, deliveries, skips (see `rows`)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias, cast

from pydantic import JsonValue

from whereupon.messages.codec import LazyObject, decode, encode, object_text
from whereupon.messages.metrics import from_bits
from whereupon.messages.model import SenderClass
from whereupon.messages.times import as_micros, from_micros
from whereupon.ports import LeasedNow
from whereupon.records import (
    NO_EXEMPTION,
    Delivery,
    DeliveryState,
    Entry,
    EntryCount,
    EntryEnd,
    EntryState,
    Exemption,
    InboxItem,
    Mark,
    MarkKind,
    Operation,
    OperationKind,
    Operations,
    RulePause,
    SendKind,
    Skips,
    SkipSummary,
    SkipVerdict,
    Sweep,
    Trail,
)
from whereupon.storage.sql.dialects import Parameters
from whereupon.storage.sql.rows import (
    SOURCES,
    Record,
    instant_or_none,
    mapping,
    micros_or_none,
)

_ENTRY_STATES = {member.value: member for member in EntryState}


_MARK_KINDS = {member.value: member for member in MarkKind}


_CLIENT, _MARKETING = SenderClass.CLIENT, SendKind.MARKETING  # looked up slowly as attributes


_VERDICT = 5


"""The length of a `SkipVerdict`."""


JourneyColumns: TypeAlias = tuple[str | None, str | None, int | None, int | None, int | None]


def journey_columns(entry: Entry) -> JourneyColumns:
    """What an entry passed on its way: its trail as a JSON array, arms, and when it was sent to and converted."""
    if not entry.trail and entry.watched_until is None and entry.sent_at is None:
        return (None, entry.arms, None, None, micros_or_none(entry.converted_at))
    return (
        trail_text(entry.trail),
        entry.arms,
        micros_or_none(entry.sent_at),
        micros_or_none(entry.watched_until),
        micros_or_none(entry.converted_at),
    )


def trail_text(trail: Trail) -> str | None:
    """What an entry passed, as a JSON array; None if that is nothing."""
    if not trail:
        return None
    marks = [
        (kind, address, as_micros(at), arm, detail, dict(values), message_id)
        for kind, address, at, arm, detail, values, message_id in trail
    ]
    return encode(marks).decode()


def _trail_from(written: str) -> Trail:
    marks = cast("list[list[Any]]", decode(written))
    return tuple(
        [
            Mark(_MARK_KINDS[kind], address, from_micros(at), *rest)
            for kind, address, at, *rest in marks
        ]
    )


def operations_text(operations: Operations) -> str | None:
    """What operators did, as a JSON array; None if that is nothing."""
    if not operations:
        return None
    return encode([(k, by, as_micros(at), detail) for k, by, at, detail in operations]).decode()


def operations_from(written: str | None) -> Operations:
    """The same, read back."""
    if written is None:
        return ()
    parts = cast("list[list[Any]]", decode(written))
    return tuple(Operation(OperationKind(k), by, from_micros(at), d) for k, by, at, d in parts)


def end_columns(entry: Entry) -> tuple[int | None, str | None, str | None, str | None]:
    """How an entry ended: when, why, by what in words, by which message; nothing while it runs."""
    return _RUNS_ON if entry.ended is None else _end_row(entry.ended, as_micros(entry.ended.at))


_RUNS_ON = (None, None, None, None)


def _end_row(end: EntryEnd, at: int) -> tuple[int, str, str | None, str | None]:
    return at, str(end.reason), end.detail, end.message_id


def entry_from(row: Record) -> Entry:
    """An entry."""
    (
        key,
        rule,
        digest,
        person_key,
        entrant,
        occasion,
        timestamp,
        entered_at,
        retroactive,
        slot,
        state,
        due_at,
        facts,
        depth,
        message_key,
        source,
        ended_at,
        end_reason,
        end_detail,
        end_message,
        operations,
        address,
        trail,
        arms,
        sent_at,
        watched_until,
        converted_at,
    ) = row
    happened = from_micros(timestamp)
    return Entry(
        key,
        rule,
        digest,
        person_key,
        entrant,
        occasion,
        happened,
        happened if entered_at == timestamp else from_micros(entered_at),
        bool(retroactive),
        slot,
        _ENTRY_STATES[state],
        address,
        None if due_at is None else from_micros(due_at),
        LazyObject(facts),
        depth,
        message_key,
        SOURCES.get(source, _CLIENT),
        None if ended_at is None else _end_from(ended_at, end_reason, end_detail, end_message),
        () if operations is None else operations_from(operations),
        () if trail is None else _trail_from(trail),
        arms,
        None if sent_at is None else from_micros(sent_at),
        None if watched_until is None else from_micros(watched_until),
        None if converted_at is None else from_micros(converted_at),
    )


def _end_from(
    at: int, reason: str | None, detail: str | None, message_id: str | None
) -> EntryEnd | None:
    if reason is None:
        return None
    return EntryEnd(reason, from_micros(at), detail, message_id)


def result_text(result: JsonValue) -> str | None:
    """What a function returned, as JSON text; None if that is nothing."""
    return None if result is None else encode(result).decode()


def delivery_from(row: Record) -> Delivery:
    """A delivery."""
    return Delivery(
        key=row[0],
        idempotency_key=row[1],
        rule=row[2],
        person_key=row[3],
        person=row[4],
        channel=row[5],
        due_at=from_micros(row[6]),
        content=mapping(row[7]),
        recipient=mapping(row[8]),
        state=DeliveryState(row[9]),
        reason=row[10],
        attempts=row[11],
        occasion=row[12],
        kind=SendKind.MARKETING if row[13] is None else SendKind(row[13]),
        topic=row[14],
        reports=from_bits(row[15]),
        address_digest=None if row[16] is None else bytes.fromhex(row[16]),
        awaited_by=row[17],
        result=None if row[18] is None else decode(row[18]),
        texts=row[19],
        exempt=NO_EXEMPTION if row[20] is None else frozenset(map(Exemption, row[20].split())),
        is_leased=row[21] is not None,
    )


def inbox_item_row(item: InboxItem) -> Parameters:
    """An inbox item's row."""
    return (
        item.key,
        item.person_key,
        item.rule,
        item.channel,
        None if item.kind is SendKind.MARKETING else str(item.kind),
        item.topic,
        object_text(item.content),
        as_micros(item.created_at),
        micros_or_none(item.expires_at),
        micros_or_none(item.read_at),
        item.occasion,
    )


def inbox_item_from(row: Record) -> InboxItem:
    """An inbox item."""
    return InboxItem(
        key=row[0],
        person_key=row[1],
        rule=row[2],
        channel=row[3],
        kind=SendKind.MARKETING if row[4] is None else SendKind(row[4]),
        topic=row[5],
        content=mapping(row[6]),
        created_at=from_micros(row[7]),
        expires_at=instant_or_none(row[8]),
        read_at=instant_or_none(row[9]),
        occasion=row[10],
    )


def leased_now_from(row: Record) -> LeasedNow:
    """A leased delivery and its person, as they are now."""
    state, due_at, user_id, attributes, suppressing, paused = row
    said = None if attributes is None else mapping(attributes)
    place = (DeliveryState(state), from_micros(due_at), user_id, said)
    return LeasedNow(*place, bool(suppressing), bool(paused))


def skips_columns(skips: Sequence[Skips]) -> list[Sequence[Any]]:
    """The rows of messages' skips, column by column: what each says of rules is without the outer brackets.

    Messages that came together often share what is said of rules, or of all others, which is then written once.
    """
    keys, _, instants, retroactive, verdicts, summaries = zip(*skips, strict=True)
    said: list[str] = []
    decided: list[int] = []
    shared: dict[tuple[int, int], str] = {}
    last, micros = None, 0
    for at, of_rules, others in zip(instants, verdicts, summaries, strict=True):
        if at is not last:  # as all messages of a claim have it
            last, micros = at, as_micros(at)
        decided.append(micros)
        place = id(of_rules), id(others)
        text = shared.get(place)
        if text is None:
            text = shared[place] = _said(of_rules, others)
        said.append(text)
    return [keys, decided, [*map(int, retroactive)], said]


def _said(verdicts: Iterable[SkipVerdict], summaries: Iterable[SkipSummary]) -> str:
    return encode([*verdicts, *map(tuple, summaries)]).decode()[1:-1]


def skips_from(row: Record, *, person_key: int) -> Skips:
    """The record of a message's skips."""
    message_key, decided_at, retroactive, written = row
    parts = cast("list[list[Any]]", decode(f"[{written}]"))
    verdicts = tuple(_verdict(*part) for part in parts if len(part) == _VERDICT)
    others = tuple(_others(*part) for part in parts if len(part) != _VERDICT)
    instant = from_micros(decided_at)
    return Skips(message_key, person_key, instant, bool(retroactive), verdicts, others)


def _verdict(
    rule: str, digest: str, reason: str, text: str | None, values: Mapping[str, JsonValue]
) -> SkipVerdict:
    return rule, digest, reason, text, values


def _others(*parts: Any) -> SkipSummary:
    others = SkipSummary(*parts)
    return others._replace(decided=tuple(others.decided))


def pause_row(pause: RulePause) -> Parameters:
    """A paused rule's row."""
    return pause.rule, pause.by, as_micros(pause.since), pause.sweep


def pause_from(row: Record) -> RulePause:
    """A paused rule."""
    rule, by, since, sweep = row
    return RulePause(rule, by, from_micros(since), None if sweep is None else Sweep(sweep))


def count_from(row: Record) -> EntryCount:
    """How many people are inside a version of a rule before a step."""
    rule, digest, address, state, people, due_at = row
    return EntryCount(rule, digest, address, EntryState(state), people, from_micros(due_at))
