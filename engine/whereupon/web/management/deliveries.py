"""Deliveries: what waits, what was sent, what failed and why, and trying again what was given up."""

from datetime import timedelta
from typing import Annotated, Self

from fastapi import Query
from pydantic import AwareDatetime, BaseModel, Field, JsonValue

from whereupon.errors import UnknownNameError
from whereupon.messages.metrics import Metric
from whereupon.ports import DeliveryFilter
from whereupon.records import Delivery, DeliveryState, EntryEnd, MetricReport, Scope, is_storable
from whereupon.web.management.forms import (
    DEFAULT_LIMIT,
    DeliveryKey,
    Form,
    KeyCursor,
    Limit,
    Page,
    Seconds,
    page,
    plain_object,
)
from whereupon.web.management.problems import ProblemError
from whereupon.web.management.routing import CallerGiven, EngineGiven, needs, router

routes = router("deliveries")


class EndShown(BaseModel):
    """How an entry ended."""

    reason: str = Field(examples=["completed"])
    at: AwareDatetime
    detail: str | None
    message_id: str | None

    @classmethod
    def of(cls, end: EntryEnd) -> Self:
        """The end as the API says it."""
        return cls(reason=end.reason, at=end.at, detail=end.detail, message_id=end.message_id)


class DeliveryShown(BaseModel):
    """A delivery of the outbox.

    Attributes:
        key: the idempotency key, which the channel passes on to its provider.
        due_at: when the next try is due; if it is over, when it ended.
        reason: why it is held, withheld or dead, or the error of the last try.
        reports: what was reported of it after it was handed over.
        texts: the version of the rule whose texts it has, if they are live.
    """

    key: str = Field(examples=["4f0c1d2e3b4a59687786a5b4c3d2e1f0"])
    rule: str
    person: str
    channel: str
    kind: str
    topic: str | None
    state: str = Field(examples=["sent"])
    reason: str | None
    due_at: AwareDatetime
    attempts: int
    reports: list[str]
    texts: str | None


class ReportShown(BaseModel):
    """What was reported of a delivery."""

    metric: str = Field(examples=["delivered"])
    at: AwareDatetime
    reason: str | None


class DeliveryContentShown(DeliveryShown):
    """A delivery with its content, as it was filled in, and each report."""

    content: dict[str, JsonValue]
    message_id: str | None
    reported: list[ReportShown]


def _facts(delivery: Delivery) -> dict[str, object]:
    return {
        "key": delivery.idempotency_key,
        "rule": delivery.rule,
        "person": delivery.person,
        "channel": delivery.channel,
        "kind": delivery.kind.value,
        "topic": delivery.topic,
        "state": delivery.state.value,
        "reason": delivery.reason,
        "due_at": delivery.due_at,
        "attempts": delivery.attempts,
        "reports": [metric.value for metric in Metric if metric in delivery.reports],
        "texts": delivery.texts,
    }


def delivery_shown(delivery: Delivery) -> DeliveryShown:
    """A delivery as the API says it."""
    return DeliveryShown.model_validate(_facts(delivery))


_REACH = 20_000
"""Deliveries that one page looks through, if no index finds those that are meant."""

ChannelAsked = Annotated[str | None, Query(max_length=200, examples=["email"])]
RuleAsked = Annotated[str | None, Query(max_length=200, examples=["sock-thanks"])]


@routes.get("/deliveries", **needs(Scope.VIEWER))
def list_deliveries(
    engine: EngineGiven,
    states: Annotated[
        list[DeliveryState] | None,
        Query(alias="state", description="Repeat it for more states.", examples=[["dead"]]),
    ] = None,
    channel: ChannelAsked = None,
    rule: RuleAsked = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: KeyCursor = None,
) -> Page[DeliveryShown]:
    """Deliveries by state, channel and rule, newest first.

    With a channel or a rule, a page of those that are over may have fewer items than the limit, even none, and others
    may follow: read on while ``next`` is not null.
    """
    which = DeliveryFilter(channel, rule, before=None if cursor is None else int(cursor))
    with engine.store.reading() as session:
        found, end = session.delivery_page(states or tuple(DeliveryState), limit + 1, which, _REACH)
    if len(found) > limit:
        return page(found, limit, delivery_shown, lambda each: str(each.key))
    items = list(map(delivery_shown, found))
    return Page(items=items, next=None if end is None else str(end))


@routes.get("/deliveries/{delivery}", **needs(Scope.VIEWER, 404))
def get_delivery(delivery: DeliveryKey, engine: EngineGiven) -> DeliveryContentShown:
    """One delivery with its content, and what was reported of it."""
    found = _delivery(engine, delivery)
    with engine.store.reading() as session:
        reports = session.reports_of(delivery)
    return DeliveryContentShown.model_validate(
        {
            **_facts(found),
            "content": plain_object(found.content),
            "message_id": found.message_id,
            "reported": [_report_shown(each) for each in reports],
        }
    )


def _report_shown(report: MetricReport) -> ReportShown:
    return ReportShown(metric=report.metric, at=report.timestamp, reason=report.reason)


def _delivery(engine: EngineGiven, key: str) -> Delivery:
    with engine.store.reading() as session:
        found = session.deliveries_by_key([key]) if is_storable(key) else []
    if not found:
        raise UnknownNameError(kind="delivery", name=key)
    return found[0]


# --- trying again -----------------------------------------------------------------------------------


class Retried(BaseModel):
    """How many deliveries were put back into the outbox, due now, under their old keys."""

    number: int


class RetryAsked(Form):
    """Which dead deliveries to try again; what is null or left out does not narrow.

    Attributes:
        since_seconds: only those that died at most so many seconds ago.
    """

    channel: str | None = Field(default=None, max_length=200, examples=["email"])
    rule: str | None = Field(default=None, max_length=200, examples=["sock-thanks"])
    since_seconds: Seconds | None = Field(default=None, examples=[86_400])


@routes.post("/deliveries/retry", **needs(Scope.EDITOR, 400, 409))
def retry_deliveries(asked: RetryAsked, engine: EngineGiven, caller: CallerGiven) -> Retried:
    """Try every dead delivery again that was given up on a channel, of a rule, lately."""
    since = None if asked.since_seconds is None else timedelta(seconds=asked.since_seconds)
    number = engine.retry_all(channel=asked.channel, rule=asked.rule, since=since)
    facts = {"number": number, "channel": asked.channel, "rule": asked.rule}
    engine.audit.note("deliveries-retried", by=caller.name, **facts)
    return Retried(number=number)


@routes.post("/deliveries/{delivery}/retry", **needs(Scope.EDITOR, 404, 409))
def retry_delivery(delivery: DeliveryKey, engine: EngineGiven, caller: CallerGiven) -> Retried:
    """Try a dead delivery again. One that was sent is not sent again."""
    found = _delivery(engine, delivery)
    if found.state is not DeliveryState.DEAD:
        detail = f"the delivery is {found.state}; only a dead one is tried again"
        raise ProblemError(status=409, code="not-dead", detail=detail)
    engine.retry(found)
    engine.audit.note("delivery-retried", by=caller.name, delivery=delivery, rule=found.rule)
    return Retried(number=1)
