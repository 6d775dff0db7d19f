"""Scrubbing: what an erasure deletes is gone from the tables at once; its bytes go a moment later.

A database keeps pages as they were in its write-ahead log, and may keep freed ones. Every erasure
leaves a mark in its own transaction (the audit log's last row); the next round of due work takes the
bytes away, without waiting for anybody, and marks up to where nothing is left.
"""

from whereupon.pipeline.batches import UNSCRUBBED
from whereupon.ports import Store

_SCRUBBED = "scrubbed"


class Scrubber:
    """Takes away what erasures leave in pages and logs."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def is_due(self) -> bool:
        """Whether somebody was erased since it was last done."""
        erased, scrubbed = self._marks()
        return erased > scrubbed

    def scrub(self) -> bool:
        """Do it now; whether nothing is left."""
        erased, _ = self._marks()  # what is erased from here on is the next round's
        if not self._store.scrub():
            return False
        with self._store.session() as session:
            session.set_mark(_SCRUBBED, erased)
        return True

    def _marks(self) -> tuple[int, int]:
        with self._store.reading() as session:
            return session.mark(UNSCRUBBED) or 0, session.mark(_SCRUBBED) or 0
