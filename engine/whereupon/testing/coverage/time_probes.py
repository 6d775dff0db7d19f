"""The probe of a trigger by time: that it comes, that it moves or is broken, and that it comes again."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

from whereupon.conditions.paths import follow
from whereupon.decide.decisions import Decision
from whereupon.matching import SubjectKind
from whereupon.messages.model import MessageType
from whereupon.records import StoredMessage
from whereupon.rules.model import OnDate, OnQuiet, Rule
from whereupon.testing.coverage.probe import Probe
from whereupon.testing.reports import Seen
from whereupon.testing.simulation import Happened


class TimeProbes:
    """The probe of a rule's `when`, if time opens the rule."""

    def __init__(self, rule: Rule, probes: list[Probe]) -> None:
        trigger = rule.triggers[0]
        self._trigger = trigger
        self._subject = f"{SubjectKind.WHEN.named(rule.id)}@"
        self._probe: Probe | None = None
        if isinstance(trigger, OnDate | OnQuiet):
            self._probe = Probe(f"when: {trigger.in_words}", _wanted(trigger), ("when",))
            probes.append(self._probe)

    def note(self, happened: Happened) -> None:
        """Note whose moment came, and whose moved."""
        if self._probe is None:
            return
        came: dict[str | None, set[str]] = defaultdict(set)
        for record in happened.records:
            if isinstance(record, Decision) and record.message_id.startswith(self._subject):
                came[record.person].add(record.message_id)
        for moments in came.values():
            self._probe.see(Seen.CAME)
            if len(moments) > 1:
                self._probe.see(Seen.CAME_AGAIN)
        messages = _by_owner(happened.messages)
        match self._trigger:
            case OnDate() as trigger if any(_moves(trigger, each) for each in messages):
                self._probe.see(Seen.MOVED)
            case OnQuiet() as trigger if any(_breaks(trigger, each) for each in messages):
                self._probe.see(Seen.BROKEN)
            case _:
                pass


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
