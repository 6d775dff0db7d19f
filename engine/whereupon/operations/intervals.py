"""The difference of two shares, and its 95 % interval.

Newcombe's hybrid score interval, method 10 in R. G. Newcombe, "Interval estimation for the difference between
independent proportions: comparison of eleven methods", Statistics in Medicine 17 (1998), 873-890: of the two shares'
Wilson intervals, with no correction for continuity. It holds for small numbers and for shares of 0 and 1, where
the textbook's interval is wrong.
"""

from dataclasses import dataclass
from math import sqrt
from typing import Final

_Z: Final = 1.959963984540054
"""The 97.5 % quantile of the standard normal distribution."""
_FEW: Final = 5
"""With fewer that did, or did not, in one of the groups, one person more or less changes the picture."""


@dataclass(frozen=True, slots=True)
class Difference:
    """How much larger one share is than another, in parts of one.

    Attributes:
        low, high: the 95 % interval; where it holds 0, there may be no difference.
        is_small: whether one of the groups has fewer than five who did, or who did not.
    """

    value: float
    low: float
    high: float
    is_small: bool

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.low > 0 or self.high < 0


def difference(did: int, number: int, other_did: int, other_number: int) -> Difference | None:
    """The difference of a group's share to another group's; None if one of them is empty.

    Args:
        did: how many of the group did it.
        number: how many there are in the group.
        other_did, other_number: of the group to compare with.
    """
    if not number or not other_number:
        return None
    one, other = did / number, other_did / other_number
    (low, high), (other_low, other_high) = _wilson(did, number), _wilson(other_did, other_number)
    value = one - other
    counts = (did, number - did, other_did, other_number - other_did)
    return Difference(
        value,
        max(
            -1.0, value - sqrt((one - low) ** 2 + (other_high - other) ** 2)
        ),  # or a rounding beyond
        min(1.0, value + sqrt((high - one) ** 2 + (other - other_low) ** 2)),
        min(counts) < _FEW,
    )


def _wilson(did: int, number: int) -> tuple[float, float]:
    """The score interval of one share (E. B. Wilson, 1927)."""
    share, square = did / number, _Z * _Z
    middle = share + square / (2 * number)
    half = _Z * sqrt(share * (1 - share) / number + square / (4 * number * number))
    whole = 1 + square / number
    return max(0.0, (middle - half) / whole), min(1.0, (middle + half) / whole)
