"""Keys for many processes at once: each takes blocks from a sequence, and hands them out itself.

A counter in a row would be locked until the commit, and let one writer in at a time. A block that was
taken is never given back, whatever becomes of the transaction, so no key is handed out twice; what a
process leaves of its block when it ends stays unused.
"""

from sqlalchemy import Connection

from whereupon.forking import ProcessLock
from whereupon.stores.tables import BLOCK, KEYS


class KeyBlocks:
    """The keys that this process may hand out. Thread-safe."""

    def __init__(self) -> None:
        self._lock = ProcessLock()
        self._next = self._end = 0

    def begin_anew(self) -> None:
        """In a child after a fork: the block is the parent's."""
        self._next = self._end = 0

    def take(self, connection: Connection, count: int) -> int:
        """The first of ``count`` keys in a row."""
        with self._lock:
            if self._next + count > self._end:
                blocks = -(-count // BLOCK)
                self._next = _consecutive(connection, blocks)
                self._end = self._next + blocks * BLOCK
            first = self._next
            self._next += count
            return first


def _consecutive(connection: Connection, blocks: int) -> int:
    """The first key of so many blocks in a row; blocks that somebody came between stay unused."""
    asked = f"SELECT nextval('{KEYS.name}') FROM generate_series(1, %s)"  # noqa: S608 - our own name
    while True:
        firsts = [int(row[0]) for row in connection.exec_driver_sql(asked, (blocks,))]
        if firsts[-1] - firsts[0] == (blocks - 1) * BLOCK:
            return firsts[0]
