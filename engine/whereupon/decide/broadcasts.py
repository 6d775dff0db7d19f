"""A broadcast: who is in its audience, and one chunk of the audience let in."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, TypeAlias

from pydantic import JsonValue

from whereupon.conditions import Failure
from whereupon.conditions.prefilter import Prefilter
from whereupon.conditions.pushdown import prefilter_of
from whereupon.decide.batch import state_of
from whereupon.decide.batch_state import BatchState
from whereupon.decide.decisions import ENTERED, Reason, Verdict
from whereupon.decide.engine_settings import Settings
from whereupon.decide.evaluation import Evaluation
from whereupon.decide.evaluator import emit_decision, let_in, see_now
from whereupon.decide.goals_before import reached_before
from whereupon.decide.history import HistoryUntil, trigger_of
from whereupon.decide.rates import free_at, room_at, with_people
from whereupon.decide.result import BatchResult, KeysExhausted, PoisonError
from whereupon.decide.snapshot import Snapshot
from whereupon.matching import RuleIndex
from whereupon.messages.model import MessageType, SenderClass
from whereupon.records import NOTHING, BroadcastRun, Person, SkipVerdict, TimeSkip
from whereupon.rules.model import Rule

OwnProperties: TypeAlias = Mapping[int, Mapping[str, JsonValue]]
"""What a person's templates and `who` see as ``properties``, by the person's key."""
NO_PROPERTIES: Final[OwnProperties] = {}


def prefilter_for(run: BroadcastRun, rule: Rule) -> Prefilter:
    """What a store can check by itself of the broadcast's `who`."""
    return prefilter_of(rule.who, _evaluation(run, rule, run.due_at).as_data(NOTHING))


def audience_of(
    loaded: Snapshot,
    run: BroadcastRun,
    rule: Rule,
    persons: Sequence[Person],
    index: RuleIndex,
    settings: Settings,
    own: OwnProperties = NO_PROPERTIES,
) -> list[Person]:
    """The persons among these whom the broadcast's `who` admits.

    Args:
        loaded: holds the persons, and what the condition asks of their history.
        own: the properties of persons who have others than the run.
    """
    work = BatchState(loaded, index, settings)
    shared, holds = _evaluation(run, rule, run.due_at).as_data(NOTHING), rule.who.holds

    def is_admitted(person: Person) -> bool:
        data = shared
        if person.key in own:
            data = _evaluation(run, rule, run.due_at, own[person.key]).as_data(NOTHING)
        trigger = trigger_of(data)
        history = HistoryUntil(work.history, person.key, run.timestamp, trigger, person.attributes)
        return holds({**data, "person": person.attributes}, history)  # type: ignore[dict-item]  # read only

    with _blaming(persons) as each:
        return [person for person in each if is_admitted(person)]


def excluded_by(
    loaded: Snapshot,
    run: BroadcastRun,
    rule: Rule,
    person: Person,
    index: RuleIndex,
    settings: Settings,
) -> Failure | None:
    """The part of the broadcast's `who` that excludes a person; None if `who` admits the person.

    Args:
        loaded: holds what the condition asks of the person's history.
    """
    work = BatchState(loaded, index, settings)
    data = _evaluation(run, rule, run.due_at).as_data(person.attributes)
    trigger, attributes = trigger_of(data), person.attributes
    history = HistoryUntil(work.history, person.key, run.timestamp, trigger, attributes)
    return rule.who.failing(data, history)


def broadcast_chunk(  # noqa: PLR0913 - all that a chunk takes, as values
    loaded: Snapshot,
    run: BroadcastRun,
    rule: Rule | None,
    admitted: Sequence[Person],
    index: RuleIndex,
    settings: Settings,
    *,
    cursor: int | None,
    now: datetime | None = None,
    own: OwnProperties = NO_PROPERTIES,
) -> BatchResult:
    """Let persons of the audience in, and move the run's cursor.

    Args:
        loaded: holds what their entries may lead to.
        rule: None if the rulebook no longer has it; then no person is let in, and the run ends.
        cursor: the key of the last person that was looked at; None if no person comes after.
        now: what the clock says; a run that is late is done as of now.
        own: the properties of persons who have others than the run.
    """
    work = state_of(loaded, index, settings)
    at = _at(run, now)
    work.clocked.pass_to(at)
    evaluation = _evaluation(run, rule, at)
    done, entered = replace(run, cursor=cursor), 0
    if rule is None:
        done = replace(run, cursor=None)
    elif not rule.active.allows(run.timestamp):
        emit_decision(work, evaluation, rule, Verdict(Reason.INACTIVE))
        done = replace(run, cursor=None)
    else:
        facts = evaluation.facts()
        with _blaming(admitted) as each:
            for person in each:
                if person.key in own:
                    evaluation = _evaluation(run, rule, at, own[person.key])
                    facts = evaluation.facts()
                evaluation.person_key = person.key
                verdict = _verdict(work, evaluation, rule)
                entered += let_in(work, evaluation, rule, verdict, facts=facts)
        evaluation.person_key = 0
        done = _with_people(replace(done, admitted=run.admitted + entered), rule, at, entered)
        if cursor is None and not done.admitted and not admitted:
            emit_decision(work, evaluation, rule, Verdict(Reason.WHO))
    work.changes.runs[run.rule, run.occasion] = done
    return work.close()


