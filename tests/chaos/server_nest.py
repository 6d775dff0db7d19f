"""A process that imports the command line once, and forks a ``whereupon`` command for each request.

    python -m tests.chaos.server_nest

It reads the arguments of a command from standard input, a JSON list a line, and answers with the process's number.
A server then stands in some tens of milliseconds, and a thousand kills are a matter of minutes.
"""

import json
import os
import signal
import sys
from importlib import import_module
from subprocess import PIPE, Popen
from typing import Self

from tests.paths import ROOT

_AHEAD = ("whereupon.cli.serve", "whereupon.web.serving", "whereupon.storage.sql.store", "psycopg")


class ServerNest:
    """Starts commands; each is the leader of a process group, so that all of it can be killed."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.chaos.server_nest"]
        self._process = Popen(command, stdin=PIPE, stdout=PIPE, cwd=ROOT)

    def start(self, *arguments: str) -> int:
        """Start a command; returns the number of its process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(arguments).encode() + b"\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


def main() -> None:
    """Fork until no request comes."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries the commands
    for name in _AHEAD:
        import_module(name)
    for line in sys.stdin.buffer:
        pid = os.fork()
        if pid == 0:
            _become(json.loads(line))
        os.write(1, f"{pid}\n".encode())


def _become(arguments: list[str]) -> None:
    """Be the command. What it prints goes to standard error, since standard output is the nest's."""
    from whereupon.__main__ import main as command  # noqa: PLC0415 - it is imported ahead

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setpgid(0, 0)
    os.dup2(2, 1)
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123
        os.dup2(nothing.fileno(), 0)
    sys.argv = ["whereupon", *arguments]
    try:
        command()
    except SystemExit as end:
        os._exit(end.code if isinstance(end.code, int) else 1)
    os._exit(0)


if __name__ == "__main__":
    main()
