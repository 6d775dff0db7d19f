"""Rows of skips that stay open, and how a batch writes them."""

from collections.abc import Callable, Iterable, Mapping
from operator import itemgetter
from typing import Any, TypeAlias

from whereupon.messages.times import as_micros, from_micros
from whereupon.records import OpenSkip
from whereupon.storage.sql.dialects import Parameters, Statement
from whereupon.storage.sql.rows import Record

Write: TypeAlias = Callable[[Statement, Iterable[Parameters], Callable[[Parameters], Any]], object]
_KEY = itemgetter(0, 1)


def open_skip_from(row: Record) -> OpenSkip:
    """An open skip."""
    key, rule, person, until, expires_at, retroactive = row
    ends = from_micros(until), from_micros(expires_at)
    return OpenSkip(key, rule, person, *ends, bool(retroactive))


def write_open_skips(
    write: Write,
    put: Statement,
    drop: Statement,
    open_skips: Mapping[tuple[int, str], OpenSkip | None],
) -> None:
    """Write those that a batch opened, and drop those that it closed."""
    if not open_skips:
        return
    write(drop, (place for place, each in open_skips.items() if each is None), _KEY)
    opened = (each for each in open_skips.values() if each is not None)
    write(
        put,
        (
            (*each[:3], as_micros(each.until), as_micros(each.expires_at), int(each.retroactive))
            for each in opened
        ),
        _KEY,
    )
