"""Which earlier entries have a say when rules are decided: what re-entry, and a late message, look back at."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from whereupon.rules import Once, OncePer, OncePerKey, Rule


@dataclass(frozen=True, slots=True)
class Lookback:
    """By a rule's id, how far back its earlier entries have a say (None: for ever).

    A rule's entries that are still running are loaded in any case.

    Attributes:
        spans: of the rules that people do not enter every time.
        choosy: the ids of rules that take only one of what a claim brings: after a claim, a late message
            asks whether one was taken.
    """

    spans: Mapping[str, timedelta | None]
    choosy: frozenset[str]

    @classmethod
    def of(cls, rules: Iterable[Rule]) -> "Lookback":
        """What deciding these rules may look back at."""
        spans: dict[str, timedelta | None] = {}
        choosy: list[str] = []
        for rule in rules:
            if isinstance(rule.reentry, Once | OncePerKey):
                spans[rule.id] = None
            elif isinstance(rule.reentry, OncePer):
                spans[rule.id] = rule.reentry.period
            if rule.retroactive.takes_one:
                choosy.append(rule.id)
        return cls(spans, frozenset(choosy))
