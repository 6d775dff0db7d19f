"""Forks of a process that has a database of SQLite's open.

SQLite keeps in memory, per file, which locks its process holds. A child inherits that memory but not
the locks, so it would believe that it holds what nobody does. Therefore a fork waits until no session is
open, and connections are closed for it: the child then finds nothing that is the parent's.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition, get_ident

from whereupon.errors import StoreError
from whereupon.runtime.forks import ForkAware, watch_forks


class ForkGuard(ForkAware):
    """Keeps sessions and forks apart.

    Args:
        patience: seconds that a fork waits for the sessions of other threads.
        let_go: closes the connections that nobody uses.
    """

    def __init__(self, patience: float, let_go: Callable[[], object]) -> None:
        self._patience = patience
        self._let_go = let_go
        self._changed = Condition()
        self._within: Counter[int] = Counter()
        self._forking = False
        self._is_stranded = False
        watch_forks(self)

    @contextmanager
    def session(self) -> Iterator[None]:
        """For as long as a session is open; begins after a fork that is under way.

        Raises:
            StoreError: with the code ``forked``: this process was forked amid a session.
        """
        self._enter()
        try:
            yield
        finally:
            self._leave()

    def _enter(self) -> None:
        own = get_ident()
        with self._changed:
            while self._forking and own not in self._within:
                self._changed.wait()
            if self._is_stranded:
                raise _forked()
            self._within[own] += 1

    def _leave(self) -> None:
        own = get_ident()
        with self._changed:
            self._within[own] -= 1
            if self._within[own] <= 0:
                del self._within[own]
            self._changed.notify_all()

    def before_fork(self) -> None:
        """Keep new sessions out, and wait for those that are open."""
        with self._changed:
            self._forking = True
            if get_ident() not in self._within:
                self._changed.wait_for(lambda: not self._within, self._patience)
            if not self._within:
                self._let_go()

    def after_fork_in_parent(self) -> None:
        """Let sessions in."""
        with self._changed:
            self._forking = False
            self._changed.notify_all()

    def after_fork_in_child(self) -> None:
        """Let sessions in, unless one was open: then its transaction came along."""
        self._is_stranded = self._is_stranded or bool(self._within)
        self._changed = Condition()
        self._within.clear()
        self._forking = False


def _forked() -> StoreError:
    reason = (
        "this process was forked while a thread of its parent had a transaction open, and SQLite cannot "
        "use the file in both: fork between calls, or open the engine in the child"
    )
    return StoreError(code="forked", reason=reason)
