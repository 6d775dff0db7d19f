"""A part of a name's rules, with the tables that find those which a message may satisfy.

Pages bound three things: the length of a bitmap (so that an intersection costs a tenth of a
microsecond, and ends as soon as a page has nobody left), the memory of an attribute with many
values, and the work of changing one rule, which makes its own page anew and no other.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

from whereupon.conditions import Data, JsonValue
from whereupon.conditions.paths import follow, parts_of
from whereupon.conditions.predicate import Predicate, PredicateKind, Semantics
from whereupon.matching.attribute_tables import (
    Kind,
    NoneOf,
    OneOf,
    PlainOneOf,
    Presence,
    Range,
    Table,
    View,
    bits_of,
    view_of,
)
from whereupon.matching.criteria import admits, criteria_of
from whereupon.rules.model import Rule, RuleKind
from whereupon.runtime.lazy import cached_property

PAGE: Final = 2_048
"""Rules of one page."""
FEW: Final = 16
"""Below so many rules a page evaluates each of them, and has no tables.

Measured on the benchmark's mix (`tests/benchmarks/peers/rule_mix.py`): a page with tables costs what
evaluating nine rules costs (3.6 µs on a shared core), and hardly more for fifty. Rules that share fewer
attributes than those have more tables, and gain later.
"""
MOST_TABLES: Final = 16
"""The most tested attributes of a page have tables; what is left is evaluated."""

_Tests: TypeAlias = dict[tuple[str, PredicateKind, Semantics, bool], list[tuple[int, Predicate]]]
"""By attribute, family, manner and whether `where` has them: comparisons, each with its rule's bit number."""

_MAKERS: Final[
    Mapping[tuple[PredicateKind, Semantics], type[OneOf | PlainOneOf | NoneOf | Presence | Range]]
] = {
    **{(PredicateKind.NONE_OF, manner): NoneOf for manner in Semantics},
    **{(PredicateKind.PRESENCE, manner): Presence for manner in Semantics},
    **{(PredicateKind.RANGE, manner): Range for manner in Semantics},
    (PredicateKind.ONE_OF, Semantics.JAVASCRIPT): OneOf,
    (PredicateKind.ONE_OF, Semantics.SHORT_FORM): PlainOneOf,
}


class Candidate(NamedTuple):
    """A rule that has to be decided.

    Attributes:
        place: its place among the rules that the message's name has.
        is_certain: its `where` is known to hold.
    """

    place: int
    rule: Rule
    is_certain: bool


class Looked:
    """A message's data, each attribute looked at once, whatever the number of pages.

    Attributes:
        views: what was seen, by dotted path.
    """

    __slots__ = ("data", "views")

    def __init__(self, data: Data) -> None:
        self.data = data
        self.views: dict[str, View] = {}


class _Column(NamedTuple):
    """A table, where its values are, and whether they are the message's (`where`) or the person's."""

    path: str
    parts: tuple[str, ...]
    table: Table
    is_where: bool


class RuleBlock:
    """Some of the rules of a name, in their order. Its tables are made when it is first asked."""

    def __init__(self, rules: Sequence[Rule], *, few: int = FEW) -> None:
        self.rules = tuple(rules)
        self.few = few

    def __len__(self) -> int:
        return len(self.rules)

    def candidates(self, looked: Looked, kind: RuleKind | None, first: int) -> list[Candidate]:
        """The rules to decide, of that kind, in order; ``first`` is the place of the page's first."""
        if len(self.rules) >= self.few:
            left, unsure = self._left(looked, kind)
            return list(self._among(left, unsure, looked.data, first)) if left else []
        data = looked.data
        return [
            Candidate(first + place, rule, not is_open)
            for place, (rule, is_open) in enumerate(self._openness)
            if (is_open or admits(rule, data)) and kind in {None, rule.kind}
        ]

    @cached_property
    def _openness(self) -> Sequence[tuple[Rule, bool]]:
        """The rules of a page without tables, each with whether it is open."""
        return [(rule, criteria_of(rule).is_open) for rule in self.rules]

    def _left(self, looked: Looked, kind: RuleKind | None) -> tuple[int, int]:
        """By the tables: the rules that the message may satisfy, and those of which they cannot say."""
        left = self._of_kind[kind]
        columns, unsure, is_open = self._arranged
        views = looked.views
        data: JsonValue = looked.data  # type: ignore[assignment]  # read as an object is
        for path, parts, table, is_where in columns:
            view = views.get(path)
            if view is None:
                view = views[path] = view_of(follow(data, parts, None))
            if view.kind is Kind.OTHER:
                if is_where:
                    unsure |= table.testers
                continue
            left &= table.passing(view)
            if not left:
                break
            if is_where:
                unsure |= table.unsure(view)
        return left, unsure & ~is_open

    def _among(self, left: int, unsure: int, data: Data, first: int) -> Iterator[Candidate]:
        _, _, is_open = self._arranged
        while left:
            bit = left & -left
            left ^= bit
            place = bit.bit_length() - 1
            rule = self.rules[place]
            if not unsure & bit or admits(rule, data):
                yield Candidate(first + place, rule, not is_open & bit)

    # --- the tables -----------------------------------------------------------------------------

    @cached_property
    def _of_kind(self) -> Mapping[RuleKind | None, int]:
        kinds: dict[RuleKind | None, int] = dict.fromkeys((None, *RuleKind), 0)
        for place, rule in enumerate(self.rules):
            kinds[rule.kind] |= 1 << place
        kinds[None] = (1 << len(self.rules)) - 1
        return kinds

    @cached_property
    def _arranged(self) -> tuple[Sequence[_Column], int, int]:
        """The tables, the most selective first; rules whose `where` says more than they do; open ones."""
        tests, inexact, is_open = self._gathered()
        largest = sorted(tests, key=lambda place: len(tests[place]), reverse=True)
        columns = []
        everyone = self._of_kind[None]
        for key in largest[:MOST_TABLES]:
            path, family, manner, is_where = key
            table = _MAKERS[family, manner](tests[key], everyone)
            columns.append(_Column(path, parts_of(path), table, is_where))
        for key in largest[MOST_TABLES:]:
            if key[-1]:
                inexact |= bits_of(place for place, _ in tests[key])
        return sorted(columns, key=lambda column: column.table.share), inexact, is_open

    def _gathered(self) -> tuple[_Tests, int, int]:
        """The comparisons by attribute and family, the rules that ask more of the message, and the open."""
        tests: _Tests = defaultdict(list)
        inexact = is_open = 0
        for place, rule in enumerate(self.rules):
            criteria = criteria_of(rule)
            if criteria.is_open:
                is_open |= 1 << place
            elif not criteria.is_whole:
                inexact |= 1 << place
            for is_where, comparisons in ((True, criteria.where), (False, criteria.who)):
                for test in comparisons:
                    of_family = tests[test.path, test.kind, test.semantics, is_where]
                    if (
                        test.kind is PredicateKind.RANGE
                        or not of_family
                        or of_family[-1][0] != place
                    ):
                        of_family.append((place, test))
                    elif is_where:  # a table has one test of a rule
                        inexact |= 1 << place
        return tests, inexact, is_open
