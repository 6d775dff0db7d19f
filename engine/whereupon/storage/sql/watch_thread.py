"""Threads that notice when another process has changed the store.

An SQLite file has another modification time after every commit. PostgreSQL sends notifications (see
`notifications`). Nothing depends on them: without them, work waits for the next poll.
"""

import logging
import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from threading import Event, Thread, current_thread
from typing import TypeAlias

from whereupon.runtime.log_lines import log_event

_LOG = logging.getLogger("whereupon.waking")

TICK = 0.1
"""Seconds between two looks at a file, and between two notifications."""
_PAUSE = 5.0
_JOIN = 5.0


class WatchThread(ABC):
    """A thread that watches until it is stopped. An error is tried again after a pause.

    Args:
        changed: called in this thread when something may have changed, and once at the beginning.
    """

    def __init__(self, changed: Callable[[], object]) -> None:
        self._changed = changed
        self._ended = Event()
        self._thread = Thread(target=self._run, name="whereupon watch", daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs; in a child after a fork it does not."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """End the thread, if it runs."""
        self._ended.set()
        if self.is_alive and self._thread is not current_thread():
            self._interrupt()
            self._thread.join(_JOIN)

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                self._watch()
            except Exception as error:  # noqa: BLE001 - whatever it is, the poll goes on without
                log_event(_LOG, logging.WARNING, "watch-failed", error=type(error).__name__)
                self._ended.wait(_PAUSE)

    @abstractmethod
    def _watch(self) -> None:
        """Watch until the end, and call `_tell`; raise if that is not possible."""

    def _interrupt(self) -> None:  # noqa: B027 - a choice
        """Make `_watch` notice the end at once. A loop that looks again and again needs nothing."""

    def _tell(self) -> None:
        try:
            self._changed()
        except Exception as error:  # noqa: BLE001 - logged whole; the next change is told again
            log_event(_LOG, logging.ERROR, "wake-failed", raised=error)


class FileWatch(WatchThread):
    """Looks at the size and time of the SQLite files ten times a second, and opens none of them.

    Args:
        path: of the database.
    """

    def __init__(self, path: str, changed: Callable[[], object]) -> None:
        whole = os.path.abspath(path)  # noqa: PTH100 - as SQLite takes it, wherever the host goes
        self._files = (whole, f"{whole}-wal")
        super().__init__(changed)

    def _watch(self) -> None:
        seen: list[_Stamp] = []
        while True:
            stamps = [_stamp(path) for path in self._files]
            if stamps != seen:
                seen = stamps
                self._tell()
                if self._ended.wait(TICK):
                    return
                self._tell()  # a commit in the same moment leaves the same stamp
            if self._ended.wait(TICK):
                return


_Stamp: TypeAlias = tuple[int, int, int] | None


def _stamp(path: str) -> _Stamp:
    """Values that change when a file is written or replaced; None if there is no file."""
    try:
        found = os.stat(path)  # noqa: PTH116 - as SQLite is given it
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
