"""Broadcasts: which there are, whom one would reach, starting one; runs, and pausing, resuming, cancelling them."""

from functools import partial
from typing import Annotated
from urllib.parse import unquote

from fastapi import Path
from pydantic import AwareDatetime, BaseModel, BeforeValidator, Field, JsonValue

from whereupon.engine import Engine
from whereupon.errors import UnknownNameError
from whereupon.operations.broadcasts import MOST_PEOPLE, own_properties
from whereupon.operations.broadcasts import Triggered as Done
from whereupon.records import BroadcastRun, Delivery, DeliveryState, Scope
from whereupon.rules.model import OnCall, OnSchedule, Rule, RuleKind
from whereupon.web.management.entries import OperationShown, operation_shown
from whereupon.web.management.forms import (
    DEFAULT_LIMIT,
    Form,
    IdCursor,
    Limit,
    NameCursor,
    Page,
    RuleId,
    as_named_place,
    as_whole,
    from_named_place,
    page,
)
from whereupon.web.management.routing import CallerGiven, EngineGiven, needs, router

routes = router("broadcasts")

RunName = Annotated[
    str, BeforeValidator(unquote), Path(min_length=1, max_length=1_000, examples=["news:june"])
]
Sample = Annotated[int, Field(ge=0, le=1_000), BeforeValidator(as_whole)]


class RunShown(BaseModel):
    """One sending of a broadcast.

    Attributes:
        run: what started it: the broadcast's id and the time or the key, or a message.
        state: where it stands, such as ``planned``, ``running``, ``paused``, ``done``, ``cancelled``, ``missed``.
        admitted: how many persons have entered so far.
        operations: what operators did to it, oldest first.
    """

    broadcast: str = Field(examples=["news"])
    run: str = Field(examples=["news:june"])
    state: str = Field(examples=["done"])
    timestamp: AwareDatetime
    due_at: AwareDatetime
    admitted: int
    operations: list[OperationShown]


class RunProgressShown(RunShown):
    """A run, and how far it is.

    Attributes:
        waiting: how many of its deliveries wait.
        ahead: to how many people it has not come yet, whether or not they will be let in.
    """

    waiting: int
    ahead: int


class BroadcastShown(BaseModel):
    """A broadcast in use.

    Attributes:
        starts_by: ``schedule``, ``call`` or ``message``.
        cron, timezone: of the schedule.
        latest: its newest run, which may be planned.
    """

    id: str = Field(examples=["news"])
    description: str
    digest: str
    is_on: bool
    starts_by: str = Field(examples=["call"])
    cron: str | None
    timezone: str | None
    latest: RunShown | None


def _run_facts(engine: Engine, run: BroadcastRun) -> dict[str, object]:
    return {
        "broadcast": run.rule,
        "run": run.occasion,
        "state": run.state_at(engine.clock.now()).value,
        "timestamp": run.timestamp,
        "due_at": run.due_at,
        "admitted": run.admitted,
        "operations": list(map(operation_shown, run.operations)),
    }


def _run_shown(engine: Engine, run: BroadcastRun) -> RunShown:
    return RunShown.model_validate(_run_facts(engine, run))


def _broadcast_shown(engine: Engine, rule: Rule) -> BroadcastShown:
    schedule = next((each for each in rule.triggers if isinstance(each, OnSchedule)), None)
    is_called = any(isinstance(each, OnCall) for each in rule.triggers)
    runs = engine.runs(rule.id, limit=1)
    return BroadcastShown(
        id=rule.id,
        description=rule.description,
        digest=rule.digest,
        is_on=rule.active.on,
        starts_by="schedule" if schedule else "call" if is_called else "message",
        cron=schedule.cron if schedule else None,
        timezone=schedule.timezone if schedule else None,
        latest=_run_shown(engine, runs[0]) if runs else None,
    )


@routes.get("/broadcasts", **needs(Scope.VIEWER))
def list_broadcasts(
    engine: EngineGiven, limit: Limit = DEFAULT_LIMIT, cursor: IdCursor = None
) -> Page[BroadcastShown]:
    """The broadcasts in use, by id, each with its newest run."""
    rules = (r for r in engine.pipeline.index.book.rules if r.kind is RuleKind.BROADCAST)
    found = sorted((r for r in rules if r.id > (cursor or "")), key=lambda rule: rule.id)
    return page(found[: limit + 1], limit, partial(_broadcast_shown, engine), lambda rule: rule.id)


