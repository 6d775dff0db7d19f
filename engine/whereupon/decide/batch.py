"""The way of one message through the fold, and of one chunk of a broadcast's audience."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from heapq import heappop

from pydantic import JsonValue

from whereupon.decide.batch_state import BatchState, HistoryUntil
from whereupon.decide.decisions import Reason
from whereupon.decide.entries import (
    evaluate,
    give_up,
    leave_by_change,
    leave_by_event,
    run,
    save,
)
from whereupon.decide.evaluation import Evaluation, RuleInput, occurrence_of
from whereupon.decide.exits import end_by, lapsed_by
from whereupon.decide.people import (
    Handed,
    anonymous_key_for,
    begin_in_parts,
    claim,
    in_order,
    look_alike,
    person_for,
    tell,
)
from whereupon.decide.requests import object_key
from whereupon.decide.semantic_actions import enact, merge_people, refuse_merge
from whereupon.decide.snapshot import (
    BatchResult,
    KeysExhausted,
    Notice,
    PoisonError,
    Settings,
    Snapshot,
)
from whereupon.decide.suppression import SUPPRESSED, tombstone_for, tombstone_over
from whereupon.decide.take_one import choose, choose_late
from whereupon.identity.algebra import affected, claimant
from whereupon.matching import RuleIndex, RuleList, Selected
from whereupon.messages.model import Message, MessageType
from whereupon.messages.repairs import MOST_QUOTED, quoted
from whereupon.messages.times import FIRST_INSTANT, LAST_INSTANT, format_instant
from whereupon.records import (
    Entry,
    IdKind,
    ObjectRecord,
    Person,
    Relationship,
    StoredMessage,
    Tombstone,
    Twin,
)
from whereupon.rules.model import Change, OnSegment, Rule


def decide(
    loaded: Snapshot,
    messages: Sequence[Message],
    index: RuleIndex,
    settings: Settings,
    *,
    until: datetime | None = None,
    now: datetime | None = None,
) -> BatchResult:
    """Fold a batch of messages, in the order they arrived, into what was loaded.

    Before each message the waits run that were due by then, of those whom it concerns; with ``until``
    everybody's, and after the last those that are due by that instant.

    Args:
        loaded: what was read for them.
        messages: the batch.
        index: the rules.
        settings: what the host decides.
        until: as above; None to wake nothing behind the last message.
        now: what the clock says. What was due before is late, and done now; by None nothing is late.

    Raises:
        PoisonError: it fails on one of the messages, or on an entry that is due.
    """
    work = BatchState(loaded, index, settings)
    work.take = taker(work)
    coming = iter(messages)
    try:
        for message in coming:
            if work.timers and work.timers[0][0] <= message.received_at:
                if until is None:
                    _wake_first(work, message, now)
                else:
                    _wake(work, message.received_at, now)
            _take(work, message)
    except (KeysExhausted, PoisonError):
        raise
    except Exception as error:
        left = sum(1 for _ in coming)
        raise PoisonError(error, message=len(messages) - left - 1) from error
    if until is not None:
        _wake(work, until, now)
    return work.close()


def taker(work: BatchState) -> Callable[[Message], None]:
    """The way of one message, for messages that steps send."""
    return partial(_take, work)


def _wake(work: BatchState, until: datetime, now: datetime | None) -> None:
    """Wake what is due by an instant; what comes late is done as of that instant, or of now if that is before."""
    at_the_soonest = FIRST_INSTANT if now is None else min(now, until)
    while work.timers and work.timers[0][0] <= until:
        due_at, key, person_key = heappop(work.timers)
        entry = work.active.get(work.survivor_of(person_key), {}).get(key)
        if entry is not None and entry.due_at == due_at:
            _wake_entry(work, entry, max(due_at, at_the_soonest))


def _wake_first(work: BatchState, message: Message, now: datetime | None) -> None:
    """Wake what is due, as a message arrives, of those whom it concerns.

    Others are woken by what concerns them, or by due work: so it makes no difference with whose messages
    this one shares a batch.
    """
    until = message.received_at
    at_the_soonest = FIRST_INSTANT if now is None else min(now, until)
    persons = _concerned(work, message)
    while due := [
        (entry.due_at, entry.key, entry)
        for key in {work.survivor_of(key) for key in persons}
        for entry in work.active.get(key, {}).values()
        if entry.due_at is not None and entry.due_at <= until and work.may_run(entry)
    ]:
        due_at, _, entry = min(due, key=lambda each: each[:2])
        _wake_entry(work, entry, max(due_at, at_the_soonest))


def _concerned(work: BatchState, message: Message) -> set[int]:
    """Those whom a message may change: whose it is, whom it names, who had the device about then."""
    named = (message.user_id, message.target_id)
    persons = {work.users[name] for name in named if name is not None and name in work.users}
    ids = (message.anonymous_id, message.target_id)
    devices = {work.anonymous.get(name) for name in ids if name is not None}
    erases = message.type is MessageType.TRACK and message.name in work.settings.registry.erasing
    if erases:
        devices |= {key for person in persons for key in work.belongings.devices.get(person, ())}
    since = until = message.timestamp
    if erases:
        since, until = FIRST_INSTANT, LAST_INSTANT
    policy = work.settings.identity
    runs = (work.claims.get(key, ()) for key in devices if key is not None)
    near = (affected(of_one, since, until, policy) for of_one in runs)
    return persons | {run.person_key for of_one in near for run in of_one}


def _wake_entry(work: BatchState, entry: Entry, at: datetime) -> None:
    if entry.key in work.given_up:
        give_up(work, entry)
        return
    try:
        leave = lapsed_by(work, entry, at)
        if leave is not None:
            save(work, entry.finished(end_by(leave, at)))
        else:
            run(work, entry._replace(due_at=at))
    except (KeysExhausted, PoisonError):
        raise
    except Exception as error:
        raise PoisonError(error, entry=entry.key) from error


def _take(work: BatchState, message: Message) -> None:
    ref = message.ref
    if ref in work.seen:
        work.out.duplicates.append(message.message_id)
        _compare(work, message, work.seen[ref])
        return
    work.seen[ref] = message
    work.out.accepted += message.depth == 0
    if message.remarks:
        message = _remarked(work, message)
    if message.type is MessageType.TRACK and message.name not in work.ordinary:
        action = work.settings.registry.action_for(message.name)
        if action is not None:
            enact(work, message, action)
            return
        _look_for_near_miss(work, message)
    if work.has_tombstones:
        if (tombstone := tombstone_over(work, message)) is not None:
            _silence(work, message, tombstone)
            return
        message = _without_the_gone(work, message)
    _look_for_look_alikes(work, message)
    if message.user_id is None:
        _take_anonymous(work, message)
    else:
        _take_known(work, message, message.user_id)


def _compare(work: BatchState, message: Message, twin: Twin | Message | None) -> None:
    """Tell of a duplicate that says something else than what was recorded."""
    if twin is None or message.depth:
        return
    differing = []
    if twin.type is not message.type:
        differing.append("type")
    if twin.name != message.name:
        differing.append("event" if message.type is MessageType.TRACK else "name")
    if {twin.user_id, twin.anonymous_id} != {None} and (
        (twin.user_id, twin.anonymous_id) != (message.user_id, message.anonymous_id)
    ):
        differing.append("person")
    if differing:
        text = (
            f"a message of the same messageId was recorded before, with another {' and '.join(differing)};"
            " this one changed nothing"
        )
        work.out.emitted.append(Notice("duplicate-differs", message.message_id, text))


def _look_for_look_alikes(work: BatchState, message: Message) -> None:
    if message.user_id is not None and message.user_id not in work.users:
        _look_for_one(work, message, IdKind.USER, message.user_id)
    if message.anonymous_id is not None and message.anonymous_id not in work.anonymous:
        _look_for_one(work, message, IdKind.ANONYMOUS, message.anonymous_id)


def _look_for_one(work: BatchState, message: Message, kind: IdKind, value: str) -> None:
    """Tell once of two ids that people would take for one: when the second is first met beside the other."""
    other = look_alike(work, kind, value)
    if other is not None:
        name = "userId" if kind is IdKind.USER else "anonymousId"
        one, two = (repr(quoted(each, MOST_QUOTED)) for each in (other, value))
        text = f"{name} {one} and {two} differ by case or Unicode form only, and are two"
        work.out.alike.append(Notice("ids-alike", message.message_id, text))


def _remarked(work: BatchState, message: Message) -> Message:
    """The message as it is kept, when what was mended in it has been told."""
    for code, text in message.remarks:
        work.out.emitted.append(Notice(code, message.message_id, text))
    return message._replace(remarks=())


def _look_for_near_miss(work: BatchState, message: Message) -> None:
    near = work.settings.registry.near_miss(message.name)
    if near is None:
        work.ordinary.add(message.name)
    else:
        text = (
            f"{message.name!r} is an ordinary event and ran nothing; the action's name is {near!r}"
        )
        work.out.emitted.append(Notice("near-miss", message.message_id, text))


def _silence(work: BatchState, message: Message, tombstone: Tombstone) -> None:
    """Keep a message from everybody, but say so for each rule that names it, and of an alias."""
    work.changes.erased_ids.append(message.ref)
    if message.type is MessageType.ALIAS:
        refuse_merge(work, message, tombstone)
    unkept = StoredMessage(work.new_key(), 0, message)
    reason = Reason.SUPPRESSED if tombstone.reason == SUPPRESSED else Reason.DELETED
    putting = _putting(occurrence_of(unkept), 0, message.received_at)
    skips = len(work.changes.skips)
    rules = work.index.trigger_match(message.type, message.name).rules
    evaluate(work, putting._replace(reason=reason), rules)
    del work.changes.skips[skips:]  # told, but not kept: it would be kept of somebody who is gone


def _without_the_gone(work: BatchState, message: Message) -> Message:
    """An alias without its previous id, where that was a device of somebody's who is gone."""
    previous = message.target_id
    if message.type is not MessageType.ALIAS or previous is None or previous in work.users:
        return message
    if tombstone_for(work, (IdKind.ANONYMOUS, previous), message.timestamp) is not None:
        return message._replace(target_id=None, body=b"")
    return message


