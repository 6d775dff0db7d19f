"""How many messages come in under a key, and how often one address may guess at keys.

A limit counts in one process: with several, a key may send as much through each. The algorithm is GCRA (ITU-T I.371):
it keeps one number a key, the time at which what came in would have come in at the limit's pace. Times are whole, so
that a wait is exact.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable
from datetime import timedelta
from ipaddress import IPv6Address, ip_address
from time import monotonic_ns
from typing import NamedTuple

from whereupon.records import ApiKey, KeyLimit
from whereupon.runtime.forks import ProcessLock
from whereupon.runtime.log_lines import log_event

SECOND = 1_000_000_000
"""Nanoseconds, in which times are counted here."""
GUESSES = KeyLimit(20, timedelta(minutes=1), burst=60)
"""How often one address may show keys that are not known."""
_RECORD_EVERY = 60 * SECOND
_LOG = logging.getLogger("whereupon.keys")


class Taken(NamedTuple):
    """Whether messages may come in.

    Attributes:
        wait: seconds after which to send again, whole; 0 if they may come in now.
        over: how many of them are over a limit that only counts.
    """

    wait: int = 0
    over: int = 0


_FREE = Taken()


class Pace:
    """The pace of one limit.

    Attributes:
        limit: what it was made of.
        due: when what came in so far would have come in at the limit's pace; nanoseconds, times `limit.messages`.
    """

    __slots__ = ("_interval", "due", "limit")

    def __init__(self, limit: KeyLimit) -> None:
        self.limit = limit
        self.due = 0
        span = limit.span
        self._interval = (
            (span.days * 86_400 + span.seconds) * 1_000_000 + span.microseconds
        ) * 1_000

    def wait(self, messages: int, now: int) -> int:
        """The nanoseconds until so many may come in; 0 if they may now.

        More than the burst come in as soon as a whole burst may, so that no batch is refused for ever.
        """
        count, burst = self.limit.messages, self.limit.burst
        until = max(self.due, now * count) + (min(messages, burst) - burst) * self._interval
        return max(0, -((now * count - until) // count))

    def add(self, messages: int, now: int) -> None:
        """Count messages that come in."""
        self.due = max(self.due, now * self.limit.messages) + messages * self._interval


class KeyLimits:
    """The limits of all keys in this process; thread-safe.

    Args:
        ticks: nanoseconds that never go back.
    """

    def __init__(self, ticks: Callable[[], int] = monotonic_ns) -> None:
        self._ticks = ticks
        self._lock = ProcessLock()
        self._paces: dict[str, Pace] = {}
        self._over: dict[str, tuple[int, int]] = {}

    def take(self, key: ApiKey, messages: int) -> Taken:
        """Count messages under a key, if they may come in.

        Of a key whose limit only counts they may always; it counts as if those over the limit had not come.
        """
        if key.limit is None or messages < 1:
            return _FREE
        with self._lock:
            now = self._ticks()
            pace = self._pace(key.id, key.limit)
            wait = pace.wait(messages, now)
            if not wait:
                pace.add(messages, now)
                return _FREE
            said = self._to_record(key.id, messages, now)
        if said:
            _record(key, said)
        return Taken(over=messages) if key.shadow else Taken(wait=-(-wait // SECOND))

    def owe(self, key: ApiKey, messages: int) -> None:
        """Count more messages, of a request that had more of them than could be seen before."""
        if key.limit is not None and messages > 0:
            with self._lock:
                self._pace(key.id, key.limit).add(messages, self._ticks())

    def _pace(self, key_id: str, limit: KeyLimit) -> Pace:
        pace = self._paces.get(key_id)
        if pace is None or pace.limit != limit:  # a limit that was changed begins anew
            pace = self._paces[key_id] = Pace(limit)
        return pace

    def _to_record(self, key_id: str, messages: int, now: int) -> int:
        """How many messages were over the limit since the last record; 0 if that was less than a minute ago."""
        last, over = self._over.get(key_id, (now - _RECORD_EVERY, 0))
        is_due = now - last >= _RECORD_EVERY
        self._over[key_id] = (now, 0) if is_due else (last, over + messages)
        return over + messages if is_due else 0


def _record(key: ApiKey, messages: int) -> None:
    log_event(
        _LOG,
        logging.WARNING,
        "key-over-limit",
        api_key=key.id,
        messages=messages,
        limit=str(key.limit),
        shadow="yes" if key.shadow else "no",
    )


class Guesses:
    """How often each address may show a key that is not known, in this process; thread-safe.

    An address that guesses too often is told to wait in place of being told that the key is not known. Good keys come
    in from every address at any time, so nobody is locked out by a neighbour behind the same address. The
    addresses that guessed last are remembered; of IPv6 the network of 64 bits, which one subscriber has.

    Args:
        limit: for each address.
        most: how many addresses are remembered.
        ticks: nanoseconds that never go back.
    """

    def __init__(
        self,
        limit: KeyLimit,
        *,
        most: int = 10_000,
        ticks: Callable[[], int] = monotonic_ns,
    ) -> None:
        self._limit = limit
        self._most = most
        self._ticks = ticks
        self._lock = ProcessLock()
        self._paces: OrderedDict[str, Pace] = OrderedDict()

    def note(self, address: str) -> int:
        """Count a guess; returns the whole seconds to wait before the next, and 0 if this one may be answered."""
        network = network_of(address)
        with self._lock:
            now = self._ticks()
            pace = self._paces.pop(network, None) or Pace(self._limit)
            self._paces[network] = pace
            if len(self._paces) > self._most:
                self._paces.popitem(last=False)
            wait = pace.wait(1, now)
            if not wait:
                pace.add(1, now)
        return -(-wait // SECOND)


def network_of(address: str) -> str:
    """The address, or of IPv6 its network of 64 bits; of anything else its beginning."""
    try:
        read = ip_address(address)
    except ValueError:
        return address[:100]
    if not isinstance(read, IPv6Address):
        return str(read)
    mapped = read.ipv4_mapped
    return str(read.packed[:8].hex() if mapped is None else mapped)
