"""Calling channels, which are the host's code: a thread for each, and a limit to how long a call takes.

A thread cannot be ended from outside, so a call that hangs is left behind: its delivery counts as
failed, and is tried again. A channel that hangs in too many calls is not called any more until one of
them comes back. Other channels go on meanwhile.
"""

import inspect
import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Condition, Thread
from time import monotonic
from typing import NamedTuple, Protocol, TypeAlias, TypeVar

from whereupon.ports import Channel
from whereupon.records import Delivery
from whereupon.runtime.forking import OfProcess, watch
from whereupon.runtime.log_lines import in_log

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


class Settler(Protocol):
    """Writes down what becomes of deliveries; any thread may ask it to."""

    def settle_and_prepare(
        self, returned: Handed | None, following: Delivery | None
    ) -> Delivery | None:
        """Settle the call that has returned, and look once more at the delivery that is next.

        Both in one transaction, so that a call costs one.

        Returns:
            The next delivery as it is to be handed over now; None where it is not to be, which is
            then settled, too.
        """
        ...

    def settle(self, ends: Sequence[Handed]) -> None:
        """Settle calls that did not return, and deliveries that were not tried."""
        ...

    def put_back(self, deliveries: Sequence[Delivery]) -> bool:
        """Let go of deliveries whose turn did not come, as if nobody had taken them.

        Returns:
            Whether the store could do that now.
        """
        ...


class _Line:
    """One channel's deliveries of one round, handed over one after the other in a thread of their own.

    Attributes:
        left: those whose turn has not come.
        at_hand: the one that the channel is called with, and since when; None between two calls.
    """

    def __init__(self, name: str, channel: Channel, deliveries: list[Delivery]) -> None:
        self.name = name
        self.channel = channel
        self.left = deliveries
        self.at_hand: Delivery | None = None
        self.began = 0.0
        self.is_left_behind = False


_Report: TypeAlias = tuple[_Line, BaseException | None]
"""A line that has ended, and what it failed on: the store, or a fault of ours."""


@dataclass(eq=False, slots=True)
class _Round:
    """Lines that are under way together.

    Attributes:
        in_time: whether it is not too late for another call; one is made in any case.
        is_over: nothing more is to be begun.
    """

    settler: Settler
    in_time: Callable[[], bool]
    lines: list[_Line]
    ended: "SimpleQueue[_Report]"
    is_over: bool = False


