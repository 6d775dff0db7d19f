"""Objects that belong to one process, and begin anew in a child after a fork.

A child has a single thread, the one that forked. A lock that another thread held stays locked in the
child for ever. Connections, reserved keys and background threads belong to the parent. An object that
holds one of these derives from `ForkAware` and registers itself by `watch_forks`.
"""

import os
from threading import Lock
from types import TracebackType
from weakref import WeakSet


class ForkAware:
    """An object that reacts to forks; the thread that forks makes all three calls."""

    def before_fork(self) -> None:
        """Prepare for a fork. The parent's other threads still run."""

    def after_fork_in_parent(self) -> None:
        """Undo the preparation."""

    def after_fork_in_child(self) -> None:
        """Replace what belongs to the parent."""


_WATCHING: WeakSet[ForkAware] = WeakSet()


def watch_forks(each: ForkAware) -> None:
    """Call an object at every fork from now on, for as long as it lives."""
    _WATCHING.add(each)


class ProcessLock(ForkAware):
    """A lock that is free in a child, even if the parent held it."""

    def __init__(self) -> None:
        self._lock = Lock()
        watch_forks(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lock.release()

    def after_fork_in_child(self) -> None:
        """Make a new lock, which is free."""
        self._lock = Lock()


class _Forks:
    """The forks of this process, one at a time."""

    def __init__(self) -> None:
        self._one_at_a_time = Lock()
        self._called: list[ForkAware] = []

    def before(self) -> None:
        """Call every object that is registered, and keep the list for the calls after the fork."""
        self._one_at_a_time.acquire()
        self._called = list(_WATCHING)
        for each in self._called:
            each.before_fork()

    def in_parent(self) -> None:
        """Call the same objects in the parent."""
        called, self._called = self._called, []
        for each in called:
            each.after_fork_in_parent()
        self._one_at_a_time.release()

    def in_child(self) -> None:
        """Call the same objects in the child."""
        self._one_at_a_time = Lock()
        called, self._called = self._called, []
        for each in called:
            each.after_fork_in_child()


_FORKS = _Forks()
if hasattr(os, "register_at_fork"):  # Windows has no forks
    os.register_at_fork(
        before=_FORKS.before,
        after_in_parent=_FORKS.in_parent,
        after_in_child=_FORKS.in_child,
    )
