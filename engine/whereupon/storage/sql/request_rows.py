"""Rows and values of the ledger: requests, approvals, breakers, the audit log; and kept answers."""

from collections.abc import Mapping
from typing import cast

from whereupon.messages.codec import LazyObject, decode, encode
from whereupon.messages.model import Message, MessageType, Origin, SenderClass, id_in_ref
from whereupon.messages.times import as_micros, from_micros
from whereupon.records import (
    Approval,
    AuditHead,
    AuditRow,
    Breaker,
    Device,
    KeptAnswer,
    Plan,
    Request,
    RequestOutcome,
)
from whereupon.storage.sql.dialects import Parameters
from whereupon.storage.sql.rows import Record, instant_or_none, micros_or_none


def request_row(request: Request) -> Parameters:
    """A request's row."""
    plan, asked = request.plan, request.message
    return (
        request.key,
        request.ref,
        request.action,
        request.event,
        request.person,
        request.outcome.value,
        request.reason,
        as_micros(request.timestamp),
        as_micros(request.decided_at),
        request.source.value,
        request.detail,
        micros_or_none(request.asked_at),
        request.requester,
        micros_or_none(request.due_at),
        micros_or_none(request.expires_at),
        plan.digest if plan else None,
        encode(plan.counts).decode() if plan else None,
        request.attempts,
        asked.type.value if asked else None,
        asked.anonymous_id if asked else None,
        asked.target_id if asked else None,
        as_micros(asked.received_at) if asked else None,
        asked.body if asked else None,
    )


def request_from(row: Record) -> Request:
    """A request."""
    plan = None
    if row[15] is not None:
        plan = Plan(row[15], cast("Mapping[str, int]", decode(row[16])))
    return Request(
        key=row[0],
        message_id=id_in_ref(row[1]),
        action=row[2],
        event=row[3],
        person=row[4],
        outcome=RequestOutcome(row[5]),
        reason=row[6],
        timestamp=from_micros(row[7]),
        decided_at=from_micros(row[8]),
        source=SenderClass(row[9]),
        detail=row[10],
        asked_at=instant_or_none(row[11]),
        requester=row[12],
        due_at=instant_or_none(row[13]),
        expires_at=instant_or_none(row[14]),
        plan=plan,
        attempts=row[17],
        message=None if row[18] is None else _asked(row),
    )


def _asked(row: Record) -> Message:
    """What a waiting request asks for, as the message said it."""
    type_ = MessageType(row[18])
    return Message(
        message_id=id_in_ref(row[1]),
        type=type_,
        name=row[3] if type_ is MessageType.TRACK else "",
        user_id=row[4],
        anonymous_id=row[19],
        target_id=row[20],
        timestamp=from_micros(row[7]),
        received_at=from_micros(row[21]),
        original_timestamp=None,
        source=SenderClass(row[9]),
        origin=Origin.LIVE,
        body=bytes(row[22]),
    )


def approval_row(approval: Approval) -> Parameters:
    """An approval's row."""
    return (approval.request, approval.actor, approval.plan, as_micros(approval.approved_at))


def approval_from(row: Record) -> Approval:
    """An approval."""
    request, actor, plan, approved_at = row
    return Approval(request, actor, plan, from_micros(approved_at))


def breaker_row(breaker: Breaker) -> Parameters:
    """A breaker's row."""
    closed_at = micros_or_none(breaker.closed_at)
    opened_at = as_micros(breaker.opened_at)
    return (breaker.guard, breaker.limit, opened_at, closed_at, breaker.closed_by)


def breaker_from(row: Record) -> Breaker:
    """A breaker."""
    guard, limit, opened_at, closed_at, closed_by = row
    return Breaker(guard, limit, from_micros(opened_at), instant_or_none(closed_at), closed_by)


def audit_row(row: AuditRow, request: int) -> Parameters:
    """A row of the audit log, and the request it is about."""
    return (row.sequence, request, row.previous, row.record, row.hash)


def audit_from(row: Record) -> AuditRow:
    """A row of the audit log."""
    sequence, request, previous, record, own = row
    return AuditRow(sequence, previous, record, own, filed=request)


def head_row(head: AuditHead) -> Parameters:
    """The head's only row."""
    return (1, head.sequence, head.hash, head.seal)


def head_from(row: Record) -> AuditHead:
    """The head."""
    _, sequence, own, seal = row
    return AuditHead(sequence, own, seal)


def answer_row(kept: KeptAnswer) -> Parameters:
    """A kept answer's row."""
    begun_at, expires_at = as_micros(kept.begun_at), as_micros(kept.expires_at)
    return (kept.digest, kept.asked, begun_at, expires_at, kept.answer)


def answer_from(row: Record) -> KeptAnswer:
    """A kept answer."""
    digest, asked, begun_at, expires_at, answer = row
    return KeptAnswer(digest, asked, from_micros(begun_at), from_micros(expires_at), answer)


def device_from(row: Record) -> Device:
    """A device."""
    token, person_key, platform, attributes, updated_at = row
    return Device(token, person_key, platform, LazyObject(attributes), from_micros(updated_at))
