"""What a message does to the entries that wait for something."""

from collections.abc import Iterator
from datetime import datetime

from whereupon.conditions import ALWAYS, Condition
from whereupon.decide.batch_state import BatchState
from whereupon.decide.entries import context_of, run_entry
from whereupon.decide.evaluation import Evaluation
from whereupon.decide.evidence import holds_for
from whereupon.decide.result import Notice
from whereupon.decide.steps import StepContext
from whereupon.decide.steps.branch import in_words
from whereupon.decide.steps.wait_for import counted_from, deadline_of, has_counted, passed
from whereupon.records import Entry, Mark, MarkKind, mark_at
from whereupon.rules.model import UntilDate, Wait, WaitFor

_WAITS = MarkKind.WAITS  # an attribute of an enumeration is looked up slowly


def pass_by_event(work: BatchState, evaluation: Evaluation) -> None:
    """Let the person's entries go on that wait for this event."""
    if evaluation.name not in work.index.awaited_names:
        return
    for entry in _standing(work, evaluation.person_key):
        context = context_of(work, entry, evaluation.now)
        if context is None or not isinstance(step := context.place.step, WaitFor):
            continue
        reached = mark_at(entry.trail, entry.address, _WAITS)
        if (
            reached is None
        ):  # it comes to the wait in this very moment, and looks at what is recorded
            continue
        since = counted_from(step, entry, entry.address, reached.at)
        for arm in step.waits:
            if (
                arm.event == evaluation.name
                and evaluation.timestamp >= since
                and not has_counted(entry, evaluation.message_id)
                and holds_for(work, arm, evaluation.properties, evaluation.timestamp, entry)
            ):
                mark = passed(arm, context, evaluation)
                _go_on(work, entry, context.into_arm(arm.label, mark))
                break


def pass_by_change(work: BatchState, evaluation: Evaluation) -> None:
    """Let the person's entries go on that wait for a condition which holds now; move waits until a date."""
    if not work.index.waits_for_change:
        return
    for entry in _standing(work, evaluation.person_key):
        if mark_at(entry.trail, entry.address, _WAITS) is not None:
            _pass_changed(work, evaluation, entry)


def _pass_changed(work: BatchState, evaluation: Evaluation, entry: Entry) -> None:
    """The same of one entry that waits."""
    context = context_of(work, entry, evaluation.now)
    step = None if context is None else context.place.step
    if isinstance(step, Wait) and isinstance(step.span, UntilDate):
        _go_on(work, entry, entry.changed(due_at=evaluation.now))
    elif context is not None and isinstance(step, WaitFor):
        for arm in step.waits:
            if arm.event is None and arm.who is not ALWAYS and context.holds(arm.who):
                mark = context.mark(
                    MarkKind.PASSED,
                    arm=arm.label,
                    detail=in_words(arm.who),
                    message_id=evaluation.message_id,
                )
                _go_on(work, entry, context.into_arm(arm.label, mark))
                break


def awaited_conditions(context: StepContext) -> list[Condition]:
    """The conditions that an entry waits for at its step, in the order of the file."""
    step, entry = context.place.step, context.entry
    if not isinstance(step, WaitFor) or mark_at(entry.trail, entry.address, _WAITS) is None:
        return []
    return [arm.who for arm in step.waits if arm.event is None and arm.who is not ALWAYS]


def pass_by_time(work: BatchState, entry: Entry, at: datetime, now: datetime) -> None:
    """Let an entry go on that waits for a condition which holds at an instant.

    Args:
        at: the instant.
        now: as of when the next steps are done; later than the instant after a standstill.
    """
    context = context_of(work, entry, at)
    if context is None or not awaited_conditions(context):
        return
    step = context.place.step
    for arm in step.waits if isinstance(step, WaitFor) else ():
        if arm.event is None and arm.who is not ALWAYS and context.holds(arm.who):
            mark = context.mark(MarkKind.PASSED, arm=arm.label, detail=in_words(arm.who))
            going = context.into_arm(arm.label, mark)
            _go_on(work, entry, going.moved(going.address, max(at, now)))
            break


def pass_by_merge(work: BatchState, evaluation: Evaluation) -> None:
    """Let the entries of a person go on that wait for what the person has inherited; move waits until a date."""
    for entry in _standing(work, evaluation.person_key):
        if mark_at(entry.trail, entry.address, _WAITS) is None:
            continue
        context = context_of(work, entry, evaluation.now)
        if context is not None and isinstance(context.place.step, Wait | WaitFor):  # else a call
            _go_on(work, entry, entry.changed(due_at=evaluation.now))


def _go_on(work: BatchState, entry: Entry, going: Entry) -> None:
    """Let an entry go on from where it waits; one that may not run now is due at once, and asks again when it may."""
    if work.may_run(entry):
        run_entry(work, going)
    else:
        work.save_entry(entry.changed(due_at=going.due_at))


def note_late(work: BatchState, evaluation: Evaluation) -> None:
    """Keep on the person's entries that this event came after a wait for it was over, though it happened before."""
    if evaluation.name not in work.index.awaited_names:
        return
    key = evaluation.person_key
    running, over = work.active.get(key, {}), work.ended.get(key, {})
    for entry in [*running.values(), *over.values()]:
        marks = [*_late_marks(work, entry, evaluation)]
        if not marks:
            continue
        marked = entry.marked(*marks)
        (running if entry.key in running else over)[entry.key] = marked
        work.changes.entries[entry.key] = marked
        for mark in marks:
            text = (
                f"{evaluation.name} came when the wait at {entry.rule} step {mark.address} was over"
            )
            work.out.emitted.append(Notice("late", evaluation.message_id, text))


def _late_marks(work: BatchState, entry: Entry, evaluation: Evaluation) -> Iterator[Mark]:
    rule = work.rule_of(entry)
    for expired in (mark for mark in entry.trail if mark.kind is MarkKind.EXPIRED):
        place = None if rule is None else rule.route.place(expired.address)
        reached = mark_at(entry.trail, expired.address, _WAITS)
        if place is None or reached is None or not isinstance(step := place.step, WaitFor):
            continue
        since = counted_from(step, entry, expired.address, reached.at)
        if not since <= evaluation.timestamp <= deadline_of(step, reached):
            continue
        if any(
            arm.event == evaluation.name
            and holds_for(work, arm, evaluation.properties, evaluation.timestamp, entry)
            for arm in step.waits
        ):
            place_of = (expired.address, evaluation.timestamp, None, evaluation.name)
            yield Mark(MarkKind.LATE, *place_of, message_id=evaluation.message_id)


def _standing(work: BatchState, person_key: int) -> Iterator[Entry]:
    """The entries that the person is inside, in the order of the rules, each as it is when its turn comes."""
    order, inside = work.index.order, work.active.get(person_key, {})
    entries = [(order.get(entry.rule, -1), key) for key, entry in inside.items()]
    for _, key in sorted(entries):
        if (entry := inside.get(key)) is not None:
            yield entry
