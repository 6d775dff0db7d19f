"""Conditions that note what they are asked: each part true and false, and values at their bounds.

A condition counts as seen if it was evaluated: a part of a `where` after one that fails is not.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from types import MappingProxyType
from typing import Final, TypeAlias

from pydantic import JsonValue
from typing_extensions import override

from whereupon.conditions import ALWAYS, Condition, Conjunct, Data, History, Performed
from whereupon.conditions.clocks import Clock, beside
from whereupon.conditions.condition import Holds, in_turn
from whereupon.conditions.operators.dates import instant_of
from whereupon.conditions.paths import follow, parts_of
from whereupon.conditions.scalars import number_in, reads_as_number
from whereupon.conditions.values import UNDEFINED
from whereupon.messages.times import ZERO, format_duration, parse_duration
from whereupon.testing.coverage.probe import Path, Probe
from whereupon.testing.reports import Seen

Watch = Callable[[Data, History], None]
"""Notes what an evaluation of a condition shows."""

BOTH: Final = (Seen.TRUE, Seen.FALSE)
_BOUND: Final = (Seen.BELOW, Seen.AT, Seen.ABOVE)
WINDOW: Final = (Seen.INSIDE, Seen.OUTSIDE, Seen.EDGE)
_COMPARISONS: Final = frozenset({"@gt", "@gte", "@lt", "@lte", "@between", "<", "<=", ">", ">="})
_JOINING: Final = frozenset({"and", "or", "!", "!!"})
_STEP: Final = timedelta(microseconds=1)
_Age: TypeAlias = Callable[[timedelta], timedelta]
_AGES: Final[Mapping[str, _Age]] = MappingProxyType(
    {
        "@within": abs,
        "@in_next": lambda behind: -behind,
        "@in_last": lambda behind: behind,
        "@not_in_last": lambda behind: behind,
    }
)
"""Of how long ago a date is, what is compared with the window; what is less than nothing is on the other side."""


@dataclass(frozen=True, slots=True)
class NotedConjunct(Conjunct):
    """A conjunct of which only the test may be used, since that notes what it is asked.

    Attributes:
        meant: the logic of the test, for when time alone may turn it.
    """

    meant: JsonValue = field(default=None, hash=False)

    @property
    @override
    def meaning(self) -> JsonValue:
        return self.meant


def noted(
    condition: Condition, key: str, path: Path, probes: list[Probe], address: str | None = None
) -> Condition:
    """The condition, whose parts note in new probes what they see.

    Args:
        key: the word before each part, such as ``where``.
        path: where the condition stands in the file.
    """
    if condition is ALWAYS:
        return condition
    found = [_noted(each, key, path, probes, address) for each in condition.conjuncts]
    ever = tuple(replace(each, within=None) for each in condition.performed)  # beyond the windows
    asked = (*condition.performed, *ever)
    return replace(condition, conjuncts=tuple(found), performed=asked, holds=in_turn(found))


def _noted(
    conjunct: Conjunct, key: str, path: Path, probes: list[Probe], address: str | None
) -> Conjunct:
    answers = Probe(f"{key}: {conjunct.text}", BOTH, path, address)
    beside = [*_bounds(conjunct.logic, key, path, address)]
    beside += [each for asked in conjunct.performed for each in _counts(asked, key, path, address)]
    probes += [answers, *(probe for probe, _ in beside)]
    return NotedConjunct(
        test=_noting(conjunct.test, answers, beside),
        text=conjunct.text,
        logic=None,
        variables=conjunct.variables,
        performed=conjunct.performed,
        segments=conjunct.segments,
        is_brief=conjunct.is_brief,
        meant=conjunct.logic,
    )


def _noting(holds: Holds, answers: Probe, beside: Sequence[tuple[Probe, Watch]]) -> Holds:
    def test(data: Data, history: History) -> bool:
        answer = holds(data, history)
        answers.seen.add(Seen.TRUE if answer else Seen.FALSE)
        for probe, watch in beside:
            if not probe.is_complete:
                watch(data, history)
        return answer

    return test


# --- values beside their bounds -----------------------------------------------------------------------


def _bounds(
    logic: JsonValue, key: str, path: Path, address: str | None
) -> Iterator[tuple[Probe, Watch]]:
    """A probe for each number that a value of the message or the person is compared with, and for each window."""
    if not isinstance(logic, dict):
        return
    for operator, operands in logic.items():
        listed = operands if isinstance(operands, list) else [operands]
        if operator in _JOINING:
            for each in listed:
                yield from _bounds(each, key, path, address)
        elif operator in _COMPARISONS:
            yield from _compared(listed, key, path, address)
        elif operator in _AGES:
            yield from _windows(operator, listed, key, path, address)


def _compared(
    operands: Sequence[JsonValue], key: str, path: Path, address: str | None
) -> Iterator[tuple[Probe, Watch]]:
    """Of ``[{"var": …}, 20]`` one probe, of a range one for each end; of anything else none."""
    names = [name for each in operands if (name := _variable(each)) is not None]
    values = [each for each in operands if _variable(each) is None]
    ends = values[0] if len(values) == 1 and isinstance(values[0], list) else values
    if len(names) != 1:
        return
    for end in ends:
        if reads_as_number(end):
            part = f"{key}: {_short(names[0])} beside {end}"
            probe = Probe(part, _wanted(end, ends), path, address)
            yield probe, partial(_watch_bound, probe, parts_of(names[0]), number_in(end))


def _wanted(end: JsonValue, ends: Sequence[JsonValue]) -> Sequence[Seen]:
    """Of the ends of a range only what is outside and at them: between them is above one and below the other."""
    if len(ends) == 1:
        return _BOUND
    return (Seen.BELOW, Seen.AT) if end is ends[0] else (Seen.AT, Seen.ABOVE)


def _watch_bound(
    probe: Probe, name: tuple[str, ...], bound: float, data: Data, _history: History
) -> None:
    value = _value(data, name)
    if reads_as_number(value):
        number = number_in(value)
        probe.see(Seen.AT if number == bound else Seen.BELOW if number < bound else Seen.ABOVE)


def _windows(
    operator: str, operands: Sequence[JsonValue], key: str, path: Path, address: str | None
) -> Iterator[tuple[Probe, Watch]]:
    """A probe for ``within: 7d`` and its like on a date."""
    name = _variable(operands[0]) if operands else None
    limit, clock = beside(operands[-1])
    distance = parse_duration(limit) if isinstance(limit, str) else None
    if name is not None and distance is not None:
        part = f"{key}: {_short(name)} {operator.removeprefix('@')} {limit}"
        probe, age = Probe(part, WINDOW, path, address), _AGES[operator]
        yield probe, partial(_watch_date, probe, parts_of(name), clock, age, distance)


def _watch_date(
    probe: Probe,
    name: tuple[str, ...],
    clock: Clock,
    age_of: _Age,
    distance: timedelta,
    data: Data,
    _history: History,
) -> None:
    person = data.get("person")
    zone = clock.zone_of(person if isinstance(person, Mapping) else {})
    instant, now = instant_of(_value(data, name), zone), instant_of(_value(data, ("timestamp",)))
    if instant is not None and now is not None:
        age = age_of(now - instant)
        see_window(probe, distance + _STEP if age < ZERO else age, distance)


def see_window(probe: Probe, age: timedelta, limit: timedelta) -> None:
    """Note whether something is inside a window, outside of it, or just at its edge."""
    probe.see(Seen.EDGE if age == limit else Seen.INSIDE if age < limit else Seen.OUTSIDE)


def _variable(operand: JsonValue) -> str | None:
    """The path that ``{"var": PATH}`` reads."""
    path = operand.get("var") if isinstance(operand, dict) and len(operand) == 1 else None
    return path if isinstance(path, str) and path else None


def _short(path: str) -> str:
    return path.removeprefix("properties.").removeprefix("person.")


def _value(data: Data, name: tuple[str, ...]) -> JsonValue:
    values: JsonValue = data  # type: ignore[assignment]  # a mapping is read as an object is
    value = follow(values, name, None)
    return None if value is UNDEFINED else value


# --- questions to the history -------------------------------------------------------------------------


def _counts(
    asked: Performed, key: str, path: Path, address: str | None
) -> Iterator[tuple[Probe, Watch]]:
    """The probes of one question: of its window and of its numbers."""
    if asked.within is not None and asked.within > ZERO:
        part = f"{key}: {asked.event} performed within {format_duration(asked.within)}"
        probe = Probe(part, WINDOW, path, address)
        edge, ever = replace(asked, within=asked.within + _STEP), replace(asked, within=None)
        yield probe, _watch_window(probe, asked, edge, ever)
    for bound, wanted in _count_bounds(asked):
        part = f"{key}: how often {asked.event} was performed, beside {bound}"
        probe = Probe(part, wanted, path, address)
        yield probe, partial(_watch_count, probe, asked, bound)


def _count_bounds(asked: Performed) -> Iterator[tuple[int, Sequence[Seen]]]:
    """The numbers that a count is compared with; whether there is one at all is no bound."""
    if asked.least == asked.most and asked.least > 1:
        yield asked.least, _BOUND
        return
    if asked.least > 1:
        yield asked.least, (Seen.BELOW, Seen.AT)
    if asked.most:
        yield asked.most, (Seen.AT, Seen.ABOVE)


def _watch_count(probe: Probe, asked: Performed, bound: int, _data: Data, history: History) -> None:
    count = history.count(asked)
    if count is not None:
        probe.see(Seen.AT if count == bound else Seen.BELOW if count < bound else Seen.ABOVE)


def _watch_window(probe: Probe, asked: Performed, edge: Performed, ever: Performed) -> Watch:
    """Notes events inside and outside of a window; one as long ago as the window is outside, and at its edge."""

    def watch(_data: Data, history: History) -> None:
        inside = history.count(asked) or 0
        if inside:
            probe.see(Seen.INSIDE)
        until_edge = history.count(edge) or 0
        if until_edge > inside:
            probe.see(Seen.EDGE)
        if Seen.OUTSIDE not in probe.seen and (history.count(ever) or 0) > until_edge:
            probe.see(Seen.OUTSIDE)

    return watch
