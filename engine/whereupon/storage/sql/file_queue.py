"""A queue for processes that write one SQLite file.

SQLite has no queue: the process that asks at the right moment gets the lock, so a busy process can keep
others out for ever. Therefore a process that waits for the database's lock holds a second lock, on a
file beside the database. A process that has just written waits for that one first, so it comes after the
process that waits already.
"""

import os
import sys

from whereupon.storage.deadline import Deadline, busy

if sys.platform != "win32":
    import fcntl


_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)


class FileQueue:
    """The queue of one database file. Without a file, and on Windows, nobody queues."""

    def __init__(self, database: str | None) -> None:
        is_file = database and database != ":memory:" and not database.startswith("file:")
        self._path = f"{database}-turn" if is_file and sys.platform != "win32" else None
        self._held: set[int] = set()

    def wait(self, deadline: Deadline) -> int | None:
        """Wait for the lock; the descriptor that holds it until `leave`, if there is a file."""
        descriptor, came = self._open(), False
        try:
            while not (came := _locks(descriptor)) and deadline.wait():
                pass
        finally:
            if not came:
                self.leave(descriptor)
        if not came:
            raise busy()
        return descriptor

    def leave(self, descriptor: int | None) -> None:
        """Give the lock to the next process."""
        if descriptor is not None:
            self._held.discard(descriptor)
            os.close(descriptor)

    def reset_after_fork(self) -> None:
        """In a child after a fork: close descriptors that came along, or they would keep the lock."""
        while self._held:
            os.close(self._held.pop())

    def _open(self) -> int | None:
        """A new descriptor each time, so that neither threads nor forked processes share a lock."""
        if self._path is None:
            return None
        try:
            descriptor = os.open(self._path, _FLAGS, 0o666)
        except OSError:  # where no file can be, there is no queue, and the lock alone decides
            return None
        self._held.add(descriptor)
        return descriptor


def _locks(descriptor: int | None) -> bool:
    if descriptor is None or sys.platform == "win32":
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without such locks
        return True
    return True
