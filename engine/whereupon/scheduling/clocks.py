"""The clock of the system, and a clock for tests and replays."""

from datetime import UTC, datetime

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class SystemClock:
    """The clock of the machine."""

    def now(self) -> datetime:
        """The present instant, in UTC."""
        return datetime.now(UTC)  # noqa: TID251 - this is the Clock


class FrozenClock:
    """A clock that moves only by `move_to`, and never back."""

    def __init__(self, start: datetime = EPOCH) -> None:
        self._now = start

    def now(self) -> datetime:
        """The instant of the clock."""
        return self._now

    def move_to(self, instant: datetime) -> None:
        """Move the clock to an instant; an earlier instant changes nothing."""
        self._now = max(self._now, instant)
