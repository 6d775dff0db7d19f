"""What an arriving message does: it is a duplicate, asks for an action, is suppressed, or is recorded and applied."""

from whereupon.decide.batch_state import BatchState
from whereupon.decide.claimed_messages import apply_in_order
from whereupon.decide.decisions import Reason
from whereupon.decide.evaluation import Evaluation
from whereupon.decide.evaluator import evaluate
from whereupon.decide.grace import decide_again, put_off
from whereupon.decide.memberships import memberships, memberships_before, ring_segments
from whereupon.decide.notices import (
    is_ordinary,
    note_duplicate,
    note_look_alikes,
    note_near_miss,
    note_repairs,
)
from whereupon.decide.own_times import arm_own_times
from whereupon.decide.people import (
    NOTHING_CLAIMED,
    ClaimedMessages,
    anonymous_key_for,
    begin_job,
    claim,
    person_for,
)
from whereupon.decide.person_changes import (
    NO_CHANGE,
    PersonChange,
    apply_attributes,
    apply_message,
)
from whereupon.decide.plain_messages import passed_over
from whereupon.decide.semantic_actions import merge_people, refuse_merge, run_action
from whereupon.decide.suppression import SUPPRESSED, tombstone_for, tombstone_over
from whereupon.decide.take_one import excluded_late
from whereupon.identity.algebra import claimant
from whereupon.messages.model import Message, MessageType
from whereupon.records import IdKind, Person, StoredMessage, Tombstone

_TRACK, _ALIAS = MessageType.TRACK, MessageType.ALIAS  # looked up slowly as attributes
_IDENTIFY = MessageType.IDENTIFY


def take_message(work: BatchState, message: Message) -> None:
    """Take one message of the batch, or one that a step sends."""
    ref = message.ref
    if ref in work.seen:
        work.out.duplicates.append(message.message_id)
        note_duplicate(work, message, work.seen[ref])
        return
    work.seen[ref] = message
    work.out.accepted += message.depth == 0
    if message.remarks:
        message = note_repairs(work, message)
    if message.type is _TRACK and not is_ordinary(work, message.name):
        action = work.settings.registry.action_for(message.name)
        if action is not None:
            run_action(work, message, action)
            return
        note_near_miss(work, message)
    if work.has_tombstones:
        if (tombstone := tombstone_over(work, message)) is not None:
            _suppress(work, message, tombstone)
            return
        message = _without_erased_device(work, message)
    note_look_alikes(work, message)
    closed = len(
        work.again
    )  # by what led to this message: decided when that has done all of its own
    if message.user_id is None:
        _take_anonymous(work, message)
    else:
        _take_known(work, message, message.user_id)
    decide_again(work, message.received_at, since=closed)


def _suppress(work: BatchState, message: Message, tombstone: Tombstone) -> None:
    """Record nothing of a message but that it was seen; emit its skip for each rule that it names."""
    work.changes.erased_ids.append(message.ref)
    if message.type is _ALIAS:
        refuse_merge(work, message, tombstone)
    unkept = StoredMessage(work.new_key(), 0, message)
    reason = Reason.SUPPRESSED if tombstone.reason == SUPPRESSED else Reason.DELETED
    evaluation = Evaluation.of(unkept, 0, message.received_at, reason=reason)
    skips = len(work.changes.skips)
    evaluate(work, evaluation, work.index.trigger_match(message.type, message.name).rules)
    del work.changes.skips[skips:]  # emitted, but not stored: they would be about an erased person


def _without_erased_device(work: BatchState, message: Message) -> Message:
    """An alias without its previous id if that was the device of a person who was erased."""
    previous = message.target_id
    if message.type is not _ALIAS or previous is None or previous in work.users:
        return message
    if tombstone_for(work, (IdKind.ANONYMOUS, previous), message.timestamp) is not None:
        return message.changed(target_id=None, body=b"", properties=None)
    return message


# --- anonymous --------------------------------------------------------------------------------------


def _take_anonymous(work: BatchState, message: Message) -> None:
    key = anonymous_key_for(work, message.anonymous_id or "")
    runs = work.claims.get(key)
    run = claimant(runs, message.timestamp, work.settings.identity) if runs else None
    stored = work.record(message, run.person_key if run else key)
    work.anonymous_messages.setdefault(key, []).append(stored)
    if run is None:
        work.waiting.add(key)
    match = work.index.trigger_match(message.type, message.name)
    if match.is_unused:
        return
    if match.broadcasts:
        at_once = Evaluation.of(stored, 0, message.received_at)
        evaluate(work, at_once, match.broadcasts)
    if run is not None:
        evaluation = Evaluation.of(stored, run.person_key, message.received_at, retroactive=True)
        apply_message(work, evaluation, excluded_late(work, evaluation, stored, run))


