"""Keys for many processes at once: each takes blocks of keys from a sequence.

A counter in a row would be locked until the commit, so that one writer at a time could go on. A block is
never given back, whether its transaction commits or not, so no key is given out twice. Keys that a process
has left when it ends stay unused. A block belongs to the session that took it, and to the process once
that session is committed (see `process_cache`).
"""

from sqlalchemy import Connection

from whereupon.storage.sql.dialects import Statement
from whereupon.storage.sql.process_cache import Block, SessionCache
from whereupon.storage.sql.side_transactions import SideTransactions
from whereupon.storage.sql.tables import BLOCK


def take_keys(
    connection: Connection,
    cache: SessionCache,
    count: int,
    take_blocks: Statement,
    side: SideTransactions | None,
) -> int:
    """The first of ``count`` consecutive keys.

    Args:
        take_blocks: returns the first keys of several blocks.
        side: takes a block, for a session in a host's transaction; else None.
    """
    for block in (cache.learned.block, cache.known(connection).block):
        first = None if block is None else block.take(count)
        if first is not None:
            return first
    new = new_block(connection, take_blocks, count) if side is None else side.reserve(count)
    cache.learned.block = new
    first = new.take(count)
    return take_keys(connection, cache, count, take_blocks, side) if first is None else first


def new_block(connection: Connection, take_blocks: Statement, count: int) -> Block:
    """A block of at least ``count`` keys. If another process takes blocks between, some stay unused."""
    blocks = -(-count // BLOCK)
    while True:
        firsts = [int(first) for (first,) in take_blocks.fetch(connection, count=blocks)]
        if firsts[-1] - firsts[0] == (blocks - 1) * BLOCK:
            return Block(firsts[0], firsts[0] + blocks * BLOCK)