def _with_people(run: BroadcastRun, rule: Rule, at: datetime, entered: int) -> BroadcastRun:
    """The run after a chunk; with a rate it remembers whom it let in, and is due when it may let in more."""
    if rule.rate is None or run.cursor is None:
        return run
    let_in = with_people(rule.rate, run.let_in, at, entered)
    return replace(run, let_in=let_in, due_at=free_at(rule.rate, let_in, at))


def miss_own_time(
    loaded: Snapshot,
    run: BroadcastRun,
    rule: Rule,
    missed: Sequence[tuple[Person, Reason]],
    index: RuleIndex,
    settings: Settings,
    now: datetime,
) -> BatchResult:
    """Record of persons that a run on their own clock does not let them in, and why.

    Args:
        loaded: holds the persons.
        run: as of the persons' own time.
        now: what the clock says.
    """
    work = state_of(loaded, index, settings)
    evaluation = _evaluation(run, rule, now)
    for person, reason in missed:
        evaluation.person_key = person.key
        emit_decision(work, evaluation, rule, Verdict(reason))
        verdict: SkipVerdict = (rule.id, rule.digest, reason.value, None, NOTHING)
        place = person.key, run.subject, run.timestamp, now
        work.changes.time_skips.append(TimeSkip(work.new_key(), *place, verdict))
    work.out.versions_used.add(rule.digest)
    return work.close()


def room_for(run: BroadcastRun, rule: Rule, now: datetime | None) -> int | None:
    """How many people the next chunk may let in; None for as many as it can."""
    return None if rule.rate is None else room_at(rule.rate, run.let_in, _at(run, now))


def _at(run: BroadcastRun, now: datetime | None) -> datetime:
    return max(run.due_at, now or run.due_at)


def goal_reached_by(
    loaded: Snapshot,
    run: BroadcastRun,
    rule: Rule,
    person: Person,
    index: RuleIndex,
    settings: Settings,
) -> bool:
    """Whether the broadcast keeps a person out who reached its goal before the run.

    Args:
        loaded: holds the person, and the events of the goal in their history.
    """
    work = BatchState(loaded, index, settings)
    evaluation = _evaluation(run, rule, run.due_at)
    evaluation.person_key = person.key
    return _verdict(work, evaluation, rule).reason is Reason.GOAL_MET


def _verdict(work: BatchState, evaluation: Evaluation, rule: Rule) -> Verdict:
    """Whether a person of the audience enters, but for the holdout."""
    if rule.goal is None or not rule.goal.skips_reached:
        return ENTERED
    see_now(work, evaluation)
    reached = reached_before(rule.goal, evaluation, is_own=False)
    evaluation.unsee()
    return ENTERED if reached is None else Verdict(Reason.GOAL_MET, reached)


@contextmanager
def _blaming(persons: Sequence[Person]) -> Iterator[Iterator[Person]]:
    """Give the persons one by one; a failure names the person, so that the others can go on without."""
    current: list[Person] = []

    def each() -> Iterator[Person]:
        for person in persons:
            current[:] = (person,)
            yield person

    try:
        yield each()
    except (KeysExhausted, PoisonError):
        raise
    except Exception as error:
        raise PoisonError(error, person=current[0].key if current else None) from error


def _evaluation(
    run: BroadcastRun,
    rule: Rule | None,
    at: datetime,
    own: Mapping[str, JsonValue] | None = None,
) -> Evaluation:
    """The message that started a run, or the run's time, as no person's; ``own`` are its properties, if given."""
    facts = run.facts
    type_ = facts.get("type")
    properties = facts.get("properties") if own is None else own
    context = facts.get("context")
    return Evaluation(
        run.message_key,
        run.occasion,
        MessageType(str(type_)) if type_ else None,
        str(facts.get("event") or ""),
        run.timestamp,
        b"",
        None,
        SenderClass.SERVER,
        run.depth,
        0,
        at,
        zone=UTC if rule is None else rule.zone,
        _properties=properties if isinstance(properties, Mapping) else NOTHING,
        _context=context if isinstance(context, dict) else NOTHING,
    )
