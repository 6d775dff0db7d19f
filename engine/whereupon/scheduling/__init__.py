"""Clocks, cron schedules, and the thread that wakes the engine. Only this package imports APScheduler.

The package stores nothing and decides nothing. Due work is rows in the store. Others use the names below.
"""

from whereupon.scheduling.clocks import FrozenClock, SystemClock
from whereupon.scheduling.cron import latest_occurrence, missing_day, next_occurrence
from whereupon.scheduling.waker import Waker

__all__ = [
    "FrozenClock",
    "SystemClock",
    "Waker",
    "latest_occurrence",
    "missing_day",
    "next_occurrence",
]
