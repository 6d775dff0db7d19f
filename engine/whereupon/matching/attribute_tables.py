"""One attribute's tests of many rules, arranged so that a value finds the rules that it satisfies.

Rules are bits of a Python integer. A table holds one kind of test of one attribute, at most one for each
rule. For a value it gives the rules that the value does not contradict (rules without such a test are among
them), and those of these rules that have to be evaluated. All tests of a table have the same semantics. In
JavaScript's, beside a number a text or a boolean counts as its number, beside a text a number counts as a
number too, and null equals null only. In the short form's (`conditions.scalars`), a number equals the texts
that read as it, and true and false equal their words. Lists and objects are always evaluated.
"""

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from itertools import accumulate
from operator import xor
from typing import Final, Protocol, TypeAlias

from whereupon.conditions import JsonValue
from whereupon.conditions.jsonlogic.coercion import as_double, as_number
from whereupon.conditions.predicate import ALL_NUMBERS, Interval, Predicate, Semantics
from whereupon.conditions.scalars import number_in, truth_in
from whereupon.conditions.values import UNDEFINED
from whereupon.messages.structs import Frozen

MOST_CELLS: Final = 64
"""Cells between the bounds of ranges; with more bounds than that, some cells stay uncertain."""

Tests: TypeAlias = Sequence[tuple[int, Predicate]]
"""Comparisons of one kind and attribute, each with its rule's bit number."""


class ValueKind(IntEnum):
    """What a value is for comparing."""

    NULL = 0
    TEXT = 1
    NUMBER = 2
    OTHER = 3


# A member of an enum costs more to look up than a name of the module.
_NULL, _TEXT, _NUMBER, _OTHER = ValueKind


class ValueView(Frozen, frozen=True):
    """A value, looked at once for all tables.

    Attributes:
        number: what the value counts as beside a number; of a text, see `number_of`.
    """

    kind: ValueKind
    value: JsonValue
    number: float


_NO_VALUE: Final = ValueView(_NULL, None, 0.0)


def view_of(value: JsonValue) -> ValueView:
    """Look at a value."""
    if type(value) is str:
        return ValueView(_TEXT, value, 0.0)
    if type(value) is float:
        return ValueView(_NUMBER, value, value)
    if isinstance(value, int):
        return ValueView(_NUMBER, value, as_double(value))
    if value is None or value is UNDEFINED:
        return _NO_VALUE
    return ValueView(_OTHER, value, 0.0)


def number_of(view: ValueView) -> float:
    """What the value counts as beside a number; NaN for a text that is no number."""
    return as_number(view.value) if view.kind is _TEXT else view.number


class AttributeTable(Protocol):
    """The tests of one attribute (see this module).

    Attributes:
        testers: the rules that have a test here.
        by_text: what `passing` gives for texts, except for those for which it gives ``others``; None if texts are not
            found by hash alone.
        is_exact: whether `unsure` is 0 for every value.
        share: how many rules a usual value leaves; the most selective table is asked first.
    """

    is_exact: bool
    testers: int
    by_text: Mapping[str, int] | None
    others: int

    @property
    def share(self) -> float:
        """See this class."""
        ...

    def passing(self, view: ValueView) -> int:
        """The rules that the value does not contradict; the value is no list and no object."""
        ...

    def unsure(self, view: ValueView) -> int:
        """The rules among them whose test has to be evaluated all the same."""
        ...


def plain_number_of(view: ValueView) -> float:
    """The number that the value is or reads as in the short form; else NaN."""
    if view.kind is _TEXT:
        return as_double(number_in(view.value))
    return math.nan if isinstance(view.value, bool) else view.number


class OneOf:
    """Equality, and membership in a list of values, with JavaScript's semantics: found by hash."""

    is_exact = True

    def __init__(self, tests: Tests, everyone: int) -> None:
        self.testers = bits_of(place for place, _ in tests)
        self.others = everyone & ~self.testers
        texts: dict[str, int] = defaultdict(int)
        fixed_numbers: dict[float, int] = defaultdict(int)
        for place, test in tests:
            bit = 1 << place
            for option in test.options:
                if isinstance(option, str):
                    texts[option] |= bit
                else:
                    fixed_numbers[as_number(option)] |= bit
        numbers = fixed_numbers.copy()
        for text, bits in texts.items():
            numbers[as_number(text)] |= bits
        others = self.others
        self._texts = {text: bits | others for text, bits in texts.items()}
        self._numbers = {n: bits | others for n, bits in numbers.items() if not math.isnan(n)}
        self._fixed_numbers = dict(fixed_numbers)
        self.by_text: Mapping[str, int] | None = None if fixed_numbers else self._texts
        known = len(self._texts) + len(self._fixed_numbers)
        found = sum(bits.bit_count() for bits in (*texts.values(), *fixed_numbers.values()))
        self.share = others.bit_count() + found / max(known, 1)

    def passing(self, view: ValueView) -> int:
        """See `AttributeTable`."""
        kind, value = view.kind, view.value
        if kind is _TEXT:
            found = self._texts.get(value, self.others)  # type: ignore[arg-type]  # a text
            if self._fixed_numbers:
                found |= self._fixed_numbers.get(number_of(view), 0)
            return found
        return self._numbers.get(view.number, self.others) if kind is _NUMBER else self.others

    def unsure(self, view: ValueView) -> int:  # noqa: ARG002 - exact for every value
        """See `AttributeTable`."""
        return 0


