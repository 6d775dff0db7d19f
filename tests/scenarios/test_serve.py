"""`whereupon serve` as a process: what it answers, and how it ends."""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from time import monotonic

import pytest

LONGEST = 60
RULE = """\
campaign: hello
description: Say hello.
when: hello
reentry: every_time
whereupon: [{send: push, title: Hello}]
"""


class Serving:
    """A process of ``whereupon serve``, whose log is read line by line."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.log: list[dict[str, object]] = []
        self.port = 0

    def await_event(self, event: str) -> dict[str, object]:
        """Read the log until an event is in it."""
        assert self.process.stderr is not None
        deadline = monotonic() + LONGEST
        while monotonic() < deadline:
            ready, _, _ = select.select([self.process.stderr], [], [], 1)
            line = self.process.stderr.readline() if ready else ""
            if line.startswith("{"):
                self.log.append(json.loads(line))
                if self.log[-1].get("event") == event:
                    return self.log[-1]
            elif ready and not line:
                break
        pytest.fail(f"{event} was never logged, but {self.log}")

    def ask(self, method: str, path: str, body: str | None = None) -> HTTPResponse:
        """Send one request."""
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=LONGEST)) as connection:
            connection.request(method, path, body)
            return connection.getresponse()

    def ended(self) -> int:
        """The exit status, once it has ended."""
        return self.process.wait(LONGEST)


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[Serving]:
    """Run the command on a free port, with one rule, until the end of the block."""
    (folder / "rules").mkdir(exist_ok=True)
    (folder / "rules" / "hello.yaml").write_text(RULE)
    command = [sys.executable, "-m", "whereupon", "serve", "--log-format", "json", "--port", "0"]
    with subprocess.Popen(
        [*command, *options],
        cwd=folder,
        env=dict(os.environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        bufsize=1,
    ) as process:
        running = Serving(process)
        try:
            port = running.await_event("started")["port"]
            assert isinstance(port, int)
            running.port = port
            yield running
        finally:
            process.kill()


@pytest.mark.slow
def test_it_answers_until_a_signal_and_ends_with_status_0(tmp_path: Path) -> None:
    """A service manager stops it by SIGTERM: a balancer is told first, and what still comes is answered."""
    with serving(tmp_path, "--store", "sqlite:///shop.db", "--drain", "1m") as running:
        assert running.ask("GET", "/u/abc").status == 404
        assert running.ask("POST", "/v1/track", "{}").status == 401
        assert running.ask("GET", "/readyz").status == 200
        running.process.send_signal(signal.SIGTERM)
        running.await_event("draining")
        assert running.ask("GET", "/readyz").status == 503
        assert running.ask("GET", "/healthz").status == 200
        last = running.ask("POST", "/v1/track", "{}")
        assert (last.status, last.getheader("Connection")) == (401, "close")
        running.process.send_signal(signal.SIGTERM)
        assert running.ended() == 128 + signal.SIGTERM


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_status_0(tmp_path: Path, number: signal.Signals) -> None:
    """At a terminal nobody waits for a balancer."""
    options = ("--drain", "0s") if number == signal.SIGTERM else ("--drain", "1h")
    with serving(tmp_path, "--store", "sqlite:///shop.db", *options) as running:
        running.process.send_signal(number)
        running.await_event("stopped")
        assert running.ended() == 0
