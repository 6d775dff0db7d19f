"""Forks of a process that has an SQLite database open.

SQLite remembers for each file, in memory, which locks its process has. A child inherits that memory but
not the locks. So a fork waits until no session is open, and closes the connections first. The child then
has no connection of its parent.
"""

from collections.abc import Callable
from threading import Condition, RLock, get_ident

from whereupon.errors import StoreError
from whereupon.runtime.forks import ForkAware, watch_forks


class ForkGuard(ForkAware):
    """Keeps sessions and forks apart. Each session is within a block of it.

    Args:
        patience: seconds that a fork waits for the sessions of other threads.
        close_idle: closes idle connections.
    """

    def __init__(self, patience: float, close_idle: Callable[[], object]) -> None:
        self._patience = patience
        self._close_idle = close_idle
        self._guard = RLock()
        self._changed = Condition(self._guard)
        self._within: dict[int, int] = {}
        self._forking = False
        self._is_stranded = False
        watch_forks(self)

    def __enter__(self) -> None:
        """Begin a block in which a session is open; waits for a fork that is in progress.

        Raises:
            StoreError: with the code ``forked``, if this process was forked while a session was open.
        """
        own, within = get_ident(), self._within
        with self._guard:
            while self._forking and own not in within:
                self._changed.wait()
            if self._is_stranded:
                raise _forked()
            within[own] = within.get(own, 0) + 1

    def __exit__(self, *_: object) -> None:
        own, within = get_ident(), self._within
        with self._guard:
            left = within.pop(own) - 1
            if left > 0:
                within[own] = left
            if self._forking:  # which waits for it
                self._changed.notify_all()

    def before_fork(self) -> None:
        """Admit no new session, and wait for open ones."""
        with self._guard:
            self._forking = True
            if get_ident() not in self._within:
                self._changed.wait_for(lambda: not self._within, self._patience)
            if not self._within:
                self._close_idle()

    def after_fork_in_parent(self) -> None:
        """Admit sessions again."""
        with self._guard:
            self._forking = False
            self._changed.notify_all()

    def after_fork_in_child(self) -> None:
        """Admit sessions, unless one was open at the fork: its transaction came along."""
        self._is_stranded = self._is_stranded or bool(self._within)
        self._guard = RLock()
        self._changed = Condition(self._guard)
        self._within.clear()
        self._forking = False


def _forked() -> StoreError:
    reason = (
        "this process was forked while a thread of its parent had a transaction open, and SQLite cannot "
        "use the file in both: fork between calls, or open the engine in the child"
    )
    return StoreError(code="forked", reason=reason)
