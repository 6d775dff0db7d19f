"""When time alone may change a condition: the moment of the next change, computed beforehand.

Each part that counts on time gives the instants at which it may turn: a date beside now, a question to the
history with a window, the bare timestamp beside another value. The condition is asked anew at each of them,
so what is not there, and what the rest of the condition decides, needs no rule of its own.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from functools import lru_cache
from heapq import merge
from itertools import groupby, islice, takewhile
from typing import Final, NamedTuple, Protocol

from whereupon.conditions.analysis import counts_on_time, is_time
from whereupon.conditions.clocks import beside
from whereupon.conditions.condition import NO_HISTORY, Condition, History, Performed
from whereupon.conditions.item_tests import ITEM_OPERATORS, OUTER
from whereupon.conditions.items import outer_zone
from whereupon.conditions.jsonlogic.expressions import is_call, operands_of
from whereupon.conditions.operators import ADDITIONS
from whereupon.conditions.operators.dates import instant_of
from whereupon.conditions.operators.operator import Turns
from whereupon.conditions.paths import follow, parts_of
from whereupon.conditions.performed import PERFORMED, question
from whereupon.conditions.scope import bounded
from whereupon.conditions.text_moments import text_turns
from whereupon.conditions.values import Data, JsonValue
from whereupon.messages.times import LAST_INSTANT, MICROSECOND, format_local, later

MOST_TRIES: Final = 200
"""At so many instants a condition is asked; then the next change is no earlier than the last of them."""
_TIME: Final = "timestamp"
_NEVER: Final = LAST_INSTANT - timedelta(days=2)


class Past(History, Protocol):
    """A person's past that can be asked about as of any instant."""

    def until(self, instant: datetime) -> History:
        """The past up to an instant."""
        ...

    def times(self, performed: Performed) -> Sequence[datetime]:
        """The times of all events that a question may count at some instant, whatever its window, in any order."""
        ...


def next_change(
    condition: Condition, data: Data, past: Past, zone: tzinfo, after: datetime
) -> datetime | None:
    """The first instant after another one at which time alone changes whether a condition holds.

    Args:
        condition: one that `is_computable`.
        data: what it reads; the time in it does not count.
        past: the person's past, as far back as the condition asks.
        zone: the timezone in which it reads the time.
        after: an aware instant.

    Returns:
        None if time alone never changes it. After `MOST_TRIES` instants without a change, the last of them:
        the condition changes no earlier than then.
    """
    timed = _timed(condition)
    if timed is None:
        return None
    root: JsonValue = data  # type: ignore[assignment]  # a mapping is read as an object is
    walk = _Walk(root, past, zone, after, timed.questions)
    moments = _once(merge(*walk.turns(timed.logics, root)))
    before, last = _holds(condition, data, past, zone, after), after
    for moment in islice(moments, MOST_TRIES):
        last = moment
        if _holds(condition, data, past, zone, moment) is not before:
            return moment
    return last if next(moments, None) is not None else None


class _Timed(NamedTuple):
    """A condition that counts on time, as `_Walk` reads it.

    Attributes:
        logics: of each conjunct.
        questions: what it asks of the history, by the JSON text of each question.
    """

    logics: list[JsonValue]
    questions: Mapping[str, Performed]


@lru_cache(maxsize=1024)
def _timed(condition: Condition) -> _Timed | None:
    """The condition, if it counts on time; found once a condition."""
    logics = [conjunct.meaning for conjunct in condition.conjuncts]
    if not counts_on_time(logics):
        return None
    return _Timed(logics, {json.dumps(question(each)): each for each in condition.performed})


def _once(moments: Iterable[datetime]) -> Iterator[datetime]:
    """Instants in order, each once, up to the end of the calendar on every clock."""
    return (moment for moment, _ in groupby(takewhile(_NEVER.__gt__, moments)))


def _holds(condition: Condition, data: Data, past: Past, zone: tzinfo, instant: datetime) -> bool:
    return condition.holds({**data, _TIME: format_local(instant, zone)}, past.until(instant))


# --- which instants -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Walk:
    """The walk over a condition that gives the instants at which parts of it may turn."""

    root: JsonValue
    past: Past
    zone: tzinfo
    after: datetime
    questions: Mapping[str, Performed]

    def turns(self, logic: JsonValue, data: JsonValue) -> Iterator[Iterable[datetime]]:
        """For each part that counts on time, instants after the given one, in order.

        Args:
            data: what the paths of the logic start from: the root, or an item of a list.
        """
        for each in logic if isinstance(logic, list) else ():
            yield from self.turns(each, data)
        if not isinstance(logic, dict) or not is_call(logic):
            return
        name, operands = operands_of(logic)
        if name == PERFORMED:
            yield self._counted(self.questions[json.dumps(operands[0])])
        elif name in ITEM_OPERATORS:
            items = self._value(operands[0], data)
            for item in items if isinstance(items, list) else ():
                yield from self.turns(operands[1], item)
        elif name in ADDITIONS and ADDITIONS[name].turns is not None:
            yield self._added(ADDITIONS[name].turns, operands, data)
        elif any(map(is_time, operands)):
            yield from (
                self._dated(each, operands, data)
                if name in ADDITIONS
                else text_turns(self._value(each, data), self.zone, self.after)
                for each in operands
                if not is_time(each)
            )
        else:
            yield from self.turns(operands, data)

    def _added(
        self,
        turns_of: Callable[[JsonValue], Turns] | None,
        operands: list[JsonValue],
        data: JsonValue,
    ) -> Iterable[datetime]:
        """The turns of a date beside now."""
        value = self._value(operands[0], data)
        if turns_of is None or value is None:
            return ()
        return turns_of(operands[1])(value, self.after, self.root)

    def _dated(
        self, other: JsonValue, operands: list[JsonValue], data: JsonValue
    ) -> Iterable[datetime]:
        """The turns of the bare timestamp before or after another date."""
        bare, clock = beside(other)
        zone = clock.zone_of({}) if isinstance(other, list) else outer_zone(operands[1])
        instant = instant_of(self._value(bare, data), zone)
        if instant is None:
            return ()
        return [each for each in (instant, later(instant, MICROSECOND)) if each > self.after]

    def _counted(self, performed: Performed) -> list[datetime]:
        """The instants at which a question to the history gets another answer."""
        moves: Counter[datetime] = Counter()
        count = 0
        for time in self.past.times(performed):
            gone = LAST_INSTANT if performed.within is None else later(time, performed.within)
            if time > self.after:
                moves[time] += 1
            elif gone > self.after:
                count += 1
            if gone > self.after:
                moves[gone] -= 1
        found, allowed = [], performed.allows(count)
        for moment in sorted(moves):
            count += moves[moment]
            if performed.allows(count) is not allowed:
                allowed = not allowed
                found.append(moment)
        return found

    def _value(self, logic: JsonValue, data: JsonValue) -> JsonValue:
        """The value of logic that does not count on time."""
        if isinstance(logic, dict) and is_call(logic):
            name, operands = operands_of(logic)
            if name == OUTER:
                return follow(self.root, parts_of(str(operands[0])), None)
            if name == "var" and isinstance(operands[0], str):
                return follow(data, parts_of(operands[0]), None)
            from whereupon.conditions.compiler import evaluator_of  # noqa: PLC0415 - few conditions need it

            return bounded(evaluator_of(logic, questions={}))(data, NO_HISTORY)
        return logic
