"""What one batch knows of the past that triggers by time depend on: entries, and what last broke silences."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final

from whereupon.decide.snapshot import Snapshot
from whereupon.decide.timers import Timers
from whereupon.matching import RuleIndex
from whereupon.messages.model import Message, MessageType
from whereupon.records import Breaking, LastMessage, StoredMessage
from whereupon.rules.model import OnQuiet

_NO_TIMERS: Final[Mapping[str, datetime]] = MappingProxyType({})


class TimedPast:
    """The last messages that broke silences, of the store and of the batch, and the persons whom the store was asked about.

    Args:
        loaded: what the store was asked.
        index: has the triggers by time.
        clocked: gets the subjects whose moments a message may move.
        new_keys: the keys of the batch, new persons' among them.

    Attributes:
        breaking: by subject, the messages that break its silence.
    """

    def __init__(
        self, loaded: Snapshot, index: RuleIndex, clocked: Timers, new_keys: range
    ) -> None:
        self._subjects: list[str] = []
        self.breaking: list[tuple[str, Breaking]] = []
        for each in index.timed.triggers:
            self._subjects.append(each.name)
            if isinstance(each.trigger, OnQuiet):
                self.breaking.append((each.name, each.trigger.breaking))
        self._asked = {*loaded.timed_past}
        self._last: dict[tuple[int, str], LastMessage | Message] = {}
        for place, last in loaded.timed_past.items():
            if last is not None:
                self._last[place] = last
        self._new = new_keys
        self._clocked = clocked
        self._broken: dict[tuple[MessageType, str], list[str]] = {}

    def is_known(self, person_key: int, subject: str) -> bool:
        """Whether the store was asked about the person, or has nothing, since the person is new."""
        return (person_key, subject) in self._asked or person_key in self._new

    def last(self, person_key: int, subject: str) -> LastMessage | Message | None:
        """The last message that is known to have broken a silence; if the store was not asked, there may be a later one."""
        return self._last.get((person_key, subject))

    def hear(self, stored: StoredMessage, owner: int) -> None:
        """Note a message that is recorded, or that a claim gives to a person.

        It moves the end of a silence to a later time only, so a timer of the batch that was made by another is left.
        """
        message, last = stored.message, self._last
        subjects = () if message.depth else self._broken.get((message.type, message.name))
        if subjects is None:
            subjects = self._broken_by(message)
        if not subjects:
            return
        at, timers = message.timestamp, self._clocked.due.get(owner, _NO_TIMERS)
        for subject in subjects:
            place = owner, subject
            known = last.get(place)
            if known is None or known.timestamp <= at:
                last[place] = message
            if known is None or subject not in timers:
                self._clocked.touch(owner, (subject,))

    def _broken_by(self, message: Message) -> list[str]:
        """The subjects whose silence a message breaks; found once a name."""
        if message.depth or not self.breaking:
            return []
        place = message.type, message.name
        found = self._broken.get(place)
        if found is None:
            found = [name for name, breaking in self.breaking if breaking.covers(*place, 0)]
            self._broken[place] = found
        return found

    def lose(self, stored: StoredMessage) -> None:
        """Note that a message turns out to be another person's. The store is asked anew, by a timer that is due now."""
        for subject in self._broken_by(stored.message):
            place = stored.owner, subject
            self._asked.discard(place)
            self._last.pop(place, None)
            self._clocked.arm(*place, self._clocked.now)

    def move(self, loser: int, survivor: int) -> None:
        """Give the survivor of a merge what is known of the loser."""
        for subject in self._subjects:
            theirs, own = (loser, subject), (survivor, subject)
            if not self.is_known(*theirs):
                self._asked.discard(own)
            last, known = self._last.pop(theirs, None), self._last.get(own)
            if last is not None and (known is None or known.timestamp < last.timestamp):
                self._last[own] = last
