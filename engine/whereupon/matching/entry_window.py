"""Which earlier entries have a say when rules are decided: what re-entry, and a late message, look back at."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from whereupon.rules.model import Once, OncePer, OncePerKey, OnKnown, OnSegment, Rule


@dataclass(frozen=True, slots=True)
class EntryWindow:
    """By a rule's id, how far back its earlier entries have a say (None: for ever).

    A rule's entries that are still running are loaded in any case.

    Attributes:
        spans: of the rules that people do not enter every time.
        choosy: the ids of rules that take only one of what a claim brings: after a claim, a late message
            asks whether one was taken.
        keys: of the rules that ask only for the entries of one key, which nothing but the message that
            names them gives: where in it.
    """

    spans: Mapping[str, timedelta | None]
    choosy: frozenset[str]
    keys: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, rules: Iterable[Rule], named: Collection[str] = ()) -> "EntryWindow":
        """What deciding these rules may look back at.

        Args:
            rules: all of them.
            named: the ids of those that people enter by messages that name them, and by nothing else.
        """
        spans: dict[str, timedelta | None] = {}
        choosy: list[str] = []
        keys: dict[str, tuple[str, ...]] = {}
        for rule in rules:
            if isinstance(rule.reentry, Once | OncePerKey):
                spans[rule.id] = None
            elif isinstance(rule.reentry, OncePer):
                spans[rule.id] = rule.reentry.period
            if rule.retroactive.takes_one:
                choosy.append(rule.id)
            elif rule.id in named and (path := _path_in_message(rule)):
                keys[rule.id] = path
        return cls(spans, frozenset(choosy), keys)


_SAID = {"properties", "context"}


def _path_in_message(rule: Rule) -> tuple[str, ...] | None:
    """Where in a message its key is; None where it is elsewhere, or others than messages let people in."""
    reentry = rule.reentry
    if not isinstance(reentry, OncePerKey) or reentry.path[0] not in _SAID:
        return None
    of_state = any(isinstance(trigger, OnSegment | OnKnown) for trigger in rule.triggers)
    return None if of_state else reentry.path
