"""The messages that a claim brings: they are applied with the message that claims, in the order in which they happened.

Most of them are plain (see `plain_messages`), and are skipped without an evaluation. Whether they are is asked as their
turn comes, since those before them may change the person.
"""

from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from itertools import compress, repeat
from operator import attrgetter, is_not
from typing import Final

from whereupon.decide.batch_state import BatchState
from whereupon.decide.decisions import Reason
from whereupon.decide.evaluation import Evaluation
from whereupon.decide.people import ClaimedMessages
from whereupon.decide.person_changes import KnownCandidates, PersonChange, PutOff, apply_message
from whereupon.decide.plain_messages import is_concerned, plain_match
from whereupon.decide.skips import skip_claimed
from whereupon.decide.take_one import Exclusions, exclusions
from whereupon.decide.waking import wake_tied
from whereupon.matching import RuleList, RuleSelection
from whereupon.records import MessageName, StoredMessage

_CLAIMED_BEFORE = Reason.CLAIMED_BEFORE  # an attribute of an enumeration is looked up slowly
_HAPPENED: Final = attrgetter("message.timestamp")
_NAMED: Final = attrgetter("message.type", "message.name")
_UNUSED: Final = RuleSelection(RuleList())
"""Stands for the rules of messages that no rule uses."""


def apply_in_order(
    work: BatchState, own: Evaluation, change: PersonChange, claimed: ClaimedMessages
) -> None:
    """Apply a message and the messages that it claims in the order in which they happened."""
    if not claimed.messages:
        apply_message(work, own, (), change)
        return
    used, evaluated = _used_by_rules(work, claimed, own.now)
    before = used[: bisect_right(used, own.timestamp, key=_HAPPENED)]
    after = used[len(before) :]
    first = [evaluated[stored.key] for stored in before if stored.key in evaluated]
    last = [evaluated[stored.key] for stored in after if stored.key in evaluated]
    excluded = exclusions(work, [*first, *last])
    work.expect([*first, own, *last])
    put_off = PutOff(change)
    _take(work, before, evaluated, excluded, own.now, behind=put_off)
    apply_message(work, own, (), put_off.change)
    _take(work, after, evaluated, excluded, own.now)
    work.ahead.clear()
    wake_tied(work, own)


def _used_by_rules(
    work: BatchState, claimed: ClaimedMessages, now: datetime
) -> tuple[Sequence[StoredMessage], Mapping[int, Evaluation]]:
    """The claimed messages that rules use; by key, the evaluations of those that cannot be passed over."""
    messages, known, again = claimed.messages, work.claimed_rules, claimed.again
    named = [*map(_NAMED, messages)]
    for name in {*named} - known.keys():
        known[name] = _rules_of(work, name)
    rules = [*map(known.__getitem__, named)]
    if _UNUSED in rules:
        is_used = [*map(is_not, rules, repeat(_UNUSED))]
        messages, rules = [*compress(messages, is_used)], [*compress(rules, is_used)]
    evaluated = [
        stored
        for stored, each in zip(messages, rules, strict=True)
        if each is None or stored.key in again or stored.message.depth
    ]
    return messages, {each.key: _claimed_evaluation(each, again, now) for each in evaluated}


def _rules_of(work: BatchState, name: MessageName) -> RuleSelection | None:
    """The campaigns of claimed messages of that type and name, if that is all that they are for; otherwise None."""
    plain = plain_match(work, *name)
    match = plain or work.index.trigger_match(*name)
    if match.is_unused:
        return _UNUSED
    return None if plain is None or plain.take_one_rules else plain.campaigns


def _take(
    work: BatchState,
    messages: Sequence[StoredMessage],
    evaluated: Mapping[int, Evaluation],
    excluded: Exclusions,
    now: datetime,
    behind: PutOff | None = None,
) -> None:
    """Take claimed messages: those that open no rule together, and each other in its turn.

    Args:
        evaluated: by key, the evaluations of those that cannot be passed over.
        now: when the claim arrived.
    """
    first = 0
    while first < len(messages):
        found: KnownCandidates | None = None
        if messages[first].key not in evaluated:
            first, found = _passed_over(work, messages, first, evaluated, now)
            if first == len(messages):
                return
        stored = messages[first]
        evaluation = evaluated.get(stored.key) or Evaluation.of(
            stored, stored.owner, now, retroactive=True
        )
        others = excluded.get(stored.key, ())
        apply_message(work, evaluation, others, behind=behind, found=found)
        first += 1


def _passed_over(
    work: BatchState,
    messages: Sequence[StoredMessage],
    first: int,
    evaluated: Mapping[int, Evaluation],
    now: datetime,
) -> tuple[int, KnownCandidates | None]:
    """Skip the rules of messages of one person that open none, from a place up to the first that may.

    Returns:
        The place of that message, and the candidates among its rules, if they were looked for.
    """
    owner, known = messages[first].owner, work.claimed_rules
    person = work.persons.get(owner)
    if person is None or (work.is_due(now) and is_concerned(work, owner)):
        return first, None
    place, found = first, None
    skipping: list[StoredMessage] = []
    rules: list[RuleSelection] = []
    for stored in messages[first:]:
        message = stored.message
        each = known[message.type, message.name]
        if stored.owner != owner or each is None or stored.key in evaluated:
            break
        if each.selected:
            candidates = each.plain_candidates(message, message.properties, person)
            if candidates:
                found = KnownCandidates(person, each, candidates)
                break
            skipping.append(stored)
            rules.append(each)
        place += 1
    if skipping:
        skip_claimed(work, skipping, person, rules, now)
    return place, found


def claimed_evaluations(
    work: BatchState, claimed: ClaimedMessages, now: datetime
) -> list[Evaluation]:
    """The claimed messages that rules use, to be evaluated.

    Args:
        now: when the claim arrived.
    """
    match = work.index.trigger_match
    return [
        _claimed_evaluation(each, claimed.again, now)
        for each in claimed.messages
        if not match(each.type, each.name).is_unused
    ]


def _claimed_evaluation(stored: StoredMessage, again: Collection[int], now: datetime) -> Evaluation:
    reason = _CLAIMED_BEFORE if stored.key in again else None
    return Evaluation.of(stored, stored.owner, now, retroactive=True, reason=reason)
