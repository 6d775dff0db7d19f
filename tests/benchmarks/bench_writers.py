"""One and two processes that write to PostgreSQL, timed by pytest-benchmark; run by `tests.benchmarks.writers`.

``WHEREUPON_MESSAGES`` says how many messages each process writes. The processes stand ready, with their
messages or rows made, before the time begins. The store of each round is new: one that was emptied keeps dead rows and
old statistics, which the rounds of two processes would meet more of than those of one.
"""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from subprocess import PIPE, Popen

import psycopg
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from tests.benchmarks.timing import rounds_of
from tests.benchmarks.writers import conninfo
from tests.servers import Server

COUNT = int(os.environ.get("WHEREUPON_MESSAGES", "20000"))


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("role", ["engine", "bare"])
def test_writers(benchmark: BenchmarkFixture, server: Server, role: str, processes: int) -> None:
    """So many processes, each with messages of its own, into one new store."""
    with ExitStack() as stack:

        def setup() -> tuple[tuple[Callable[[], None]], dict[str, object]]:
            stack.close()
            url = stack.enter_context(server.new())
            stack.enter_context(_floor(url))
            running = [_writer(role, url, seed) for seed in range(1, processes + 1)]
            for process in running:
                assert process.stdout is not None
                process.stdout.readline()  # it is ready
            return (lambda: _race(running),), {}

        rounds_of(benchmark, setup, count=processes * COUNT, rounds=3)


@contextmanager
def _floor(url: str) -> Iterator[None]:
    """The table of the bare writers."""
    with psycopg.connect(conninfo(url)) as connection:
        connection.execute("CREATE TABLE floor (LIKE whereupon_message INCLUDING ALL)")
    yield
    with psycopg.connect(conninfo(url)) as connection:
        connection.execute("DROP TABLE floor")


def _writer(role: str, url: str, seed: int) -> Popen[str]:
    command = [sys.executable, "-m", "tests.benchmarks.writers", "--role", role, "--url", url]
    command += ["--messages", str(COUNT), "--seed", str(seed)]
    return Popen(command, stdin=PIPE, stdout=PIPE, text=True)


def _race(running: Sequence[Popen[str]]) -> None:
    for process in running:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in running:
        process.communicate()
        assert process.returncode == 0