def _take_anonymous(work: BatchState, message: Message) -> None:
    key = anonymous_key_for(work, message.anonymous_id or "")
    runs = work.claims.get(key)
    run = claimant(runs, message.timestamp, work.settings.identity) if runs else None
    stored = work.record(message, run.person_key if run else key)
    work.anonymous_messages[key].append(stored)
    if run is None:
        work.waiting.add(key)
    match = work.index.trigger_match(message.type, message.name)
    if match.is_unused:
        return
    occurrence = occurrence_of(stored)
    if match.broadcasts:
        at_once = _putting(occurrence, 0, message.received_at)
        evaluate(work, at_once, match.broadcasts)
    if run is not None:
        putting = _putting(occurrence, run.person_key, message.received_at, claimed=True)
        apply(work, putting, choose_late(work, putting, stored, run))


def _take_known(work: BatchState, message: Message, user_id: str) -> None:
    fresh = user_id not in work.users
    person = person_for(work, user_id, message.timestamp)
    stored = work.record(message, person.key)
    shift = NO_SHIFT
    if fresh:
        entered = _memberships(work, person, message.timestamp)
        shift = Shift(entered=entered, known=bool(work.index.on_known))
    others = len(work.moved)
    handed = _made_theirs(work, message, person, stored)
    if len(work.moved) > others:  # whoever it is was known already: this is but another id
        shift = replace(shift, known=False)
    is_unused = work.index.trigger_match(message.type, message.name).is_unused
    begun = work.in_parts if work.in_parts in {message.anonymous_id, message.target_id} else None
    if is_unused and shift is NO_SHIFT and not handed and begun is None:
        return
    occurrence = occurrence_of(stored)
    if message.type is MessageType.IDENTIFY:
        shift = _tell(work, person, occurrence, shift)
    own = _putting(occurrence, person.key, message.received_at)
    if begun is not None:
        segments = shift.entered, shift.left
        begin_in_parts(work, message, begun, stored, *segments, makes_known=shift.known)
    else:
        _apply_in_order(work, own, shift, handed)