@routes.get("/broadcasts/{rule}", **needs(Scope.VIEWER, 404))
def get_broadcast(rule: RuleId, engine: EngineGiven) -> BroadcastShown:
    """One broadcast."""
    return _broadcast_shown(engine, _broadcast(engine, rule))


def _broadcast(engine: Engine, name: str) -> Rule:
    found = engine.pipeline.index.by_id.get(name)
    if found is None or found.kind is not RuleKind.BROADCAST:
        raise UnknownNameError(kind="broadcast", name=name)
    return found


@routes.get("/broadcasts/{rule}/runs", **needs(Scope.VIEWER, 404))
def list_runs(
    rule: RuleId, engine: EngineGiven, limit: Limit = DEFAULT_LIMIT, cursor: NameCursor = None
) -> Page[RunShown]:
    """The runs of a broadcast, newest first; of one that is no longer in use, too."""
    before = None if cursor is None else from_named_place(cursor)
    found = engine.runs(rule, limit=limit + 1, before=before)
    if not found and before is None:
        _broadcast(engine, rule)
    return page(
        found,
        limit,
        partial(_run_shown, engine),
        lambda run: as_named_place(run.timestamp, run.occasion),
    )


_BEHIND = "\x1f"
"""Between the broadcast and the run in a cursor; no id has it."""


@routes.get("/runs", **needs(Scope.VIEWER))
def list_all_runs(
    engine: EngineGiven, limit: Limit = DEFAULT_LIMIT, cursor: NameCursor = None
) -> Page[RunShown]:
    """The runs of all broadcasts, newest first; planned ones come first."""
    before = None
    if cursor is not None:
        at, name = from_named_place(cursor)
        broadcast, _, run = name.partition(_BEHIND)
        before = (at, broadcast, run)
    found = engine.broadcasts.list(before=before, limit=limit + 1).runs
    return page(found, limit, partial(_run_shown, engine), _place)


def _place(run: BroadcastRun) -> str:
    return as_named_place(run.timestamp, f"{run.rule}{_BEHIND}{run.occasion}")


@routes.get("/broadcasts/{rule}/runs/{run}", **needs(Scope.VIEWER, 404))
def get_run(rule: RuleId, run: RunName, engine: EngineGiven) -> RunProgressShown:
    """One run, and how far it is."""
    found = engine.broadcasts.show(rule, run)
    facts = {**_run_facts(engine, found.run), "waiting": found.waiting, "ahead": found.ahead}
    return RunProgressShown.model_validate(facts)


@routes.post("/broadcasts/{rule}/runs/{run}/pause", **needs(Scope.EDITOR, 404, 409))
def pause_run(rule: RuleId, run: RunName, engine: EngineGiven, caller: CallerGiven) -> RunShown:
    """Pause a run: nobody more is let in, and who was let in stands still, as do deliveries that wait."""
    return _run_shown(engine, engine.broadcasts.pause(rule, run=run, by=caller.name))


@routes.post("/broadcasts/{rule}/runs/{run}/resume", **needs(Scope.EDITOR, 404, 409))
def resume_run(rule: RuleId, run: RunName, engine: EngineGiven, caller: CallerGiven) -> RunShown:
    """Resume a paused run."""
    return _run_shown(engine, engine.broadcasts.resume(rule, run=run, by=caller.name))


@routes.post("/broadcasts/{rule}/runs/{run}/cancel", **needs(Scope.EDITOR, 404, 409))
def cancel_run(rule: RuleId, run: RunName, engine: EngineGiven, caller: CallerGiven) -> RunShown:
    """Cancel a run for good: nobody more is let in, entries end, deliveries that wait are withdrawn."""
    return _run_shown(engine, engine.broadcasts.cancel(rule, run=run, by=caller.name))


class PreviewAsked(Form):
    """What the preview of a broadcast is made with.

    Attributes:
        properties: what its ``who`` sees as ``properties``.
        sample: how many user ids to give.
    """

    properties: dict[str, JsonValue] = Field(default={}, examples=[{"title": "Summer"}])
    sample: Sample = Field(default=10, examples=[10])


class TextShown(BaseModel):
    """What one person of the sample would be sent at once.

    Attributes:
        withheld: why it would be withheld; null if it would be sent.
    """

    person: str = Field(examples=["ada"])
    channel: str = Field(examples=["email"])
    content: dict[str, JsonValue]
    withheld: str | None


