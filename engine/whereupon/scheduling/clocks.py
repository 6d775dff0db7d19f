"""Clocks: the system's, and one that stands still until it is moved."""

from datetime import UTC, datetime

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The present instant, in UTC."""
        return datetime.now(UTC)  # noqa: TID251 - this is the Clock


class FrozenClock:
    """A clock that moves only when it is told to, and never back."""

    def __init__(self, start: datetime = EPOCH) -> None:
        self._now = start

    def now(self) -> datetime:
        """The instant that it was last moved to."""
        return self._now

    def move_to(self, instant: datetime) -> None:
        """Move on to an instant; an earlier one leaves it where it is."""
        self._now = max(self._now, instant)