# --- known ------------------------------------------------------------------------------------------


def _take_known(work: BatchState, message: Message, user_id: str) -> None:
    is_new = user_id not in work.users
    if message.depth and not is_new:
        ring_segments(work, work.users[user_id], message.received_at)
    person = person_for(work, user_id, message.timestamp)
    stored = work.record(message, person.key)
    change = NO_CHANGE
    if is_new:
        work.clocked.touch(person.key, (each.name for each in work.index.timed.of_everybody))
        entered = memberships(work, person, message.timestamp, message.received_at)
        if entered or work.index.on_known:
            change = PersonChange(entered=entered, known=bool(work.index.on_known))
    merges, both = len(work.moved), _memberships_of_both(work, message, person, is_new=is_new)
    claimed = _claimed_by(work, message, person, stored)
    if len(work.moved) > merges:  # the person was known already, by another id
        moment = message.timestamp, message.received_at
        after = memberships(work, work.persons[person.key], *moment)
        change = NO_CHANGE.and_moved(both, after)
    is_identify = message.type is _IDENTIFY  # it may say their timezone
    _arm_newcomer(work, person, is_new=is_new and not is_identify)
    begun = (
        work.chunked_id if work.chunked_id in {message.anonymous_id, message.target_id} else None
    )
    is_done = change is NO_CHANGE and not claimed.messages and begun is None
    if is_done and _does_nothing(work, stored):
        return
    own = Evaluation.of(stored, person.key, message.received_at)
    if is_identify:
        change = apply_attributes(work, own, person, change)
        _arm_newcomer(work, person, is_new=is_new)
    if begun is not None:
        segments = change.entered, change.left
        again = put_off(work)
        begin_job(work, message, begun, stored, *segments, makes_known=change.known, again=again)
    else:
        apply_in_order(work, own, change, claimed)


def _does_nothing(work: BatchState, stored: StoredMessage) -> bool:
    """Whether a message that is recorded, and that has changed nothing, does nothing else but to be skipped."""
    match = work.index.trigger_match(stored.type, stored.name)
    return match.is_unused or passed_over(work, stored)


def _memberships_of_both(
    work: BatchState, message: Message, survivor: Person, *, is_new: bool
) -> frozenset[str]:
    """The segments that one of two is in who may become one person by a message.

    So nobody enters a segment by a merge in which one of the two was.
    """
    loser_key = None if message.target_id is None else work.users.get(message.target_id)
    if message.type is not _ALIAS or loser_key in {None, survivor.key}:
        return frozenset()
    persons = [work.persons[loser_key]] if loser_key is not None else []
    if not is_new:
        persons.append(survivor)
    moment = message.timestamp, message.received_at
    return frozenset().union(*(memberships_before(work, each, *moment) for each in persons))


def _arm_newcomer(work: BatchState, person: Person, *, is_new: bool) -> None:
    """Arm the turn of a person who has become known in the broadcasts that are open."""
    if is_new and work.open_runs:
        arm_own_times(work, work.persons.get(person.key, person))


def _claimed_by(
    work: BatchState, message: Message, person: Person, stored: StoredMessage
) -> ClaimedMessages:
    """Carry out what a message claims for its person, and whom it merges into them; gives the claimed messages."""
    if message.type is not _ALIAS:
        if message.anonymous_id is None:
            return NOTHING_CLAIMED
        return claim(work, message, person.key, message.anonymous_id)
    claimed = _alias(work, message, person)
    if work.users.get(message.target_id or "", person.key) != person.key:
        work.strip_to_stub(stored)  # the two stay two, and this one's message names no other
    return claimed


def _alias(work: BatchState, message: Message, survivor: Person) -> ClaimedMessages:
    """Merge with a known person, or claim an anonymous id; claim the anonymous id beside it, too.

    An id that was never seen counts as an anonymous id only. If it counted as a user id as well, two
    persons who share a device and both alias from it would be merged.
    """
    previous = message.target_id  # None if it was the device of a person who was erased
    loser_key = None if previous is None else work.users.get(previous)
    if loser_key is not None and loser_key != survivor.key:
        survivor = merge_people(work, message, survivor, work.persons[loser_key])
    ids = [] if message.anonymous_id is None else [message.anonymous_id]
    if previous is not None and (loser_key is None or previous in work.anonymous):
        ids.append(previous)
    return ClaimedMessages.of_all(
        claim(work, message, survivor.key, anonymous_id) for anonymous_id in ids
    )