class PreviewShown(BaseModel):
    """Whom a broadcast would reach, if it were sent now.

    Attributes:
        people: how many are in its audience.
        texts: what the people of the sample would be sent at once.
        capped: for how many a cap leaves no place for the first marketing send.
        held_out: how many belong to its holdout, and would be sent nothing.
        unsubscribed, suppressed, without_address: how many would not get at least one of the sends, and why.
        unreachable: how many would be sent nothing at all.
    """

    people: int
    sample: list[str]
    texts: list[TextShown]
    capped: int
    held_out: int
    unsubscribed: int
    suppressed: int
    without_address: int
    unreachable: int


@routes.post("/broadcasts/{rule}/preview", **needs(Scope.EDITOR, 400, 404, only_reads=True))
def preview_broadcast(rule: RuleId, asked: PreviewAsked, engine: EngineGiven) -> PreviewShown:
    """Whom a broadcast would reach, if it were sent now; nothing is written or sent. It goes through all people."""
    found = engine.broadcasts.preview(rule, properties=asked.properties, sample=asked.sample)
    return PreviewShown(
        people=found.people,
        sample=list(found.sample),
        texts=list(map(_text_shown, found.texts)),
        capped=found.capped,
        held_out=found.held_out,
        unsubscribed=found.unsubscribed,
        suppressed=found.suppressed,
        without_address=found.without_address,
        unreachable=found.unreachable,
    )


def _text_shown(delivery: Delivery) -> TextShown:
    return TextShown(
        person=delivery.person,
        channel=delivery.channel,
        content=dict(delivery.content),
        withheld=delivery.reason if delivery.state is DeliveryState.WITHHELD else None,
    )


class TriggerAsked(Form):
    """How to start a broadcast whose ``when`` is ``api``.

    Attributes:
        properties: what its templates and its ``who`` see as ``properties``.
        key: one key starts the broadcast once, ever; without it, the ``Idempotency-Key`` does for a day.
        recipients: the people whom it goes to, as far as ``who`` admits them, at most 10,000; without them,
            everyone. Each has a ``user_id``, and beside it properties of that person's own.
    """

    properties: dict[str, JsonValue] = Field(default={}, examples=[{"title": "Summer"}])
    key: str | None = Field(
        default=None, min_length=1, max_length=100, pattern=r"^[ -~]+$", examples=["june"]
    )

    recipients: Annotated[list[dict[str, JsonValue]], Field(max_length=MOST_PEOPLE)] | None = Field(
        default=None, examples=[[{"user_id": "ada", "discount": 10}]]
    )


class RecipientsReached(BaseModel):
    """What became of the recipients of a call, by their places in its list, from 0. No person is created.

    Attributes:
        let_in: how many were let in.
        unknown: the places of user ids that nobody has.
        excluded: the places of people whom ``who`` does not admit.
    """

    let_in: int
    unknown: list[int]
    excluded: list[int]


class Triggered(BaseModel):
    """A broadcast was started.

    Attributes:
        is_new: false if an earlier call with the same key started it.
        recipients: null if the call named nobody.
    """

    run: str = Field(examples=["news:june"])
    is_new: bool
    recipients: RecipientsReached | None = None


@routes.post("/broadcasts/{rule}/trigger", **needs(Scope.EDITOR, 400, 404, 409))
def trigger_broadcast(
    rule: RuleId, asked: TriggerAsked, engine: EngineGiven, caller: CallerGiven
) -> Triggered:
    """Start a broadcast to everyone whom its ``who`` admits, or to the recipients among them."""
    named = None if asked.recipients is None else own_properties(rule, asked.recipients)
    done = engine.trigger(rule, per_person=named, properties=asked.properties, key=asked.key)
    if done.is_new:
        engine.audit.note("broadcast-triggered", by=caller.name, rule=rule)
    reached = None if named is None else _reached(done, list(named))
    return Triggered(run=done.run, is_new=done.is_new, recipients=reached)


def _reached(done: Done, named: list[str]) -> RecipientsReached:
    places = {user_id: place for place, user_id in enumerate(named)}
    return RecipientsReached(
        let_in=len(done.deliveries),
        unknown=[places[user_id] for user_id in done.unknown],
        excluded=[places[user_id] for user_id in done.excluded],
    )
