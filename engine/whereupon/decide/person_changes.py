"""What one message of a person changes: attributes, history, segments, entries, ties to objects, and rules."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from whereupon.decide.batch_state import BatchState
from whereupon.decide.evaluation import Evaluation
from whereupon.decide.evaluator import evaluate
from whereupon.decide.exits import end_by_change, end_by_event, end_by_merge
from whereupon.decide.goals import meet_by_merge, meet_goals
from whereupon.decide.guard_facts import object_key
from whereupon.decide.memberships import memberships, memberships_before
from whereupon.decide.open_skips import note_change
from whereupon.decide.own_times import arm_own_times
from whereupon.decide.people import set_attributes
from whereupon.decide.waits import note_late, pass_by_change, pass_by_event, pass_by_merge
from whereupon.decide.waking import wake_tied
from whereupon.matching import Candidate, RuleList, RuleSelection
from whereupon.messages.model import MessageType
from whereupon.messages.structs import Frozen
from whereupon.records import ObjectRecord, Person, Relationship
from whereupon.rules.model import OnSegment, Rule, SegmentChange

_TRACK, _IDENTIFY = MessageType.TRACK, MessageType.IDENTIFY  # looked up slowly as attributes
_ALIAS, _GROUP = MessageType.ALIAS, MessageType.GROUP


class PersonChange(Frozen, frozen=True):
    """What one message did to a person, as far as rules are triggered by it.

    Attributes:
        entered, left: ids of segments.
        known: whether the message made the person known; set only if a rule asks for it.
    """

    entered: frozenset[str] = frozenset()
    left: frozenset[str] = frozenset()
    known: bool = False

    def and_moved(self, before: frozenset[str], after: frozenset[str]) -> "PersonChange":
        """This change, and then that from one set of segments to another; what is taken back is no change."""
        if before == after:
            return self
        entered, left = after - before, before - after
        return PersonChange(
            (self.entered - left) | (entered - self.left),
            (self.left - entered) | (left - self.entered),
            self.known,
        )


NO_CHANGE = PersonChange()


class PutOff:
    """What a message that claims has done to a person already, until its turn among the claimed messages comes.

    A claimed message that happened before it may take some of that back. Then neither is a change.
    """

    def __init__(self, change: PersonChange) -> None:
        self.change = change

    def without(self, change: PersonChange) -> PersonChange:
        """The change of a claimed message, without what it takes back; the rest is what is still put off."""
        if change is NO_CHANGE:
            return change
        mine = self.change
        self.change = PersonChange(
            mine.entered - change.left, mine.left - change.entered, mine.known
        )
        return PersonChange(change.entered - mine.left, change.left - mine.entered, change.known)


class KnownCandidates(NamedTuple):
    """The candidates among the rules of a message, as its person was before it is applied."""

    person: Person
    rules: RuleSelection
    candidates: Sequence[Candidate]


def apply_message(
    work: BatchState,
    evaluation: Evaluation,
    excluded: Collection[str],
    change: PersonChange = NO_CHANGE,
    behind: PutOff | None = None,
    found: KnownCandidates | None = None,
) -> None:
    """Apply a person's message to the person, to running entries and to the rules.

    Args:
        excluded: ids of rules that take another of the messages that a claim brings.
        change: what the message has done to the person already.
        behind: what a message that comes behind this one has done already.
        found: the candidates, if they were looked for; they hold if the message leaves the person as they were.
    """
    person = work.persons.get(evaluation.person_key)
    if person is None:
        return
    _touch(work, evaluation)
    change = _applied(work, evaluation, person, change)
    wake_tied(work, evaluation)
    if behind is not None:
        change = behind.without(change)
    rules = _rules_for(work, evaluation, change)
    if rules:
        known: Sequence[Candidate] | None = None
        if found is not None and found.rules is rules:
            is_same = work.persons.get(evaluation.person_key) is found.person
            known = found.candidates if is_same else None
        evaluate(work, evaluation, rules, excluded, known)


def apply_merge(
    work: BatchState, evaluation: Evaluation, moment: Evaluation, change: PersonChange
) -> None:
    """Apply a merge that was agreed to after its message had come: to running entries, and to the rules.

    Args:
        evaluation: of the message, for the person who is left.
        moment: when it was agreed to, which the rules hear of.
        change: what the merge has done to the person.
    """
    change = _applied(work, evaluation, work.persons[evaluation.person_key], change)
    rules = _rules_for(work, moment, change)
    if rules:
        evaluate(work, moment, rules)


def _applied(
    work: BatchState, evaluation: Evaluation, person: Person, change: PersonChange
) -> PersonChange:
    """Apply a message to the person and to the entries that they are inside; gives all that it has done to them."""
    if evaluation.type is _TRACK:
        change = _add_event(work, evaluation, person, change)
    elif evaluation.type is _IDENTIFY:
        if evaluation.retroactive:  # else it was applied before anything was claimed
            change = apply_attributes(work, evaluation, person, change)
        end_by_change(work, evaluation, change.left)
        pass_by_change(work, evaluation)
    elif evaluation.type is _ALIAS:
        end_by_merge(work, evaluation, change.left)
        meet_by_merge(work, evaluation)
        pass_by_merge(work, evaluation)
    elif evaluation.type is _GROUP:
        _relate(work, evaluation)
    return change


def _touch(work: BatchState, evaluation: Evaluation) -> None:
    """Note what the message may bring nearer that time alone changes."""
    if evaluation.type is not None:
        heard = work.index.timed.heard(evaluation.type, evaluation.name)
        if heard:
            work.clocked.touch(evaluation.person_key, [each.name for each in heard])


def apply_attributes(
    work: BatchState, evaluation: Evaluation, person: Person, change: PersonChange
) -> PersonChange:
    """Set the attributes of an identify; gives the change with the segments entered and left by it."""
    at, now = evaluation.timestamp, evaluation.now
    changed = set_attributes(work, person, evaluation.properties, at, evaluation.message_id)
    if changed is person:
        return change
    note_change(work, person, changed, at)
    if work.index.timed:
        read = work.index.timed.reading(evaluation.properties.keys())
        work.clocked.touch(person.key, (each.name for each in read))
    if work.open_runs and not evaluation.properties.keys().isdisjoint(
        work.index.timed.clock_names or ()
    ):
        arm_own_times(work, changed)
    before = memberships_before(work, person, at, now)
    return change.and_moved(before, memberships(work, changed, at, now))


def _add_event(
    work: BatchState, evaluation: Evaluation, person: Person, change: PersonChange
) -> PersonChange:
    """Add an event to the person's history, and end the entries that it ends."""
    end_by_event(work, evaluation)
    if evaluation.name not in work.index.segment_window:
        work.add_to_history(person.key, evaluation)
    else:
        moment = evaluation.timestamp, evaluation.now
        before = memberships_before(work, person, *moment)
        work.add_to_history(person.key, evaluation)
        change = change.and_moved(before, memberships(work, person, *moment))
    is_counted = evaluation.name in work.index.counted_names
    if change.left or is_counted:
        end_by_change(work, evaluation, change.left)
    meet_goals(work, evaluation)
    note_late(work, evaluation)
    pass_by_event(work, evaluation)
    if is_counted:
        pass_by_change(work, evaluation)
    return change


