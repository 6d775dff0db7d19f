"""From a recorded message to decisions, entries and their steps."""

from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from datetime import datetime
from heapq import heappush
from itertools import chain

from pydantic import JsonValue

from whereupon.conditions import NO_HISTORY, Condition
from whereupon.conditions.values import ROOTS
from whereupon.decide.batch_state import BatchState, HistoryUntil, running
from whereupon.decide.decisions import (
    Case,
    Decision,
    Outcome,
    Reason,
    Verdict,
    opening_verdict,
    verdict_on,
)
from whereupon.decide.evaluation import Evaluation, RuleInput, data_for
from whereupon.decide.exits import end_by, over_by
from whereupon.decide.skips import Skipping, skip_every_rule
from whereupon.decide.snapshot import Notice
from whereupon.decide.steps import StepFailed, StepMessage, advance
from whereupon.matching import Candidate, Selected
from whereupon.messages.model import (
    Message,
    MessageType,
    Origin,
    SenderClass,
    id_in_ref,
    written_body,
)
from whereupon.records import BroadcastRun, Delivery, EndReason, Entry, EntryEnd, EntryState, Person
from whereupon.rules.model import Exit, ExitOnCondition, ExitOnEvent, ExitOnLeaving, Rule, RuleKind

MAX_DEPTH = 8
"""How many `track` or `set` steps may lead to one another; what comes after is skipped as a loop."""


def case_for(work: BatchState, putting: Evaluation, roots: Container[str] = ROOTS) -> Case:
    """What deciding looks at, of the state as it is now; ``roots`` as for `data_for`."""
    occurrence = putting.occurrence
    person = work.persons.get(putting.person_key)
    return Case(
        message_id=occurrence.message_id,
        timestamp=occurrence.timestamp,
        data=data_for(occurrence, person.attributes if person else {}, roots),
        history=HistoryUntil(work, putting.person_key, occurrence.timestamp),
        claimable_at=putting.claimable_at,
        retroactive=putting.retroactive,
    )


def evaluate(
    work: BatchState,
    putting: Evaluation,
    rules: Selected,
    left_out: Collection[str] = (),
) -> None:
    """Decide the message for each of the rules; let the person in, or note why not.

    Those that it cannot satisfy are not looked at one by one (see `skipping`): of a message that is
    too old for every rule, as most of a large claim are, none is.

    Args:
        left_out: ids of rules that take another of the messages that a claim brings.
    """
    reason = Reason.LOOP if putting.occurrence.depth > MAX_DEPTH else None
    reason = putting.reason or reason
    case = case_for(work, putting, rules.roots)
    is_past = putting.claimable_at - putting.occurrence.timestamp > rules.roll.longest_age
    found = () if reason is not None or is_past else rules.candidates(case.data)
    if found or left_out or rules.besides:
        _decide_each(work, putting, rules, left_out, case, found, reason)
    else:
        skip_every_rule(work, putting, rules, case, reason)


def _decide_each(
    work: BatchState,
    putting: Evaluation,
    rules: Selected,
    left_out: Collection[str],
    case: Case,
    found: Sequence[Candidate],
    reason: Reason | None,
) -> None:
    skipping = Skipping(work, putting, rules, left_out)
    if reason is not None:
        skipping.skip_all(case, reason)
    else:
        skipping.look(case, found)
    named = iter(skipping.next, None) if reason is None else ()
    besides = (Candidate(0, rule, is_certain=False) for rule in rules.besides)
    for candidate in chain(named, besides):
        person = work.persons.get(putting.person_key)
        out = reason or (Reason.RETROACTIVE_TAKE if candidate.rule.id in left_out else None)
        verdict = Verdict(out) if out else _verdict(work, putting, candidate, case)
        _carry_out(work, putting, candidate.rule, verdict, skipping)
        if work.persons.get(putting.person_key) is not person:  # by a `set` step
            case = case_for(work, putting, rules.roots)
            skipping.look(case)
    skipping.close()


def _verdict(work: BatchState, putting: Evaluation, candidate: Candidate, case: Case) -> Verdict:
    rule, certain = candidate.rule, candidate.is_certain
    if rule.kind is RuleKind.CAMPAIGN:
        past = work.entries_in(rule, putting.person_key)
        return verdict_on(rule, case, past, where_holds=certain)
    if putting.occurrence.source is not SenderClass.SERVER:
        return Verdict(Reason.SOURCE)
    return opening_verdict(rule, case, where_holds=certain)


