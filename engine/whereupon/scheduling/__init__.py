"""Time from the outside: the system's clock, cron, and being woken. The one home of APScheduler."""

from whereupon.scheduling.cron import latest_occurrence, missing_day, next_occurrence
from whereupon.scheduling.waking import SystemClock, Waker

__all__ = ["SystemClock", "Waker", "latest_occurrence", "missing_day", "next_occurrence"]
