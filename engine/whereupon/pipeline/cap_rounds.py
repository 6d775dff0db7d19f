"""What waits for a place under a cap looks again after the caps have changed: they may let it through now."""

from collections.abc import Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Final

from whereupon.decide.caps import BatchSends, counted_since, free_from, waits_for_place
from whereupon.pipeline.decision_rounds import DecisionRounds
from whereupon.ports import Session
from whereupon.records import Changes, CountedSend, Entry, EntryFilter, EntryState
from whereupon.rules.model import Cap, Send

_CAPS: Final = "caps"
"""The mark of the caps under which entries wait: a hash of them."""
_CURSOR: Final = "caps_cursor"
"""The mark of the pass over entries since caps have changed: the key of the last entry, or `_DONE`."""
_DONE: Final = -1

_CHUNK: Final = 500
"""Entries that one transaction changes."""
_REACH: Final = 10_000
"""Entries that it looks through."""


class CapRounds(DecisionRounds):
    """Lets entries look again that wait at a send for a place, chunk by chunk, once the caps are others."""

    def knows_caps(self, session: Session) -> bool:
        """Whether the store knows under which caps entries wait; without caps none does."""
        return not self._caps or session.mark(_CAPS) is not None

    def note_caps(self, session: Session) -> None:
        """Let the store know the first caps under which entries may wait."""
        if not self.knows_caps(session):
            session.set_mark(_CAPS, _hash_of(self._caps))

    def look_again(self, session: Session, now: datetime) -> bool:
        """Let the next entries look again if the caps have changed; whether there was anything to do.

        What a process with other caps has noted counts as changed once for each rulebook of a process.
        """
        if self._versions.has_looked_again:
            return False
        noted, own = session.mark(_CAPS), _hash_of(self._caps)
        cursor = session.mark(_CURSOR)
        has_changed = noted not in {None, own}
        if has_changed:
            cursor = 0
        if cursor is None or cursor == _DONE:
            self._versions.has_looked_again = True
            return False
        active = EntryFilter(states=(EntryState.ACTIVE,))
        found, behind = session.entries_after(active, cursor, _CHUNK, _REACH)
        while session.lock({entry.person_key for entry in found}, ()):
            found = session.entries([entry.key for entry in found])
        if has_changed:  # behind the locks of persons, which come first
            session.set_mark(_CAPS, own)
        waiting = [entry for entry in found if waits_for_place(entry, now)]
        if waiting:
            session.flush(self._sooner(session, waiting, now))
        session.set_mark(_CURSOR, _DONE if behind is None else behind)
        return True

    def _sooner(self, session: Session, waiting: Sequence[Entry], now: datetime) -> Changes:
        """Those of the entries for whom there is a place sooner now are due then; for each other one nothing changes."""
        persons = {entry.person_key for entry in waiting}
        sends = BatchSends(session.counted_sends(persons, counted_since(self._caps, now)))
        changes = Changes()
        for entry in waiting:
            rule = self._versions.rule_of(session, entry.digest)
            place = None if rule is None else rule.route.place(entry.address)
            if place is None or not isinstance(place.step, Send):
                continue
            channel, theirs = place.step.channel, sends.of(entry.person_key, ())
            free_at = free_from(self._caps, channel, theirs, now)
            if entry.due_at is not None and free_at < entry.due_at:
                changes.entries[entry.key] = entry.changed(due_at=free_at)
                changes.before[entry.key] = entry
                taken = CountedSend("", entry.person_key, channel, free_at, is_sent=True)
                sends.take(taken)
        return changes

    @property
    def _caps(self) -> Sequence[Cap]:
        return self.index.book.settings.caps


def _hash_of(caps: Sequence[Cap]) -> int:
    return int.from_bytes(blake2b(repr(caps).encode(), digest_size=7).digest())
