"""Requests, approvals, breakers and the audit log: as lines for people, and as JSON."""

from collections.abc import Sequence
from datetime import datetime

from whereupon.guards.audit_chain import Flaw
from whereupon.messages.times import format_instant
from whereupon.operations.audit_log import Receipt
from whereupon.records import Approval, AuditHead, AuditRow, Breaker, Request, RequestOutcome
from whereupon.render.formatting import clean, named
from whereupon.render.phrases import absent, holding
from whereupon.render.records import JsonObject, request_object

_SHORT = 12
_TOLD = ("action", "guard", "outcome", "reason", "limit", "actor", "requester", "error")


def request_line(request: Request) -> str:
    """Number, state, what is asked for whom, since when, and what it waits for."""
    whose = f" of {named(request.person)}" if request.person else ""
    asked = format_instant(request.asked_at or request.timestamp)
    parts = (
        f"{request.key}",
        f"{request.outcome}",
        f"{clean(request.action)}{whose}",
        f"asked {asked} by {_requester(request)}",
        _why(request),
        f"due {format_instant(request.due_at)}" if request.due_at else "",
        f"expires {format_instant(request.expires_at)}" if request.expires_at else "",
    )
    return "  ".join(part for part in parts if part)


def _requester(request: Request) -> str:
    return named(request.requester) if request.requester else f"a {request.source}"


def _why(request: Request) -> str:
    if request.outcome is RequestOutcome.HELD:
        return f"because {holding(request)}"
    if request.outcome is RequestOutcome.RAN and request.detail is not None:
        return f"and found nothing: {absent(request)}"
    if request.reason is None:
        return ""
    detail = f" ({clean(request.detail)})" if request.detail else ""
    return f"because {clean(request.reason)}{detail}"


def approval_line(approval: Approval) -> str:
    """Who agreed to which plan, and when."""
    at = format_instant(approval.approved_at)
    return f"{named(approval.actor)} agreed to plan {approval.plan} at {at}"


def breaker_line(breaker: Breaker) -> str:
    """Which breaker is open, since when, and how it is closed."""
    since = format_instant(breaker.opened_at)
    close = f"whereupon requests close-breaker {breaker.guard} --by NAME"
    return f"The breaker of {breaker.guard} is open since {since} ({breaker.limit}); to close it: {close}"


def audit_line(row: AuditRow) -> str:
    """One row: when, what happened to which request, by whom and why."""
    facts = row.facts
    parts = [str(row.sequence), str(facts.get("at")), str(facts.get("kind"))]
    if facts.get("request"):
        parts.append(f"request {facts['request']}")
    parts += [f"{name} {clean(str(facts[name]))}" for name in _TOLD if name in facts]
    return "  ".join([*parts, row.hash[:_SHORT]])


def request_record(request: Request, approvals: Sequence[Approval] = ()) -> JsonObject:
    """A request with all that is kept of it."""
    plan = request.plan
    return {
        **request_object(request),
        "request": request.key,
        "detail": request.detail,
        "source": request.source,
        "requester": request.requester,
        "asked_at": _instant(request.asked_at),
        "decided_at": format_instant(request.decided_at),
        "due_at": _instant(request.due_at),
        "expires_at": _instant(request.expires_at),
        "plan": plan.digest if plan else None,
        "counts": dict(plan.counts) if plan else None,
        "attempts": request.attempts,
        "approvals": [
            {
                "by": each.actor,
                "plan": each.plan,
                "approved_at": format_instant(each.approved_at),
            }
            for each in approvals
        ],
    }


def _instant(value: datetime | None) -> str | None:
    return None if value is None else format_instant(value)


def breaker_object(breaker: Breaker) -> JsonObject:
    """A breaker."""
    return {
        "kind": "breaker",
        "guard": breaker.guard,
        "limit": breaker.limit,
        "opened_at": format_instant(breaker.opened_at),
        "closed_at": _instant(breaker.closed_at),
        "closed_by": breaker.closed_by,
    }


def audit_object(row: AuditRow) -> JsonObject:
    """A row of the audit log, its record also as it was hashed."""
    return {
        "kind": "audit",
        "sequence": row.sequence,
        "previous": row.previous,
        "record": row.facts,
        "hashed": row.record,
        "hash": row.hash,
    }


def head_object(head: AuditHead) -> JsonObject:
    """Where the log ends; ``audit verify --head SEQUENCE:HASH`` compares with it."""
    return {"kind": "head", "sequence": head.sequence, "hash": head.hash, "seal": head.seal}


def flaw_object(flaw: Flaw) -> JsonObject:
    """A place where the log is not as it was written."""
    return {
        "kind": "flaw",
        "sequence": flaw.sequence,
        "code": flaw.code,
        "message": flaw.message,
    }


def receipt_object(receipt: Receipt) -> JsonObject:
    """A receipt."""
    return {
        "kind": "receipt",
        "request": receipt.request,
        "action": receipt.action,
        "outcome": receipt.outcome,
        "asked_at": receipt.asked_at,
        "done_at": receipt.done_at,
        "person": receipt.person,
        "counts": dict(receipt.counts),
        "agreed": receipt.agreed,
        "sequence": receipt.sequence,
        "hash": receipt.hash,
    }
