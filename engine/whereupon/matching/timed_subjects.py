"""What time alone may change for a person, by subject, and which messages and attributes move its timers.

A subject is a trigger by time (``when/RULE``), a segment (``segment/NAME``), or the people inside a rule
(``inside/RULE``). See `records.Timer`.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b
from typing import NamedTuple

from whereupon.conditions import Condition
from whereupon.conditions.analysis import turns_by_time
from whereupon.conditions.clocks import DEFAULT_CLOCK, Clock
from whereupon.conditions.paths import parts_of
from whereupon.matching.history_window import HistoryWindow, window_of_conditions
from whereupon.matching.kept_names import keep
from whereupon.messages.model import MessageType
from whereupon.rules.model import (
    ExitOnCondition,
    ExitOnLeaving,
    ExitOnWho,
    OnDate,
    OnQuiet,
    OnSchedule,
    OnSegment,
    Rule,
    Rulebook,
    Segment,
    WaitFor,
)


class SubjectKind(StrEnum):
    """What a subject is about. The words never change: stored timers begin with them."""

    WHEN = "when"
    SEGMENT = "segment"
    INSIDE = "inside"

    def named(self, name: str) -> str:
        """The subject of a rule or a segment."""
        return f"{self}/{name}"


@dataclass(frozen=True, slots=True)
class TimedSubject:
    """One subject.

    Attributes:
        name: as timers name it.
        of: the id of the rule, or of the segment.
        digest: names what it depends on; with another digest, timers of people who are there are made anew.
        events: the names of the track messages that may move its timers.
        prefixes: the beginnings of further names.
        is_moved_by_any: whether every message of the person may.
        attributes: the top-level attributes that may; None for all.
        history_window: how far back it asks about the past, by event name (None: for ever).
        rules: what it may open.
        trigger: that of its rule; None of a segment, and of the people inside a rule.
    """

    name: str
    kind: SubjectKind
    of: str
    digest: str
    events: frozenset[str] = frozenset()
    prefixes: tuple[str, ...] = ()
    is_moved_by_any: bool = False
    attributes: frozenset[str] | None = frozenset()
    history_window: HistoryWindow = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    trigger: OnDate | OnQuiet | None = None

    def hears(self, type_: MessageType, name: str) -> bool:
        """Whether a message of this type and name may move its timers."""
        if self.is_moved_by_any:
            return True
        is_named = name in self.events or name.startswith(self.prefixes)
        return type_ is MessageType.TRACK and bool(is_named)

    def reads(self, names: Collection[str]) -> bool:
        """Whether a change of these attributes may move its timers."""
        return self.attributes is None or not self.attributes.isdisjoint(names)


class TimedSubjects:
    """The subjects of a rulebook, and of the older versions of its rules that people still follow. A value.

    Args:
        clock_names: see the attribute.

    Attributes:
        of_everybody: those that concern people who are inside no rule.
        triggers: those that are a rule's trigger.
        order: of those that are due at one instant the one with the smaller number rings first; 0 where nothing says.
            It is the highest priority of what may open, with the other sign.
        clock_names: the attributes by which broadcasts on each person's clock go; None without such a broadcast.
    """

    def __init__(
        self, subjects: Iterable[TimedSubject], clock_names: frozenset[str] | None = None
    ) -> None:
        self.clock_names = clock_names
        self.by_name = {each.name: each for each in subjects}
        self._heard: dict[tuple[MessageType, str], tuple[TimedSubject, ...]] = {}
        self.of_everybody = tuple(
            each for each in self.by_name.values() if each.kind is not SubjectKind.INSIDE
        )
        self.triggers = tuple(each for each in self.by_name.values() if each.trigger is not None)
        orders = {
            each.name: min((-r.priority for r in each.rules), default=0)
            for each in self.by_name.values()
        }
        self.order = {name: order for name, order in orders.items() if order}

    def __bool__(self) -> bool:
        return bool(self.by_name)

    @classmethod
    def of(
        cls,
        book: Rulebook,
        versions: Iterable[Rule],
        watched: Iterable[Segment],
        segments: Mapping[str, Segment],
    ) -> "TimedSubjects":
        """The subjects of a rulebook.

        Args:
            book: the rulebook.
            versions: the rules of which entries may ask something, in every version that is followed.
            watched: the segments that rules watch.
            segments: all of them, by id.
        """
        settings = book.settings.timezone or DEFAULT_CLOCK
        found = [*_triggers(book, settings), *_segments(book, watched, settings)]
        return cls([*found, *_insides(versions, segments, settings)], _clock_names(book, settings))

    def heard(self, type_: MessageType, name: str) -> tuple[TimedSubject, ...]:
        """The subjects whose timers such a message may move; found once a name."""
        place = type_, name
        found = self._heard.get(place)
        if found is None:
            hearing = tuple(each for each in self.by_name.values() if each.hears(type_, name))
            return keep(self._heard, place, hearing)
        return found

    def reading(self, names: Collection[str]) -> list[TimedSubject]:
        """The subjects whose timers a change of these attributes may move."""
        return [each for each in self.by_name.values() if each.reads(names)]


# --- the kinds --------------------------------------------------------------------------------------


def _triggers(book: Rulebook, settings: Clock) -> Iterable[TimedSubject]:
    for rule in book.rules:
        for trigger in rule.triggers:
            if isinstance(trigger, OnDate):
                clock = trigger.clock or rule.clock or settings
                yield TimedSubject(
                    name=SubjectKind.WHEN.named(rule.id),
                    kind=SubjectKind.WHEN,
                    of=rule.id,
                    digest=_digest(trigger, clock),
                    attributes=frozenset({trigger.path[0], *_read_by(clock)}),
                    rules=(rule,),
                    trigger=trigger,
                )
            elif isinstance(trigger, OnQuiet):
                yield TimedSubject(
                    name=SubjectKind.WHEN.named(rule.id),
                    kind=SubjectKind.WHEN,
                    of=rule.id,
                    digest=_digest(trigger.in_words),
                    events=trigger.breaking.names,
                    prefixes=trigger.breaking.prefixes,
                    is_moved_by_any=trigger.breaking.any,
                    rules=(rule,),
                    trigger=trigger,
                )


def _clock_names(book: Rulebook, settings: Clock) -> frozenset[str] | None:
    clocks = [
        rule.clock or settings
        for rule in book.rules
        if any(isinstance(each, OnSchedule) and each.is_personal for each in rule.triggers)
    ]
    return frozenset(name for clock in clocks for name in _read_by(clock)) if clocks else None


def _segments(
    book: Rulebook, watched: Iterable[Segment], settings: Clock
) -> Iterable[TimedSubject]:
    for segment in watched:
        if not is_timed(segment.who):
            continue
        opened = tuple(
            rule
            for rule in book.rules
            if any(isinstance(t, OnSegment) and t.segment == segment.id for t in rule.triggers)
        )
        asked = _Asked.of([segment.who], settings)
        yield TimedSubject(
            name=SubjectKind.SEGMENT.named(segment.id),
            kind=SubjectKind.SEGMENT,
            of=segment.id,
            digest=_digest(segment.who.text, settings),
            rules=opened,
            **asked._asdict(),
        )


def _insides(
    versions: Iterable[Rule], segments: Mapping[str, Segment], settings: Clock
) -> Iterable[TimedSubject]:
    """One for each rule id, of all its versions together."""
    conditions: dict[str, list[Condition]] = {}
    clocks: dict[str, Clock] = {}
    for rule in versions:
        asked = [each for each in asked_inside(rule, segments) if is_timed(each)]
        if asked:
            conditions.setdefault(rule.id, []).extend(asked)
            clocks[rule.id] = rule.clock or settings
    for rule_id, asked in conditions.items():
        yield TimedSubject(
            name=SubjectKind.INSIDE.named(rule_id),
            kind=SubjectKind.INSIDE,
            of=rule_id,
            digest="1",  # entries arm it themselves
            **_Asked.of(asked, clocks[rule_id])._asdict(),
        )


def asked_inside(rule: Rule, segments: Mapping[str, Segment]) -> list[Condition]:
    """The conditions that a person inside a rule is asked without a message: of its exits and its waits."""
    asked: list[Condition] = []
    for leave in rule.exits:
        match leave:
            case ExitOnCondition(condition):
                asked.append(condition)
            case ExitOnLeaving(name) if name in segments:
                asked.append(segments[name].who)
            case ExitOnWho():
                asked.append(rule.who)
            case _:
                pass
    waits = (step for step in rule.route.every_step() if isinstance(step, WaitFor))
    arms = (arm for wait in waits for arm in wait.waits)
    return [*asked, *(arm.who for arm in arms if arm.event is None)]


def is_timed(condition: Condition) -> bool:
    """Whether time alone may change the condition."""
    logics = [conjunct.meaning for conjunct in condition.conjuncts]
    return turns_by_time(logics, to=True) or turns_by_time(logics, to=False)


class _Asked(NamedTuple):
    """What conditions ask, together."""

    events: frozenset[str]
    attributes: frozenset[str] | None
    history_window: HistoryWindow

    @classmethod
    def of(cls, conditions: Iterable[Condition], clock: Clock) -> "_Asked":
        asked = list(conditions)
        paths = {tuple(parts_of(path)) for each in asked for path in each.variables}
        of_person = [parts for parts in paths if parts[0] == "person"]
        names = frozenset(
            (*(name for _, *rest in of_person for name in rest[:1]), *_read_by(clock))
        )
        window = window_of_conditions(asked)
        return cls(frozenset(window), None if ("person",) in paths else names, window)


def _read_by(clock: Clock) -> Iterable[str]:
    return () if clock.attribute is None else clock.attribute[:1]


def _digest(*of: object) -> str:
    return blake2b(repr(of).encode(), digest_size=8).hexdigest()