def _made_theirs(
    work: BatchState, message: Message, person: Person, stored: StoredMessage
) -> Sequence[Handed]:
    """What a message claims for its person, and whom it merges into them."""
    if message.type is not MessageType.ALIAS:
        if message.anonymous_id is None:
            return ()
        return claim(work, message, person.key, message.anonymous_id)
    handed = _take_over(work, message, person)
    if work.users.get(message.target_id or "", person.key) != person.key:
        work.strip(stored)  # the two stay two, and this one's message names no other
    return handed


@dataclass(frozen=True, slots=True)
class Shift:
    """What one message did to a person: the segments entered and left, and whether it made them known.

    The latter matters only where some rule asks for it.
    """

    entered: frozenset[str] = frozenset()
    left: frozenset[str] = frozenset()
    known: bool = False


NO_SHIFT = Shift()


def _shifted(earlier: Shift, before: frozenset[str], after: frozenset[str]) -> Shift:
    if before == after:
        return earlier
    return Shift(earlier.entered | (after - before), earlier.left | (before - after), earlier.known)


def _tell(
    work: BatchState,
    person: Person,
    occurrence: RuleInput,
    earlier: Shift,
) -> Shift:
    """Set attributes; returns the segments that the person enters and leaves by it."""
    said_at = occurrence.timestamp
    told = tell(work, person, occurrence.data, said_at, occurrence.message_id)
    if told is person:
        return earlier
    before = _memberships(work, person, said_at)
    return _shifted(earlier, before, _memberships(work, told, said_at))


