"""A process that imports the engine once, and forks a worker for each request.

    python -m tests.chaos.nest SOCKET

A worker is then ready in some milliseconds, and hundreds of kills are a matter of a minute. The nest
opens no engine itself, so a worker shares nothing with another.
"""

import json
import os
import signal
import sys
from dataclasses import dataclass
from io import BufferedReader, BufferedWriter
from pathlib import Path
from socket import recv_fds, send_fds, socket, socketpair
from subprocess import Popen
from threading import Lock

from tests.chaos.worker import work
from tests.paths import ROOT


@dataclass(slots=True)
class Hatched:
    """A worker process, and both ends of the connection to it."""

    pid: int
    orders: BufferedWriter
    lines: BufferedReader
    is_killed: bool = False

    def kill(self) -> None:
        """Send SIGKILL, once: no handler runs, no block is left in order."""
        if not self.is_killed:
            self.is_killed = True
            os.kill(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """Kill it, and wait until it has released everything."""
        self.kill()
        self.lines.read()
        self.lines.close()
        self.orders.raw.close()


class Nest:
    """Starts workers; only the reader of a worker's lines notices its death."""

    def __init__(self) -> None:
        self._ours, theirs = socketpair()
        command = [sys.executable, "-m", "tests.chaos.nest", str(theirs.fileno())]
        self._process = Popen(command, pass_fds=[theirs.fileno()], cwd=ROOT)
        theirs.close()
        self._lock = Lock()

    def hatch(
        self, url: str, log: Path, places: list[str] | None = None, book: str = "shop"
    ) -> Hatched:
        """Start a worker on a store, with channels that write a log, or call receivers at these places.

        Args:
            book: the name of its rules (see `worker.BOOKS`).
        """
        with self._lock:
            orders_in, orders_out = os.pipe()
            lines_in, lines_out = os.pipe()
            what = json.dumps([url, str(log), places, book]).encode()
            send_fds(self._ours, [what], [orders_in, lines_out])
            pid = int(self._ours.recv(64))
            os.close(orders_in)
            os.close(lines_out)
        orders = os.fdopen(orders_out, "wb")
        return Hatched(pid, orders, os.fdopen(lines_in, "rb"))

    def close(self) -> None:
        """Let the nest end; its workers must be dead by then."""
        self._ours.close()
        self._process.wait()


def main(descriptor: int) -> None:
    """Fork until no request comes."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries the workers
    asking = socket(fileno=descriptor)
    while True:
        what, descriptors, *_ = recv_fds(asking, 4096, 2)
        if not what:
            return
        pid = os.fork()
        if pid == 0:
            asking.close()
            for place, theirs in enumerate(descriptors):
                os.dup2(theirs, place)
                os.close(theirs)
            work(*json.loads(what))
            os._exit(0)
        for theirs in descriptors:
            os.close(theirs)
        asking.send(str(pid).encode())


if __name__ == "__main__":
    main(int(sys.argv[1]))
