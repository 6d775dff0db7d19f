"""Requests for destructive actions: what waits, what it would take away, and deciding it; breakers.

Who decides is the name of the key. The guard files say which names may.
"""

from typing import Annotated

from fastapi import Query
from pydantic import AwareDatetime, BaseModel, Field

from whereupon.records import Approval, Breaker, Request, RequestOutcome, Scope
from whereupon.web.management.forms import (
    DEFAULT_LIMIT,
    Form,
    KeyCursor,
    Limit,
    Number,
    Page,
    page,
)
from whereupon.web.management.routing import CallerGiven, EngineGiven, needs, router

routes = router("requests")


class PlanShown(BaseModel):
    """What a request would take away, or took.

    Attributes:
        digest: names the plan; an approval is for it.
        counts: how many rows of each kind.
    """

    digest: str = Field(examples=["5f2d9c0a1b3e4f60"])
    counts: dict[str, int]


class Asked(BaseModel):
    """What became of a request, without the person whom it is about.

    Attributes:
        request: its number; null after a dry run.
        reason: the guard that holds or refuses it; null if it ran.
        detail: what the guard saw.
        due_at: when it is judged again without a person.
    """

    request: int | None = Field(examples=[1])
    action: str = Field(examples=["Delete Person"])
    outcome: str = Field(examples=["held"])
    reason: str | None
    detail: str | None
    due_at: AwareDatetime | None
    expires_at: AwareDatetime | None
    plan: PlanShown | None


class ApprovalShown(BaseModel):
    """Who agreed to which plan, and when."""

    by: str
    plan: str
    approved_at: AwareDatetime


class RequestShown(Asked):
    """A request, whom it is about and who asked."""

    event: str
    person: str | None
    requester: str | None
    source: str
    asked_at: AwareDatetime | None
    decided_at: AwareDatetime
    attempts: int


class RequestApprovalsShown(RequestShown):
    """A request with its approvals."""

    approvals: list[ApprovalShown]


def _facts(request: Request) -> dict[str, object]:
    plan = request.plan
    return {
        "request": request.key,
        "action": request.action,
        "outcome": request.outcome.value,
        "reason": request.reason,
        "detail": request.detail,
        "due_at": request.due_at,
        "expires_at": request.expires_at,
        "plan": None if plan is None else PlanShown(digest=plan.digest, counts=dict(plan.counts)),
        "event": request.event,
        "person": request.person,
        "requester": request.requester,
        "source": request.source.value,
        "asked_at": request.asked_at,
        "decided_at": request.decided_at,
        "attempts": request.attempts,
    }


def asked_shown(request: Request) -> Asked:
    """What became of a request, as a write answers."""
    return Asked.model_validate(_facts(request))


def _request_shown(request: Request) -> RequestShown:
    return RequestShown.model_validate(_facts(request))


@routes.get("/requests", **needs(Scope.VIEWER))
def list_requests(
    engine: EngineGiven,
    outcomes: Annotated[
        list[RequestOutcome] | None,
        Query(alias="outcome", description="Repeat it for more outcomes.", examples=[["held"]]),
    ] = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: KeyCursor = None,
) -> Page[RequestShown]:
    """What was asked for, and what became of it, newest first."""
    before = None if cursor is None else int(cursor)
    found = engine.requests.list(*(outcomes or ()), limit=limit + 1, before=before)
    return page(found, limit, _request_shown, lambda each: str(each.key))


@routes.get("/requests/{request}", **needs(Scope.VIEWER, 404))
def get_request(request: Number, engine: EngineGiven) -> RequestApprovalsShown:
    """One request: its plan, and who has agreed to it."""
    approvals = [_approval_shown(each) for each in engine.requests.approvals(request)]
    return RequestApprovalsShown.model_validate(
        {**_facts(engine.requests.show(request)), "approvals": approvals}
    )


def _approval_shown(approval: Approval) -> ApprovalShown:
    return ApprovalShown(by=approval.actor, plan=approval.plan, approved_at=approval.approved_at)


# --- deciding ---------------------------------------------------------------------------------------


class ApprovalGiven(Form):
    """The plan that is agreed to, as it was shown; null for the one that is stored."""

    plan: str | None = Field(default=None, max_length=100, examples=["5f2d9c0a1b3e4f60"])


@routes.post("/requests/{request}/approve", **needs(Scope.APPROVER, 400, 404, 409))
def approve_request(
    request: Number, given: ApprovalGiven, engine: EngineGiven, caller: CallerGiven
) -> Asked:
    """Agree to a held request, under the key's name; it runs as soon as every guard allows it.

    If the data that it would take away have changed since, it is not agreed to, and shows the new plan.
    """
    return asked_shown(engine.requests.approve(request, by=caller.name, plan=given.plan))


@routes.post("/requests/{request}/cancel", **needs(Scope.APPROVER, 404, 409))
def cancel_request(request: Number, engine: EngineGiven, caller: CallerGiven) -> Asked:
    """Cancel a held request for good, under the key's name."""
    return asked_shown(engine.requests.cancel(request, by=caller.name))


@routes.post("/requests/{request}/retry", **needs(Scope.APPROVER, 404, 409))
def retry_request(request: Number, engine: EngineGiven, caller: CallerGiven) -> Asked:
    """Have the host's action called again for a request that failed."""
    return asked_shown(engine.requests.retry(request, by=caller.name))


# --- breakers ---------------------------------------------------------------------------------------


class BreakerShown(BaseModel):
    """A breaker: opened when a limit of a guard file was passed, and closed by a person."""

    guard: str
    limit: str
    is_open: bool
    opened_at: AwareDatetime
    closed_at: AwareDatetime | None
    closed_by: str | None


def _breaker_shown(breaker: Breaker) -> BreakerShown:
    return BreakerShown(
        guard=breaker.guard,
        limit=breaker.limit,
        is_open=breaker.is_open,
        opened_at=breaker.opened_at,
        closed_at=breaker.closed_at,
        closed_by=breaker.closed_by,
    )


class BreakerClosed(BaseModel):
    """How many requests the breaker held, which are judged again."""

    held: int


@routes.get("/breakers", **needs(Scope.VIEWER))
def list_breakers(engine: EngineGiven) -> list[BreakerShown]:
    """Every breaker that was ever opened, and whether it is open now."""
    return list(map(_breaker_shown, engine.requests.breakers()))


@routes.post("/breakers/{guard}/close", **needs(Scope.APPROVER, 404, 409))
def close_breaker(guard: str, engine: EngineGiven, caller: CallerGiven) -> BreakerClosed:
    """Close a guard file's breaker, under the key's name: the requests that it held are judged again."""
    return BreakerClosed(held=engine.requests.close(guard, by=caller.name))
