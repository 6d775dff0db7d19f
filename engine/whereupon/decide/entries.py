"""Entries: opened, run from step to step, and failed. What a step asks for is done here."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from pydantic import JsonValue

from whereupon.decide.batch_state import BatchState
from whereupon.decide.evaluation import Evaluation
from whereupon.decide.exits import entry_end, exit_at_start
from whereupon.decide.goals import watched
from whereupon.decide.result import Notice, Passage
from whereupon.decide.steps import StepContext, StepFailed, StepMessage, advance
from whereupon.messages.model import Message, MessageType, Origin, id_in_ref, ref_of, written_body
from whereupon.records import (
    Delivery,
    EndReason,
    Entry,
    EntryEnd,
    EntryState,
    MarkKind,
    PastEntry,
    Person,
    Trail,
)
from whereupon.rules.model import Rule

_ACTIVE = EntryState.ACTIVE  # an attribute of an enumeration is looked up slowly


def open_entry(
    work: BatchState,
    evaluation: Evaluation,
    rule: Rule,
    slot: str | None,
    facts: Mapping[str, JsonValue],
) -> None:
    """Let the person of an evaluation into a rule, and run the steps that can be run now.

    Args:
        slot: the re-entry slot that the entry takes.
        facts: see `Evaluation.facts`; many entries of one evaluation may share them.
    """
    entry = _new_entry(work, evaluation, rule, slot, facts)
    if rule.asks_past_entries:
        work.past_entries[rule.id, entry.person_key].append(PastEntry.of(entry))
    ended = exit_at_start(work, entry, rule) if rule.exits else None
    if ended is not None:
        leave, message_id = ended
        entry = entry.finished(entry_end(leave, entry.entered_at, message_id))
    if rule.goal is not None:
        entry = watched(work, entry, rule.goal)
    if ended is None:
        run_entry(work, entry, rule)
    else:
        work.save_entry(entry)


def hold_out(
    work: BatchState,
    evaluation: Evaluation,
    rule: Rule,
    slot: str | None,
    facts: Mapping[str, JsonValue],
) -> None:
    """Keep the person of an evaluation out, as one of the rule's holdout.

    The entry takes its re-entry slot and has its goal watched, as if the person had entered; no step is done.

    Args:
        slot: the re-entry slot.
        facts: see `Evaluation.facts`; many entries of one evaluation may share them.
    """
    entry = _new_entry(work, evaluation, rule, slot, facts)
    entry = entry.finished(EntryEnd(EndReason.HOLDOUT, entry.entered_at))
    if rule.asks_past_entries:
        work.past_entries[rule.id, entry.person_key].append(PastEntry.of(entry))
    if rule.goal is not None:
        entry = watched(work, entry, rule.goal)
    work.save_ended(entry)


def _new_entry(
    work: BatchState,
    evaluation: Evaluation,
    rule: Rule,
    slot: str | None,
    facts: Mapping[str, JsonValue],
) -> Entry:
    key, person_key, now = work.new_key(), evaluation.person_key, evaluation.now
    digest = rule.digest
    work.changes.new_entries.add(key)
    work.out.versions_used.add(digest)
    return Entry(
        key,
        rule.id,
        digest,
        person_key,
        person_key,
        ref_of(evaluation.message_id, evaluation.source),
        evaluation.timestamp,
        now,
        evaluation.retroactive,
        slot,
        _ACTIVE,
        rule.route.first,
        now,
        facts,
        evaluation.depth,
        evaluation.key,
        evaluation.source,
    )


def run_entry(work: BatchState, entry: Entry, rule: Rule | None = None) -> None:
    """Run the steps of an entry until it waits or ends.

    The entry's due time is the time at which its next step is done. A wait counts from it.

    Args:
        rule: in the version that the entry follows; it is looked up if it is not given.
    """
    now, passed = entry.due_at, entry.trail
    if passed:
        was = work.active.get(entry.person_key, {}).get(entry.key)
        _tell(work, () if was is None else was.trail, entry)
    while now is not None and entry.state is _ACTIVE and entry.due_at == now:
        context = context_of(work, entry, now, rule)
        if context is None:
            work.save_entry(entry.finished(EntryEnd(_why_over(work, entry), now)))
            return
        after, effect = advance(context)
        trail = after.trail
        if trail is not passed:
            _tell(work, passed, after)
        if isinstance(effect, Delivery):
            _hand_over(work, effect)
        elif effect is not None:
            going_on = _carry_out(work, context, after, effect)
            if going_on is None:
                return
            after, trail = going_on, going_on.trail
        entry, passed = after, trail
    work.save_entry(entry)


def _hand_over(work: BatchState, delivery: Delivery) -> None:
    """Put a delivery into the outbox."""
    work.changes.deliveries.append(delivery)
    work.out.emitted.append(delivery)
    if work.index.book.settings.caps:
        work.sends.add(delivery)


def _carry_out(
    work: BatchState, context: StepContext, after: Entry, effect: StepMessage | StepFailed
) -> Entry | None:
    """Do what a step asks for beside a delivery; gives the entry as it is then, or None if the step's message has ended it."""
    entry = context.entry
    match effect:
        case StepMessage():
            work.save_entry(after)  # the message may end it
            work.take_message(_message_of(effect, entry, context.person, context.now))
            return work.active.get(after.person_key, {}).get(after.key)
        case StepFailed(address, reason):
            text = f"{entry.rule} step {address}: {reason}"
            notice = Notice("step-failed", id_in_ref(entry.occasion), text)
            work.out.emitted.append(notice)
    return after


