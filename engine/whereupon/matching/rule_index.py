"""A rulebook, arranged for the fold: which rules a message names, and what they ask of the past.

The index is made once a rulebook. Changing one rule makes another index, which shares the rolls of
all names that the rule does not have.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple, TypeAlias

from whereupon.conditions import Condition
from whereupon.matching.ages import claimed_within
from whereupon.matching.entry_window import EntryWindow
from whereupon.matching.rule_list import RuleList, Selected
from whereupon.matching.trigger_index import Name, TriggerIndex
from whereupon.messages.codec import object_text
from whereupon.messages.model import NAMED, MessageType
from whereupon.messages.times import ZERO, earlier
from whereupon.records import Inert
from whereupon.rules.model import (
    ExitOnCondition,
    ExitOnEvent,
    ExitOnLeaving,
    OnKnown,
    OnSegment,
    Rule,
    Rulebook,
    RuleKind,
    Segment,
)

HistoryWindow: TypeAlias = Mapping[str, timedelta | None]
"""Past events that are asked about: by name, how far back (None: all)."""

_CACHED_NAMES = 10_000


@dataclass(frozen=True, slots=True)
class TriggerMatch:
    """What messages of one type and name mean to a rulebook.

    Attributes:
        rules: campaigns and broadcasts whose `when` names them, in the rulebook's order.
        campaigns, broadcasts: those of each kind.
        take_one_rules: those that take only the first or last of what one claim brings.
        is_unused: they mean nothing to any rule: they are recorded, and that is all.
        claimed_within: how old one may be that a claim brings and still have an effect; None for any
            age, less than nothing if none has.
        watch: the past events that they may make rules ask about.
        entry_window: the earlier entries that may have a say.
    """

    rules: Selected
    campaigns: Selected
    broadcasts: Selected
    take_one_rules: tuple[Rule, ...]
    is_unused: bool
    claimed_within: timedelta | None
    watch: HistoryWindow
    entry_window: EntryWindow


class Reachable(NamedTuple):
    """What may come of a rule: itself and the rules that its steps may lead to, together.

    Attributes:
        watch: the past events that they ask about.
        entry_window: the earlier entries that have a say, for the rules as the rulebook words them.
    """

    watch: HistoryWindow
    entry_window: EntryWindow


class RuleIndex:
    """A rulebook, arranged for the fold. A value: what changes it makes another one.

    It finds out what a name means when it is first asked, and keeps that; threads may share it.
    """

    def __init__(
        self,
        book: Rulebook,
        *,
        trigger_index: TriggerIndex | None = None,
        older: tuple[Rule, ...] = (),
        segments: Mapping[str, Segment] | None = None,
    ) -> None:
        self.book = book
        self._older = older
        self.by_id = {rule.id: rule for rule in book.rules}
        self.by_digest = {rule.digest: rule for rule in book.rules}
        self.segments = {**(segments or {}), **book.segments}
        self._trigger_index = (
            TriggerIndex.of(book.rules) if trigger_index is None else trigger_index
        )
        self._versions = tuple(rule for rule in (*book.rules, *older) if _asks(rule))
        self.takes_one = any(rule.retroactive.takes_one for rule in book.rules)
        self.on_segment = tuple(rule for rule in book.rules if _segments_of(rule))
        self.on_known = tuple(
            rule for rule in book.rules if any(isinstance(t, OnKnown) for t in rule.triggers)
        )
        self._on_segment_ids = frozenset(rule.id for rule in self.on_segment)
        self.watched_segments = self._watched_segments()
        self.segment_watch = _watch_of([segment.who for segment in self.watched_segments])
        self.exit_names = frozenset(
            leave.event
            for rule in self._versions
            for leave in rule.exits
            if isinstance(leave, ExitOnEvent)
        )
        self.counted_names = self._counted_names()
        self._led_cache: dict[str, Reachable] = {}
        self._rule_lists: dict[MessageType, dict[str, RuleList]] = {
            type_: {} for type_ in MessageType
        }
        self._matches: dict[MessageType, dict[str, TriggerMatch]] = {
            type_: {} for type_ in MessageType
        }

    def with_rule(self, rule: Rule) -> "RuleIndex":
        """An index with the rule in the place of the one of its id, or behind all others.

        What is arranged by name is shared, but for the rule's own part (see `TriggerIndex.changed`).
        """
        old = self.by_id.get(rule.id)
        kept = self.book.rules
        rules = (*kept, rule) if old is None else tuple(rule if r is old else r for r in kept)
        return self._changed(rules, old, rule)

    def without(self, rule_id: str) -> "RuleIndex":
        """An index without the rule of that id."""
        old = self.by_id.get(rule_id)
        return self._changed(tuple(r for r in self.book.rules if r is not old), old, None)

    def _changed(self, rules: tuple[Rule, ...], old: Rule | None, new: Rule | None) -> "RuleIndex":
        book = replace(self.book, rules=rules)
        trigger_index = self._trigger_index.changed(old, new)
        return RuleIndex(
            book, trigger_index=trigger_index, older=self._older, segments=self.segments
        )

    def with_version(
        self, version: Rule, segments: Mapping[str, Segment] | None = None
    ) -> "RuleIndex":
        """An index that also looks out for what another version of a rule asks about.

        People still follow that version. The rulebook, and what is arranged by name, are shared.

        Args:
            version: it may be one of a rule that the rulebook does not have.
            segments: those that it leaves, as they were; the rulebook's own count where it has them.
        """
        known = {**(segments or {}), **self.segments}
        older = (*self._older, version)
        return RuleIndex(self.book, trigger_index=self._trigger_index, older=older, segments=known)

    def _watched_segments(self) -> tuple[Segment, ...]:
        names = {name for rule in self.on_segment for name in _segments_of(rule)} | {
            leave.segment
            for rule in self._versions
            for leave in rule.exits
            if isinstance(leave, ExitOnLeaving)
        }
        return tuple(self.segments[name] for name in sorted(names) if name in self.segments)

    def _watch(self, rule: Rule) -> HistoryWindow:
        exits = {leave.event: ZERO for leave in rule.exits if isinstance(leave, ExitOnEvent)}
        return _merged([_watch_of([rule.who, *_exit_conditions(rule)]), exits])

    def lapse_watch(self, rule: Rule) -> HistoryWindow:
        """The past events that may end an entry of the rule when nothing is said."""
        left = [leave.segment for leave in rule.exits if isinstance(leave, ExitOnLeaving)]
        whos = [self.segments[name].who for name in left if name in self.segments]
        return _watch_of([*whos, *_exit_conditions(rule)])

    def _counted_names(self) -> frozenset[str]:
        watches = [self.segment_watch, *(self._watch(rule) for rule in self._versions)]
        return frozenset(_merged(watches))

    def version_text(self, rule: Rule) -> bytes:
        """The rule's version for keeping: its source, and the segments that it may refer to."""
        return _version_text(rule, self._segments_text())

    def version_texts(self, roll: RuleList) -> dict[str, tuple[str, bytes]]:
        """A roll for keeping, by its revision, and the versions of all its rules, by their digests."""
        segments = self._segments_text()
        kept = {rule.digest: (rule.id, _version_text(rule, segments)) for rule in roll}
        return {**kept, roll.revision: ("", roll.as_bytes)}

    def _segments_text(self) -> str:
        segments = self.book.segments.values()
        return object_text({segment.id: segment.source for segment in segments})

    def trigger_match(self, type_: MessageType, name: str) -> TriggerMatch:
        """What such a message means; found out once a name."""
        known = self._matches[type_]
        match = known.get(name)
        if match is None:
            match = self._find_match(type_, name)
            if len(known) < _CACHED_NAMES:
                known[name] = match
        return match

    def _find_match(self, type_: MessageType, name: str) -> TriggerMatch:
        roll = self.triggered_by(type_, name)
        heard = name in self.counted_names or name in self.exit_names
        always = heard or type_ not in NAMED
        reachable = self.reachable([(type_, name)])
        watch = self.watch_of(reachable)
        if self._moves(type_, name):
            watch = _merged([watch, self.segment_watch])
        return TriggerMatch(
            Selected(roll),
            Selected(roll, kind=RuleKind.CAMPAIGN),
            Selected(roll, kind=RuleKind.BROADCAST),
            take_one_rules=tuple(rule for rule in roll if rule.retroactive.takes_one),
            is_unused=not roll and not always,
            claimed_within=None if always else claimed_within(roll),
            watch=watch,
            entry_window=EntryWindow.of(
                reachable, {rule.id for rule in roll} - self._triggered_by(reachable)
            ),
        )

    def inert(self, names: Iterable[Name], claimed_at: datetime) -> Inert:
        """Which messages of these names have no effect if a claim that arrives then brings them."""
        within = {name: self.trigger_match(*name).claimed_within for name in names}
        limits = {name: limit for name, limit in within.items() if limit is not None}
        aged = {name: limit for name, limit in limits.items() if limit >= ZERO}
        longest = max(aged.values(), default=ZERO)
        never = frozenset(limits.keys() - aged.keys())
        return Inert(never, frozenset(aged), earlier(claimed_at, longest))

    def triggered_by(self, type_: MessageType, name: str) -> RuleList:
        """Campaigns and broadcasts whose `when` names such a message, in the rulebook's order."""
        known = self._rule_lists[type_]
        roll = known.get(name)
        if roll is None:
            roll = self._trigger_index.rule_list_for(type_, name)
            if len(known) < _CACHED_NAMES:
                known[name] = roll
        return roll

    def reachable_from(self, rule: Rule) -> Reachable:
        """What may come of a rule, in any version."""
        found = self._led_cache.get(rule.digest)
        if found is None:
            rules = [rule, *(led for led in self._led_to_by(rule) if led.id != rule.id)]
            current = (self.by_id.get(each.id) for each in rules)  # that is what will be decided
            named = {rule.id} - self._triggered_by(rules)
            entry_window = EntryWindow.of((each for each in current if each is not None), named)
            found = self._led_cache[rule.digest] = Reachable(self.watch_of(rules), entry_window)
        return found

    def _led_to_by(self, rule: Rule) -> list[Rule]:
        return self.reachable(rule.messages_sent)

    def _triggered_by(self, rules: Iterable[Rule]) -> set[str]:
        """The ids of the rules that the messages which these rules emit trigger by name."""
        emitted = {message for rule in rules for message in rule.messages_sent}
        return {rule.id for message in emitted for rule in self.triggered_by(*message)}

    def watch_of(self, rules: Sequence[Rule]) -> HistoryWindow:
        """The past events that these rules ask about together."""
        watches = [self._watch(rule) for rule in rules]
        if any(self._changes_segments(rule) for rule in rules):
            watches.append(self.segment_watch)
        return _merged(watches)

    def _changes_segments(self, rule: Rule) -> bool:
        """Whether the rule has to do with segments being entered or left, as cause or as effect."""
        return rule.id in self._on_segment_ids or any(
            self._moves(*message) for message in rule.messages_sent
        )

    def _moves(self, type_: MessageType, name: str) -> bool:
        """Whether such a message may move a person into a segment or out of it."""
        return type_ not in NAMED or name in self.segment_watch

    def reachable(self, names: Iterable[Name]) -> list[Rule]:
        """Every rule that these messages may lead to, through their steps too."""
        found: dict[str, Rule] = {}
        ahead: list[Rule] = []
        for type_, name in names:
            ahead += self.triggered_by(type_, name)
            if self._moves(type_, name):
                ahead += self.on_segment
        while ahead:
            rule = ahead.pop()
            if rule.id in found:
                continue
            found[rule.id] = rule
            for message in rule.messages_sent:
                ahead += self.triggered_by(*message)
            if self._changes_segments(rule):
                ahead += self.on_segment
        return list(found.values())


def _version_text(rule: Rule, segments: str) -> bytes:
    return f'{{"rule":{object_text(rule.source)},"segments":{segments}}}'.encode()


def _segments_of(rule: Rule) -> list[str]:
    """The segments whose entering or leaving triggers the rule."""
    return [trigger.segment for trigger in rule.triggers if isinstance(trigger, OnSegment)]


def _asks(rule: Rule) -> bool:
    """Whether more than the messages that name the rule has to be looked out for."""
    return bool(rule.exits or rule.who.performed or _segments_of(rule))


def _exit_conditions(rule: Rule) -> list[Condition]:
    return [leave.condition for leave in rule.exits if isinstance(leave, ExitOnCondition)]


def _watch_of(conditions: Iterable[Condition]) -> HistoryWindow:
    asked = [performed for condition in conditions for performed in condition.performed]
    return _merged([{performed.event: performed.within} for performed in asked])


def _merged(watches: Iterable[HistoryWindow]) -> HistoryWindow:
    """What several ask about, each name as far back as any of them does."""
    merged: dict[str, timedelta | None] = {}
    for watch in watches:
        for name, span in watch.items():
            known = merged.get(name, ZERO)
            merged[name] = None if span is None or known is None else max(span, known)
    return merged
