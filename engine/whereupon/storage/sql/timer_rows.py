"""Rows of timers and armings."""

from whereupon.messages.times import from_micros
from whereupon.records import Arming, Timer
from whereupon.storage.sql.rows import Record


def timer_from(row: Record) -> Timer:
    """A timer."""
    person, subject, due_at = row
    return Timer(subject, person, from_micros(due_at))


def arming_from(row: Record) -> Arming:
    """An arming."""
    subject, digest, begun_at, cursor = row
    return Arming(subject, digest, from_micros(begun_at), cursor)
