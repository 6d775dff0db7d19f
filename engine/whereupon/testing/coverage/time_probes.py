"""The probe of a trigger by time: that it comes, that it moves or is broken, and that it comes again."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise

from whereupon.conditions.analysis import turns_by_time
from whereupon.conditions.paths import follow
from whereupon.decide.decisions import Decision
from whereupon.matching import SubjectKind
from whereupon.messages.model import MessageType
from whereupon.records import StoredMessage
from whereupon.rules.model import (
    OnDate,
    OnQuiet,
    OnSchedule,
    OnSegment,
    Rule,
    Segment,
    SegmentChange,
)
from whereupon.testing.coverage.probe import Probe
from whereupon.testing.reports import Seen
from whereupon.testing.simulation import Happened


class TimeProbes:
    """The probe of a rule's `when`, if time opens the rule."""

    def __init__(self, rule: Rule, probes: list[Probe], segments: Mapping[str, Segment]) -> None:
        trigger = rule.triggers[0]
        self._trigger, self._rule = trigger, rule.id
        self._subject = f"{SubjectKind.WHEN.named(rule.id)}@"
        self._probe: Probe | None = None
        match trigger:
            case OnDate() | OnQuiet():
                self._probe = Probe(f"when: {trigger.in_words}", _wanted(trigger), ("when",))
            case OnSegment(name, change) if _is_led_by_time(segments.get(name), change):
                self._subject = f"{SubjectKind.SEGMENT.named(name)}@"
                part = f"when: {change} {name} by time"
                self._probe = Probe(part, (Seen.CAME,), ("when", change.value))
            case OnSchedule() if trigger.is_personal:
                self._subject = f"{rule.id}@"
                wanted = (Seen.CAME, Seen.CAME_APART)
                self._probe = Probe("when: on each person's clock", wanted, ("when",))
            case _:
                return
        probes.append(self._probe)

    def note(self, happened: Happened) -> None:
        """Note whose moment came, and whose moved."""
        if self._probe is None:
            return
        came = self._came(happened)
        for moments in came.values():
            self._probe.see(Seen.CAME)
            if len(moments) > 1:
                self._probe.see(Seen.CAME_AGAIN)
        if self._is_apart(happened):
            self._probe.see(Seen.CAME_APART)
        messages = _by_owner(happened.messages)
        match self._trigger:
            case OnDate() as trigger if any(_moves(trigger, each) for each in messages):
                self._probe.see(Seen.MOVED)
            case OnQuiet() as trigger if any(_breaks(trigger, each) for each in messages):
                self._probe.see(Seen.BROKEN)
            case _:
                pass

    def _is_apart(self, happened: Happened) -> bool:
        """Whether one time came to people at different instants."""
        instants: dict[str, set[datetime]] = defaultdict(set)
        for record in happened.records:
            if isinstance(record, Decision) and record.message_id.startswith(self._subject):
                instants[record.message_id].add(record.timestamp)
        return any(len(each) > 1 for each in instants.values())

    def _came(self, happened: Happened) -> Mapping[str | None, set[str]]:
        """By person, the moments at which the rule was asked."""
        came: dict[str | None, set[str]] = defaultdict(set)
        for record in happened.records:
            if not isinstance(record, Decision) or record.rule != self._rule:
                continue
            if record.message_id.startswith(self._subject):
                came[record.person].add(record.message_id)
        return came


def _is_led_by_time(segment: Segment | None, change: SegmentChange) -> bool:
    """Whether time alone may lead people into a segment, or out of it."""
    if segment is None:
        return False
    logics = [conjunct.meaning for conjunct in segment.who.conjuncts]
    return turns_by_time(logics, to=change is SegmentChange.ENTERS)


def _wanted(trigger: OnDate | OnQuiet) -> Sequence[Seen]:
    if isinstance(trigger, OnQuiet):
        return (Seen.CAME, Seen.BROKEN)
    return (Seen.CAME, Seen.CAME_AGAIN) if trigger.yearly else (Seen.CAME, Seen.MOVED)


def _by_owner(messages: Sequence[StoredMessage]) -> Iterator[list[StoredMessage]]:
    """The messages of each person, in the order in which they happened."""
    found: dict[int, list[StoredMessage]] = defaultdict(list)
    for message in messages:
        found[message.owner].append(message)
    for theirs in found.values():
        yield sorted(theirs, key=lambda each: (each.timestamp, each.key))


def _moves(trigger: OnDate, messages: Sequence[StoredMessage]) -> bool:
    """Whether a person was given two values of the date."""
    told = [m.message.data for m in messages if m.type is MessageType.IDENTIFY]
    values = [follow(dict(each), trigger.path, None) for each in told if trigger.path[0] in each]
    return any(value != values[0] for value in values)


def _breaks(trigger: OnQuiet, messages: Sequence[StoredMessage]) -> bool:
    """Whether a message came before a silence had lasted for long enough."""
    heard = [
        m.timestamp for m in messages if trigger.breaking.covers(m.type, m.name, m.message.depth)
    ]
    return any(later - earlier < trigger.span for earlier, later in pairwise(heard))