class PlainOneOf:
    """Equality, and membership in a list of values, with the short form's semantics: found by hash."""

    is_exact = True

    def __init__(self, tests: Tests, everyone: int) -> None:
        self.testers = bits_of(place for place, _ in tests)
        others = self.others = everyone & ~self.testers
        texts: dict[str, int] = defaultdict(int)
        asked: dict[float, int] = defaultdict(int)
        words: dict[bool | None, int] = defaultdict(int)
        numbers: dict[float, int] = defaultdict(int)
        truths: dict[bool, int] = defaultdict(int)
        for place, test in tests:
            bit = 1 << place
            for option in test.options:
                truth, number = truth_in(option), as_double(number_in(option))
                if isinstance(option, str):
                    texts[option] |= bit
                elif isinstance(option, bool):
                    words[option] |= bit
                else:
                    asked[number] |= bit
                if truth is not None:
                    truths[truth] |= bit
                elif not math.isnan(number):
                    numbers[number] |= bit
        self._texts = {text: bits | others for text, bits in texts.items()}
        self._asked, self._words = dict(asked), dict(words)
        self.by_text: Mapping[str, int] | None = None if asked or words else self._texts
        self._numbers = {number: bits | others for number, bits in numbers.items()}
        self._truths = {truth: bits | others for truth, bits in truths.items()}
        known = (*texts.values(), *asked.values(), *words.values())
        found = sum(bits.bit_count() for bits in known)
        self.share = others.bit_count() + found / max(len(known), 1)

    def passing(self, view: ValueView) -> int:
        """See `AttributeTable`."""
        kind, value = view.kind, view.value
        if kind is _TEXT:
            found = self._texts.get(value, self.others)  # type: ignore[arg-type]  # a text
            if self._asked:
                found |= self._asked.get(plain_number_of(view), 0)
            if self._words:
                found |= self._words.get(truth_in(value), 0)
            return found
        if kind is not _NUMBER:
            return self.others
        if isinstance(value, bool):
            return self._truths.get(value, self.others)
        return self._numbers.get(view.number, self.others)

    def unsure(self, view: ValueView) -> int:  # noqa: ARG002 - exact for every value
        """See `AttributeTable`."""
        return 0


class NoneOf:
    """Inequality, and absence from a list of values."""

    is_exact = True

    def __init__(self, tests: Tests, everyone: int) -> None:
        testers = bits_of(place for place, _ in tests)
        make = PlainOneOf if _is_plain(tests) else OneOf
        self._equal: PlainOneOf | OneOf = make(tests, testers)
        self.testers = self._equal.testers
        self._everyone = everyone
        denied = bits_of(place for place, test in tests if not test.holds_for_null)
        self._null = everyone & ~denied
        self.by_text: Mapping[str, int] | None = None
        if self._equal.by_text is not None:
            self.by_text = {each: everyone & ~bits for each, bits in self._equal.by_text.items()}
        self.others = everyone & ~self._equal.others
        self.share = everyone.bit_count() - self._equal.share

    def passing(self, view: ValueView) -> int:
        """See `AttributeTable`."""
        if view.kind is _NULL:
            return self._null
        return self._everyone & ~self._equal.passing(view)

    def unsure(self, view: ValueView) -> int:  # noqa: ARG002 - exact for every value
        """See `AttributeTable`."""
        return 0


class Presence:
    """Whether there is a value."""

    is_exact = True

    def __init__(self, tests: Tests, everyone: int) -> None:
        self.testers = bits_of(place for place, _ in tests)
        absent = bits_of(place for place, test in tests if test.holds_for_null)
        self._there = self.others = everyone & ~absent
        self.by_text: Mapping[str, int] | None = {}
        self._null = everyone & ~(self.testers & ~absent)
        self.share = self._there.bit_count()

    def passing(self, view: ValueView) -> int:
        """See `AttributeTable`."""
        return self._null if view.kind is _NULL else self._there

    def unsure(self, view: ValueView) -> int:  # noqa: ARG002 - exact for every value
        """See `AttributeTable`."""
        return 0


