"""Broadcasts: which there are, their runs, and starting one."""

from pydantic import AwareDatetime, BaseModel, Field, JsonValue

from whereupon.engine import Engine
from whereupon.errors import UnknownNameError
from whereupon.records import BroadcastRun, Scope
from whereupon.rules.model import OnCall, OnSchedule, Rule, RuleKind
from whereupon.web.management.forms import (
    DEFAULT_LIMIT,
    Form,
    Limit,
    NameCursor,
    Page,
    RuleId,
    as_named_place,
    from_named_place,
    page,
)
from whereupon.web.management.routing import CallerGiven, EngineGiven, needs, router

routes = router("broadcasts")


class RunShown(BaseModel):
    """One sending of a broadcast.

    Attributes:
        run: what started it: the broadcast's id and the time or the key, or a message.
        state: ``planned``, ``running``, ``done``, or why it did not run: ``missed`` or ``overtaken``.
        admitted: how many persons have entered so far.
    """

    run: str = Field(examples=["news:june"])
    state: str = Field(examples=["done"])
    timestamp: AwareDatetime
    due_at: AwareDatetime
    admitted: int


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


def _run_shown(run: BroadcastRun) -> RunShown:
    return RunShown(
        run=run.occasion,
        state=_state(run),
        timestamp=run.timestamp,
        due_at=run.due_at,
        admitted=run.admitted,
    )


def _state(run: BroadcastRun) -> str:
    if run.cursor is not None:
        return "running" if run.cursor else "planned"
    return run.reason or "done"


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
        latest=_run_shown(runs[0]) if runs else None,
    )


@routes.get("/broadcasts", **needs(Scope.VIEWER))
def list_broadcasts(engine: EngineGiven) -> list[BroadcastShown]:
    """The broadcasts in use, by id, each with its newest run."""
    rules = engine.pipeline.index.book.rules
    found = sorted((r for r in rules if r.kind is RuleKind.BROADCAST), key=lambda rule: rule.id)
    return [_broadcast_shown(engine, rule) for rule in found]


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
    return page(found, limit, _run_shown, lambda run: as_named_place(run.timestamp, run.occasion))


class TriggerAsked(Form):
    """How to start a broadcast whose ``when`` is ``api``.

    Attributes:
        properties: what its templates and its ``who`` see as ``properties``.
        key: one key starts the broadcast once, ever; without it, the ``Idempotency-Key`` does for a day.
    """

    properties: dict[str, JsonValue] = Field(default={}, examples=[{"title": "Summer"}])
    key: str | None = Field(
        default=None, min_length=1, max_length=100, pattern=r"^[ -~]+$", examples=["june"]
    )


class Triggered(BaseModel):
    """A broadcast was started.

    Attributes:
        is_new: false if an earlier call with the same key started it.
    """

    run: str = Field(examples=["news:june"])
    is_new: bool


@routes.post("/broadcasts/{rule}/trigger", **needs(Scope.EDITOR, 400, 404, 409))
def trigger_broadcast(
    rule: RuleId, asked: TriggerAsked, engine: EngineGiven, caller: CallerGiven
) -> Triggered:
    """Start a broadcast to everyone whom its ``who`` admits."""
    done = engine.trigger(rule, properties=asked.properties, key=asked.key)
    if done.is_new:
        engine.audit.note("broadcast-triggered", by=caller.name, rule=rule, run=done.run)
    return Triggered(run=done.run, is_new=done.is_new)
