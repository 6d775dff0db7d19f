"""Replay against its floor: the bare insert of the same rows into the same schema, in one run.

    python tests/benchmarks/replay_floor.py [--messages N] [--rounds N]

A generated shop stream is replayed against ``rules/`` into a store on SQLite (decoding, matching,
deciding, running steps, writing); then every row that the store holds is inserted by the bare driver,
in transactions as large as the replay's. The two take turns; medians are compared. Peak memory is
that of a process that replays a stream, and of one that replays a stream four times as long.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter

import orjson
from fixtures.shop_stream import messages
from rich.console import Console
from rich.table import Table
from tests.benchmarks.store_floor import insert_rows, read_rows

from whereupon.engine import Engine
from whereupon.replay import BATCH, FrozenClock, Summary, calm_collector, read_streams, replay
from whereupon.streams import StreamReader

BAR = 1 / 3
GROWTH_BAR = 1.15


def write_stream(path: Path, count: int) -> None:
    """Generate a stream of ``count`` messages."""
    with path.open("wb") as file:
        for message in messages(count, seed=1):
            file.write(orjson.dumps(message) + b"\n")


def run_replay(stream: Path, url: str) -> tuple[float, Summary]:
    """Replay a stream into a store; the seconds it took, opening included, and its summary."""

    def open_engine(clock: FrozenClock) -> Engine:
        return Engine.open(url, rules="rules", clock=clock)

    begun = perf_counter()
    with calm_collector():
        summary = replay(read_streams([stream], StreamReader()), open_engine, lambda _: None)
    return perf_counter() - begun, summary


def measure(count: int, rounds: int) -> tuple[list[float], list[float], Summary]:
    """Seconds of each replay and of each bare insert, taking turns."""
    replays: list[float] = []
    inserts: list[float] = []
    summary = Summary()
    with tempfile.TemporaryDirectory() as folder:
        stream = Path(folder) / "shop.jsonl"
        write_stream(stream, count)
        for turn in range(rounds):
            url = f"sqlite:///{folder}/replay-{turn}.db"
            seconds, summary = run_replay(stream, url)
            replays.append(seconds)
            inserts.append(insert_rows(f"sqlite:///{folder}/bare-{turn}.db", read_rows(url), BATCH))
    return replays, inserts, summary


def peak_memory(count: int) -> int:
    """Kilobytes at the most of a process that replays that many messages."""
    command = [sys.executable, "-m", "tests.benchmarks.replay_floor", "--peak", str(count)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(done.stdout)


def _print_peak(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        stream = Path(folder) / "shop.jsonl"
        write_stream(stream, count)
        run_replay(stream, f"sqlite:///{folder}/replay.db")
    sys.stdout.write(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}\n")


def main() -> int:
    """Print one table; 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peak", type=int)
    options = parser.parse_args()
    if options.peak:
        _print_peak(options.peak)
        return 0
    replays, inserts, summary = measure(options.messages, options.rounds)
    short, long = peak_memory(options.messages // 4), peak_memory(options.messages)
    ratio, growth = median(inserts) / median(replays), long / short
    table = Table(title=f"{options.messages:,} messages, {options.rounds} rounds, medians")
    for column in ("figure", "value", "reference", "ratio", "bar"):
        table.add_column(column, justify="left" if column == "figure" else "right")
    rate: Callable[[list[float]], str] = lambda s: f"{options.messages / median(s):,.0f}/s"  # noqa: E731
    table.add_row(
        "replay against the bare insert", rate(replays), rate(inserts), f"{ratio:.2f}", ">= 0.33"
    )
    table.add_row(
        "peak memory, long against short",
        f"{long // 1024} MB",
        f"{short // 1024} MB",
        f"{growth:.2f}",
        f"<= {GROWTH_BAR}",
    )
    console = Console()
    console.print(table)
    spread = ", ".join(f"{a:.2f}s/{b:.2f}s" for a, b in zip(replays, inserts, strict=True))
    console.print(f"replay/insert of each round: {spread}")
    console.print(f"the replay: {summary.as_dict()}", soft_wrap=True)
    return 0 if ratio >= BAR and growth <= GROWTH_BAR else 1


if __name__ == "__main__":
    sys.exit(main())
