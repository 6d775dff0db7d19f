"""Whether a rule lets the same person enter again, and the slots by which the database holds it to that."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import assert_never, cast

from pydantic import JsonValue

from whereupon.conditions import Failure
from whereupon.conditions.paths import path_of
from whereupon.conditions.same import key_of
from whereupon.decide.decisions import ENTERED, Reason, Verdict
from whereupon.decide.evaluation import Evaluation
from whereupon.messages.codec import JsonError, decode
from whereupon.messages.local_times import day_on
from whereupon.messages.times import as_micros, duration_micros
from whereupon.records import KEY, Entry, PastEntry, has_slot, is_any_active
from whereupon.rules.model import (
    CalendarSpan,
    EveryTime,
    NotWhileActive,
    Once,
    OncePer,
    OncePerCalendar,
    OncePerKey,
    Rule,
)

_AGAIN = Verdict(Reason.REENTRY)
_ONCE, _WHILE_ACTIVE = Verdict(slot="once"), Verdict(slot="active")


def reentry_verdict(
    rule: Rule, evaluation: Evaluation, past: Sequence[PastEntry], zone: tzinfo = UTC
) -> Verdict:
    """Whether re-entry lets the person in, and the slot that the entry takes.

    Args:
        past: the person's earlier entries in the rule.
        zone: the timezone of the person's clock.
    """
    reentry = rule.reentry
    match reentry:
        case OncePer():
            return _apart(reentry.period, evaluation.timestamp, past)
        case NotWhileActive():
            return _AGAIN if is_any_active(past) else _WHILE_ACTIVE
        case Once():
            return _AGAIN if past else _ONCE
        case OncePerKey(path):
            return _by_key(path, evaluation, past)
        case OncePerCalendar(span):
            return _in_calendar(span, evaluation.timestamp, past, zone)
        case EveryTime():
            return ENTERED
        case _:
            assert_never(reentry)


def _apart(period: timedelta, moment: datetime, past: Sequence[PastEntry]) -> Verdict:
    for entry in past:
        if abs(entry.timestamp - moment) < period:
            return _AGAIN
    length = max(duration_micros(period), 1)
    return Verdict(None, None, f"per:{length}:{as_micros(moment) // length}")


def _in_calendar(
    span: CalendarSpan, moment: datetime, past: Sequence[PastEntry], zone: tzinfo
) -> Verdict:
    """Refused by an entry in the same part of the calendar, on the clock of now or on that of the entry's time.

    So a person who changes their timezone enters no sooner, and the database admits everybody who is let in.
    """
    slot = _calendar_slot(span, moment, zone)
    if has_slot(past, slot):
        return _AGAIN
    if any(_calendar_slot(span, entry.timestamp, zone) == slot for entry in past):
        return _AGAIN
    return Verdict(None, None, slot)


def _by_key(path: Sequence[str], evaluation: Evaluation, past: Sequence[PastEntry]) -> Verdict:
    value = _value_at(path, evaluation.data)
    slot = _slot_of(value)
    if slot is None:
        return Verdict(
            Reason.KEY_MISSING, Failure(f"{path_of(path)} is given", {path_of(path): value})
        )
    if has_slot(past, slot):
        return _AGAIN
    return Verdict(None, None, slot)


def _calendar_slot(span: CalendarSpan, moment: datetime, zone: tzinfo) -> str:
    """The slot of the part of the calendar that a moment is in.

    It begins as that of `OncePer`, so that retention keeps the entry as long as it may keep its person out.
    """
    begin = span.begin(day_on(moment, zone))
    return f"per:{duration_micros(span.reach)}:{span}:{begin}"


def would_refuse(rule: Rule, earlier: PastEntry, later: PastEntry, zone: tzinfo) -> bool:
    """Whether the rule would have refused the later entry if both entries were one person's.

    Args:
        zone: the timezone of that person's clock.
    """
    reentry = rule.reentry
    match reentry:
        case EveryTime():
            return False
        case Once():
            return True
        case OncePer(period):
            return abs(earlier.timestamp - later.timestamp) < period
        case OncePerCalendar(span):
            slots = {_calendar_slot(span, past.timestamp, zone) for past in (earlier, later)}
            return len(slots) == 1 or earlier.slot == later.slot
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
        return past.changed(slot=_slot_of(decode(slot[len(KEY) :])) or slot)
    except JsonError:
        return past


def as_past_entry(entry: Entry) -> PastEntry:
    """An entry that was loaded, as the verdict on another entry sees it."""
    return with_current_slot(PastEntry.of(entry))


_IS_CURRENT = re.compile(r'key:"[^\s\\]([^\\]*[^\s\\])?"').fullmatch
"""Whether a slot holds a text without escapes and without space around it, which is written as ever."""
