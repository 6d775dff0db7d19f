"""The messages that a claim brings: they are applied with the message that claims, in the order in which they happened.

Most of them are plain (see `plain_messages`), and are skipped without an evaluation. Whether they are is asked as their
turn comes, since those before them may change the person.
"""

from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Final, NamedTuple

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
_UNUSED: Final = RuleSelection(RuleList())
"""Stands for the rules of messages that no rule uses."""
_UNKNOWN: Final = RuleSelection(RuleList())
"""Stands for those that were not looked for yet."""


def apply_in_order(
    work: BatchState, own: Evaluation, change: PersonChange, claimed: ClaimedMessages
) -> None:
    """Apply a message and the messages that it claims in the order in which they happened."""
    if not claimed.messages:
        apply_message(work, own, (), change)
        return
    before, after = _used_by_rules(work, claimed, own.now).parted(own.timestamp)
    first, last = before.evaluations(), after.evaluations()
    excluded = exclusions(work, [*first, *last])
    work.expect([*first, own, *last])
    put_off = PutOff(change)
    _take(work, before, excluded, own.now, behind=put_off)
    apply_message(work, own, (), put_off.change)
    _take(work, after, excluded, own.now)
    work.ahead.clear()
    wake_tied(work, own)


class _Used(NamedTuple):
    """Claimed messages that rules use, in the order in which they happened.

    Attributes:
        messages: as their persons have them.
        rules: of each message what `_rules_of` says of its name.
        evaluated: by key, the evaluations of messages that cannot be passed over; also of others than these.
    """

    messages: Sequence[StoredMessage]
    rules: Sequence[RuleSelection | None]
    evaluated: Mapping[int, Evaluation]

    def parted(self, moment: datetime) -> "tuple[_Used, _Used]":
        """The messages up to a moment, and those after it."""
        messages, rules, evaluated = self
        end = bisect_right(messages, moment, key=_HAPPENED)
        return (
            _Used(messages[:end], rules[:end], evaluated),
            _Used(messages[end:], rules[end:], evaluated),
        )

    def evaluations(self) -> Sequence[Evaluation]:
        """The evaluations of these messages."""
        messages, _, evaluated = self
        if not evaluated:
            return ()
        return [evaluated[stored.key] for stored in messages if stored.key in evaluated]


def _used_by_rules(work: BatchState, claimed: ClaimedMessages, now: datetime) -> _Used:
    """The claimed messages that rules use."""
    known, again = work.claimed_rules, claimed.again
    messages: list[StoredMessage] = []
    rules: list[RuleSelection | None] = []
    evaluated: dict[int, Evaluation] = {}
    for stored in claimed.messages:
        key, message = stored.key, stored.message
        name = message.type, message.name
        each = known.get(name, _UNKNOWN)
        if each is _UNKNOWN:
            each = known[name] = _rules_of(work, name)
        if each is _UNUSED:
            continue
        messages.append(stored)
        rules.append(each)
        if each is None or message.depth or key in again:
            evaluated[key] = _claimed_evaluation(stored, again, now)
    return _Used(messages, rules, evaluated)


def _rules_of(work: BatchState, name: MessageName) -> RuleSelection | None:
    """The campaigns of claimed messages of that type and name, if that is all that they are for; otherwise None."""
    plain = plain_match(work, *name)
    match = plain or work.index.trigger_match(*name)
    if match.is_unused:
        return _UNUSED
    return None if plain is None or plain.take_one_rules else plain.campaigns


def _take(
    work: BatchState,
    used: _Used,
    excluded: Exclusions,
    now: datetime,
    behind: PutOff | None = None,
) -> None:
    """Take claimed messages: those that open no rule together, and each other in its turn.

    Args:
        now: when the claim arrived.
    """
    messages, _, evaluated = used
    first = 0
    while first < len(messages):
        found: KnownCandidates | None = None
        if messages[first].key not in evaluated:
            first, found = _passed_over(work, used, first, now)
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
    work: BatchState, used: _Used, first: int, now: datetime
) -> tuple[int, KnownCandidates | None]:
    """Skip the rules of messages of one person that open none, from a place up to the first that may.

    Returns:
        The place of that message, and the candidates among its rules, if they were looked for.
    """
    messages, rules, evaluated = used
    owner = messages[first].owner
    person = work.persons.get(owner)
    if person is None or (work.is_due(now) and is_concerned(work, owner)):
        return first, None
    found: KnownCandidates | None = None
    skipping: list[StoredMessage] = []
    skipped: list[RuleSelection] = []
    for place in range(first, len(messages)):
        stored, each = messages[place], rules[place]
        if stored.owner != owner or each is None or stored.key in evaluated:
            break
        if each.selected:
            message = stored.message
            candidates = each.plain_candidates(message, message.properties, person)
            if candidates:
                found = KnownCandidates(person, each, candidates)
                break
            skipping.append(stored)
            skipped.append(each)
    else:
        place = len(messages)
    if skipping:
        skip_claimed(work, skipping, person, skipped, now)
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