def _rules_for(work: BatchState, evaluation: Evaluation, change: PersonChange) -> RuleSelection:
    rules = _NO_RULES
    if evaluation.type is not None and evaluation.name:
        match = work.index.trigger_match(evaluation.type, evaluation.name)
        # A broadcast was evaluated when the message came in.
        rules = match.campaigns if evaluation.retroactive else match.rules
    if change is NO_CHANGE:
        return rules
    by_change = [rule for rule in work.index.on_segment if _is_triggered(rule, change)]
    return rules.and_besides([*(work.index.on_known if change.known else ()), *by_change])


_NO_RULES = RuleSelection(RuleList())


def _is_triggered(rule: Rule, change: PersonChange) -> bool:
    return any(
        isinstance(trigger, OnSegment)
        and trigger.segment
        in (change.entered if trigger.change is SegmentChange.ENTERS else change.left)
        for trigger in rule.triggers
    )


_BESIDE_TRAITS = frozenset({"objectTypeId", "object_type_id", "relationshipAttributes"})
"""Traits of a group call that are not the object's own."""


def _relate(work: BatchState, evaluation: Evaluation) -> None:
    """Record a group call: the object's traits, and the person's tie to it (Segment spec, Group).

    A call without traits of the object says nothing about it, so an object that is there keeps those that it has.
    """
    changes, place = work.changes, object_key(evaluation.properties, evaluation.target_id)
    said = ObjectRecord(*place, evaluation.properties, evaluation.timestamp)
    is_gone = place in changes.objects and changes.objects[place] is None
    if is_gone or evaluation.properties.keys() - _BESIDE_TRAITS:
        changes.objects[place] = said
    elif place not in changes.objects:
        changes.named_objects.setdefault(place, said)
    work.changes.relationships[Relationship(evaluation.person_key, *place)] = True
