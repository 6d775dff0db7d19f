"""Several processes of ``whereupon serve`` on one port: begun, begun again when one dies, and ended together."""

import logging
import os
import signal
import socket
import subprocess
import sys
from threading import Event, Thread
from time import monotonic
from typing import NamedTuple

from whereupon.cli.until_signal import Happenings, next_happening
from whereupon.runtime.log_lines import log_event

_LOG = logging.getLogger("whereupon.run")
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
"""Seconds before a process is begun again; they double while processes die young."""
_YOUNG = 30.0
_BEYOND_GRACE = 10.0
"""Seconds after drain and grace, in which a process may still close its store."""


class Child(NamedTuple):
    """What a process gets of the one that began it, as ``--child`` says it.

    Attributes:
        number: from 0.
        listening: the file of the socket.
        lifeline: a pipe that is closed when the parent ends, however it ends.
    """

    number: int
    listening: int
    lifeline: int

    @classmethod
    def from_text(cls, text: str) -> "Child":
        """Read ``NUMBER,FILE,FILE``; raises `ValueError`."""
        number, listening, lifeline = map(int, text.split(","))
        return cls(number, listening, lifeline)

    def socket(self) -> socket.socket:
        """The socket that all processes share."""
        return socket.socket(fileno=self.listening)

    def watch_parent(self, happenings: Happenings) -> Event:
        """Ask for the end when the parent ends.

        Returns:
            An event to be set when the end has begun. From then on the parent's end, which comes of a second signal,
            ends this process at once.
        """
        is_ending = Event()

        def watch() -> None:
            with os.fdopen(self.lifeline, "rb") as pipe:
                pipe.read()
            if is_ending.is_set():
                os._exit(128 + signal.SIGTERM)
            happenings.put("orphaned")

        Thread(target=watch, name="whereupon-parent", daemon=True).start()
        return is_ending


class Supervisor:
    """The processes that share a port.

    Args:
        number: how many.
        listening: the socket.
        happenings: gets the number of each process that ends.
    """

    def __init__(self, number: int, listening: socket.socket, happenings: Happenings) -> None:
        self._listening = listening
        self._happenings = happenings
        self._number = number
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._began: dict[int, float] = {}
        self._pauses: dict[int, float] = {}
        self._due: dict[int, float] = {}
        self._reading, self._writing = os.pipe()

    def run(self, patience: float) -> bool:
        """Keep the processes alive until a signal asks for the end, and end them.

        Args:
            patience: seconds after which processes that do not end are killed.

        Returns:
            Whether all of them ended as they should.
        """
        for number in range(self._number):
            self._begin(number)
        while True:
            match next_happening(self._happenings, self._next_due()):
                case "stop":
                    return self._end(signal.SIGTERM, patience)
                case "interrupt":
                    return self._end(signal.SIGINT, patience)
                case "reload":
                    self._tell(signal.SIGHUP)
                case int() as number:
                    self._note_death(number)
            self._begin_due()

    def _begin(self, number: int) -> None:
        files = (self._listening.fileno(), self._reading)
        child = ",".join(map(str, (number, *files)))
        command = [sys.executable, "-m", "whereupon", *sys.argv[1:], "--child", child]
        process = subprocess.Popen(  # noqa: S603 - the command that runs already
            command, pass_fds=files, start_new_session=True, stdin=subprocess.DEVNULL
        )
        self._processes[number] = process
        self._began[number] = monotonic()

        def wait() -> None:
            process.wait()
            self._happenings.put(number)

        Thread(target=wait, name=f"whereupon-child-{number}", daemon=True).start()

    def _note_death(self, number: int) -> None:
        status = self._processes.pop(number).returncode
        is_young = monotonic() - self._began[number] < _YOUNG
        before = self._pauses.get(number, 0.0)
        pause = min(_LONGEST_PAUSE, 2 * before) if is_young and before else _FIRST_PAUSE
        self._pauses[number] = pause
        self._due[number] = monotonic() + pause
        ms = round(pause * 1000)
        log_event(_LOG, logging.ERROR, "process-died", worker=number, status=status, again_in_ms=ms)

    def _next_due(self) -> float | None:
        return max(0.0, min(self._due.values()) - monotonic()) if self._due else None

    def _begin_due(self) -> None:
        for number in [n for n, due in self._due.items() if due <= monotonic()]:
            del self._due[number]
            self._begin(number)

    def _tell(self, number: signal.Signals) -> None:
        for process in self._processes.values():
            process.send_signal(number)

    def _end(self, number: signal.Signals, patience: float) -> bool:
        self._tell(number)
        until = monotonic() + patience + _BEYOND_GRACE
        ended_well = True
        for process in self._processes.values():
            try:
                ended_well &= process.wait(max(0.0, until - monotonic())) == 0
            except subprocess.TimeoutExpired:
                process.kill()
                ended_well = False
        return ended_well
