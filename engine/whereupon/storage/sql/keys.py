"""Keys for many processes at once: each takes blocks from a sequence, and hands them out itself.

A counter in a row would be locked until the commit, and let one writer in at a time. A block that was
taken is never given back, whatever becomes of the transaction, so no key is handed out twice; what a
process leaves of its block when it ends stays unused. A block is the process's once the transaction that
took it is committed (see `memories`); until then it is the session's.
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
    """The first of ``count`` keys in a row.

    Args:
        take_blocks: returns the first keys of so many blocks.
        beside: takes a block, for a session in a host's transaction.
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
    """A block in which so many keys are free; some that somebody came between stay unused."""
    blocks = -(-count // BLOCK)
    while True:
        firsts = [int(first) for (first,) in take_blocks.fetch(connection, count=blocks)]
        if firsts[-1] - firsts[0] == (blocks - 1) * BLOCK:
            return Block(firsts[0], firsts[0] + blocks * BLOCK)
