"""What belongs to one process, and is made anew in a child after a fork.

A child has a single thread, the one that forked. A lock that another thread held stays locked in the
child for ever. Connections, reserved keys and background threads are the parent's. So whatever keeps
one of these watches for forks (`watch`), and begins anew in the child.
"""

import os
from threading import Lock
from types import TracebackType
from weakref import WeakSet


class OfProcess:
    """Something that belongs to a process; all three calls come from the thread that forks."""

    def before_fork(self) -> None:
        """Get ready; the parent's other threads still run."""

    def after_fork_in_parent(self) -> None:
        """Go on."""

    def after_fork_in_child(self) -> None:
        """Begin anew."""


_WATCHING: WeakSet[OfProcess] = WeakSet()


def watch(each: OfProcess) -> None:
    """Tell an object of every fork from now on, for as long as it lives."""
    _WATCHING.add(each)


class ProcessLock(OfProcess):
    """A lock that is free in a child, whoever held it in the parent."""

    def __init__(self) -> None:
        self._lock = Lock()
        watch(self)

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
        """Be free."""
        self._lock = Lock()


class _Forks:
    """The process's forks, one at a time."""

    def __init__(self) -> None:
        self._one_at_a_time = Lock()
        self._told: list[OfProcess] = []

    def before(self) -> None:
        self._one_at_a_time.acquire()
        self._told = list(_WATCHING)
        for each in self._told:
            each.before_fork()

    def in_parent(self) -> None:
        told, self._told = self._told, []
        for each in told:
            each.after_fork_in_parent()
        self._one_at_a_time.release()

    def in_child(self) -> None:
        self._one_at_a_time = Lock()
        told, self._told = self._told, []
        for each in told:
            each.after_fork_in_child()


_FORKS = _Forks()
if hasattr(os, "register_at_fork"):  # where there are forks
    os.register_at_fork(
        before=_FORKS.before,
        after_in_parent=_FORKS.in_parent,
        after_in_child=_FORKS.in_child,
    )