_EMITTED_OTHERWISE: Final = (MarkKind.SENT, MarkKind.LATE, MarkKind.CONVERTED)


def _tell(work: BatchState, told: Trail, entry: Entry) -> None:
    """Emit what the entry has passed since; deliveries, conversions and what came late are emitted otherwise."""
    if len(entry.trail) == len(told):
        return
    person = work.persons.get(entry.person_key)
    name = "" if person is None else person.user_id
    for mark in entry.trail[len(told) :]:
        if mark.kind not in _EMITTED_OTHERWISE:
            place = (entry.rule, name, id_in_ref(entry.occasion), entry.entered_at)
            work.out.emitted.append(Passage(*place, entry.due_at, mark))


def context_of(
    work: BatchState, entry: Entry, now: datetime, rule: Rule | None = None
) -> StepContext | None:
    """What the entry's next step is run with; None if there is no further step, or no rule or person.

    Args:
        rule: see `run_entry`.
    """
    followed, person = rule or work.rule_of(entry), work.persons.get(entry.person_key)
    if followed is None or person is None:
        return None
    place = followed.route.place(entry.address)
    if place is None:
        return None
    return StepContext(work, entry, followed, person, place, now)


def _why_over(work: BatchState, entry: Entry) -> EndReason:
    """Why an entry is over that has no next step here."""
    is_known = work.rule_of(entry) is not None and entry.person_key in work.persons
    return EndReason.COMPLETED if is_known else EndReason.RULE_GONE


def _message_of(emitted: StepMessage, entry: Entry, person: Person, now: datetime) -> Message:
    type_ = MessageType.TRACK if emitted.event is not None else MessageType.IDENTIFY
    return Message(
        message_id=emitted.message_id,
        type=type_,
        name=emitted.event or "",
        user_id=person.user_id,
        anonymous_id=None,
        target_id=None,
        timestamp=now,
        received_at=now,
        original_timestamp=None,
        source=entry.source,
        origin=Origin.LIVE,
        body=written_body(type_, emitted.data),
        depth=entry.depth + 1,
    )


def fail_entry(work: BatchState, entry: Entry) -> None:
    """End an entry whose next step raises, and say so in a notice."""
    at = entry.entered_at if entry.due_at is None else entry.due_at
    work.save_entry(entry.finished(EntryEnd(EndReason.FAILED, at)))
    text = f"{entry.rule} step {entry.address} failed, and the entry with it"
    work.out.emitted.append(Notice("entry-failed", id_in_ref(entry.occasion), text))
