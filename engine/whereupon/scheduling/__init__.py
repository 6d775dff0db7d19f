"""Time from the outside: clocks, cron, and waking the engine. The one home of APScheduler."""

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
