"""Whether a rule lets the same person enter again, and the slots by which the database holds it to that."""

import re
from collections.abc import Mapping, Sequence
from typing import assert_never, cast

from pydantic import JsonValue

from whereupon.conditions import Failure
from whereupon.conditions.paths import path_of
from whereupon.conditions.same import key_of
from whereupon.decide.decisions import ENTERED, Reason, Verdict
from whereupon.decide.evaluation import Evaluation
from whereupon.messages.codec import JsonError, decode
from whereupon.messages.times import as_micros, duration_micros
from whereupon.records import KEY, PastEntry, has_slot, is_any_active
from whereupon.rules.model import EveryTime, NotWhileActive, Once, OncePer, OncePerKey, Rule


def reentry_verdict(rule: Rule, evaluation: Evaluation, past: Sequence[PastEntry]) -> Verdict:
    """Whether re-entry lets the person in, and the slot that the entry takes.

    Args:
        past: the person's earlier entries in the rule.
    """
    reentry = rule.reentry
    match reentry:
        case EveryTime():
            return ENTERED
        case Once():
            return Verdict(Reason.REENTRY) if past else Verdict(slot="once")
        case OncePer(period):
            if any(abs(entry.timestamp - evaluation.timestamp) < period for entry in past):
                return Verdict(Reason.REENTRY)
            length = max(duration_micros(period), 1)
            return Verdict(slot=f"per:{length}:{as_micros(evaluation.timestamp) // length}")
        case OncePerKey(path):
            return _by_key(path, evaluation, past)
        case NotWhileActive():
            if is_any_active(past):
                return Verdict(Reason.REENTRY)
            return Verdict(slot="active")
        case _:
            assert_never(reentry)


def _by_key(path: Sequence[str], evaluation: Evaluation, past: Sequence[PastEntry]) -> Verdict:
    value = _value_at(path, evaluation.data)
    slot = _slot_of(value)
    if slot is None:
        return Verdict(
            Reason.KEY_MISSING, Failure(f"{path_of(path)} is given", {path_of(path): value})
        )
    if has_slot(past, slot):
        return Verdict(Reason.REENTRY)
    return Verdict(slot=slot)


def would_refuse(rule: Rule, earlier: PastEntry, later: PastEntry) -> bool:
    """Whether the rule would have refused the later entry if both entries were one person's."""
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


def slot_at(path: Sequence[str], data: Mapping[str, object]) -> str | None:
    """The slot of the key at a path of the data; None if there is no key."""
    return _slot_of(_value_at(path, data))


def _value_at(path: Sequence[str], data: Mapping[str, object]) -> JsonValue:
    value: object = data
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return cast("JsonValue", value)


def _slot_of(value: JsonValue) -> str | None:
    """The slot of a key; None if the value is no key."""
    key = key_of(value)
    return None if key is None else f"{KEY}{key}"


def with_current_slot(past: PastEntry) -> PastEntry:
    """The entry, its key written as keys are written now. Earlier versions wrote numbers differently."""
    slot = past.slot
    if slot is None or not slot.startswith(KEY) or _IS_CURRENT(slot):
        return past
    try:
        return past._replace(slot=_slot_of(decode(slot[len(KEY) :])) or slot)
    except JsonError:
        return past


_IS_CURRENT = re.compile(r'key:"[^\s\\]([^\\]*[^\s\\])?"').fullmatch
"""Whether a slot holds a text without escapes and without space around it, which is written as ever."""