def _apply_in_order(
    work: BatchState, own: Evaluation, shift: Shift, handed: Sequence[Handed]
) -> None:
    """Apply a message and what it claims in the order they happened."""
    if not handed:
        apply(work, own, (), shift)
        return
    match = work.index.trigger_match
    puttings = [
        putting_of(each, own.now)
        for each in handed
        if not match(each.stored.type, each.stored.name).is_unused
    ]
    out = choose(work, puttings)
    happened = own.occurrence.timestamp
    for putting in puttings:
        if putting.occurrence.timestamp <= happened:
            apply(work, putting, out.get(putting.occurrence.key, ()))
    apply(work, own, (), shift)
    for putting in puttings:
        if putting.occurrence.timestamp > happened:
            apply(work, putting, out.get(putting.occurrence.key, ()))


def apply(
    work: BatchState,
    putting: Evaluation,
    left_out: Collection[str],
    shift: Shift = NO_SHIFT,
) -> None:
    """Let one message of a person's take effect: on the person, on running entries, on the rules."""
    occurrence, key = putting.occurrence, putting.person_key
    person = work.persons.get(key)
    if person is None:
        return
    if occurrence.type is MessageType.TRACK:
        shift = _happen(work, putting, person, shift)
    elif occurrence.type is MessageType.IDENTIFY:
        if putting.retroactive:  # else it was told before anything was claimed
            shift = _tell(work, person, occurrence, shift)
        leave_by_change(work, occurrence, key, shift.left, putting.now)
    elif occurrence.type is MessageType.GROUP:
        _relate(work, occurrence, key)
    rules = _rules_for(work, occurrence, shift, claimed=putting.retroactive)
    if rules:
        evaluate(work, putting, rules, left_out)


