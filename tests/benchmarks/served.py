"""``whereupon serve`` in a process of its own, for measurements of the whole service."""

import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from subprocess import Popen
from threading import Event

from tests.paths import ROOT, RULES

from whereupon import Engine

_PATIENCE = 60


@contextmanager
def served(
    url: str,
    *,
    keys: Sequence[str],
    options: Sequence[str] = (),
    limits: Mapping[str, str | None] | None = None,
) -> Iterator[tuple[int, Mapping[str, str]]]:
    """The port of a server on a store, and the secrets of server keys by their names; some have a limit."""
    limited = limits or {}
    with Engine.open(url) as engine:
        secrets = {
            name: engine.keys.create(name, kind="server", limit=limited.get(name)).secret
            for name in keys
        }
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        port: int = asked.getsockname()[1]
    command = [sys.executable, "-m", "whereupon", "serve", "--store", url, "--rules", str(RULES)]
    command += ["--port", str(port), "--log-level", "error", "--drain", "0s", *options]
    with Popen(command, cwd=ROOT) as process:
        try:
            _await(port)
            yield port, secrets
        finally:
            process.terminate()


def _await(port: int) -> None:
    until = Event()
    for _ in range(_PATIENCE * 100):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        until.wait(0.01)
    message = "the server does not take connections"
    raise TimeoutError(message)