class ChannelCaller(OfProcess):
    """Hands deliveries to channels. Any number of threads may do so.

    Args:
        limit: seconds that one call may take.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._hanging: Counter[str] = Counter()
        self._changed = Condition()
        self._rounds: list[_Round] = []
        self._at_work = 0
        self._is_stopped = False
        watch(self)

    def after_fork_in_child(self) -> None:
        """The calls that are under way, or hang, are the parent's."""
        self._changed = Condition()
        self._rounds, self._at_work = [], 0
        self._hanging.clear()

    def hand_over(
        self,
        deliveries: Sequence[Delivery],
        channel_of: Callable[[str], Channel],
        settler: Settler,
        in_time: Callable[[], bool],
        closed: Collection[str] = (),
    ) -> set[str]:
        """Call the channels, each with its deliveries in their order, until all is done or too late.

        Args:
            in_time: whether it is not too late for another call; one is made in any case.
            closed: channels that are not to be called now.

        Returns:
            The channels that hang.
        """
        lines, not_tried = [], list[Delivery]()
        for name, theirs in _by_channel(deliveries).items():
            if name in closed or self._hanging[name] >= MOST_HANGING:
                _LOG.warning(
                    "channel-closed channel=%s hanging=%d", in_log(name), self._hanging[name]
                )
                not_tried.extend(theirs)
            else:
                lines.append(_Line(name, channel_of(name), theirs))
        with self._under_way(_Round(settler, in_time, lines, SimpleQueue())) as round_:
            if not_tried:
                settler.settle(_not_tried(not_tried))
            for line in lines:
                self._begin(line, round_)
            return self._wait(round_)

    def _begin(self, line: _Line, round_: _Round) -> None:
        with self._changed:
            self._at_work += 1
        name = f"to {line.name}"
        Thread(target=self._work, args=(line, round_), name=name, daemon=True).start()

    def stop(self) -> None:
        """Begin no more calls, and put back what waits for its turn."""
        with self._changed:
            self._is_stopped = True
            rounds = list(self._rounds)
        for round_ in rounds:
            self._end(round_)

    def wait(self, seconds: float) -> bool:
        """Wait until no call is under way; whether that is so."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._at_work, max(0.0, seconds))

    def abandon(self) -> None:
        """Leave behind the calls that are under way; nobody writes down how they end."""
        with self._changed:
            for round_ in self._rounds:
                for line in round_.lines:
                    if line.at_hand is not None and not line.is_left_behind:
                        self._leave_behind(line)
                        round_.ended.put((line, None))

    @contextmanager
    def _under_way(self, round_: _Round) -> Iterator[_Round]:
        with self._changed:
            self._rounds.append(round_)
        try:
            yield round_
        finally:  # also where the caller is interrupted: no line goes on without it
            with self._changed:
                self._rounds.remove(round_)
            self._end(round_)

    def _end(self, round_: _Round) -> None:
        with self._changed:
            round_.is_over = True
            left = [delivery for line in round_.lines for delivery in line.left]
            for line in round_.lines:
                line.left = []
        if left and not round_.settler.put_back(left):
            round_.lines[0].left = left  # for whoever ends the round, if they come later

    def _wait(self, round_: _Round) -> set[str]:
        """Wait until every line has ended, or hangs; the channels that do."""
        lines, hanging = set(round_.lines), set[str]()
        failure: BaseException | None = None
        while lines:
            try:
                line, error = round_.ended.get(timeout=self._until_one_may_hang(lines))
            except Empty:
                for hung in self._left_behind(lines, round_.settler):
                    lines.remove(hung)
                    hanging.add(hung.name)
                continue
            lines.discard(line)
            failure = failure or error
        if failure is not None:
            raise failure
        return hanging

    def _until_one_may_hang(self, lines: Collection[_Line]) -> float:
        """Seconds: a call that has yet to begin cannot hang before a whole limit is over."""
        now = monotonic()
        with self._changed:
            began = [line.began for line in lines if line.at_hand is not None]
        return max(0.0, min(began, default=now) + self._limit - now)

    def _left_behind(self, lines: Collection[_Line], settler: Settler) -> list[_Line]:
        hung = [line for line in lines if self._is_hung(line)]
        for line in hung:
            delivery, others = line.at_hand, line.left
            assert delivery is not None  # noqa: S101 - it hangs in a call
            _LOG.error(
                "channel-hangs channel=%s key=%s", in_log(line.name), delivery.idempotency_key
            )
            reason = f"the channel did not come back in {self._limit:g} s"
            line.left = []
            settler.settle([Handed(delivery, ChannelTimeoutError(reason)), *_not_tried(others)])
        return hung

    def _is_hung(self, line: _Line) -> bool:
        """Whether it hangs, and so is left behind from now on."""
        with self._changed:
            is_called = line.at_hand is not None and not line.is_left_behind
            if not is_called or line.began + self._limit > monotonic():
                return False
            self._leave_behind(line)
            return True

    def _leave_behind(self, line: _Line) -> None:
        line.is_left_behind = True
        self._hanging[line.name] += 1
        self._leave()

    def _leave(self) -> None:
        self._at_work -= 1
        self._changed.notify_all()

    def _work(self, line: _Line, round_: _Round) -> None:
        error: BaseException | None = None
        try:
            if not self._go_through(line, round_):
                return
        except BaseException as fault:  # noqa: BLE001 - raised again in the thread that waits
            error = fault
        with self._changed:
            self._leave()
        round_.ended.put((line, error))

    def _go_through(self, line: _Line, round_: _Round) -> bool:
        """Hand over what is left; False where the line was left behind over a call."""
        tried, returned = False, None
        while (following := self._next(line, round_, tried=tried)) is not None or returned:
            ready = round_.settler.settle_and_prepare(returned, following)
            returned = None
            if ready is not None:
                tried, returned = True, self._called(line, ready)
                if returned is None:
                    return False
        return True

    def _next(self, line: _Line, round_: _Round, *, tried: bool) -> Delivery | None:
        if tried and not round_.in_time():
            return None
        with self._changed:
            if self._is_stopped or round_.is_over or not line.left:
                return None
            return line.left.pop(0)

    def _called(self, line: _Line, delivery: Delivery) -> Handed | None:
        """Call the channel; None where it came back too late."""
        with self._changed:
            line.at_hand, line.began = delivery, monotonic()
        error = error_of(line.channel, delivery)
        with self._changed:
            if line.is_left_behind:
                self._hanging[line.name] -= 1
                return None
            line.at_hand = None
        return Handed(delivery, error)


def _not_tried(deliveries: Sequence[Delivery]) -> list[Handed]:
    error = ChannelHangsError("not tried: the channel hangs")
    return [Handed(delivery, error) for delivery in deliveries]


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
