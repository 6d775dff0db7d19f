"""`whereupon serve` as a process: what it answers, and how it ends."""

import json
import os
import signal
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread

import psutil
import pytest

from whereupon import Engine

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
        self._lines: SimpleQueue[str] = SimpleQueue()
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._lines.put(line)
        self._lines.put("")

    def await_event(self, event: str) -> dict[str, object]:
        """Read the log until an event is in it."""
        with suppress(Empty):
            while line := self._lines.get(timeout=LONGEST):
                self.log.append(json.loads(line) if line.startswith("{") else {"said": line})
                if self.log[-1].get("event") == event:
                    return self.log[-1]
        pytest.fail(f"{event} was never logged, but {self.log}")

    def ask(self, method: str, path: str, body: str | None = None) -> HTTPResponse:
        """Send one request."""
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=LONGEST)) as connection:
            connection.request(method, path, body)
            return connection.getresponse()

    def ended(self) -> int:
        """The exit status, once it has ended."""
        return self.process.wait(LONGEST)

    def kill(self) -> None:
        """End the process, if it still runs, and read what is left of its log."""
        self.process.kill()
        self._reader.join()


@contextmanager
def started(folder: Path, *options: str) -> Iterator["subprocess.Popen[str]"]:
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
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def serving(folder: Path, *options: str, begun: str = "started") -> Iterator[Serving]:
    """Run the command, and wait until it takes requests."""
    with started(folder, *options) as process:
        running = Serving(process)
        try:
            port = running.await_event(begun)["port"]
            assert isinstance(port, int)
            running.port = port
            yield running
        finally:
            running.kill()


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


@pytest.mark.slow
def test_the_door_is_as_the_file_says(tmp_path: Path) -> None:
    """Clients are told its address, and get the scripts of the folder."""
    (tmp_path / "umd").mkdir()
    (tmp_path / "umd" / "standalone.js").write_text('key="__WRITE_KEY__"')
    door = '[door]\nurl = "https://events.shop.example"\nsegment_scripts = "umd"\n'
    (tmp_path / "whereupon.toml").write_text(f'store = "sqlite:///shop.db"\n{door}')
    with serving(tmp_path, "--drain", "0s") as running:
        settings = running.ask("GET", "/v1/projects/k/settings")
        assert settings.status == 200
        assert running.ask("GET", "/analytics.js/v1/k/analytics.min.js").status == 200
        assert running.ask("GET", "/v1/analytics-js/snippet/k/analytics.min.js").status == 404


def test_a_folder_without_the_scripts_is_told_at_the_start(tmp_path: Path) -> None:
    """Not when the first page asks."""
    (tmp_path / "whereupon.toml").write_text('[door]\nsegment_scripts = "nowhere"\n')
    with started(tmp_path, "--store", "memory://") as process:
        _, said = process.communicate(timeout=LONGEST)
    assert process.returncode != 0
    assert "dist/umd" in said


def _children(process: "subprocess.Popen[str]") -> list[psutil.Process]:
    return psutil.Process(process.pid).children()


@contextmanager
def several(folder: Path, store: str, *options: str) -> Iterator[tuple[Serving, list[int]]]:
    """Two processes on one port, and their ids."""
    with serving(
        folder, "--store", store, "--processes", "2", *options, begun="supervising"
    ) as running:
        children: list[int] = []
        try:
            for _ in range(2):
                running.await_event("started")
            children += [each.pid for each in _children(running.process)]
            yield running, children
        finally:
            for pid in children:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


@pytest.mark.slow
def test_processes_share_a_port_and_end_together(tmp_path: Path, database: str) -> None:
    """Every request is answered by one of them, and one signal ends all."""
    with several(tmp_path, database, "--drain", "0s") as (running, children):
        assert len(children) == 2
        assert {running.ask("GET", "/readyz").status for _ in range(20)} == {200}
        running.process.send_signal(signal.SIGTERM)
        assert running.ended() == 0
        assert not any(psutil.pid_exists(pid) for pid in children)


@pytest.mark.slow
def test_a_process_that_dies_is_begun_again(tmp_path: Path) -> None:
    """The others go on meanwhile, and the port stays open."""
    with several(tmp_path, "sqlite:///shop.db", "--drain", "0s") as (running, children):
        os.kill(children[0], signal.SIGKILL)
        died = running.await_event("process-died")
        assert died["status"] == -signal.SIGKILL
        assert running.ask("GET", "/readyz").status == 200
        again = running.await_event("started")
        assert again["worker"] == died["worker"]
        children += [each.pid for each in _children(running.process)]
        running.process.send_signal(signal.SIGTERM)
        assert running.ended() == 0


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_parent_that_dies_takes_the_others_with_it(
    tmp_path: Path, number: signal.Signals
) -> None:
    """Killed, or ended at once by a second signal: nothing is left that holds the port."""
    with several(tmp_path, "sqlite:///shop.db", "--drain", "1h") as (running, children):
        waiting = [psutil.Process(pid) for pid in children]
        running.process.send_signal(number)
        if number == signal.SIGTERM:
            for _ in range(2):
                running.await_event("draining")
            running.process.send_signal(number)
        running.ended()
        _, alive = psutil.wait_procs(waiting, timeout=LONGEST)
        assert alive == []


