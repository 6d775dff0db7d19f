"""Time from the outside: the system's clock, cron, and being woken. The one home of APScheduler."""

from whereupon.scheduling.cron import next_occurrence
from whereupon.scheduling.waking import SystemClock, Waker

__all__ = ["SystemClock", "Waker", "next_occurrence"]