def _carry_out(
    work: BatchState, putting: Evaluation, rule: Rule, verdict: Verdict, skipping: Skipping
) -> None:
    if verdict.reason is not None:
        report(work, putting, rule, verdict)
        skipping.note(rule, verdict)
    elif rule.kind is RuleKind.BROADCAST:
        _start(work, putting, rule)
    else:
        let_in(work, putting, rule, verdict)


def _start(work: BatchState, putting: Evaluation, rule: Rule) -> None:
    """Ask for a broadcast's sending; its audience is gone through in chunks, later."""
    occurrence = putting.occurrence
    work.versions_used.add(rule.digest)
    work.changes.runs[rule.id, occurrence.ref] = BroadcastRun(
        rule=rule.id,
        digest=rule.digest,
        occasion=occurrence.ref,
        timestamp=occurrence.timestamp,
        due_at=putting.now,
        cursor=0,
        facts=facts_of(occurrence),
        depth=occurrence.depth,
        message_key=occurrence.key,
    )


def report(work: BatchState, putting: Evaluation, rule: Rule, verdict: Verdict) -> None:
    """Tell the caller of a decision."""
    occurrence, failure = putting.occurrence, verdict.failure
    person = work.persons.get(putting.person_key)
    work.out.emitted.append(
        Decision(
            message_id=occurrence.message_id,
            type=occurrence.type,
            event=occurrence.name or None,
            timestamp=occurrence.timestamp,
            decided_at=putting.now,
            person=person.user_id if person else None,
            rule=rule.id,
            rule_kind=rule.kind,
            outcome=Outcome.SKIPPED if verdict.reason else Outcome.ENTERED,
            reason=verdict.reason,
            retroactive=putting.retroactive,
            digest=rule.digest,
            condition=failure.text if failure else None,
            values=failure.values if failure else {},
        )
    )


def let_in(
    work: BatchState,
    putting: Evaluation,
    rule: Rule,
    verdict: Verdict,
    *,
    facts: Mapping[str, JsonValue] | None = None,
) -> None:
    """Open an entry and run its steps as far as they go now.

    Args:
        facts: what `facts_of` gives of the occurrence, where it opens many entries.
    """
    report(work, putting, rule, verdict)
    occurrence = putting.occurrence
    entry = Entry(
        key=work.new_key(),
        rule=rule.id,
        digest=rule.digest,
        person_key=putting.person_key,
        entrant=putting.person_key,
        occasion=occurrence.ref,
        timestamp=occurrence.timestamp,
        entered_at=putting.now,
        retroactive=putting.retroactive,
        slot=verdict.slot,
        state=EntryState.ACTIVE,
        position=0,
        due_at=putting.now,
        facts=facts_of(occurrence) if facts is None else facts,
        depth=occurrence.depth,
        message_key=occurrence.key,
        source=occurrence.source,
    )
    _begin(work, entry, rule)


def facts_of(occurrence: RuleInput) -> dict[str, JsonValue]:
    """What the templates of an entry see of what opened it; read only."""
    facts = data_for(occurrence, {})
    del facts["person"]
    return facts


def _begin(work: BatchState, entry: Entry, rule: Rule) -> None:
    work.changes.new_entries.add(entry.key)
    work.versions_used.add(rule.digest)
    if rule.kind is RuleKind.CAMPAIGN:  # nobody asks how often a broadcast was sent
        work.past_entries[rule.id, entry.person_key].append(running(entry))
    leave = _left_already(work, entry, rule) or over_by(work, entry, rule)
    if leave is not None:
        save(work, entry.finished(end_by(leave, entry.entered_at)))
    else:
        run(work, entry)


def _left_already(work: BatchState, entry: Entry, rule: Rule) -> Exit | None:
    """The event that ends the entry, where it came in before the message that opens it."""
    for leave in rule.exits:
        if isinstance(leave, ExitOnEvent):
            for past in work.history.get((entry.person_key, leave.event), ()):
                if past.timestamp > entry.timestamp and _meant(
                    leave.where, leave.event, past.body.data
                ):
                    return leave
    return None


