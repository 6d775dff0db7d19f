"""Calls of the host's functions, channels and actions: each function has a thread, each call a time limit.

A thread cannot be ended from outside. So a call that hangs is abandoned: its item counts as failed and is tried
again. A function that hangs in too many calls is not called again until one of them returns. The calls of
other functions go on meanwhile.
"""

import inspect
import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Condition, Thread
from time import monotonic
from typing import Generic, NamedTuple, Protocol, TypeVar

from whereupon.runtime.forks import ForkAware, watch_forks
from whereupon.runtime.log_lines import in_log

MOST_HANGING = 4
"""Calls of one function that may hang at the same time."""

_GRACE = 5.0
"""Seconds for what happens between two calls: it writes to the store."""

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
Item = TypeVar("Item")

_LOG = logging.getLogger("whereupon.delivery")


class NotTriedError(Exception):
    """An item was not tried, since its function hangs in other calls."""


class NotRunError(Exception):
    """A function of the host's returned without having done anything: its body has yet to run."""


class CallEnd(NamedTuple, Generic[Item]):
    """How the call for one item ended; `error` is None if it succeeded."""

    item: Item
    error: BaseException | None


class Settler(Protocol[Item]):
    """Records how calls end. Any thread may call it."""

    def settle_and_prepare(
        self, returned: CallEnd[Item] | None, following: Item | None
    ) -> Item | None:
        """Record the call that has returned, and look once more at the item that is next.

        Both happen in one transaction, so that a call costs one.

        Returns:
            The next item as the function is to get it now; None if it is not to be called with it. Such an item
            is settled, too.
        """
        ...

    def settle(self, ends: Sequence[CallEnd[Item]]) -> None:
        """Record calls that did not return, and items that were not tried."""
        ...

    def put_back(self, items: Sequence[Item]) -> bool:
        """Release items whose turn did not come, as if nobody had taken them.

        Returns:
            Whether the store could do that now.
        """
        ...


class Line(Generic[Item]):
    """One function and the items of one round that it is called with, one after the other.

    Attributes:
        name: the channel's or the action's name.
        limit: seconds that one call may take.
        waiting: items whose turn has not come.
        current: the item that the function is called with, and since when; None between two calls.
    """

    def __init__(
        self, name: str, function: Callable[[Item], object], items: Sequence[Item], limit: float
    ) -> None:
        self.name = name
        self.function = function
        self.waiting = list(items)
        self.limit = limit
        self.current: Item | None = None
        self.began = 0.0
        self.is_abandoned = False


@dataclass(eq=False, slots=True)
class _Round(Generic[Item]):
    """Lines that run together.

    Attributes:
        in_time: whether there is time for another call; one call is made in any case.
        ended: lines that have ended, each with what it failed on (the store, or a fault of ours).
        is_over: no more calls begin.
    """

    settler: Settler[Item]
    in_time: Callable[[], bool]
    lines: list[Line[Item]]
    ended: "SimpleQueue[tuple[Line[Item], BaseException | None]]"
    is_over: bool = False


