"""The fold of one chunk of a broadcast's audience."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from pydantic import JsonValue

from whereupon.conditions import Failure
from whereupon.conditions.prefilter import Prefilter
from whereupon.conditions.pushdown import prefilter_of
from whereupon.decide.batch import taker
from whereupon.decide.batch_state import BatchState, HistoryUntil
from whereupon.decide.decisions import ENTERED, Reason, Verdict
from whereupon.decide.entries import facts_of, let_in, report
from whereupon.decide.evaluation import Evaluation, RuleInput, data_for
from whereupon.decide.snapshot import BatchResult, KeysExhausted, PoisonError, Settings, Snapshot
from whereupon.matching import RuleIndex
from whereupon.messages.model import Body, MessageType, SenderClass
from whereupon.records import BroadcastRun, Person
from whereupon.rules.model import Rule


def prefilter_for(run: BroadcastRun, rule: Rule) -> Prefilter:
    """What a store can tell by itself of those whom the broadcast's `who` admits."""
    return prefilter_of(rule.who, data_for(_occurrence_of(run, rule), {}))


def audience_of(
    loaded: Snapshot,
    run: BroadcastRun,
    rule: Rule,
    persons: Sequence[Person],
    index: RuleIndex,
    settings: Settings,
) -> list[Person]:
    """Those of the persons whom the broadcast's `who` admits.

    Args:
        loaded: holds the persons, and what the condition asks of their past.
    """
    work = BatchState(loaded, index, settings)
    said, holds, until = data_for(_occurrence_of(run, rule), {}), rule.who.holds, run.timestamp
    admitted = []
    with _in_turn(persons) as each:
        for person in each:
            data: dict[str, JsonValue] = {**said, "person": person.attributes}  # type: ignore[dict-item]  # read only
            if holds(data, HistoryUntil(work, person.key, until)):
                admitted.append(person)
    return admitted


def left_out_by(
    loaded: Snapshot,
    run: BroadcastRun,
    rule: Rule,
    person: Person,
    index: RuleIndex,
    settings: Settings,
) -> Failure | None:
    """The part of the broadcast's `who` that leaves a person out; None where it admits them.

    Args:
        loaded: holds what the condition asks of their past.
    """
    work = BatchState(loaded, index, settings)
    said = data_for(_occurrence_of(run, rule), {})
    data: dict[str, JsonValue] = {**said, "person": person.attributes}  # type: ignore[dict-item]  # read only
    return rule.who.failing(data, HistoryUntil(work, person.key, run.timestamp))


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
) -> BatchResult:
    """Let persons of the audience in, and move the run's cursor.

    Args:
        loaded: holds what their entries may lead to.
        rule: None where the rulebook has it no more: then nobody is let in, and the run ends.
        cursor: the last person that was looked at; None when nobody comes after.
        now: what the clock says; what is sent late is sent as of now.
    """
    work = BatchState(loaded, index, settings)
    work.take = taker(work)
    occurrence, at = _occurrence_of(run, rule), max(run.due_at, now or run.due_at)
    done = replace(run, cursor=cursor, admitted=run.admitted + len(admitted))
    if rule is None:
        done = replace(run, cursor=None)
    elif not rule.active.allows(run.timestamp):
        report(work, _putting(occurrence, 0, at), rule, Verdict(Reason.INACTIVE))
        done = replace(run, cursor=None)
    else:
        facts = facts_of(occurrence)
        with _in_turn(admitted) as each:
            for person in each:
                let_in(work, _putting(occurrence, person.key, at), rule, ENTERED, facts=facts)
        if cursor is None and not done.admitted:
            report(work, _putting(occurrence, 0, at), rule, Verdict(Reason.WHO))
    work.changes.runs[run.rule, run.occasion] = done
    return work.close()


@contextmanager
def _in_turn(persons: Sequence[Person]) -> Iterator[Iterator[Person]]:
    """Each of the persons; on whom the fold fails is said, so that the others can be let in without."""
    at_hand: list[Person] = []

    def each() -> Iterator[Person]:
        for person in persons:
            at_hand[:] = (person,)
            yield person

    try:
        yield each()
    except (KeysExhausted, PoisonError):
        raise
    except Exception as error:
        raise PoisonError(error, person=at_hand[0].key if at_hand else None) from error


def _putting(occurrence: RuleInput, person_key: int, at: datetime) -> Evaluation:
    return Evaluation(occurrence, person_key, at, at, retroactive=False)


def _occurrence_of(run: BroadcastRun, rule: Rule | None) -> RuleInput:
    facts = run.facts
    type_ = facts.get("type")
    data, context = facts.get("properties"), facts.get("context")
    return RuleInput(
        key=run.message_key,
        message_id=run.occasion,
        type=MessageType(str(type_)) if type_ else None,
        name=str(facts.get("event") or ""),
        timestamp=run.timestamp,
        body=Body.known(
            data if isinstance(data, dict) else {}, context if isinstance(context, dict) else {}
        ),
        target_id=None,
        source=SenderClass.SERVER,
        depth=run.depth,
        zone=UTC if rule is None else rule.zone,
    )
