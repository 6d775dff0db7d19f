"""The timers of the persons of one batch: which are due, and which have to be computed anew."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import datetime
from heapq import heappop, heappush
from types import MappingProxyType
from typing import Final, NamedTuple

from whereupon.matching import SubjectKind, TimedSubjects
from whereupon.messages.times import FIRST_INSTANT
from whereupon.records import Changes, Entry, Timer

_INSIDE = SubjectKind.INSIDE  # looked up slowly as an attribute


class Due(NamedTuple):
    """A timer that is due, in the order in which they ring.

    Attributes:
        rank: what comes first at one instant (see `rank_of`).
        order: less than others if what it opens has a higher priority.
    """

    at: datetime
    rank: int
    order: int
    person_key: int
    subject: str


NO_ORDER: Final[Mapping[str, int]] = MappingProxyType({})

_FIRST = "inside/"
"""What may end an entry comes before the steps of entries that are due at that instant; all else after them."""
ENTRIES = 1
"""The rank of entries that are due."""


def rank_of(subject: str) -> int:
    """The place of a subject among what is due at one instant: before the entries, or after them."""
    return ENTRIES - 1 if subject.startswith(_FIRST) else ENTRIES + 1


class Timers:
    """The timers of one batch.

    A timer is never later than the moment at which time alone may change its subject (see `records.Timer`). So a
    message that moves that moment later need not touch it.

    Args:
        loaded: those of the batch's persons that are due by its end.
        changes: gets what is to be written.
        opens: whether time alone may let people into rules; otherwise only timers about those inside ring.
        order: see `TimedSubjects.order`.

    Attributes:
        now: when the batch's present message arrived, or when the present work is done. Moments after it are armed.
        due: by person and subject, when the timers ring that the batch knows.
        heap: these timers as a heap, those first that ring first; a timer that moved may stand twice.
        unarmed: what is to be computed anew, by person and subject: when that was noted.
    """

    def __init__(
        self,
        loaded: Iterable[Timer],
        changes: Changes,
        order: Mapping[str, int] = NO_ORDER,
        *,
        opens: bool = True,
    ) -> None:
        self._changes, self._opens, self._order = changes, opens, order
        self.due: dict[int, dict[str, datetime]] = {}
        self.heap: list[Due] = []
        self.unarmed: dict[int, dict[str, datetime]] = {}
        self.now = FIRST_INSTANT
        self._arm: Callable[[], None] = _nothing
        self._ring: Callable[[Due], None] = _no_ring
        for timer in loaded:
            self._set(timer.person_key, timer.subject, timer.due_at)

    def bind(self, arm: Callable[[], None], ring: Callable[[Due], None]) -> None:
        """Say what computes touched subjects anew, and what rings a timer."""
        self._arm, self._ring = arm, ring

    def close(self) -> None:
        """Compute the rest anew; nothing rings any more."""
        if self.unarmed:
            self._arm()
        self._arm, self._ring = _nothing, _no_ring  # or the batch would refer to itself

    def pass_to(self, now: datetime) -> None:
        """Let the clock be at an instant, at which something arrives or is done.

        It may go back: what is due of one person may be done behind a later message of another.
        """
        if now != self.now:
            if self.unarmed:
                self._arm()
            self.now = now

    # --- what is due ----------------------------------------------------------------------------

    def may_ring(self, until: datetime) -> bool:
        """Whether a timer may be due by an instant, after what was touched before it is computed anew."""
        if self.unarmed and self.now < until:
            self._arm()
        return bool(self.heap) and self.heap[0][0] <= until  # faster than by its name

    def passed_to(self, now: datetime) -> bool:
        """Pass to an instant if that changes nothing but the time; whether it does."""
        if now != self.now:
            if self.unarmed:
                return False
            self.now = now
        return True

    def concern(self, person_key: int) -> bool:
        """Whether a timer of a person's is known, or anybody's has to be computed anew."""
        return bool(self.unarmed or self.due.get(person_key))

    def first(self) -> Due | None:
        """The timer of all persons that is due first, after what was touched is computed anew."""
        if self.unarmed:
            self._arm()
        while self.heap and not self._is_valid(self.heap[0]):
            heappop(self.heap)
        return self.heap[0] if self.heap else None

    def first_of(self, persons: Collection[int]) -> Due | None:
        """The timer of these persons that is due first, after what was touched is computed anew."""
        if self.unarmed:
            self._arm()
        found = (
            self._due_of(at, person, subject)
            for person in persons
            for subject, at in self.due.get(person, {}).items()
            if self._rings(subject)
        )
        return min(found, default=None)

    def _rings(self, subject: str) -> bool:
        return self._opens or subject.startswith(_FIRST)

    def _is_valid(self, due: Due) -> bool:
        return self.due.get(due.person_key, {}).get(due.subject) == due.at

    # --- how they move --------------------------------------------------------------------------

    def ring(self, due: Due) -> None:
        """Let a timer ring."""
        self._ring(due)

    def arm(self, person_key: int, subject: str, at: datetime) -> None:
        """Set a timer that was not loaded, or make one earlier."""
        known = self.due_at(person_key, subject)
        if known is not None and known <= at:
            return
        self._set(person_key, subject, at)
        place = person_key, subject
        if place in self._changes.timers:
            self._changes.timers[place] = at
        else:
            self._changes.armed[place] = at

    def leave(self, due: Due) -> None:
        """Leave a timer as it is for a later batch, which may know what it depends on."""
        self.due.get(due.person_key, {}).pop(due.subject, None)

    def due_at(self, person_key: int, subject: str) -> datetime | None:
        """When a timer of this batch is due; None if none is known."""
        moments = self.due.get(person_key)
        return moments.get(subject) if moments else None

    def take(self, person_key: int, subject: str, now: datetime) -> bool:
        """Take back a timer that is due at an instant, to be computed anew behind it; whether it was due."""
        at = self.due_at(person_key, subject)
        if at is None or at > now or not self._rings(subject):
            return False
        self.put(person_key, subject, None)
        self.touch(person_key, (subject,))
        return True

    def ring_until(self, person_key: int, subject: str, now: datetime) -> None:
        """Let a timer ring as often as it is due by an instant."""
        while (at := self.due_at(person_key, subject)) is not None:
            if at > now or not self._rings(subject):
                return
            self.ring(self._due_of(at, person_key, subject))

    def put(self, person_key: int, subject: str, at: datetime | None) -> None:
        """Set a timer that has rung to its next time; None if there is none."""
        place = person_key, subject
        self._changes.armed.pop(place, None)
        self._changes.timers[place] = at
        if at is None:
            self.due.get(person_key, {}).pop(subject, None)
        else:
            self._set(person_key, subject, at)

    def _due_of(self, at: datetime, person_key: int, subject: str) -> Due:
        return Due(at, rank_of(subject), self._order.get(subject, 0), person_key, subject)

    def _set(self, person_key: int, subject: str, at: datetime) -> None:
        self.due.setdefault(person_key, {})[subject] = at
        if self._rings(subject):
            heappush(self.heap, self._due_of(at, person_key, subject))

    # --- what is to be computed anew ------------------------------------------------------------

    def touch(self, person_key: int, subjects: Iterable[str]) -> None:
        """Note that the moments of these subjects may have become earlier, by what arrives or is done now."""
        touched, now = self.unarmed.setdefault(person_key, {}), self.now
        for subject in subjects:
            touched[subject] = now

    def touch_inside(self, entry: Entry, subjects: TimedSubjects) -> None:
        """The same of the people inside a rule, if time alone may end entries of it or let them go on."""
        if subjects:
            name = _INSIDE.named(entry.rule)
            if name in subjects.by_name:
                self.touch(entry.person_key, (name,))

    def touched(self) -> Iterator[tuple[int, str, datetime]]:
        """What is to be computed anew: person, subject, and when that was noted. Nothing is noted any more then."""
        while self.unarmed:
            person_key, subjects = self.unarmed.popitem()
            for subject in sorted(subjects):
                yield person_key, subject, subjects[subject]

    # --- persons --------------------------------------------------------------------------------

    def move(self, loser: int, survivor: int) -> None:
        """Give a merged person's timers to the survivor, each as it is due first; the store does it with the rest."""
        touched, theirs = self.unarmed.pop(loser, {}), self.due.pop(loser, {})
        self.drop(loser)
        self.unarmed.setdefault(survivor, {}).update(touched)
        for subject, at in theirs.items():
            self.arm(survivor, subject, at)

    def drop(self, person_key: int) -> None:
        """Forget an erased person's timers; the store erases them with the rest."""
        self.unarmed.pop(person_key, None)
        self.due.pop(person_key, None)
        made = (self._changes.timers, self._changes.armed)
        for place in [place for each in made for place in each if place[0] == person_key]:
            self._changes.timers.pop(place, None)
            self._changes.armed.pop(place, None)


def _nothing() -> None:
    """Nothing is touched before something is bound."""


def _no_ring(due: Due) -> None:
    raise NotImplementedError(due.subject)
