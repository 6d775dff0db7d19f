"""A part of a rule list, with the tables that find the rules which a message may satisfy.

Blocks bound three things: the length of a bitmap (an intersection costs a tenth of a microsecond, and ends
when no rule of the block is left), the memory of an attribute with many values, and the work of changing a
rule, which makes one block anew.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final, NamedTuple, TypeAlias

from whereupon.conditions import Data, JsonValue
from whereupon.conditions.paths import follow, parts_of
from whereupon.conditions.predicate import Predicate, PredicateKind, Semantics
from whereupon.matching.attribute_tables import (
    AttributeTable,
    NoneOf,
    OneOf,
    PlainOneOf,
    Presence,
    Range,
    ValueKind,
    bits_of,
    view_of,
)
from whereupon.matching.criteria import admits, criteria_of
from whereupon.messages.structs import Frozen
from whereupon.rules.model import Rule, RuleKind
from whereupon.runtime.lazy import cached_property

BLOCK: Final = 2_048
"""Rules of one block."""
FEW: Final = 16
"""A block of fewer rules evaluates each of them, and has no tables.

Measured on the benchmark's mix (`tests/benchmarks/peers/rule_mix.py`): a block with tables costs what
evaluating nine rules costs (3.6 µs on a shared core), and hardly more for fifty rules. Rules that share
fewer attributes have more tables, and gain from larger numbers on.
"""
MOST_TABLES: Final = 16
"""The attributes of a block that most rules test have tables; the others are evaluated."""

JsonObject: TypeAlias = Mapping[str, JsonValue]

Texts: TypeAlias = Sequence[tuple[str, Mapping[str, int]]]
"""Tables of texts among a message's properties: the name, and the table's `by_text`; no other text leaves a rule."""

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


BlockVersions: TypeAlias = tuple[tuple[str, str], ...]
_OTHER: Final = ValueKind.OTHER
_HOLDERS: Final = ("properties", "person")
"""What has most of the values that rules compare: each a mapping, in what is recorded."""
_AT_TOP: Final = 2
"""The names of a path to what stands at the top of one of these."""
_ID_AND_DIGEST = attrgetter("id", "digest")


def versions_of(rules: Iterable[Rule]) -> BlockVersions:
    """The ids and digests of rules, by which two blocks are known to be equal."""
    return tuple(map(_ID_AND_DIGEST, rules))


class Candidate(Frozen, frozen=True):
    """A rule that has to be decided.

    Attributes:
        place: its place among the rules that the message's name has.
        is_certain: its `where` is known to hold.
    """

    place: int
    rule: Rule
    is_certain: bool


class _Column(NamedTuple):
    """A table, where its values are, and whether they are the message's (`where`) or the person's.

    Attributes:
        holder: the place among `_HOLDERS` of what has the values; None if they are not at its top.
        parts: the names of their path.
        name: the last of these.
        by_text: see `AttributeTable`.
        is_doubtful: whether there are values with which the message's test has to be evaluated.
    """

    holder: int | None
    parts: tuple[str, ...]
    name: str
    table: AttributeTable
    by_text: Mapping[str, int] | None
    is_where: bool
    is_doubtful: bool

    @classmethod
    def of(cls, path: str, table: AttributeTable, *, is_where: bool) -> "_Column":
        """The column of a table whose values are at that path."""
        parts = parts_of(path)
        is_at_top = len(parts) == _AT_TOP and parts[0] in _HOLDERS
        holder = _HOLDERS.index(parts[0]) if is_at_top else None
        is_doubtful = is_where and not table.is_exact
        return cls(holder, parts, parts[-1], table, table.by_text, is_where, is_doubtful)


class Screens(NamedTuple):
    """The tables of a block that are asked about a message of a person until no rule is left, for mostly none is.

    Attributes:
        every: as bits, the rules.
        tables: those of what stands at the top of a person's attributes (True) and of a message's properties: the
            name, the table, and its `by_text` and `others`.
        tells: whether they say all that the block's tables do, and each rule that they leave is a candidate.
    """

    every: int
    tables: Sequence[tuple[bool, str, AttributeTable, Mapping[str, int] | None, int]]
    tells: bool

    @property
    def texts(self) -> Texts:
        """The first of the tables, as far as they are such."""
        found = []
        for is_persons, name, _, by_text, others in self.tables:
            if is_persons or by_text is None or others & self.every:
                break
            found.append((name, by_text))
        return tuple(found)

    @property
    def quoted(self) -> Texts:
        """Of these those without which no rule is left, with their names in quotes, as JSON has them."""
        found = []
        for (name, by_text), (_, _, table, _, _) in zip(self.texts, self.tables, strict=False):
            if table.passing(view_of(None)) & self.every:
                break
            found.append((f'"{name}"', by_text))
        return tuple(found)


class RuleBlock:
    """Some rules of a list, in their order. The tables are made when they are first needed."""

    def __init__(self, rules: Sequence[Rule], *, few: int = FEW) -> None:
        self.rules = tuple(rules)
        self.few = few

    def __len__(self) -> int:
        return len(self.rules)

    @cached_property
    def versions(self) -> BlockVersions:
        """See `versions_of`."""
        return versions_of(self.rules)

    def candidates(
        self, data: Data, kind: RuleKind | None, first: int, left: int | None = None
    ) -> list[Candidate]:
        """The rules to decide, of that kind, in order.

        Args:
            first: the place in the list of the block's first rule.
            left: as bits, what the block's `screens` leave for the same message, if they tell.
        """
        if left is not None:
            return self._among(left, 0, data, first)
        if len(self.rules) >= self.few:
            properties, person = data.get("properties"), data.get("person")
            if isinstance(properties, Mapping) and isinstance(person, Mapping):
                left, unsure = self._left((properties, person), data, kind)
                return self._among(left, unsure, data, first) if left else []
        found = []
        for place, rule, is_open in self._one_by_one[kind]:
            if is_open or admits(rule, data):
                found.append(Candidate(first + place, rule, not is_open))
        return found

    def screens(self, kind: RuleKind | None) -> "Screens":
        """What finds the rules of that kind that `candidates` gives for most messages."""
        columns, inexact, _ = self._arranged if len(self.rules) >= self.few else ((), 0, 0)
        at_top = tuple(
            (
                _HOLDERS[each.holder] == "person",
                each.name,
                each.table,
                each.by_text,
                each.table.others,
            )
            for each in columns
            if each.holder is not None
        )
        is_doubtful = any(each.is_doubtful for each in columns)
        tells = bool(at_top) and len(at_top) == len(columns) and not inexact and not is_doubtful
        return Screens(self._of_kind[kind], at_top, tells)

    @cached_property
    def _one_by_one(self) -> Mapping[RuleKind | None, Sequence[tuple[int, Rule, bool]]]:
        """By kind the rules of a block without tables, each with its place and whether it is open (see `Criteria`)."""
        every = [(n, rule, criteria_of(rule).is_open) for n, rule in enumerate(self.rules)]
        kinds: list[RuleKind | None] = [None, *RuleKind]
        return {kind: [each for each in every if kind in {None, each[1].kind}] for kind in kinds}

    def _left(self, holders: Sequence[Any], data: Data, kind: RuleKind | None) -> tuple[int, int]:
        """As bits: the rules that the message may satisfy, and those among them that have to be evaluated.

        Args:
            holders: what `data` has under `_HOLDERS`.
        """
        left = self._of_kind[kind]
        columns, unsure, is_open = self._arranged
        for holder, parts, name, table, by_text, is_where, is_doubtful in columns:
            at_top = None if holder is None else holders[holder]
            value = follow(data, parts, None) if at_top is None else at_top.get(name)  # type: ignore[arg-type]  # read as an object is
            if by_text is not None and type(value) is str:
                left &= by_text.get(value, table.others)
            else:
                view = view_of(value)
                if view.kind is not _OTHER:
                    left &= table.passing(view)
                    if is_doubtful:
                        unsure |= table.unsure(view)
                elif is_where:
                    unsure |= table.testers
            if not left:
                break
        return left, unsure & ~is_open

    def _among(self, left: int, unsure: int, data: Data, first: int) -> list[Candidate]:
        _, _, is_open = self._arranged
        found = []
        while left:
            bit = left & -left
            left ^= bit
            place = bit.bit_length() - 1
            rule = self.rules[place]
            if not unsure & bit or admits(rule, data):
                found.append(Candidate(first + place, rule, not is_open & bit))
        return found

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
        """The tables, the most selective first; as bits, the rules whose `where` says more, and the open rules."""
        tests, inexact, is_open = self._gathered()
        largest = sorted(tests, key=lambda place: len(tests[place]), reverse=True)
        columns = []
        everyone = self._of_kind[None]
        for key in largest[:MOST_TABLES]:
            path, family, manner, is_where = key
            table = _MAKERS[family, manner](tests[key], everyone)
            columns.append(_Column.of(path, table, is_where=is_where))
        for key in largest[MOST_TABLES:]:
            if key[-1]:
                inexact |= bits_of(place for place, _ in tests[key])
        return sorted(columns, key=lambda column: column.table.share), inexact, is_open

    def _gathered(self) -> tuple[_Tests, int, int]:
        """The comparisons by attribute and family; as bits, the rules whose `where` says more, and the open rules."""
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
                    is_first = not of_family or of_family[-1][0] != place
                    if is_first or test.kind is PredicateKind.RANGE:
                        of_family.append((place, test))
                    elif is_where:  # a table has one test of a rule
                        inexact |= 1 << place
        return tests, inexact, is_open
