"""Entries: who is inside which rule and before which step; pausing, resuming, ending and moving them."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import Query
from pydantic import AwareDatetime, BaseModel, Field

from whereupon.engine import Engine
from whereupon.messages.model import id_in_ref
from whereupon.records import NEVER, Entry, EntryCount, EntryState, Operation, RulePause, Scope
from whereupon.web.management.deliveries import EndShown
from whereupon.web.management.forms import (
    DEFAULT_LIMIT,
    Form,
    KeyCursor,
    Limit,
    Number,
    Page,
    RuleId,
)
from whereupon.web.management.routing import CallerGiven, EngineGiven, needs, router

routes = router("entries")

_VERSION = r"^(current|[0-9a-f]{1,16})$"
StepAddress = Annotated[str, Field(min_length=1, max_length=200)]


class OperationShown(BaseModel):
    """What an operator did; ``detail`` is, of a move, the version that was left."""

    kind: str = Field(examples=["paused"])
    by: str
    at: AwareDatetime
    detail: str | None


class EntryChanged(BaseModel):
    """An entry after a write, without its person.

    Attributes:
        step: the address of its next step.
        due_at: when that is due; null if it has ended, or waits for something without an end.
    """

    entry: int = Field(examples=[1])
    rule: str
    version: str
    state: str = Field(examples=["paused"])
    step: str
    due_at: AwareDatetime | None
    ended: EndShown | None


class EntryShown(EntryChanged):
    """One person's run through one rule's steps.

    Attributes:
        message_id: what opened it: a message, or a broadcast's run.
        operations: the newest of what operators did to it, oldest first.
    """

    person: str | None
    message_id: str
    timestamp: AwareDatetime
    entered_at: AwareDatetime
    is_retroactive: bool
    operations: list[OperationShown]


class CountShown(BaseModel):
    """How many people are inside a rule, in one version before one step, in one state.

    ``due_at`` is when the first of them is due; null if they wait for something without an end.
    """

    rule: str
    version: str
    step: str
    state: str
    people: int
    due_at: AwareDatetime | None


def _facts(entry: Entry) -> dict[str, object]:
    return {
        "entry": entry.key,
        "rule": entry.rule,
        "version": entry.digest,
        "state": entry.state.value,
        "step": entry.address,
        "due_at": None if entry.due_at == NEVER else entry.due_at,
        "ended": None if entry.ended is None else EndShown.of(entry.ended),
    }


def _changed(entry: Entry) -> EntryChanged:
    return EntryChanged.model_validate(_facts(entry))


def _shown(engine: Engine, entries: Sequence[Entry]) -> list[EntryShown]:
    with engine.store.reading() as session:
        found = session.persons({entry.person_key for entry in entries}) if entries else []
    names = {each.key: each.user_id for each in found}
    return [
        EntryShown.model_validate(
            {
                **_facts(entry),
                "person": names.get(entry.person_key),
                "message_id": id_in_ref(entry.occasion),
                "timestamp": entry.timestamp,
                "entered_at": entry.entered_at,
                "is_retroactive": entry.retroactive,
                "operations": list(map(operation_shown, entry.operations)),
            }
        )
        for entry in entries
    ]


def operation_shown(done: Operation) -> OperationShown:
    """What an operator did, as the API says it."""
    return OperationShown(kind=done.kind.value, by=done.by, at=done.at, detail=done.detail)


RuleAsked = Annotated[str | None, Query(max_length=200, examples=["sock-thanks"])]


@routes.get("/entries", **needs(Scope.VIEWER, 404, 409))
def list_entries(  # noqa: PLR0913 - one for each filter
    engine: EngineGiven,
    *,
    rule: RuleAsked = None,
    person: Annotated[str | None, Query(max_length=1_000, examples=["ada"])] = None,
    state: EntryState | None = None,
    version: Annotated[str | None, Query(pattern=_VERSION, examples=["current"])] = None,
    step: Annotated[str | None, Query(max_length=200, examples=["2"])] = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: KeyCursor = None,
) -> Page[EntryShown]:
    """Entries, oldest first; by default of people who are inside.

    A page may have fewer items than the limit, even none, and others may follow: read on while ``next`` is not null.
    """
    found = engine.entries.list(
        rule=rule,
        person=person,
        state=state,
        version=version,
        step=step,
        after=int(cursor or 0),
        limit=limit,
    )
    behind = None if found.next is None else str(found.next)
    return Page(items=_shown(engine, found.entries), next=behind)


@routes.get("/entries/counts", **needs(Scope.VIEWER))
def count_entries(engine: EngineGiven, rule: RuleAsked = None) -> list[CountShown]:
    """How many people are inside, by rule, version, next step and state."""
    return list(map(_count_shown, engine.entries.counts(rule)))


def _count_shown(count: EntryCount) -> CountShown:
    return CountShown(
        rule=count.rule,
        version=count.version,
        step=count.address,
        state=count.state.value,
        people=count.people,
        due_at=None if count.due_at == NEVER else count.due_at,
    )


@routes.get("/entries/{entry}", **needs(Scope.VIEWER, 404))
def get_entry(entry: Number, engine: EngineGiven) -> EntryShown:
    """One entry."""
    return _shown(engine, [engine.entries.show(entry)])[0]


@routes.post("/entries/{entry}/pause", **needs(Scope.EDITOR, 404, 409))
def pause_entry(entry: Number, engine: EngineGiven, caller: CallerGiven) -> EntryChanged:
    """Pause one entry: no step is done, and no delivery of it is handed over, until it is resumed."""
    return _changed(engine.entries.pause(entry, by=caller.name))


@routes.post("/entries/{entry}/resume", **needs(Scope.EDITOR, 404, 409))
def resume_entry(entry: Number, engine: EngineGiven, caller: CallerGiven) -> EntryChanged:
    """Resume a paused entry; what came due meanwhile is done at once."""
    return _changed(engine.entries.resume(entry, by=caller.name))


@routes.post("/entries/{entry}/end", **needs(Scope.EDITOR, 404, 409))
def end_entry(entry: Number, engine: EngineGiven, caller: CallerGiven) -> EntryChanged:
    """End one entry now; what it made and still waits is withdrawn."""
    return _changed(engine.entries.end(entry, by=caller.name))


# --- everybody inside a rule --------------------------------------------------------------------------


class PauseShown(BaseModel):
    """A rule that an operator has paused: nobody enters it, and who is inside stands still."""

    rule: str
    by: str
    since: AwareDatetime


def _pause_shown(pause: RulePause) -> PauseShown:
    return PauseShown(rule=pause.rule, by=pause.by, since=pause.since)


@routes.get("/pauses", **needs(Scope.VIEWER))
def list_pauses(engine: EngineGiven) -> list[PauseShown]:
    """The rules that operators have paused."""
    return list(map(_pause_shown, engine.entries.pauses()))


@routes.post("/rules/{rule}/pause", **needs(Scope.EDITOR, 404, 409))
def pause_rule(rule: RuleId, engine: EngineGiven, caller: CallerGiven) -> PauseShown:
    """Pause a rule: nobody enters it, and who is inside stands still, until it is resumed."""
    return _pause_shown(engine.entries.pause(rule, by=caller.name))


class RuleResumed(BaseModel):
    """A rule goes on."""

    rule: str


@routes.post("/rules/{rule}/resume", **needs(Scope.EDITOR, 404, 409))
def resume_rule(rule: RuleId, engine: EngineGiven, caller: CallerGiven) -> RuleResumed:
    """Resume a paused rule; what came due meanwhile is done at once."""
    engine.entries.resume(rule, by=caller.name)
    return RuleResumed(rule=rule)


class EndAsked(Form):
    """Whose entries to end; what is null or left out does not narrow.

    Attributes:
        step: only those whose next step has this address.
        dry_run: change nothing, and say how many it would be.
    """

    version: str | None = Field(default=None, pattern=_VERSION, examples=["current"])
    step: StepAddress | None = Field(default=None, examples=["2"])
    dry_run: bool = Field(default=True, examples=[True])


class Ended(BaseModel):
    """How many entries were ended, or would be."""

    number: int
    dry_run: bool


@routes.post("/rules/{rule}/end", **needs(Scope.EDITOR, 400, 404, 409))
def end_entries(rule: RuleId, asked: EndAsked, engine: EngineGiven, caller: CallerGiven) -> Ended:
    """End the entries of everybody who is inside a rule now; what they made and still waits is withdrawn."""
    number = engine.entries.end(
        rule, by=caller.name, version=asked.version, step=asked.step, dry_run=asked.dry_run
    )
    return Ended(number=number, dry_run=asked.dry_run)


class StepMapped(Form):
    """People before one step of the old version wait before another one of the new version; steps go by their addresses."""

    from_step: StepAddress = Field(examples=["1"])
    to_step: StepAddress = Field(examples=["2"])


class MoveAsked(Form):
    """Whom to move, and to which version.

    Attributes:
        from_version: only people in this version; null for any other one.
        steps: where people go whose step is not the same in both versions.
        dry_run: change nothing, and say what would happen.
    """

    from_version: str | None = Field(default=None, pattern=_VERSION, examples=["0f3a9b2c"])
    to_version: str = Field(default="current", pattern=_VERSION, examples=["current"])
    steps: list[StepMapped] = Field(default=[], max_length=200)
    dry_run: bool = Field(default=True, examples=[True])


class MoveGroupShown(BaseModel):
    """People to whom the same happens: their version and next step, the new step, or why they stay."""

    version: str
    step: str
    to_step: str | None
    refusal: str | None
    people: int


class MovedShown(BaseModel):
    """What a move did, or would do."""

    rule: str
    version: str
    moved: int
    refused: int
    dry_run: bool
    groups: list[MoveGroupShown]


@routes.post("/rules/{rule}/move", **needs(Scope.EDITOR, 400, 404, 409))
def move_entries(
    rule: RuleId, asked: MoveAsked, engine: EngineGiven, caller: CallerGiven
) -> MovedShown:
    """Move the people inside a rule to another version of it; nobody is moved who could get something twice."""
    told = engine.entries.move(
        rule,
        by=caller.name,
        from_version=asked.from_version,
        to_version=asked.to_version,
        steps={each.from_step: each.to_step for each in asked.steps},
        dry_run=asked.dry_run,
    )
    groups = [
        MoveGroupShown(
            version=each.version,
            step=each.step,
            to_step=each.to_step,
            refusal=None if each.refusal is None else each.refusal.value,
            people=people,
        )
        for each, people in sorted(told.people.items(), key=lambda item: item[0][:2])
    ]
    return MovedShown(
        rule=told.rule,
        version=told.version,
        moved=told.moved,
        refused=told.refused,
        dry_run=asked.dry_run,
        groups=groups,
    )
