"""Which records of skips say something of a rule, where most rules are not named in them."""

from collections.abc import Callable

from whereupon.matching import read_rule_list
from whereupon.records import Skips, SkipSummary


class Wanted:
    """One rule, to be looked for in many records.

    Args:
        wording: what is kept under a digest. Each roll is read once.
    """

    def __init__(self, rule: str, wording: Callable[[str], bytes | None]) -> None:
        self._rule = rule
        self._wording = wording
        self._places: dict[str, tuple[int, str] | None] = {}

    def is_in(self, skips: Skips) -> bool:
        """Whether the record says something of the rule."""
        if any(verdict[0] == self._rule for verdict in skips.verdicts):
            return True
        return any(map(self._is_meant, skips.others))

    def _is_meant(self, others: SkipSummary) -> bool:
        revision = others.revision
        if revision not in self._places:
            found = read_rule_list(self._wording(revision)).get(self._rule)
            self._places[revision] = None if found is None else (found[0], found[2])
        place = self._places[revision]
        return place is not None and others.covers(*place)
