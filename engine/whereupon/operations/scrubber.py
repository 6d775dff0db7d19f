"""Scrubbing: an erasure removes rows at once; their bytes leave the database's files a moment later.

A database keeps old pages in its write-ahead log and may keep freed pages. Every erasure leaves a mark in its own
transaction (the number of its row in the audit log). The next round of due work removes the bytes, without waiting
for other processes, and records up to which mark nothing is left.
"""

from whereupon.pipeline.decision_rounds import UNSCRUBBED
from whereupon.ports import Store

_SCRUBBED = "scrubbed"


class Scrubber:
    """Removes the bytes that erasures leave in pages and logs."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def is_due(self) -> bool:
        """Whether a person was erased since the last scrubbing."""
        erased, scrubbed = self._marks()
        return erased > scrubbed

    def scrub(self) -> bool:
        """Scrub now; whether nothing is left."""
        erased, _ = self._marks()  # a later erasure is the next round's work
        if not self._store.scrub():
            return False
        with self._store.session() as session:
            session.set_mark(_SCRUBBED, erased)
        return True

    def _marks(self) -> tuple[int, int]:
        with self._store.reading() as session:
            return session.mark(UNSCRUBBED) or 0, session.mark(_SCRUBBED) or 0
