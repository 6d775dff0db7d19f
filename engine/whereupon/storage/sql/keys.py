"""Keys that a process hands out itself, from blocks that it takes in the store.

On PostgreSQL blocks come from a sequence: a counter in a row would be locked until the commit, so that one writer
at a time could go on. SQLite has one writer at a time, and a counter, which a block saves to write for each
transaction. A block is never given back, so no key is given out twice; keys that a process has left when it ends stay
unused. A block belongs to the session that took it, and to the process once that session is committed (see
`process_cache`).
"""

from collections.abc import Callable

from sqlalchemy import Connection

from whereupon.storage.sql.dialects import Statement
from whereupon.storage.sql.process_cache import Block, SessionCache
from whereupon.storage.sql.tables import BLOCK

_COUNTED = 2**16
"""The keys of a block from a counter: those of a thousand single messages, or of some large batches."""


def take_keys(
    connection: Connection, cache: SessionCache, count: int, new_block: Callable[[int], Block]
) -> int:
    """The first of ``count`` consecutive keys.

    Args:
        new_block: takes a block of at least so many keys.
    """
    for block in (cache.learned.block, cache.known(connection).block):
        first = None if block is None else block.take(count)
        if first is not None:
            return first
    new = cache.learned.block = new_block(count)
    first = new.take(count)
    return take_keys(connection, cache, count, new_block) if first is None else first


def block_of_sequence(connection: Connection, take_blocks: Statement, count: int) -> Block:
    """A block of at least ``count`` keys. If another process takes blocks between, some stay unused.

    Args:
        take_blocks: returns the first keys of several blocks.
    """
    blocks = -(-count // BLOCK)
    while True:
        firsts = [int(first) for (first,) in take_blocks.fetch(connection, count=blocks)]
        if firsts[-1] - firsts[0] == (blocks - 1) * BLOCK:
            return Block(firsts[0], firsts[0] + blocks * BLOCK)


def block_of_counter(connection: Connection, raise_counter: Statement, count: int) -> Block:
    """A block of at least ``count`` keys.

    Args:
        raise_counter: raises the counter by a number; returns what it is then, the first key behind the block.
    """
    size = max(count, _COUNTED)
    ((end,),) = raise_counter.fetch(connection, count=size)
    return Block(int(end) - size, int(end))
