"""Deciding one rule for one person and one message: entered, or skipped with a reason.

The order is that of the hosted products: the trigger and its `where`, whether the rule is open to
this message at all (active, retroactive, age), the person (`who`), then re-entry.
Pure: everything it looks at is in the `Case`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, assert_never, cast

from pydantic import JsonValue

from whereupon.conditions import Condition, Failure, History
from whereupon.conditions.paths import path_of
from whereupon.messages.codec import JsonError, decode, encode_canonically
from whereupon.messages.model import MessageType, SenderClass
from whereupon.messages.times import as_micros, duration_micros
from whereupon.messages.wire import digits_of
from whereupon.records import KEY, NOTHING, PastEntry, has_slot, is_any_active
from whereupon.rules.model import (
    EveryTime,
    NotWhileActive,
    Once,
    OncePer,
    OncePerKey,
    Rule,
    RuleKind,
    Take,
)


class Outcome(StrEnum):
    """The two outcomes of a decision."""

    ENTERED = "entered"
    SKIPPED = "skipped"


class Reason(StrEnum):
    """Why a person did not enter. For ever."""

    WHERE = "where"
    WHO = "who"
    REENTRY = "reentry"
    KEY_MISSING = "key-missing"
    TOO_OLD = "too-old"
    RETROACTIVE_OFF = "retroactive-off"
    RETROACTIVE_TAKE = "retroactive-take"
    INACTIVE = "inactive"
    SUPPRESSED = "suppressed"
    DELETED = "deleted"
    SOURCE = "source"
    LOOP = "loop"
    CLAIMED_BEFORE = "claimed-before"


class Decision(NamedTuple):
    """The stored verdict on one (message, rule, person).

    Attributes:
        type, event: of the message; None for a scheduled broadcast, whose `message_id` is the
            occasion: the rule and the time.
        person: the person's first user id; None where nobody is known (yet).
        reason: a `Reason`; None when entered.
        digest: the hash of the rule's content that decided.
        condition, values: the part of a condition that failed, and what it saw.
    """

    message_id: str
    type: MessageType | None
    event: str | None
    timestamp: datetime
    decided_at: datetime
    person: str | None
    rule: str
    rule_kind: RuleKind
    outcome: Outcome
    reason: Reason | None
    retroactive: bool
    digest: str
    condition: str | None = None
    values: Mapping[str, JsonValue] = NOTHING


@dataclass(slots=True)
class Case:
    """One message put to the rules for one person.

    Attributes:
        data: what conditions see: event, properties, context, person, timestamp, type.
        claimable_at: when the message became the person's, as far as its age counts: its own arrival,
            or the claim's if that came later.
        retroactive: it was anonymous, and came to the person by a claim.
    """

    message_id: str
    timestamp: datetime
    data: dict[str, JsonValue]
    history: History
    claimable_at: datetime
    retroactive: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """Entered (no reason; with the re-entry slot to take), or skipped."""

    reason: Reason | None = None
    failure: Failure | None = None
    slot: str | None = None


ENTERED = Verdict()


def verdict_on(
    rule: Rule, case: Case, past: Sequence[PastEntry], *, where_holds: bool = False
) -> Verdict:
    """Whether the person enters the rule by this message.

    Args:
        past: the person's earlier entries in this rule; may be left empty where the rule lets
            people in every time.
        where_holds: the rule's `where` is known to hold.
    """
    opening = opening_verdict(rule, case, where_holds=where_holds)
    if opening.reason is not None:
        return opening
    if not rule.who.holds(case.data, case.history):
        return _failed(Reason.WHO, rule.who, case)
    return _reenter(rule, case, past)


def verdict_on_unmatched(rule: Rule, case: Case, source: SenderClass) -> Verdict:
    """Why a rule that the matching has left out skips the message.

    What leaves it out is its `where`, or its `who` before that asks for the history: so neither the
    history nor earlier entries have a say.
    """
    if rule.kind is RuleKind.CAMPAIGN:
        return verdict_on(rule, case, ())
    return (
        Verdict(Reason.SOURCE) if source is not SenderClass.SERVER else opening_verdict(rule, case)
    )


def opening_verdict(rule: Rule, case: Case, *, where_holds: bool = False) -> Verdict:
    """Whether the message may trigger the rule at all, whoever the person is."""
    if not (where_holds or rule.where.holds(case.data, case.history)):
        return _failed(Reason.WHERE, rule.where, case)
    reason = _closed(rule, case)
    return Verdict(reason) if reason else ENTERED


def takes_part(rule: Rule, case: Case) -> bool:
    """Whether a claimed message counts when a rule takes only the first or last of a claim."""
    return opening_verdict(rule, case).reason is None


def _failed(reason: Reason, condition: Condition, case: Case) -> Verdict:
    return Verdict(reason, condition.failing(case.data, case.history))


def _closed(rule: Rule, case: Case) -> Reason | None:
    if not rule.active.allows(case.timestamp):
        return Reason.INACTIVE
    age = case.claimable_at - case.timestamp
    if case.retroactive:
        policy = rule.retroactive
        if policy.take is Take.NONE:
            return Reason.RETROACTIVE_OFF
        if policy.within is not None and age > policy.within:
            return Reason.TOO_OLD
    return Reason.TOO_OLD if age > rule.max_age else None


def _reenter(rule: Rule, case: Case, past: Sequence[PastEntry]) -> Verdict:
    reentry = rule.reentry
    match reentry:
        case EveryTime():
            return ENTERED
        case Once():
            return Verdict(Reason.REENTRY) if past else Verdict(slot="once")
        case OncePer(period):
            if any(abs(entry.timestamp - case.timestamp) < period for entry in past):
                return Verdict(Reason.REENTRY)
            length = max(duration_micros(period), 1)
            return Verdict(slot=f"per:{length}:{as_micros(case.timestamp) // length}")
        case OncePerKey(path):
            return _reenter_by_key(path, case, past)
        case NotWhileActive():
            if is_any_active(past):
                return Verdict(Reason.REENTRY)
            return Verdict(slot="active")
        case _:
            assert_never(reentry)


def _reenter_by_key(path: Sequence[str], case: Case, past: Sequence[PastEntry]) -> Verdict:
    value = _value_at(path, case.data)
    slot = _slot_of(value)
    if slot is None:
        return Verdict(
            Reason.KEY_MISSING, Failure(f"{path_of(path)} is given", {path_of(path): value})
        )
    if has_slot(past, slot):
        return Verdict(Reason.REENTRY)
    return Verdict(slot=slot)


def would_refuse(rule: Rule, earlier: PastEntry, later: PastEntry) -> bool:
    """Whether the rule would have kept somebody out by the later entry, had the earlier been theirs."""
    reentry = rule.reentry
    match reentry:
        case EveryTime():
            return False
        case Once():
            return True
        case OncePer(period):
            return abs(earlier.timestamp - later.timestamp) < period
        case OncePerKey():
            return later.slot is not None and earlier.slot == later.slot
        case NotWhileActive():
            return earlier.active
        case _:
            assert_never(reentry)


# --- keys -------------------------------------------------------------------------------------------


def slot_asked(path: Sequence[str], data: Mapping[str, object]) -> str | None:
    """The slot of the key at a path; None where none is given."""
    return _slot_of(_value_at(path, data))


def _value_at(path: Sequence[str], data: Mapping[str, object]) -> JsonValue:
    value: object = data
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return cast("JsonValue", value)


def _slot_of(value: JsonValue) -> str | None:
    """The slot of a key: keys compare as ids do, as trimmed text; None where it is no key.

    A number is its digits (1001.0 is 1001), a truth its word, an object or list its own JSON.
    """
    match value:
        case bool():
            value = "true" if value else "false"
        case str():
            value = value.strip()
        case int() | float():
            value = digits_of(value)
        case _:
            pass
    return f"{KEY}{encode_canonically(value).decode()}" if value else None


def settled(past: PastEntry) -> PastEntry:
    """An entry whose key, if it has one, is written as keys are now; numbers once had slots of their own."""
    slot = past.slot
    if slot is None or not slot.startswith(KEY) or _IS_SETTLED(slot):
        return past
    try:
        return past._replace(slot=_slot_of(decode(slot[len(KEY) :])) or slot)
    except JsonError:
        return past


_IS_SETTLED = re.compile(r'key:"[^\s\\]([^\\]*[^\s\\])?"').fullmatch
"""Of a slot that holds a text without space around it; escapes are looked at closer."""