@pytest.mark.slow
def test_a_hang_up_reads_the_rules_again_in_all_processes(tmp_path: Path) -> None:
    """One signal to the parent is enough."""
    with several(tmp_path, "sqlite:///shop.db", "--drain", "0s") as (running, _):
        (tmp_path / "rules" / "bye.yaml").write_text(RULE.replace("hello", "bye"))
        running.process.send_signal(signal.SIGHUP)
        for _ in range(2):
            assert running.await_event("rules-reloaded")["rules"] == 2


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--store", "memory://", "--processes", "2"), "a store in memory is that of one process"),
        (("--store", "sqlite:///x.db", "--root-path", "w"), "root_path begins with a slash"),
        (("--store", "sqlite:///x.db", "--host", "192.0.2.1"), "Cannot assign requested address"),
    ],
)
def test_what_cannot_be_served_is_said(
    tmp_path: Path, options: tuple[str, ...], sentence: str
) -> None:
    """In one sentence, before anything is begun."""
    with started(tmp_path, *options) as process:
        _, log = process.communicate(timeout=LONGEST)
        assert (process.returncode, sentence in log) == (2, True), log


@pytest.mark.slow
def test_reports_of_providers_come_in_by_the_configuration(tmp_path: Path) -> None:
    """A table for each channel; its secret stands elsewhere, and a wrong one is refused."""
    (tmp_path / "whereupon.toml").write_text(
        "store = 'sqlite:///shop.db'\n[callbacks.email]\nuse = 'postmark'\nuser = 'p'\n"
        "password = {file = 'secret'}\n"
    )
    (tmp_path / "secret").write_text("hush")
    with serving(tmp_path) as running:
        statuses = []
        for secret in ("hush", "wrong"):
            basic = b64encode(f"p:{secret}".encode()).decode()
            with closing(HTTPConnection("127.0.0.1", running.port)) as connection:
                report = {"RecordType": "Open", "Metadata": {}}
                headers = {"Authorization": f"Basic {basic}"}
                connection.request("POST", "/callbacks/email", json.dumps(report), headers)
                statuses.append(connection.getresponse().status)
        assert statuses == [200, 401]
        assert running.ask("POST", "/callbacks/sms", "{}").status == 404


def test_callbacks_that_cannot_be_made_are_all_named(tmp_path: Path) -> None:
    """Before anything is opened, each with its place, and no secret among the words."""
    (tmp_path / "whereupon.toml").write_text(
        "store = 'sqlite:///shop.db'\n[callbacks.email]\nuse = 'mailgum'\n"
        "[callbacks.sms]\nuse = 'twilio'\ntoken = 'hush'\n[callbacks.push]\n"
        "[callbacks.slack]\nuse = 'no_such_module:read'\n[callbacks.chat]\nuse = 'os:name'\n"
    )
    with started(tmp_path) as process:
        _, log = process.communicate(timeout=LONGEST)
    assert process.returncode == 2
    for said in (
        "whereupon.toml:3:1: unknown-callback there are no callbacks 'mailgum'; did you mean 'mailgun'?",
        "there is no key 'token'",
        "add auth_token = …: a text",
        "unknown-callback add use = …: standard, twilio, sendgrid, mailgun, postmark",
        "unknown-callback no_such_module:read: No module named 'no_such_module'",
        "unknown-callback os:name is neither a function nor a class",
    ):
        assert said in log, log
    assert "hush" not in log
    assert not (tmp_path / "shop.db").exists()


@pytest.mark.slow
@pytest.mark.postgres
def test_two_servers_share_one_database(tmp_path: Path, postgres: str) -> None:
    """A message that is sent to both of them, since the first answer was lost, is in once."""
    with Engine.open(postgres) as engine:
        secret = engine.keys.create("shop", kind="server").secret
        with (
            serving(tmp_path, "--store", postgres) as one,
            serving(tmp_path, "--store", postgres, "--no-work") as other,
        ):
            message = {"userId": "ada", "event": "hello", "messageId": "m-1"}
            basic = b64encode(f"{secret}:".encode()).decode()
            for running in (one, other):
                with closing(HTTPConnection("127.0.0.1", running.port)) as connection:
                    headers = {"Authorization": f"Basic {basic}"}
                    connection.request("POST", "/v1/track", json.dumps(message), headers)
                    assert connection.getresponse().status == 200
        assert len(engine.deliveries()) == 1
