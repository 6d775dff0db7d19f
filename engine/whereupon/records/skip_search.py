"""Searching records of skips for one rule, where most rules are not named in them."""

from collections.abc import Callable, Mapping

from whereupon.messages.codec import decode
from whereupon.records.entries import Skips, SkipSummary


def read_rule_list(kept: bytes | None) -> Mapping[str, tuple[int, str, str]]:
    """The rules of a rule list as it was kept, by id: place in the list, digest and kind."""
    whole = decode(kept) if kept else None
    listed = whole.get("roll") if isinstance(whole, dict) else None
    rules = listed if isinstance(listed, list) else []
    return {
        str(r[0]): (n, str(r[1]), str(r[2])) for n, r in enumerate(rules) if isinstance(r, list)
    }


class SkipSearch:
    """Searches many records for one rule.

    Args:
        rule: its id.
        version: what is kept under a digest. Each rule list is read once.
    """

    def __init__(self, rule: str, version: Callable[[str], bytes | None]) -> None:
        self._rule = rule
        self._version = version
        self._places: dict[str, tuple[int, str] | None] = {}

    def is_in(self, skips: Skips) -> bool:
        """Whether the record says that the rule was skipped."""
        if any(verdict[0] == self._rule for verdict in skips.verdicts):
            return True
        return any(map(self._is_covered, skips.others))

    def _is_covered(self, summary: SkipSummary) -> bool:
        revision = summary.revision
        if revision not in self._places:
            found = read_rule_list(self._version(revision)).get(self._rule)
            self._places[revision] = None if found is None else (found[0], found[2])
        place = self._places[revision]
        return place is not None and summary.covers(*place)
