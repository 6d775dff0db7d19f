"""Rows of skips that time alone led to."""

from typing import Any, cast

from whereupon.messages.codec import decode, encode
from whereupon.messages.times import as_micros, from_micros
from whereupon.records import TimeSkip
from whereupon.storage.sql.dialects import Parameters
from whereupon.storage.sql.rows import Record


def time_skip_row(skip: TimeSkip) -> Parameters:
    """Its row."""
    rule, *said = skip.verdict
    at = as_micros(skip.timestamp), as_micros(skip.decided_at)
    return skip.key, skip.person_key, rule, skip.occasion, *at, encode(said).decode()


def time_skip_from(row: Record) -> TimeSkip:
    """Its value."""
    key, person, rule, occasion, timestamp, decided_at, written = row
    digest, reason, condition, values = cast("list[Any]", decode(written))
    at = from_micros(timestamp), from_micros(decided_at)
    return TimeSkip(key, person, occasion, *at, (rule, digest, reason, condition, values))
