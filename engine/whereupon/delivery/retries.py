"""How a delivery or an action is tried again: the backoff, and what a channel may say about it."""

from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias

from whereupon.errors import WhereuponError
from whereupon.messages.times import ZERO, parse_duration

Duration: TypeAlias = timedelta | float | str
"""A duration, a number of seconds, or a text such as ``10s``."""


def as_duration(value: Duration) -> timedelta:
    """A duration as a `timedelta`.

    Raises:
        TypeError, ValueError: it is none.
    """
    if isinstance(value, timedelta):
        return value
    if isinstance(value, str):
        duration = parse_duration(value)
        if duration is None:
            message = f"a duration is a whole number and a unit, such as 90s, 15m, 2h or 7d; this is {value!r}"
            raise ValueError(message)
        return duration
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return timedelta(seconds=value)
        except (ValueError, OverflowError) as error:
            message = (
                f"a duration is a number of seconds that a timedelta can hold; this is {value!r}"
            )
            raise ValueError(message) from error
    message = f"a duration is a timedelta, a number of seconds or a text such as 10s; this is {type(value).__name__}"
    raise TypeError(message)


class RetryLater(WhereuponError):  # noqa: N818 - what a channel asks for, no fault
    """Raised by a channel that cannot take the delivery now.

    Attributes:
        after: how long to wait at least, as a ``Retry-After`` header says; None for the usual backoff.
        channel: whether the whole channel rests that long, in all processes, as a provider asks for that
            limits the number of calls. Without `after` it makes no difference.
    """

    def __init__(
        self,
        *,
        after: timedelta | float | None = None,
        reason: str = "asked to wait",
        channel: bool = False,
    ) -> None:
        """Args: ``after`` is a duration, or seconds, as in the header."""
        self.after = _as_duration(after)
        self.channel = channel
        super().__init__(reason)


class GiveUp(WhereuponError):  # noqa: N818 - what a channel says, no fault
    """Raised by a channel that will never take the delivery: the delivery is dead at once."""

    def __init__(self, reason: str = "given up") -> None:
        super().__init__(reason)


@dataclass(frozen=True, slots=True, init=False)
class Retry:
    """Exponential backoff: ``first``, doubled each time up to ``longest``, for three days.

    The jitter (up to a quarter more) follows from the idempotency key, so it spreads a burst and is the same
    on every machine.

    Attributes:
        tries: how many at most; None for as many as `for_at_least` allows.
        for_at_least: how long to try before giving up, as the sum of the backoff's pauses. A channel that
            asks for more time only adds to it.
        lease: how long a delivery is kept from other processes while it is being handed over; longer, if
            a channel may take more than two fifths of it.
        timeout: how long a call may take where the channel does not say it, by the machine's own clock; a
            longer call counts as failed.
    """

    tries: int | None
    first: timedelta
    longest: timedelta
    lease: timedelta
    timeout: timedelta
    for_at_least: timedelta

    def __init__(
        self,
        *,
        tries: int | None = None,
        first: Duration = 10,
        longest: Duration = "6h",
        lease: Duration = "5m",
        timeout: Duration = 30,
        for_at_least: Duration = "72h",
    ) -> None:
        """Each duration is a `timedelta`, a number of seconds, or a text such as ``10s``.

        Raises:
            ValueError: there are neither pauses nor a limit to the tries, or a text is no duration.
        """
        durations = {
            "first": first,
            "longest": longest,
            "lease": lease,
            "timeout": timeout,
            "for_at_least": for_at_least,
        }
        object.__setattr__(self, "tries", tries)
        for name, value in durations.items():
            object.__setattr__(self, name, as_duration(value))
        if tries is None and min(self.first, self.longest) <= ZERO:
            message = "without pauses it would be tried for ever: say tries="
            raise ValueError(message)

    def pause(self, idempotency_key: str, attempts: int) -> timedelta:
        """How long what has this idempotency key waits after that many attempts."""
        doubled = self.first * 2 ** min(attempts - 1, 40)
        jitter = int(idempotency_key[:4], 16) / 0xFFFF / 4
        pause: timedelta = min(doubled, self.longest) * (1 + jitter)
        return pause

    def gives_up(self, attempts: int) -> bool:
        """Whether that many attempts are enough."""
        if self.tries is not None and attempts >= self.tries:
            return True
        return self._tried_for(attempts) >= self.for_at_least

    def _tried_for(self, attempts: int) -> timedelta:
        """The sum of the pauses between that many attempts, without jitter."""
        total, pause, left = ZERO, self.first, attempts - 1
        while left > 0 and ZERO < pause < self.longest:
            total, pause, left = total + pause, 2 * pause, left - 1
        return total + left * min(pause, self.longest)

    def after_failure(
        self, idempotency_key: str, attempts: int, error: BaseException
    ) -> timedelta | None:
        """How long to wait after an attempt that failed; None to give up.

        A channel can ask for more time than the backoff gives it, and not for less: a service in trouble often
        says *at once*.
        """
        if isinstance(error, GiveUp) or self.gives_up(attempts):
            return None
        pause = self.pause(idempotency_key, attempts)
        asked = error.after if isinstance(error, RetryLater) else None
        return pause if asked is None else max(pause, asked)


def _as_duration(after: timedelta | float | None) -> timedelta | None:
    if after is None or isinstance(after, timedelta):
        return after
    if isinstance(after, int | float):
        return timedelta(seconds=after)
    message = f"`after` is a timedelta or a number of seconds; this is {type(after).__name__}"
    raise TypeError(message)
