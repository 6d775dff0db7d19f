"""How far back earlier entries are needed when rules are decided: by re-entry, and by late messages."""

from collections.abc import Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import timedelta

from whereupon.messages.times import ZERO
from whereupon.rules.model import (
    Once,
    OncePer,
    OncePerCalendar,
    OncePerKey,
    OnDate,
    OnKnown,
    OnQuiet,
    OnSegment,
    Rule,
)


@dataclass(frozen=True, slots=True)
class EntryWindow:
    """Which earlier entries are needed, by rule id. Entries that are still running are always loaded.

    Attributes:
        ever: rules that limit re-entry for ever, so that all entries in them are needed.
        lately: rules that limit it for a time.
        reach: how far back the entries in these are needed, at most.
        takes_one: rules that take only one of the messages that a claim brings. A message that arrives after
            the claim needs to know whether one was taken.
        keys: the path of the key in the message, of rules that need only the entries of that key. The key
            can come from nothing but the message that triggers the rule.
        unkeyed: the rules of `ever` and `lately` that need more than that.
    """

    ever: AbstractSet[str]
    lately: AbstractSet[str]
    reach: timedelta
    takes_one: AbstractSet[str]
    keys: Mapping[str, tuple[str, ...]]
    unkeyed: AbstractSet[str]

    @classmethod
    def of(cls, rules: Iterable[Rule], named: Collection[str] = ()) -> "EntryWindow":
        """The window of these rules together.

        Args:
            named: ids of the rules that people enter by messages that trigger them by name only.
        """
        spans: dict[str, timedelta | None] = {}
        takes_one: list[str] = []
        keys: dict[str, tuple[str, ...]] = {}
        for rule in rules:
            if isinstance(rule.reentry, Once | OncePerKey):
                spans[rule.id] = None
            elif isinstance(rule.reentry, OncePer):
                spans[rule.id] = rule.reentry.period
            elif isinstance(rule.reentry, OncePerCalendar):
                spans[rule.id] = rule.reentry.span.reach
            if rule.retroactive.takes_one:
                takes_one.append(rule.id)
            elif rule.id in named and (path := _path_in_message(rule)):
                keys[rule.id] = path
        return cls._of_spans(spans, takes_one, keys)

    @classmethod
    def whole(cls, rule: str) -> "EntryWindow":
        """All entries in one rule."""
        return cls._of_spans({rule: None}, (), {})

    @classmethod
    def union(cls, windows: Collection["EntryWindow"]) -> "EntryWindow":
        """What any of them needs.

        Args:
            windows: at least one.
        """
        if len(windows) == 1:
            (only,) = windows
            return only
        ever: set[str] = set()
        lately: set[str] = set()
        takes_one: set[str] = set()
        unkeyed: set[str] = set()
        keys: dict[str, tuple[str, ...]] = {}
        reach = ZERO
        for each in windows:
            if each.ever:
                ever |= each.ever
            if each.lately:
                lately |= each.lately
                reach = max(reach, each.reach)
            if each.takes_one:
                takes_one |= each.takes_one
            if each.keys:
                keys |= each.keys
            if each.unkeyed:
                unkeyed |= each.unkeyed
        return cls(ever, lately, reach, takes_one, keys, unkeyed)

    @classmethod
    def _of_spans(
        cls,
        spans: Mapping[str, timedelta | None],
        takes_one: Collection[str],
        keys: Mapping[str, tuple[str, ...]],
    ) -> "EntryWindow":
        lately = {rule: span for rule, span in spans.items() if span is not None}
        return cls(
            ever=frozenset(spans.keys() - lately.keys()),
            lately=frozenset(lately),
            reach=max(lately.values(), default=ZERO),
            takes_one=frozenset(takes_one),
            keys=keys,
            unkeyed=frozenset(spans.keys() - keys.keys()),
        )


_IN_MESSAGE = {"properties", "context"}


def _path_in_message(rule: Rule) -> tuple[str, ...] | None:
    """The path of the rule's key in a message; None if it is elsewhere, or if not only messages let people in."""
    reentry = rule.reentry
    if not isinstance(reentry, OncePerKey) or reentry.path[0] not in _IN_MESSAGE:
        return None
    of_state = any(
        isinstance(trigger, OnSegment | OnKnown | OnDate | OnQuiet) for trigger in rule.triggers
    )
    return None if of_state else reentry.path
