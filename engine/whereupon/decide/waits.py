"""What a message does to the entries that wait for something."""

from collections.abc import Iterable, Iterator, Mapping
from operator import itemgetter

from pydantic import JsonValue

from whereupon.conditions import ALWAYS
from whereupon.decide.batch_state import BatchState
from whereupon.decide.entries import context_of, run_entry
from whereupon.decide.evaluation import Evaluation
from whereupon.decide.evidence import holds_for
from whereupon.decide.steps.branch import in_words
from whereupon.decide.steps.context import StepContext
from whereupon.decide.steps.wait_for import counted_from, passed_by
from whereupon.records import Entry, Mark, MarkKind, mark_at
from whereupon.records.trail import NO_VALUES
from whereupon.rules.model import UntilDate, Wait, WaitFor


def pass_by_event(work: BatchState, evaluation: Evaluation) -> None:
    """Let the person's entries go on that wait for this event."""
    if evaluation.name not in work.index.awaited_names:
        return
    for entry in _standing(work, evaluation.person_key):
        context = context_of(work, entry, evaluation.now)
        if context is None or not isinstance(step := context.place.step, WaitFor):
            continue
        reached = mark_at(entry.trail, entry.address, MarkKind.WAITS)
        if (
            reached is None
        ):  # it comes to the wait in this very moment, and looks at what is recorded
            continue
        since, _ = counted_from(step, entry, reached.at)
        for arm in step.waits:
            if (
                arm.event == evaluation.name
                and evaluation.timestamp >= since
                and holds_for(arm, evaluation.properties, entry)
            ):
                happened = passed_by(evaluation.timestamp)
                _go_on(work, context, arm.label, arm.event, evaluation.message_id, happened)
                break


def pass_by_change(work: BatchState, evaluation: Evaluation) -> None:
    """Let the person's entries go on that wait for a condition which holds now; move waits until a date."""
    if not work.index.waits_for_change:
        return
    for entry in _standing(work, evaluation.person_key):
        context = context_of(work, entry, evaluation.now)
        if context is None or mark_at(entry.trail, entry.address, MarkKind.WAITS) is None:
            continue
        step = context.place.step
        if isinstance(step, Wait) and isinstance(step.span, UntilDate):
            run_entry(work, entry._replace(due_at=evaluation.now))
        elif isinstance(step, WaitFor):
            for arm in step.waits:
                if arm.event is None and arm.who is not ALWAYS and context.holds(arm.who):
                    detail = in_words(arm.who)
                    _go_on(work, context, arm.label, detail, evaluation.message_id)
                    break


def _go_on(
    work: BatchState,
    context: StepContext,
    label: str,
    detail: str | None,
    message_id: str,
    values: Mapping[str, JsonValue] = NO_VALUES,
) -> None:
    mark = context.mark(
        MarkKind.PASSED, arm=label, detail=detail, values=values, message_id=message_id
    )
    run_entry(work, context.into_arm(label, mark))


def _standing(work: BatchState, person_key: int) -> Iterator[Entry]:
    """The person's entries that may run, in the order of the rules, each as it is when its turn comes."""
    order = work.index.order
    entries = [(order.get(e.rule, -1), e.key) for e in _running(work, person_key)]
    for _, key in sorted(entries, key=itemgetter(0, 1)):
        entry = work.active.get(person_key, {}).get(key)
        if entry is not None and work.may_run(entry):
            yield entry


def _running(work: BatchState, person_key: int) -> Iterable[Entry]:
    return work.active.get(person_key, {}).values()


def marks_late(marks: Iterable[Mark]) -> bool:
    """Whether a late message is among the marks."""
    return any(mark.kind is MarkKind.LATE for mark in marks)