class HostCaller(ForkAware, Generic[Item]):
    """Calls functions of the host's with items. Any number of threads may use it.

    Args:
        kind: what the functions are called in the log, ``channel`` or ``action``.
        key_of: the idempotency key of an item.
        timeout_error: makes the failure of a call that took longer than so many seconds.
    """

    def __init__(
        self,
        kind: str,
        key_of: Callable[[Item], str],
        timeout_error: Callable[[float], BaseException],
    ) -> None:
        self._kind = kind
        self._key_of = key_of
        self._timeout_error = timeout_error
        self._hanging: Counter[str] = Counter()
        self._changed = Condition()
        self._rounds: list[_Round[Item]] = []
        self._running: set[Line[Item]] = set()
        self.is_stopped = False
        watch_forks(self)

    def after_fork_in_child(self) -> None:
        """The calls that run or hang are the parent's."""
        self._changed = Condition()
        self._rounds, self._running = [], set()
        self._hanging.clear()

    def call(
        self,
        lines: Sequence[Line[Item]],
        settler: Settler[Item],
        in_time: Callable[[], bool] = lambda: True,
        closed: Collection[str] = (),
    ) -> set[str]:
        """Call each line's function with its items in their order, until all are done or time is up.

        Args:
            lines: the functions, with their items.
            settler: records how the calls end.
            in_time: whether there is time for another call; one call is made in any case.
            closed: names of functions that are not to be called now.

        Returns:
            The names of the functions that hang.
        """
        open_lines = [line for line in lines if not self._is_closed(line.name, closed)]
        not_tried = [item for line in lines if line not in open_lines for item in line.waiting]
        made = _Round(settler, in_time, open_lines, SimpleQueue())
        with self._in_flight(made) as round_:
            if not_tried:
                settler.settle(self._not_tried(not_tried))
            for line in open_lines:
                self._begin(line, round_)
            return self._wait(round_)

    def stop(self) -> None:
        """Begin no more calls, and put back the items whose turn has not come."""
        with self._changed:
            self.is_stopped = True
            rounds = list(self._rounds)
        for round_ in rounds:
            self._end(round_)

    def end(self, seconds: float) -> bool:
        """Wait until no call runs, and then abandon those that still do.

        Args:
            seconds: how long to wait.

        Returns:
            Whether every call ended by itself.
        """
        if self._wait_for_calls(seconds):
            return True
        self._abandon_all()
        self._wait_for_calls(_GRACE)
        return False

    def _wait_for_calls(self, seconds: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: not self._running, max(0.0, seconds))

    def _abandon_all(self) -> None:
        """Abandon the calls that run; nobody records how they end."""
        with self._changed:
            for round_ in self._rounds:
                for line in round_.lines:
                    if line.current is not None and not line.is_abandoned:
                        self._abandon(line)
                        round_.ended.put((line, None))

    def _is_closed(self, name: str, closed: Collection[str]) -> bool:
        if name not in closed and self._hanging[name] < MOST_HANGING:
            return False
        hanging = self._hanging[name]
        _LOG.warning("%s-closed %s=%s hanging=%d", self._kind, self._kind, in_log(name), hanging)
        return True

    def _not_tried(self, items: Sequence[Item]) -> list[CallEnd[Item]]:
        error = NotTriedError(f"not tried: the {self._kind} hangs")
        return [CallEnd(item, error) for item in items]

    def _begin(self, line: Line[Item], round_: _Round[Item]) -> None:
        with self._changed:
            self._running.add(line)
        name = f"to {line.name}"
        Thread(target=self._work, args=(line, round_), name=name, daemon=True).start()

    @contextmanager
    def _in_flight(self, round_: _Round[Item]) -> Iterator[_Round[Item]]:
        with self._changed:
            self._rounds.append(round_)
        try:
            yield round_
        finally:  # also if the caller is interrupted: no line goes on without it
            with self._changed:
                self._rounds.remove(round_)
            self._end(round_)

    def _end(self, round_: _Round[Item]) -> None:
        with self._changed:
            round_.is_over = True
            left = [item for line in round_.lines for item in line.waiting]
            for line in round_.lines:
                line.waiting = []
        if left and not round_.settler.put_back(left):
            round_.lines[0].waiting = left  # for whichever thread ends the round later

    def _wait(self, round_: _Round[Item]) -> set[str]:
        """Wait until every line has ended or hangs; the names of those that hang."""
        lines, hanging = set(round_.lines), set[str]()
        failure: BaseException | None = None
        while lines:
            try:
                line, error = round_.ended.get(timeout=self._until_one_may_hang(lines))
            except Empty:
                for hung in self._abandoned(lines, round_.settler):
                    lines.remove(hung)
                    hanging.add(hung.name)
                continue
            lines.discard(line)
            failure = failure or error
        if failure is not None:
            raise failure
        return hanging

    def _until_one_may_hang(self, lines: Collection[Line[Item]]) -> float:
        """Seconds; a call that has yet to begin cannot hang before its whole limit is over."""
        now = monotonic()
        with self._changed:
            ends = [
                (now if line.current is None else line.began) + line.limit
                for line in lines
                if not line.is_abandoned
            ]
        return max(0.0, min(ends, default=now) - now)

    def _abandoned(self, lines: Collection[Line[Item]], settler: Settler[Item]) -> list[Line[Item]]:
        hung = [line for line in lines if self._hangs(line)]
        for line in hung:
            item, others = line.current, line.waiting
            assert item is not None  # noqa: S101 - it hangs in a call
            kind, key = self._kind, self._key_of(item)
            _LOG.error("%s-hangs %s=%s key=%s", kind, kind, in_log(line.name), key)
            line.waiting = []
            end = CallEnd(item, self._timeout_error(line.limit))
            settler.settle([end, *self._not_tried(others)])
        return hung

    def _hangs(self, line: Line[Item]) -> bool:
        """Whether its call takes too long; then it is abandoned from now on."""
        with self._changed:
            is_called = line.current is not None and not line.is_abandoned
            if not is_called or line.began + line.limit > monotonic():
                return False
            self._abandon(line)
            return True

    def _abandon(self, line: Line[Item]) -> None:
        line.is_abandoned = True
        self._hanging[line.name] += 1
        self._leave(line)

    def _leave(self, line: Line[Item]) -> None:
        self._running.discard(line)
        self._changed.notify_all()

    def _work(self, line: Line[Item], round_: _Round[Item]) -> None:
        error: BaseException | None = None
        try:
            if not self._go_through(line, round_):
                return
        except BaseException as fault:  # noqa: BLE001 - raised again in the thread that waits
            error = fault
        with self._changed:
            self._leave(line)
        round_.ended.put((line, error))

    def _go_through(self, line: Line[Item], round_: _Round[Item]) -> bool:
        """Call the function with what waits; False if a call was abandoned."""
        tried, returned = False, None
        while (following := self._next(line, round_, tried=tried)) is not None or returned:
            ready = round_.settler.settle_and_prepare(returned, following)
            returned = None
            if ready is not None:
                tried, returned = True, self._called(line, ready)
                if returned is None:
                    return False
        return True

    def _next(self, line: Line[Item], round_: _Round[Item], *, tried: bool) -> Item | None:
        if tried and not round_.in_time():
            return None
        with self._changed:
            if self.is_stopped or round_.is_over or not line.waiting:
                return None
            return line.waiting.pop(0)

    def _called(self, line: Line[Item], item: Item) -> CallEnd[Item] | None:
        """Call the function; None if it returned too late."""
        with self._changed:
            line.current, line.began = item, monotonic()
        error = error_of(line.function, item)
        with self._changed:
            if line.is_abandoned:
                self._hanging[line.name] -= 1
                return None
            line.current = None
        return CallEnd(item, error)


def error_of(function: Callable[[T], object], argument: T) -> BaseException | None:
    """Call a function of the host's; its failure becomes a value.

    What an ``async`` function or a generator returns has not begun to run, and nothing here runs it. That is a
    failure; otherwise the work would be lost in silence.
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
    """Refuse, at registration, a function that cannot do its work in one plain call.

    Raises:
        TypeError: it is not callable, or it is ``async`` or a generator.
    """
    if not callable(function):
        message = f"a function is needed, and this is {type(function).__name__}"
        raise TypeError(message)
    if any(is_late(function) for is_late in _LATE):
        raise TypeError(_HAS_TO_RUN)
