"""`whereupon run` as a process: what it does, how it ends, and what it survives."""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from socket import socket
from time import monotonic
from urllib.request import urlopen

import pytest
from tests.servers import Server, mortal

from whereupon import Engine
from whereupon.records import DeliveryState

LONGEST = 60
RULE = """\
campaign: hello
description: Say hello.
when: hello
reentry: every_time
whereupon: [{send: push, title: Hello}]
"""
CHANNEL = """\
import os, time

def push(delivery):
    with open(os.environ["SENT"], "a") as sent:
        sent.write(f"{os.getpid()} {delivery.person}\\n")

def slow(delivery):
    print("called", flush=True)
    time.sleep(float(os.environ.get("SLOW", "1")))
    push(delivery)

def hanging(delivery):
    print("called", flush=True)
    time.sleep(600)
"""


class Running:
    """A process of ``whereupon run``, whose log is read line by line."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.log: list[dict[str, object]] = []

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

    def await_call(self) -> None:
        """Wait until a channel says that it is called."""
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "called\n"

    def ended(self) -> int:
        """The exit status, once it has ended."""
        return self.process.wait(LONGEST)


class Shop:
    """A folder with rules, a channel and a configuration."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        (folder / "rules").mkdir()
        (folder / "rules" / "hello.yaml").write_text(RULE)
        (folder / "shop_channels.py").write_text(CHANNEL)
        self.sent = folder / "sent"
        self.sent.touch()
        self.configure("push")

    def configure(self, function: str, more: str = "") -> None:
        """Write the configuration."""
        (self.folder / "whereupon.toml").write_text(
            f"store = {json.dumps(self.url)}\npoll = '1s'\n{more}\n"
            f"[channels.push]\nuse = 'shop_channels:{function}'\n"
        )

    def greet(self, *people: str) -> None:
        """Make deliveries due."""
        with Engine.open(self.url, rules=self.folder / "rules") as engine:
            for person in people:
                engine.track("hello", user_id=person)

    def started(self, *options: str, **environ: str) -> "subprocess.Popen[str]":
        """Start the command."""
        return subprocess.Popen(
            [sys.executable, "-m", "whereupon", "run", "--log-format", "json", *options],
            cwd=self.folder,
            env={**os.environ, "SENT": str(self.sent), **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    @contextmanager
    def running(self, *options: str, **environ: str) -> Iterator[Running]:
        """Run the command until the end of the block."""
        with self.started(*options, **environ) as process:
            running = Running(process)
            try:
                running.await_event("started")
                yield running
            finally:
                process.kill()

    def await_sent(self, count: int) -> list[str]:
        """Wait until so many deliveries were sent; the lines of the channel."""
        deadline = monotonic() + LONGEST
        while monotonic() < deadline:
            lines = self.sent.read_text().splitlines()
            if len(lines) >= count:
                return lines
            select.select([], [], [], 0.02)
        pytest.fail(f"{count} deliveries were never sent")

    def states(self) -> list[DeliveryState]:
        """The states of all deliveries."""
        with Engine.open(self.url) as engine:
            return [each.state for each in engine.deliveries()]


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A shop on SQLite."""
    return Shop(tmp_path, f"sqlite:///{tmp_path}/shop.db")


def test_once_does_what_is_due_and_says_how_much(shop: Shop) -> None:
    """For cron: no signal is needed, and the counts are on standard output."""
    shop.greet("ada", "bob")
    process = shop.started("--once")
    printed, log = process.communicate(timeout=LONGEST)
    assert process.returncode == 0, log
    assert printed == (
        "0 decisions, 0 requests; deliveries: 2 sent, 0 to be tried again, 0 dead, 0 withheld\n"
    )


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_the_call_under_way_end_and_puts_the_rest_back(
    shop: Shop, number: signal.Signals
) -> None:
    """The status is 0, and nothing is lost: one is sent, the other is due at once."""
    shop.configure("slow")
    shop.greet("ada", "bob")
    with shop.running() as running:
        running.await_call()
        running.process.send_signal(number)
        assert running.ended() == 0
    assert sorted(shop.states()) == [DeliveryState.PENDING, DeliveryState.SENT]


@pytest.mark.slow
def test_a_second_signal_ends_the_process_at_once(shop: Shop) -> None:
    """An operator who has waited long enough need not look for a process id to kill."""
    shop.configure("hanging")
    shop.greet("ada")
    with shop.running("--grace", "10m") as running:
        running.await_call()
        running.process.send_signal(signal.SIGTERM)
        running.await_event("stopping")
        running.process.send_signal(signal.SIGTERM)
        assert running.ended() == 128 + signal.SIGTERM


@pytest.mark.slow
def test_a_call_that_outlasts_the_grace_is_left_alone(shop: Shop) -> None:
    """The process ends all the same; the call is made again when its lease is over."""
    shop.configure("hanging")
    shop.greet("ada")
    with shop.running("--grace", "1s") as running:
        running.await_call()
        running.process.send_signal(signal.SIGTERM)
        running.await_event("close-timeout")
        assert running.ended() == 0


@pytest.mark.slow
def test_work_that_another_process_makes_is_done(shop: Shop) -> None:
    """A web process takes messages, and this one sends."""
    with shop.running():
        shop.greet("ada")
        assert shop.await_sent(1)[0].endswith(" ada")


@pytest.mark.slow
def test_a_hang_up_reads_the_rules_again_and_errors_keep_the_old_ones(shop: Shop) -> None:
    """The errors are logged with their places."""
    rule = shop.folder / "rules" / "hello.yaml"
    with shop.running() as running:
        rule.write_text(RULE + "wher: {}\n")
        running.process.send_signal(signal.SIGHUP)
        refused = running.await_event("rules-invalid")
        assert (refused["code"], str(refused["place"]).endswith("hello.yaml:6:1")) == (
            "unknown-key",
            True,
        )
        rule.write_text(RULE)
        running.process.send_signal(signal.SIGHUP)
        assert running.await_event("rules-reloaded")["rules"] == 1


@pytest.mark.slow
def test_with_reload_a_changed_file_is_read_again(shop: Shop) -> None:
    """Nobody has to send a signal."""
    with shop.running("--reload") as running:
        (shop.folder / "rules" / "bye.yaml").write_text(RULE.replace("hello", "bye"))
        assert running.await_event("rules-reloaded")["rules"] == 2


@pytest.mark.slow
def test_metrics_are_served_while_it_runs(shop: Shop) -> None:
    """On the loopback, in the form of Prometheus."""
    with closing(socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with shop.running("--metrics-port", str(port)), urlopen(f"http://127.0.0.1:{port}/") as answer:
        assert b"whereupon_store_up" in answer.read()


def test_a_missing_rules_folder_and_an_unknown_store_are_wrong_usage(shop: Shop) -> None:
    """One sentence says which, without the password; nothing is begun."""
    cases = {
        ("--rules", "nowhere"): "the rules folder 'nowhere' does not exist",
        (
            "--store",
            "postgresql://shop:hush@127.0.0.1:1/shop",
        ): "unreachable: the database cannot be reached",
    }
    for options, sentence in cases.items():
        process = shop.started(*options)
        printed, log = process.communicate(timeout=LONGEST)
        assert (process.returncode, printed, "hush" in log) == (2, "", False)
        assert sentence in log


@pytest.mark.slow
@pytest.mark.postgres
def test_two_processes_share_the_work_of_one_database(tmp_path: Path, server: Server) -> None:
    """Each delivery goes out once, by one of them."""
    with server.clean() as url, ExitStack() as processes:
        shop = Shop(tmp_path, url)
        shop.configure("slow")
        for _ in range(2):
            processes.enter_context(shop.running(SLOW="0.05"))
        shop.greet(*[f"person-{number}" for number in range(40)])
        lines = shop.await_sent(40)
        assert len({line.split()[1] for line in lines}) == 40
        assert len({line.split()[0] for line in lines}) == 2


@pytest.mark.slow
@pytest.mark.postgres
def test_a_store_that_goes_away_and_comes_back_is_no_end(tmp_path: Path) -> None:
    """The process logs that a round failed, and goes on when the database is there again."""
    with mortal() as server, server.empty() as url:
        shop = Shop(tmp_path, url)
        shop.greet()
        with shop.running() as running:
            server.stop()
            running.await_event("round-failed")
            server.start()
            shop.greet("ada")
            assert shop.await_sent(1)[0].endswith(" ada")
            running.process.send_signal(signal.SIGTERM)
            assert running.ended() == 0