def _happen(work: BatchState, putting: Evaluation, person: Person, shift: Shift) -> Shift:
    """Add an event to the person's past, and end what it ends."""
    occurrence = putting.occurrence
    leave_by_event(work, occurrence, person.key, putting.now)
    counted = occurrence.name in work.index.counted_names
    if occurrence.name not in work.index.segment_watch:
        work.add_to_history(person.key, occurrence)
    else:
        before = _memberships(work, person, occurrence.timestamp)
        work.add_to_history(person.key, occurrence)
        shift = _shifted(shift, before, _memberships(work, person, occurrence.timestamp))
    if shift.left or counted:
        leave_by_change(work, occurrence, person.key, shift.left, putting.now)
    return shift


def _rules_for(work: BatchState, occurrence: RuleInput, shift: Shift, *, claimed: bool) -> Selected:
    rules = _NO_RULES
    if occurrence.type is not None and occurrence.name:
        match = work.index.trigger_match(occurrence.type, occurrence.name)
        rules = match.campaigns if claimed else match.rules  # a broadcast saw it when it came in
    if shift is NO_SHIFT:
        return rules
    changed = [r for r in work.index.on_segment if _is_by_change(r, shift.entered, shift.left)]
    return rules.and_besides([*(work.index.on_known if shift.known else ()), *changed])


_NO_RULES = Selected(RuleList())


def _is_by_change(rule: Rule, entered: frozenset[str], left: frozenset[str]) -> bool:
    return any(
        isinstance(trigger, OnSegment)
        and trigger.segment in (entered if trigger.change is Change.ENTERS else left)
        for trigger in rule.triggers
    )


def _memberships(work: BatchState, person: Person, instant: datetime) -> frozenset[str]:
    """The segments, of those that some rule watches, that the person is in."""
    watched = work.index.watched_segments
    if not watched:
        return frozenset()
    data: dict[str, JsonValue] = {
        "person": person.attributes,  # type: ignore[dict-item]  # read only
        "timestamp": format_instant(instant),
    }
    history = HistoryUntil(work, person.key, instant)
    return frozenset(segment.id for segment in watched if segment.who.holds(data, history))


def _relate(work: BatchState, occurrence: RuleInput, person_key: int) -> None:
    """A group call: the object's traits, and the person's tie to it (Segment spec, Group)."""
    place = object_key(occurrence.data, occurrence.target_id)
    work.changes.objects[place] = ObjectRecord(*place, occurrence.data, occurrence.timestamp)
    work.changes.relationships[Relationship(person_key, *place)] = True


def _take_over(work: BatchState, message: Message, survivor: Person) -> Sequence[Handed]:
    """An alias: merge with a known person, or claim an anonymous id; claim the one beside it, too.

    An id that nobody has seen yet counts as an anonymous one. To count it as a user id as well would
    merge two people who share a device and both alias from it.
    """
    previous = message.target_id  # None where it was somebody's who is gone
    loser_key = None if previous is None else work.users.get(previous)
    if loser_key is not None and loser_key != survivor.key:
        survivor = merge_people(work, message, survivor, work.persons[loser_key])
    claimed = [] if message.anonymous_id is None else [message.anonymous_id]
    if previous is not None and (loser_key is None or previous in work.anonymous):
        claimed.append(previous)
    handed = [claim(work, message, survivor.key, anonymous_id) for anonymous_id in claimed]
    return in_order([each for of_one in handed for each in of_one])


def _putting(
    occurrence: RuleInput, person_key: int, now: datetime, *, claimed: bool = False
) -> Evaluation:
    return Evaluation(occurrence, person_key, now, claimable_at=now, retroactive=claimed)


def putting_of(handed: Handed, now: datetime) -> Evaluation:
    """A message that a claim brings, to be put to the rules."""
    putting = _putting(occurrence_of(handed.stored), handed.stored.owner, now, claimed=True)
    return putting._replace(reason=Reason.CLAIMED_BEFORE) if handed.again else putting
