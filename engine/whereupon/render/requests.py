"""Requests, approvals and breakers, as lines for people and as JSON."""

from collections.abc import Sequence
from datetime import datetime

from whereupon.messages.times import format_instant
from whereupon.records import Approval, Breaker, Request, RequestOutcome
from whereupon.render.formatting import clean, named
from whereupon.render.phrases import absent, holding
from whereupon.render.records import JsonObject, request_object


def request_line(request: Request) -> str:
    """A request: its number, state, action, person, time and requester, and why it is in that state."""
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
    """An approval: who approved which plan, and when."""
    at = format_instant(approval.approved_at)
    return f"{named(approval.actor)} agreed to plan {approval.plan} at {at}"


def breaker_line(breaker: Breaker) -> str:
    """An open breaker: its guard, since when it is open, and the command that closes it."""
    since = format_instant(breaker.opened_at)
    close = f"whereupon requests close-breaker {breaker.guard} --by NAME"
    return f"The breaker of {breaker.guard} is open since {since} ({breaker.limit}); to close it: {close}"


def request_record(request: Request, approvals: Sequence[Approval] = ()) -> JsonObject:
    """A request with everything that is stored about it."""
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
    """A breaker, open or closed."""
    return {
        "kind": "breaker",
        "guard": breaker.guard,
        "limit": breaker.limit,
        "opened_at": format_instant(breaker.opened_at),
        "closed_at": _instant(breaker.closed_at),
        "closed_by": breaker.closed_by,
    }