def _meant(where: Condition, event: str, properties: Mapping[str, JsonValue]) -> bool:
    return where.holds({"event": event, "properties": dict(properties)}, NO_HISTORY)


def save(work: BatchState, entry: Entry) -> None:
    """Remember an entry's new state."""
    work.changes.entries[entry.key] = entry
    if entry.state is EntryState.ACTIVE:
        work.active[entry.person_key][entry.key] = entry
        if entry.due_at is not None and work.may_run(entry):
            heappush(work.timers, (entry.due_at, entry.key, entry.person_key))
        return
    work.emit_end(entry)
    work.active.get(entry.person_key, {}).pop(entry.key, None)
    place = (entry.rule, entry.person_key)
    if earlier_ones := work.past_entries.get(place):
        earlier_ones.end(entry.occasion, entry.slot)


def give_up(work: BatchState, entry: Entry) -> None:
    """End an entry on which the fold fails, and say so."""
    at = entry.entered_at if entry.due_at is None else entry.due_at
    save(work, entry.finished(EntryEnd(EndReason.FAILED, at)))
    text = f"{entry.rule} step {entry.position + 1} failed, and the entry with it"
    work.out.emitted.append(Notice("entry-failed", id_in_ref(entry.occasion), text))


def run(work: BatchState, entry: Entry) -> None:
    """Do the steps of an entry until it waits or ends.

    Its due time is when its next step is done, from which a wait behind that step counts.
    """
    now = entry.due_at
    while now is not None and entry.state is EntryState.ACTIVE and entry.due_at == now:
        rule, person = work.rule_of(entry), work.persons.get(entry.person_key)
        if rule is None or person is None:
            save(work, entry.finished(EntryEnd(EndReason.RULE_GONE, now)))
            return
        behind, effect = advance(entry, rule, person, now)
        match effect:
            case Delivery():
                delivery = effect.with_key(work.new_key())
                work.changes.deliveries.append(delivery)
                work.out.emitted.append(delivery)
            case StepMessage():
                save(work, behind)  # the message may end it
                work.take(_message_of(effect, entry, person, now))
                still = work.active[behind.person_key].get(behind.key)
                if still is None:
                    return
                behind = still
            case StepFailed(position, reason):
                work.out.emitted.append(
                    Notice(
                        "step-failed",
                        id_in_ref(entry.occasion),
                        f"{entry.rule} step {position + 1}: {reason}",
                    )
                )
            case None:
                pass
        entry = behind
    save(work, entry)


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


# --- leaving --------------------------------------------------------------------------------


def leave_by_event(work: BatchState, occurrence: RuleInput, person_key: int, now: datetime) -> None:
    """End the entries that this message ends: those opened by an earlier one."""
    if occurrence.name not in work.index.exit_names:
        return
    for entry in list(work.active.get(person_key, {}).values()):
        rule = work.rule_of(entry)
        if rule is None or occurrence.timestamp < entry.timestamp:
            continue
        for leave in rule.exits:
            if (
                isinstance(leave, ExitOnEvent)
                and leave.event == occurrence.name
                and _meant(leave.where, leave.event, occurrence.data)
            ):
                save(work, entry.finished(end_by(leave, now, occurrence.message_id)))
                break


def leave_by_change(
    work: BatchState, occurrence: RuleInput, person_key: int, left: Iterable[str], now: datetime
) -> None:
    """End the entries that the person's new state ends: a segment left, a condition come true.

    What is said late, and happened before they entered, is asked about as of when they did.
    """
    gone = set(left)
    for entry in list(work.active.get(person_key, {}).values()):
        rule, person = work.rule_of(entry), work.persons.get(person_key)
        if rule is None or person is None or not rule.exits:
            continue
        data = data_for(occurrence, person.attributes)
        history = HistoryUntil(work, person_key, max(occurrence.timestamp, entry.timestamp))
        for leave in rule.exits:
            if (isinstance(leave, ExitOnLeaving) and leave.segment in gone) or (
                isinstance(leave, ExitOnCondition) and leave.condition.holds(data, history)
            ):
                save(work, entry.finished(end_by(leave, now, occurrence.message_id)))
                break
