"""The policy of a channel: how many calls side by side and in a time, and when it rests.

Durations are written as everywhere: a `timedelta`, a number of seconds, or a text such as ``10s``.
"""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypeAlias, TypedDict

from whereupon.decide.addresses import ADDRESSES
from whereupon.delivery.retries import Duration, Retry, as_duration
from whereupon.messages.times import ZERO, format_duration

_RATE: Final = re.compile(r"\s*(\d{1,9})\s+per\s+(?:(\d+)\s*)?([smhd])\s*")
_SENTENCE: Final = "a rate is written as '100 per 1s': a number of calls, and a duration"
MOST_AT_ONCE: Final = 1_000
"""The most calls of one channel that a process makes side by side."""


def is_whole(value: object) -> bool:
    """Whether a value is a whole number; true and false are none."""
    return isinstance(value, int) and not isinstance(value, bool)


@dataclass(frozen=True, slots=True)
class Rate:
    """The most calls that all processes together begin within any time of a length.

    Attributes:
        calls: their number.
        span: the length of the time.
    """

    calls: int
    span: timedelta

    def __post_init__(self) -> None:
        if not is_whole(self.calls) or self.calls < 1 or self.span <= ZERO:
            raise ValueError(_SENTENCE)

    @classmethod
    def of(cls, value: "RateText") -> "Rate":
        """A rate, or its text.

        Raises:
            ValueError: the text is not ``N per DURATION``.
        """
        if isinstance(value, Rate):
            return value
        found = _RATE.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            message = f"{_SENTENCE}; this is {value!r}"
            raise ValueError(message)
        return cls(int(found[1]), as_duration(f"{found[2] or 1}{found[3]}"))

    def __str__(self) -> str:
        return f"{self.calls} per {format_duration(self.span)}"


@dataclass(frozen=True, slots=True)
class Breaker:
    """When a channel rests, in all processes: after so many failures in a row, for so long.

    Then one call is made. If it succeeds, the channel goes on; if it fails, the channel rests again.
    `GiveUp` is no failure of the channel.

    Attributes:
        failures: in a row.
        pause: how long the channel rests.
    """

    failures: int
    pause: timedelta

    def __post_init__(self) -> None:
        if not is_whole(self.failures) or self.failures < 1 or self.pause <= ZERO:
            message = f"a breaker is a number of failures and a duration, such as (5, '60s'); this is ({self.failures!r}, {self.pause!r})"
            raise ValueError(message)

    @classmethod
    def of(cls, value: "BreakerValues") -> "Breaker":
        """A breaker, or the number of failures and the pause.

        Raises:
            ValueError: it is not such a pair.
        """
        if isinstance(value, Breaker):
            return value
        match value:
            case (int(failures), pause):
                return cls(failures, as_duration(pause))
        message = f"a breaker is a pair, such as (5, '60s'); this is {value!r}"
        raise ValueError(message)


RateText: TypeAlias = str | Rate
BreakerValues: TypeAlias = tuple[int, Duration] | Breaker


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelPolicy:
    """How a channel is called.

    Attributes:
        concurrency: the most calls side by side, in one process.
        rate: the most calls in a time, in all processes; None for no limit.
        timeout: how long one call may take, by the machine's own clock; None for that of `Retry`.
        retry: how a delivery is tried again; None for the engine's.
        breaker: when the channel rests; None for never.
        address: the attribute of the person that has the address, such as ``email``; None if there is none.
    """

    concurrency: int = 1
    rate: Rate | None = None
    timeout: timedelta | None = None
    retry: Retry | None = None
    breaker: Breaker | None = None
    address: str | None = None

    def __post_init__(self) -> None:
        if not is_whole(self.concurrency) or not 1 <= self.concurrency <= MOST_AT_ONCE:
            message = (
                f"concurrency is a whole number from 1 to {MOST_AT_ONCE}, not {self.concurrency!r}"
            )
            raise ValueError(message)
        if self.timeout is not None and self.timeout <= ZERO:
            message = "a timeout is longer than nothing"
            raise ValueError(message)
        if not isinstance(self.retry, Retry | None):
            message = f"retry is a Retry, such as Retry(first='10s'); this is {self.retry!r}"
            raise TypeError(message)
        if not isinstance(self.address, str | None):
            message = (
                f"address is the name of an attribute, such as 'email'; this is {self.address!r}"
            )
            raise TypeError(message)


class ChannelOptions(TypedDict, total=False):
    """How a channel is called, as a host says it (see `ChannelPolicy`).

    Attributes:
        concurrency: the most calls side by side, in one process: 1 for a function, else what the channel says.
        rate: the most calls in a time, in all processes, such as ``100 per 1s``.
        timeout: how long one call may take.
        retry: how a delivery is tried again.
        breaker: the failures in a row after which the channel rests, and for how long, such as ``(5, "60s")``;
            None for never.
        address: the attribute of the person that has the address; ``email`` and ``phone`` for the channels
            ``email`` and ``sms``.
    """

    concurrency: int
    rate: RateText | None
    timeout: Duration | None
    retry: Retry | None
    breaker: BreakerValues | None
    address: str | None


def policy_of(name: str, options: ChannelOptions, channel: object) -> ChannelPolicy:
    """The policy that a host says, on top of what the channel says itself.

    Args:
        name: the channel's.
        channel: may have attributes `policy`, a `ChannelPolicy`, and `address`.

    Raises:
        ValueError, TypeError: a value is wrong, or there is no such option.
    """
    unknown = options.keys() - ChannelOptions.__annotations__.keys()
    if unknown:
        known = ", ".join(sorted(ChannelOptions.__annotations__))
        message = f"a channel has no option {sorted(unknown)[0]!r}; there are: {known}"
        raise TypeError(message)
    own = getattr(channel, "policy", None)
    base = own if isinstance(own, ChannelPolicy) else ChannelPolicy()
    rate, timeout = options.get("rate", base.rate), options.get("timeout", base.timeout)
    breaker = options.get("breaker", base.breaker)
    address = getattr(channel, "address", None) or base.address or ADDRESSES.get(name)
    return ChannelPolicy(
        concurrency=options.get("concurrency", base.concurrency),
        rate=None if rate is None else Rate.of(rate),
        timeout=None if timeout is None else as_duration(timeout),
        retry=options.get("retry", base.retry),
        breaker=None if breaker is None else Breaker.of(breaker),
        address=options.get("address", address),
    )
