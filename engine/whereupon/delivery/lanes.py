"""Lanes: each function of the host's is called in threads of its own, each call within a time limit.

A thread cannot be ended from outside. So a call that hangs is abandoned: its item counts as failed and is tried
again. A function that hangs in too many calls is not called again until one of them returns. No lane waits for
another one.
"""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from threading import Condition, Thread
from time import monotonic
from typing import Generic, NamedTuple, Protocol, TypeVar

from whereupon.delivery.host_code import called
from whereupon.runtime.forks import ForkAware, watch_forks
from whereupon.runtime.log_lines import log_event

MOST_HANGING = 4
"""Calls of one function that may hang at the same time; as many as it has side by side, if that is more."""

GRACE = 5.0
"""Seconds for what happens between two calls: it writes to the store."""

Item = TypeVar("Item")

_LOG = logging.getLogger("whereupon.delivery")


class NotTriedError(Exception):
    """An item was not tried, since its function hangs in other calls."""


class CallEnd(NamedTuple, Generic[Item]):
    """How the call for one item ended.

    Attributes:
        error: None if it succeeded.
        returned: what the function returned.
    """

    item: Item
    error: BaseException | None
    returned: object = None


class Work(Protocol[Item]):
    """What a lane takes items from, and what records how their calls end. Any thread may call it."""

    def take(self, free: int) -> Sequence[Item]:
        """Take the next items for so many free threads; none if there is nothing to do now."""
        ...

    def settle_and_prepare(
        self, ended: CallEnd[Item] | None, following: Item | None
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


class _Caller(Generic[Item]):
    """One thread of a lane, and the call that it is in."""

    def __init__(self) -> None:
        self.item: Item | None = None
        self.began = 0.0
        self.is_abandoned = False


class Lane(ForkAware, Generic[Item]):
    """Calls one function of the host's with items, as long as there are any. Any number of threads may use it.

    Args:
        kind: what the function is called in the log, ``channel`` or ``action``.
        name: the channel's or the action's name.
        work: where items come from, and what records their ends.
        limit: seconds that one call may take.
        key_of: the idempotency key of an item.
        timeout_error: makes the failure of a call that took longer than so many seconds.
        width: the most calls side by side.
        when_idle: called when the last call has ended, in the thread that made it.
    """

    def __init__(  # noqa: PLR0913 - what differs between channels and actions
        self,
        kind: str,
        name: str,
        function: Callable[[Item], object],
        work: Work[Item],
        *,
        limit: float,
        key_of: Callable[[Item], str],
        timeout_error: Callable[[float], BaseException],
        width: int = 1,
        when_idle: Callable[[], object] = lambda: None,
    ) -> None:
        self._kind, self._name, self._function = kind, name, function
        self._work, self._limit, self._width = work, limit, width
        self._key_of, self._timeout_error = key_of, timeout_error
        self._when_idle = when_idle
        self._changed = Condition()
        self._clear()
        watch_forks(self)

    def _clear(self) -> None:
        self._waiting: deque[Item] = deque()
        self._callers: set[_Caller[Item]] = set()
        self._hanging = 0
        self._is_taking = False
        self._is_spent = True  # there was nothing to take, or a call hangs: until it is woken
        self._failure: BaseException | None = None
        self.is_stopped = False

    def after_fork_in_child(self) -> None:
        """The calls that run or hang are the parent's."""
        was_stopped = self.is_stopped
        self._changed = Condition()
        self._clear()
        self.is_stopped = was_stopped

    @property
    def is_busy(self) -> bool:
        """Whether calls run, besides those that hang."""
        with self._changed:
            return bool(self._callers)

    @property
    def hanging(self) -> int:
        """How many calls hang."""
        with self._changed:
            return self._hanging

    @property
    def is_closed(self) -> bool:
        """Whether it hangs in so many calls that it begins no other."""
        with self._changed:
            return self._is_closed()

    def _is_closed(self) -> bool:
        return self._hanging >= max(MOST_HANGING, self._width)

    def wake(self) -> None:
        """Look for items, in a thread of the lane's own."""
        with self._changed:
            if self.is_stopped:
                return
            if self._is_closed():
                facts: dict[str, str | int] = {self._kind: self._name, "hanging": self._hanging}
                log_event(_LOG, logging.WARNING, f"{self._kind}-closed", **facts)  # type: ignore[arg-type]  # none is `raised`
                return
            self._is_spent = False
            if len(self._callers) < self._width:
                self._begin()

    def join(self) -> None:
        """Wait until there is nothing more to do, or until every call hangs.

        Raises:
            Exception: what the work failed on, such as a `StoreError`.
        """
        try:
            self._watch()
        except (
            BaseException
        ):  # an interruption: the lane does not go on without the thread that waits
            self.pause()
            raise
        with self._changed:
            failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def stop(self) -> None:
        """Begin no more calls, and put back the items whose turn has not come."""
        with self._changed:
            self.is_stopped = True
        self.pause()

    def end(self, seconds: float) -> bool:
        """Wait until no call runs, and then abandon those that still do; nobody records how they end.

        Args:
            seconds: how long to wait.

        Returns:
            Whether every call ended by itself.
        """
        if self._wait_for_calls(seconds):
            return True
        with self._changed:
            for caller in [each for each in self._callers if each.item is not None]:
                self._abandon(caller)
        self._wait_for_calls(GRACE)
        return False

    def _wait_for_calls(self, seconds: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: not self._callers, max(0.0, seconds))

    def pause(self) -> None:
        """Put back the items whose turn has not come, and begin no more calls until it is woken."""
        with self._changed:
            self._is_spent = True
            left = [*self._waiting]
            self._waiting.clear()
            self._changed.notify_all()
        if left and not self._work.put_back(left):
            with self._changed:
                self._waiting.extend(left)  # for the last thread that leaves
                if self._callers:
                    return
                self._waiting.clear()  # nobody is left, and their lease runs out

    # --- watching -----------------------------------------------------------------------------

    def _watch(self) -> None:
        """Wait until no call runs; abandon those that hang."""
        while True:
            with self._changed:
                if not self._callers:
                    return
                self._changed.wait(self._until_one_may_hang())
                hung = [each for each in self._callers if self._hangs(each)]
                for caller in hung:
                    self._abandon(caller)
                not_tried = self._abandoned_items() if hung else []
            for caller in hung:
                self._settle_hung(caller)
            if not_tried:
                error = NotTriedError(f"not tried: the {self._kind} hangs")
                self._work.settle([CallEnd(item, error) for item in not_tried])

    def _until_one_may_hang(self) -> float:
        """Seconds; a call that has yet to begin cannot hang before its whole limit is over."""
        now = monotonic()
        began = [now if each.item is None else each.began for each in self._callers]
        return max(0.0, min(began) + self._limit - now)

    def _hangs(self, caller: _Caller[Item]) -> bool:
        return caller.item is not None and caller.began + self._limit <= monotonic()

    def _abandon(self, caller: _Caller[Item]) -> None:
        caller.is_abandoned = True
        self._hanging += 1
        self._leave(caller)

    def _abandoned_items(self) -> list[Item]:
        """What waits behind the calls that hang, if nobody is left to call it."""
        if self._callers:
            return []
        self._is_spent = True
        left = [*self._waiting]
        self._waiting.clear()
        return left

    def _settle_hung(self, caller: _Caller[Item]) -> None:
        item = caller.item
        assert item is not None  # noqa: S101 - it hangs in a call
        facts = {self._kind: self._name, "key": self._key_of(item)}
        log_event(_LOG, logging.ERROR, f"{self._kind}-hangs", **facts)  # type: ignore[arg-type]  # none is `raised`
        self._work.settle([CallEnd(item, self._timeout_error(self._limit))])

    # --- the threads that call ----------------------------------------------------------------

    def _begin(self) -> None:
        caller = _Caller[Item]()
        self._callers.add(caller)
        name = f"to {self._name}"
        Thread(target=self._run, args=(caller,), name=name, daemon=True).start()

    def _leave(self, caller: _Caller[Item]) -> None:
        self._callers.discard(caller)
        self._changed.notify_all()

    def _run(self, caller: _Caller[Item]) -> None:
        failure: BaseException | None = None
        try:
            self._go_on(caller)
        except BaseException as fault:  # noqa: BLE001 - raised again in the thread that waits
            failure = fault
        if caller.is_abandoned:
            return
        if failure is not None or self.is_stopped:
            self.pause()
        with self._changed:
            self._failure = self._failure or failure
            self._leave(caller)
            is_last = not self._callers
        if is_last:
            self._when_idle()

    def _go_on(self, caller: _Caller[Item]) -> None:
        """Call the function with what waits, until there is nothing, or until the call is abandoned."""
        ended: CallEnd[Item] | None = None
        while (following := self._next(has_ended=ended is not None)) is not None or ended:
            try:
                ready = self._work.settle_and_prepare(ended, following)
            except BaseException:
                self._return(following)
                raise
            ended = None
            if ready is not None:
                ended = self._called(caller, ready)
                if ended is None:
                    return

    def _return(self, following: Item | None) -> None:
        """Let an item wait again that could not be prepared."""
        if following is not None:
            with self._changed:
                self._waiting.appendleft(following)

    def _next(self, *, has_ended: bool) -> Item | None:
        """The next item; None if there is none, or if a call has to be recorded before one is looked for."""
        while True:
            with self._changed:
                if self._waiting and not self.is_stopped:
                    return self._waiting.popleft()
                if has_ended or self._is_spent or self.is_stopped:
                    return None
                if self._is_taking:
                    self._changed.wait()
                    continue
                self._is_taking = self._is_spent = True
                busy = sum(each.item is not None for each in self._callers)
            self._take(self._width - busy)

    def _take(self, free: int) -> None:
        taken: Sequence[Item] = ()
        try:
            taken = self._work.take(free)
        finally:
            with self._changed:
                self._is_taking = False
                self._waiting.extend(taken)
                self._is_spent = self._is_spent and not taken
                for _ in range(min(len(self._waiting), self._width) - len(self._callers)):
                    self._begin()
                self._changed.notify_all()

    def _called(self, caller: _Caller[Item], item: Item) -> CallEnd[Item] | None:
        """Call the function; None if it returned too late."""
        with self._changed:
            caller.item, caller.began = item, monotonic()
        returned, error = called(self._function, item)
        with self._changed:
            if not caller.is_abandoned:
                caller.item = None
                return CallEnd(item, error, returned)
            self._hanging -= 1
        self._when_idle()
        return None
