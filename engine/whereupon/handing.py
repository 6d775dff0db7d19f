"""Calling channels, which are the host's code: a thread for each, and a limit to how long a call takes.

A thread cannot be ended from outside, so a call that hangs is left behind: its delivery counts as
failed, and is tried again. A channel that hangs in too many calls is not called any more until one of
them comes back. Other channels go on meanwhile.
"""

import inspect
import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic
from typing import NamedTuple, TypeVar

from whereupon.forking import OfProcess, ProcessLock, watch
from whereupon.ports import Channel
from whereupon.state import Delivery

MOST_HANGING = 4
"""Calls of one channel that may hang at the same time."""

_HAS_TO_RUN = (
    "it is called in a thread of its own, and has to do its work there: "
    "write a plain function, and have it wait for `asyncio.run(...)` or for your own loop"
)
_LATE = (
    inspect.iscoroutinefunction,
    inspect.isgeneratorfunction,
    inspect.isasyncgenfunction,
)

T = TypeVar("T")

_LOG = logging.getLogger("whereupon.delivery")


class ChannelTimeoutError(Exception):
    """A channel did not come back in time; nobody knows whether it delivered."""


class ChannelHangsError(Exception):
    """A delivery was not tried, since its channel hangs in another call."""


class NotRunError(Exception):
    """A function of the host's came back without having done anything: its body is still to run."""


class Handed(NamedTuple):
    """What became of one delivery; `error` is None when the channel took it."""

    delivery: Delivery
    error: BaseException | None


@dataclass(eq=False, slots=True)
class _Calls:
    """One channel's calls of one round, made one after the other in a thread of their own."""

    name: str
    channel: Channel
    left: list[Delivery]
    began: float = field(default_factory=monotonic)
    is_left_behind: bool = False


class Hands(OfProcess):
    """Hands deliveries to channels. Any number of threads may do so.

    Args:
        limit: seconds that one call may take.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._hanging: Counter[str] = Counter()
        self._lock = ProcessLock()
        watch(self)

    def after_fork_in_child(self) -> None:
        """The calls that hang are the parent's."""
        self._hanging.clear()

    def hand_over(
        self,
        deliveries: Sequence[Delivery],
        channel_of: Callable[[str], Channel],
        in_time: Callable[[], bool],
        closed: Collection[str] = (),
    ) -> Iterator[Handed]:
        """Call the channels, each with its deliveries in their order; of what was too late, nothing.

        Args:
            in_time: whether it is not too late for another call; one is made in any case.
            closed: channels that are not to be called now.
        """
        done: SimpleQueue[tuple[_Calls, Handed | None]] = SimpleQueue()
        under_way = set()
        for name, theirs in _by_channel(deliveries).items():
            if name in closed or self._hanging[name] >= MOST_HANGING:
                _LOG.warning("channel-closed channel=%s hanging=%d", name, self._hanging[name])
                yield from _not_tried(theirs)
                continue
            calls = _Calls(name, channel_of(name), theirs)
            under_way.add(calls)
            work = self._work
            Thread(target=work, args=(calls, done, in_time), name=f"to {name}", daemon=True).start()
        while under_way:
            yield from self._next(under_way, done)

    def _next(
        self, under_way: set[_Calls], done: "SimpleQueue[tuple[_Calls, Handed | None]]"
    ) -> Iterator[Handed]:
        first_to_hang = min(calls.began for calls in under_way) + self._limit
        try:
            calls, handed = done.get(timeout=max(0.0, first_to_hang - monotonic()))
        except Empty:
            yield from self._leave_behind(under_way)
            return
        if calls not in under_way:  # it came back after all, and its delivery is tried again
            return
        if handed is None:
            under_way.remove(calls)
        else:
            yield handed

    def _leave_behind(self, under_way: set[_Calls]) -> Iterator[Handed]:
        for calls in [calls for calls in under_way if calls.began + self._limit <= monotonic()]:
            with self._lock:
                if not calls.left:  # it has just come back
                    continue
                calls.is_left_behind = True
                self._hanging[calls.name] += 1
            under_way.remove(calls)
            hung, *others = calls.left
            _LOG.error("channel-hangs channel=%s key=%s", calls.name, hung.idempotency_key)
            reason = f"the channel did not come back in {self._limit:g} s"
            yield Handed(hung, ChannelTimeoutError(reason))
            yield from _not_tried(others)

    def _work(
        self,
        calls: _Calls,
        done: "SimpleQueue[tuple[_Calls, Handed | None]]",
        in_time: Callable[[], bool],
    ) -> None:
        tried = False
        while calls.left and (in_time() or not tried):
            calls.began, tried = monotonic(), True
            delivery = calls.left[0]
            error = error_of(calls.channel, delivery)
            with self._lock:
                if calls.is_left_behind:
                    self._hanging[calls.name] -= 1
                    return
                del calls.left[0]
                calls.began = monotonic()
            done.put((calls, Handed(delivery, error)))
        done.put((calls, None))


def _not_tried(deliveries: Sequence[Delivery]) -> Iterator[Handed]:
    error = ChannelHangsError("not tried: the channel hangs")
    return (Handed(delivery, error) for delivery in deliveries)


def error_of(function: Callable[[T], object], argument: T) -> BaseException | None:
    """Call a function of the host's; its failure becomes a value.

    What an ``async`` function or a generator returns has not begun to run, and nobody here will run
    it: that is a failure, or what it was called for would be lost in silence.
    """
    try:
        returned = function(argument)
    except BaseException as error:  # noqa: BLE001 - the host's code: its failure becomes a record
        return error
    if inspect.iscoroutine(returned) or inspect.isgenerator(returned):
        returned.close()
    elif not (inspect.isawaitable(returned) or inspect.isasyncgen(returned)):
        return None
    return NotRunError(_HAS_TO_RUN)


def check_runs(function: Callable[..., object]) -> None:
    """Refuse, when it is registered, what cannot do its work in one plain call; raises TypeError."""
    if not callable(function):
        message = f"a function is needed, and this is {type(function).__name__}"
        raise TypeError(message)
    if any(is_late(function) for is_late in _LATE):
        raise TypeError(_HAS_TO_RUN)


def _by_channel(deliveries: Sequence[Delivery]) -> Mapping[str, list[Delivery]]:
    groups: dict[str, list[Delivery]] = defaultdict(list)
    for delivery in deliveries:
        groups[delivery.channel].append(delivery)
    return groups
