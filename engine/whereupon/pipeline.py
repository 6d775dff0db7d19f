"""Load, fold, flush: the one way of a batch, whoever sends it (design §2).

A batch costs a fixed number of rounds with the store, however many messages it has. Everything
happens in the session that the caller opened; nothing is dispatched here.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import groupby

from whereupon.fold import (
    Folded,
    KeysExhausted,
    Loaded,
    Settings,
    audience_of,
    broadcast_chunk,
    fold,
)
from whereupon.matching import RuleIndex
from whereupon.messages import Message
from whereupon.ports import Session
from whereupon.recalling import Recall, erases, erasing
from whereupon.state import BroadcastRun, Person
from whereupon.wordings import Wordings

AUDIENCE_CHUNK = 1_000
"""Persons of a broadcast's audience in one transaction."""

_BEYOND = 2**62  # keys that no store hands out


class Pipeline:
    """A rulebook and settings, ready to take batches. Holds nothing of any person."""

    def __init__(self, index: RuleIndex, settings: Settings) -> None:
        self.index = index
        self.settings = settings
        self._written: set[str] = set()
        self._wordings = Wordings(index)

    def take(
        self, session: Session, messages: Sequence[Message], *, until: datetime | None = None
    ) -> Folded:
        """Take a batch of messages, in the order they arrived.

        Args:
            until: also wake the entries that are due by then (at most `DUE_LIMIT`), each in its turn
                between the messages.

        Raises:
            CrowdedError: see `Recall.for_batch`; only with both messages and ``until``.
        """
        parts = self._parts(messages)
        if erasing(messages, self.settings):
            session.hold_runs()  # what an erased message opened is blanked
            self._recall(session).hold(messages, until)
        *first, last = parts
        whole = Folded()
        for part in first:
            by_then = None if until is None else part[-1].received_at
            whole.join(self._take_part(session, part, by_then))
        folded = self._take_part(session, last, until)
        if not first:
            return folded
        whole.join(folded)
        return whole

    def _parts(self, messages: Sequence[Message]) -> list[Sequence[Message]]:
        """Messages that erase somebody, apart from the others.

        What the others make is then stored, so that it is found wherever it is, and erased. They are
        few; a batch without any is one part.
        """
        if not erasing(messages, self.settings):
            return [messages]
        return [
            list(part)
            for _, part in groupby(messages, lambda message: erases(message, self.settings))
        ]

    def _take_part(
        self, session: Session, messages: Sequence[Message], until: datetime | None
    ) -> Folded:
        loaded = self._recall(session).for_batch(messages, until)
        return self._fold(
            session,
            loaded,
            64 + 12 * len(messages) + 4 * len(loaded.active),
            lambda: fold(loaded, messages, self.index, self.settings, until=until),
        )

    def preview(self, session: Session, message: Message) -> tuple[Loaded, Folded]:
        """Load and fold one message that erases nobody, and leave it at that: nothing is written.

        No keys are reserved either: what it would make gets some that no store hands out.
        """
        loaded = self._recall(session).for_batch([message], None)
        loaded.first_key, loaded.keys = _BEYOND, _BEYOND
        return loaded, fold(loaded, [message], self.index, self.settings)

    def send(self, session: Session, run: BroadcastRun) -> Folded:
        """Let the next chunk of a broadcast's audience in."""
        rule = self._wordings.rule_of(session, run.rule, run.digest)
        persons = session.persons_after(run.cursor or 0, AUDIENCE_CHUNK)
        cursor = persons[-1].key if len(persons) == AUDIENCE_CHUNK else None
        if session.hold([person.key for person in persons], ()):
            persons = self._as_they_are(session, persons)
        admitted: list[Person] = []
        loaded = Loaded(0, 0)
        if rule is not None and rule.active.allows(run.timestamp):
            recall = self._recall(session)
            known = recall.for_audience(persons, rule, run.timestamp)
            admitted = recall.without_entrants(
                audience_of(known, run, rule, persons, self.index, self.settings), run
            )
            loaded = recall.for_entering(admitted, rule, run.timestamp)
        return self._fold(
            session,
            loaded,
            64 + 8 * len(admitted),
            lambda: broadcast_chunk(
                loaded, run, rule, admitted, self.index, self.settings, cursor=cursor
            ),
        )

    @staticmethod
    def _as_they_are(session: Session, persons: Sequence[Person]) -> list[Person]:
        """The same persons, read again; those who were merged or erased meanwhile are gone."""
        found = session.persons([person.key for person in persons])
        return sorted(found, key=lambda person: person.key)

    def _fold(
        self, session: Session, loaded: Loaded, keys: int, attempt: Callable[[], Folded]
    ) -> Folded:
        while True:
            loaded.first_key, loaded.keys = session.allocate(keys), keys
            try:
                folded = attempt()
            except KeysExhausted:
                keys *= 4
                continue
            break
        wordings = folded.changes.wordings
        for digest in wordings.keys() & self._written:
            del wordings[digest]
        session.flush(folded.changes)
        return folded

    def committed(self, folded: Folded) -> None:
        """Note that a batch is committed, so that rules' wordings are written once."""
        self._written |= folded.changes.wordings.keys()

    def _recall(self, session: Session) -> Recall:
        return Recall(session, self.index, self.settings, self._wordings)