class Range:
    """Numeric bounds: a value falls into one of at most `MOST_CELLS` cells, cut at quantiles of the bounds.

    Cells are the cuts and the open intervals between them, so that a bound which is a cut is decided by the
    cell. A rule may have several bounds here; all must hold.
    """

    def __init__(self, tests: Tests, everyone: int) -> None:
        self.testers = bits_of(place for place, _ in tests)
        spans: dict[int, Interval] = {}
        denied = 0
        for place, test in tests:
            spans[place] = spans.get(place, ALL_NUMBERS).intersection(test.interval)
            if not test.holds_for_null:
                denied |= 1 << place
        self.by_text: Mapping[str, int] | None = None
        self.others = everyone & ~self.testers
        self._null = everyone & ~denied
        self._number_of = plain_number_of if _is_plain(tests) else number_of
        self._cuts = _cuts(spans.values())
        self._passing, self._unsure = self._cells(spans)
        self.is_exact = not any(self._unsure)
        sizes = [bits.bit_count() for bits in self._passing]
        self.share = sum(sizes) / len(sizes)

    def passing(self, view: ValueView) -> int:
        """See `AttributeTable`."""
        return self._null if view.kind is _NULL else self._passing[self._cell(view)]

    def unsure(self, view: ValueView) -> int:
        """See `AttributeTable`."""
        return 0 if view.kind is _NULL else self._unsure[self._cell(view)]

    def _cell(self, view: ValueView) -> int:
        """The cell of a value's number: even cells are intervals, odd ones cuts. NaN has the last, which no span contains."""
        number = view.number if type(view.value) is float else self._number_of(view)
        if number != number:  # noqa: PLR0124 - NaN is what differs from itself
            return -1
        cuts = self._cuts
        return bisect_left(cuts, number) + bisect_right(cuts, number)

    def _cells(self, spans: dict[int, Interval]) -> tuple[list[int], list[int]]:
        """For each cell, the rules that it may satisfy, and those of them that have to be evaluated.

        A rule's bit is set where its span begins and again after its end. Summed up from the left without
        carry, it stands in every cell between.
        """
        count = 2 * len(self._cuts) + 1
        turns, doubts = [0] * (count + 1), [0] * count
        for place, span in spans.items():
            first, last = self._reach(span)
            if first > last:
                continue
            bit = 1 << place
            turns[first] ^= bit
            turns[last + 1] ^= bit
            for end in {first, last}:
                if not self._is_inside(end, span):
                    doubts[end] |= bit
        passing = [bits | self.others for bits in accumulate(turns[:count], xor)]
        return [*passing, self.others], [*doubts, 0]

    def _reach(self, span: Interval) -> tuple[int, int]:
        """The first and the last cell that the span reaches."""
        cuts = self._cuts
        first = bisect_left(cuts, span.least) + bisect_right(cuts, span.least)
        last = bisect_left(cuts, span.most) + bisect_right(cuts, span.most)
        first += first % 2 and span.open_below
        last -= last % 2 and span.open_above
        return first, last

    def _is_inside(self, cell: int, span: Interval) -> bool:
        """Whether a cell that the span reaches is inside it as a whole."""
        if cell % 2:
            return True
        cuts = self._cuts
        below = cuts[cell // 2 - 1] if cell else -math.inf
        above = cuts[cell // 2] if cell // 2 < len(cuts) else math.inf
        return span.least <= below and above <= span.most


def _cuts(spans: Iterable[Interval]) -> list[float]:
    """Quantiles of the bounds, or all bounds if they are few."""
    bounds = [bound for span in spans for bound in span[:2] if math.isfinite(bound)]
    distinct = sorted(set(bounds))
    most = (MOST_CELLS - 1) // 2
    if len(distinct) <= most:
        return distinct
    bounds.sort()
    return sorted({bounds[len(bounds) * (place + 1) // (most + 1)] for place in range(most)})


def _is_plain(tests: Tests) -> bool:
    """Whether the tests have the short form's semantics."""
    return any(test.semantics is Semantics.SHORT_FORM for _, test in tests)


def bits_of(places: Iterable[int]) -> int:
    """The integer with these bits."""
    bits = 0
    for place in places:
        bits |= 1 << place
    return bits
