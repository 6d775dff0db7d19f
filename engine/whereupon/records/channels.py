"""What all processes share about a channel: calls that its rate counts, and failures that its breaker counts."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from whereupon.messages.times import as_micros, duration_micros, from_micros, later

_PARTS = 50
"""Calls within such a part of a rate's time are kept as one number."""


@dataclass(frozen=True, slots=True)
class ChannelState:
    """A channel, as every process sees it.

    Attributes:
        name: the channel's.
        calls: how many calls were begun, oldest first: the instant of the last of them, in microseconds since
            the Unix epoch, and their number.
        failures: how many calls have failed since the last that did not.
        rests_until: no call is made before; None if the channel does not rest.
    """

    name: str
    calls: tuple[tuple[int, int], ...] = ()
    failures: int = 0
    rests_until: datetime | None = None

    def begun(self, now: datetime, span: timedelta) -> int:
        """How many calls were begun less than a span ago."""
        since = as_micros(now) - duration_micros(span)
        return sum(count for at, count in self.calls if at > since)

    def free_at(self, now: datetime, span: timedelta) -> datetime:
        """When the oldest of these calls is a span old."""
        since = as_micros(now) - duration_micros(span)
        oldest = next((at for at, _ in self.calls if at > since), None)
        return now if oldest is None else later(from_micros(oldest), span)

    def with_calls(self, count: int, now: datetime, span: timedelta) -> "ChannelState":
        """The state after so many more calls, without those that are a span old."""
        instant, whole = as_micros(now), duration_micros(span)
        calls = [call for call in self.calls if call[0] > instant - whole]
        part = max(1, whole // _PARTS)
        if calls and calls[-1][0] // part == instant // part:
            count += calls.pop()[1]
        return replace(self, calls=(*calls, (instant, count)))

    def without_calls(self, count: int) -> "ChannelState":
        """The state if so many of the newest calls were not begun after all."""
        calls = [*self.calls]
        while calls and count > 0:
            at, made = calls.pop()
            if made > count:
                calls.append((at, made - count))
            count -= made
        return replace(self, calls=tuple(calls))
