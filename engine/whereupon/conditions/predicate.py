"""A predicate: what a condition demands of one attribute, in a form that the rule index can use.

The index keeps the predicates of many rules in tables by attribute (`matching`). How predicates are found
in a condition is said in `indexable`.
"""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple


class Semantics(StrEnum):
    """How values are compared: as JavaScript converts them, or as the short form does (`scalars`)."""

    JAVASCRIPT = "javascript"
    SHORT_FORM = "short-form"


class PredicateKind(StrEnum):
    """The kinds of predicate."""

    ONE_OF = "one-of"
    NONE_OF = "none-of"
    RANGE = "range"
    PRESENCE = "presence"


class Interval(NamedTuple):
    """The numbers between two bounds; an open end leaves out the bound itself."""

    least: float
    most: float
    open_below: bool = False
    open_above: bool = False

    @classmethod
    def beside(cls, symbol: str, bound: float) -> "Interval":
        """The numbers that are ``> >= <`` or ``<=`` a bound."""
        if symbol in {">", ">="}:
            return cls(float(bound), math.inf, open_below=symbol == ">")
        return cls(-math.inf, float(bound), open_above=symbol == "<")

    def intersection(self, other: "Interval") -> "Interval":
        """The numbers that both have."""
        least, open_below = max((self.least, self.open_below), (other.least, other.open_below))
        most, closed_above = min(
            (self.most, not self.open_above), (other.most, not other.open_above)
        )
        return Interval(least, most, open_below, not closed_above)


ALL_NUMBERS: Final = Interval(-math.inf, math.inf)


@dataclass(frozen=True, slots=True)
class Predicate:
    """One attribute beside fixed values.

    Attributes:
        path: the attribute's absolute dotted path.
        semantics: how values are compared; of a presence, both are the same.
        holds_for_null: null and a missing value satisfy it.
        options: of ``one-of`` and ``none-of``, the texts, numbers and booleans it compares with.
        interval: of a range, the numbers that satisfy it.
    """

    path: str
    kind: PredicateKind
    semantics: Semantics
    holds_for_null: bool
    options: tuple[str | float, ...] = ()
    interval: Interval = ALL_NUMBERS
