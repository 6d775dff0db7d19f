"""A rulebook, arranged for deciding: the rules that a message triggers, and what they need of the past."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from whereupon.matching.ages import claimed_within
from whereupon.matching.entry_window import EntryWindow
from whereupon.matching.history_window import (
    HistoryWindow,
    exit_conditions,
    goal_window,
    journey_window,
    merged,
    window_of_conditions,
)
from whereupon.matching.kept_names import PlainNames, keep
from whereupon.matching.rule_list import RuleList, RuleSelection
from whereupon.matching.timed_subjects import SubjectKind, TimedSubject, TimedSubjects
from whereupon.matching.trigger_index import TriggerIndex
from whereupon.matching.trigger_match import PLAIN_ROOTS, Reachable, TriggerMatch
from whereupon.messages.codec import object_text
from whereupon.messages.model import NAMED, MessageType
from whereupon.messages.times import ZERO, earlier
from whereupon.records import Inert, MessageName
from whereupon.rules.model import (
    ExitOnEvent,
    ExitOnLeaving,
    OnKnown,
    OnMessage,
    OnQuiet,
    OnSegment,
    Rule,
    Rulebook,
    RuleKind,
    Segment,
)


class RuleIndex:
    """A rulebook, arranged for deciding.

    A value: no method changes it. What a name triggers is found when the name is first met, and kept;
    threads may share the index.

    Attributes:
        heard_names: names of events that entries wait for, end by, or convert by.
        awaited_names: names of events that some wait of a rule waits for.
        goal_names: names of events that are some rule's goal.
        has_live_texts: whether people who entered with earlier versions of some rule get the texts of its newest.
        waits_for_change: whether some rule waits for a condition, or until a date that may move.
        has_rivalry: whether it matters which of the entries of a person that are due together goes first.
        speaks: whether steps of some rule send messages into the engine, such as `set` and `track`.
        timed: what time alone may change for a person.
        timed_segments: the watched segments among it.
        order: by the rules' ids, in which order they hear a message: by priority, then by the rulebook; empty
            if no rule has more than plain steps.

    Args:
        trigger_index: the rulebook's; made if None.
        older: versions that people still follow and the rulebook has no longer.
        segments: of these versions; the rulebook's own segments replace equal ids.
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
        # Rules are many, so the few that more than messages trigger are looked for once.
        not_by_name = [rule for rule in (*book.rules, *older) if _is_triggered_otherwise(rule)]
        of_book = [rule for rule in not_by_name if self.by_id.get(rule.id) is rule]
        watching = filter(_is_watching, (*book.rules, *older))
        self._versions = (*watching, *(rule for rule in not_by_name if _segments_of(rule)))
        self.has_live_texts = any(rule.live for rule in book.rules)
        self.gives_grace = any(rule.grace is not None for rule in book.rules)
        limits = book.settings.quiet_hours, book.settings.caps
        self.has_rivalry = any(limits) or any(rule.priority for rule in book.rules)
        self.speaks = any(rule.messages_sent for rule in (*book.rules, *older))
        self.takes_one = any(rule.retroactive.takes_one for rule in book.rules)
        self.on_segment = tuple(rule for rule in of_book if _segments_of(rule))
        self.on_known = tuple(
            rule for rule in of_book if any(isinstance(t, OnKnown) for t in rule.triggers)
        )
        self._on_segment_ids = frozenset(rule.id for rule in self.on_segment)
        self.watched_segments = self._watched_segments()
        self.segment_window = window_of_conditions(
            [segment.who for segment in self.watched_segments]
        )
        self._arrange_heard()
        watched = self.watched_segments
        self.timed = TimedSubjects.of(book, self._versions, watched, self.segments)
        self.timed_segments = frozenset(
            each.of for each in self.timed.of_everybody if each.kind is SubjectKind.SEGMENT
        )
        self.counted_names = self._counted_names()
        self._reachable: dict[str, Reachable] = {}
        self._entry_windows: dict[str, HistoryWindow] = {}
        self._rule_lists: dict[MessageType, dict[str, RuleList]] = {
            type_: {} for type_ in MessageType
        }
        self._matches: dict[MessageType, dict[str, TriggerMatch]] = {
            type_: {} for type_ in MessageType
        }
        self._plain_names: tuple[object, PlainNames] = (None, {})

    def _arrange_heard(self) -> None:
        """What entries listen to: the events that end them, that they wait for, and that are their goals."""
        journeys = [rule for rule in self._versions if not rule.route.is_plain]
        self._awaiting: dict[str, set[str]] = {}
        for rule in journeys:
            for name in rule.route.awaited:
                self._awaiting.setdefault(name, set()).add(rule.id)
        self.awaited_names = frozenset(self._awaiting)
        self.waits_for_change = any(
            step.holds_entry for rule in journeys for step in rule.route.every_step()
        )
        rules = sorted(self.book.rules, key=lambda rule: -rule.priority) if journeys else ()
        self.order = {rule.id: place for place, rule in enumerate(rules)}
        self.exit_names = frozenset(
            leave.event
            for rule in self._versions
            for leave in rule.exits
            if isinstance(leave, ExitOnEvent)
        )
        self.goal_names = frozenset(
            rule.goal.event for rule in self._versions if rule.goal is not None
        )
        self.heard_names = self.awaited_names | self.exit_names | self.goal_names

    def with_book(self, book: Rulebook) -> "RuleIndex":
        """An index of another rulebook, which shares the arranged rules that the two have in common."""
        trigger_index = TriggerIndex.of(book.rules, self._trigger_index)
        return RuleIndex(book, trigger_index=trigger_index)

    def with_version(
        self, version: Rule, segments: Mapping[str, Segment] | None = None
    ) -> "RuleIndex":
        """An index that also covers what a rule version needs that people still follow.

        The rulebook, and the rules as they are arranged by name, are shared.

        Args:
            version: possibly of a rule that the rulebook has no longer.
            segments: of the version's time; the rulebook's own segments replace equal ids.
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

    def _window_of(self, rule: Rule) -> HistoryWindow:
        exits = {leave.event: ZERO for leave in rule.exits if isinstance(leave, ExitOnEvent)}
        asked = window_of_conditions([rule.who, *exit_conditions(rule)])
        return merged([asked, exits, goal_window(rule), journey_window(rule)])

    def entry_history(self, rule: Rule) -> HistoryWindow:
        """The past events that the steps of an entry of the rule ask about or lead to, and those that may end it without a message."""
        known = self._entry_windows.get(rule.digest)
        if known is None:
            known = self._entry_windows[rule.digest] = self._entry_window_of(rule)
        return known

    def _entry_window_of(self, rule: Rule) -> HistoryWindow:
        left = [leave.segment for leave in rule.exits if isinstance(leave, ExitOnLeaving)]
        whos = [self.segments[name].who for name in left if name in self.segments]
        asked = window_of_conditions([*whos, *exit_conditions(rule)])
        windows = [asked, journey_window(rule)]
        if rule.messages_sent:
            windows.append(self.history_window_of(self.reachable(rule.messages_sent)))
        if any(self._moves(*message) for message in rule.messages_sent):
            windows.append(self.segment_window)
        return merged(windows)

    def _counted_names(self) -> frozenset[str]:
        windows = [self.segment_window, *(self._window_of(rule) for rule in self._versions)]
        return frozenset(merged(windows))

    def awaiting(self, names: Iterable[str]) -> set[str]:
        """The ids of the rules that wait for one of these events somewhere."""
        if not self._awaiting:
            return set()
        return {rule for name in names for rule in self._awaiting.get(name, ())}

    def version_text(self, rule: Rule) -> bytes:
        """What is stored of the rule's version: its source, and the segments that it may refer to, as JSON."""
        return _version_text(rule, self._segments_text())

    def version_texts(self, rule_list: RuleList) -> dict[str, tuple[str, bytes]]:
        """What is stored of a rule list, by its revision, and of its rules, by their digests: id and text."""
        segments = self._segments_text()
        kept = {rule.digest: (rule.id, _version_text(rule, segments)) for rule in rule_list}
        return {**kept, rule_list.revision: ("", rule_list.as_bytes)}

    def _segments_text(self) -> str:
        segments = self.book.segments.values()
        return object_text({segment.id: segment.source for segment in segments})

    def trigger_match(self, type_: MessageType, name: str) -> TriggerMatch:
        """What messages of that type and name do; found once a name."""
        known = self._matches[type_]
        match = known.get(name)
        return keep(known, name, self._find_match(type_, name)) if match is None else match

    def plain_names(self, registry: object) -> PlainNames:
        """What `plain_messages` has found of names under a registry of semantic events; kept from batch to batch."""
        of, kept = self._plain_names
        if of is not registry:
            kept = {type_: {} for type_ in MessageType}
            self._plain_names = registry, kept
        return kept

    def _find_match(self, type_: MessageType, name: str) -> TriggerMatch:
        rule_list = self.triggered_by(type_, name)
        is_needed = name in self.counted_names or name in self.exit_names
        moved = self._timed_by(type_, name)
        always = is_needed or bool(moved) or type_ not in NAMED
        reachable = self.reachable([(type_, name)])
        history_window = self.history_window_of(reachable)
        if self._moves(type_, name):
            history_window = merged([history_window, self.segment_window])
        if moved:
            history_window = merged([history_window, *(each.history_window for each in moved)])
        return TriggerMatch(
            RuleSelection(rule_list),
            RuleSelection(rule_list, kind=RuleKind.CAMPAIGN),
            RuleSelection(rule_list, kind=RuleKind.BROADCAST),
            take_one_rules=tuple(rule for rule in rule_list if rule.retroactive.takes_one),
            is_unused=not rule_list and not always,
            is_plain=type_ in NAMED
            and bool(name)
            and not is_needed
            and all(isinstance(each.trigger, OnQuiet) for each in moved)
            and self._is_plain(name, rule_list),
            claimed_within=None if always else claimed_within(rule_list),
            history_window=history_window,
            entry_window=EntryWindow.of(
                reachable, {rule.id for rule in rule_list} - self._triggered_by_steps(reachable)
            ),
        )

    def _is_plain(self, name: str, rule_list: RuleList) -> bool:
        """See `TriggerMatch.is_plain`, of a name that is not counted, and that moves no timers but those of silences."""
        if name in self.heard_names or name in self.segment_window:
            return False
        return rule_list.roots <= PLAIN_ROOTS

    def inert(self, names: Iterable[MessageName], claimed_at: datetime) -> Inert:
        """Which messages of these names have no effect if a claim that arrives then brings them."""
        within = {name: self.trigger_match(*name).claimed_within for name in names}
        limits = {name: limit for name, limit in within.items() if limit is not None}
        aged = {name: limit for name, limit in limits.items() if limit >= ZERO}
        longest = max(aged.values(), default=ZERO)
        never = frozenset(limits.keys() - aged.keys())
        return Inert(never, frozenset(aged), earlier(claimed_at, longest))

    def triggered_by(self, type_: MessageType, name: str) -> RuleList:
        """Campaigns and broadcasts whose `when` names such a message, by `Rule.precedence`."""
        known = self._rule_lists[type_]
        rule_list = known.get(name)
        if rule_list is None:
            return keep(known, name, self._trigger_index.rule_list_for(type_, name))
        return rule_list

    def reachable_from(self, rule: Rule) -> Reachable:
        """What a rule, in any version, and the rules that its steps may trigger need."""
        found = self._reachable.get(rule.digest)
        if found is None:
            further = self.reachable(rule.messages_sent)
            rules = [rule, *(each for each in further if each.id != rule.id)]
            current = (self.by_id.get(each.id) for each in rules)  # these versions are decided
            named = {rule.id} - self._triggered_by_steps(rules)
            entry_window = EntryWindow.of((each for each in current if each is not None), named)
            found = self._reachable[rule.digest] = Reachable(
                self.history_window_of(rules), entry_window
            )
        return found

    def opened_by(self, subject: TimedSubject) -> Reachable:
        """What the rules that time alone may open by a subject, and those that their steps may trigger, need."""
        known = self._reachable.get(subject.name)
        if known is None:
            reached = {rule.id: rule for rule in subject.rules}
            sent = [message for rule in subject.rules for message in rule.messages_sent]
            reached |= {rule.id: rule for rule in self.reachable(sent)}
            rules = [*reached.values()]
            named = {rule.id for rule in subject.rules} - self._triggered_by_steps(rules)
            known = self._reachable[subject.name] = Reachable(
                self.history_window_of(rules), EntryWindow.of(rules, named)
            )
        return known

    def _triggered_by_steps(self, rules: Iterable[Rule]) -> set[str]:
        """The ids of the rules that the steps of these rules trigger by name."""
        sent = {message for rule in rules for message in rule.messages_sent}
        return {rule.id for message in sent for rule in self.triggered_by(*message)}

    def history_window_of(self, rules: Sequence[Rule]) -> HistoryWindow:
        """The past events that these rules need together."""
        windows = [self._window_of(rule) for rule in rules]
        if any(self._changes_segments(rule) for rule in rules):
            windows.append(self.segment_window)
        return merged(windows)

    def _changes_segments(self, rule: Rule) -> bool:
        """Whether a change of segments triggers the rule, or its steps may cause one."""
        return rule.id in self._on_segment_ids or any(
            self._moves(*message) for message in rule.messages_sent
        )

    def _timed_by(self, type_: MessageType, name: str) -> Sequence[TimedSubject]:
        """The subjects whose timers such a message may move."""
        if type_ in NAMED:
            return self.timed.heard(type_, name)
        return tuple(self.timed.by_name.values())

    def _moves(self, type_: MessageType, name: str) -> bool:
        """Whether such a message may move a person into a segment or out of it."""
        return type_ not in NAMED or name in self.segment_window

    def reachable(self, names: Iterable[MessageName]) -> list[Rule]:
        """Every rule that these messages may trigger, directly or through the steps of rules."""
        found: dict[str, Rule] = {}
        ahead: list[Rule] = []
        for type_, name in names:
            ahead += self.triggered_by(type_, name)
            if self._moves(type_, name):
                ahead += self.on_segment
            if self.timed:
                ahead += (r for each in self._timed_by(type_, name) for r in each.rules)
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


def _is_watching(rule: Rule) -> bool:
    """Whether an entry of the rule, or its `who`, may ask about more than the opening message."""
    return bool(
        rule.exits or rule.goal is not None or rule.who.performed or not rule.route.is_plain
    )


def _segments_of(rule: Rule) -> list[str]:
    """The ids of the segments whose entering or leaving triggers the rule."""
    return [trigger.segment for trigger in rule.triggers if isinstance(trigger, OnSegment)]


def _is_triggered_otherwise(rule: Rule) -> bool:
    """Whether something else than a message's name triggers the rule."""
    for trigger in rule.triggers:  # noqa: SIM110 - a generator would double the cost
        if not isinstance(trigger, OnMessage):
            return True
    return False
