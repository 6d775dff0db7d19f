"""Replay against its floor: the bare insert of the same rows into the same schema, in one run.

    python -m tests.benchmarks.replay_floor [--messages N] [--rounds N]

A generated shop stream is replayed against ``rules/`` into a throwaway store on SQLite (reading,
decoding, matching, deciding, running steps, writing); then every row that the store holds is inserted
into an empty store of the same schema and settings, in transactions of as many rows: by the
bare driver, the fastest that there is and what the bar is measured by, and by SQLAlchemy's ``insert()``
for comparison. All take turns; medians are compared. None of these stores waits for the disk. What is opened before the first message does not count, nor does making the rows.

Peak memory is that of a process that replays a stream, and of one that replays one four times as long.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import perf_counter

import orjson
from fixtures.shop_stream import messages
from rich.console import Console
from rich.table import Table
from tests.benchmarks.store_floor import insert_rows, insert_rows_by_core, read_rows

import whereupon.collector as collector
from whereupon.engine import Engine
from whereupon.replay import BATCH, FrozenClock, Summary, read_streams, replay
from whereupon.streams import StreamReader

BAR = 1 / 3
GROWTH_BAR = 1.15


def write_stream(path: Path, count: int) -> None:
    """Generate a stream of ``count`` messages."""
    with path.open("wb") as file:
        for message in messages(count, seed=1):
            file.write(orjson.dumps(message) + b"\n")


def run_replay(stream: Path, url: str) -> tuple[float, Summary]:
    """Replay a stream into a store; the seconds it took from its first message on, and its summary."""

    def open_engine(clock: FrozenClock) -> Engine:
        return Engine.open(url, rules="rules", clock=clock)

    begun = [0.0]

    def open_and_begin(clock: FrozenClock) -> Engine:
        engine = open_engine(clock)
        begun[0] = perf_counter()
        return engine

    with collector.calm():
        summary = replay(read_streams([stream], StreamReader()), open_and_begin, lambda _: None)
    return perf_counter() - begun[0], summary


@dataclass
class Figures:
    """Seconds of each round."""

    replays: list[float] = field(default_factory=list)
    by_core: list[float] = field(default_factory=list)
    by_driver: list[float] = field(default_factory=list)
    summary: Summary = field(default_factory=Summary)


def measure(count: int, rounds: int) -> Figures:
    """Replay and insert, taking turns."""
    figures = Figures()
    with tempfile.TemporaryDirectory() as folder:
        stream = Path(folder) / "shop.jsonl"
        write_stream(stream, count)
        for turn in range(rounds):
            urls = [f"sqlite:///{folder}/{turn}-{name}.db?synchronous=OFF" for name in "abc"]
            seconds, figures.summary = run_replay(stream, urls[0])
            rows = read_rows(urls[0])
            figures.replays.append(seconds)
            figures.by_core.append(insert_rows_by_core(urls[1], rows, BATCH))
            figures.by_driver.append(insert_rows(urls[2], rows, BATCH))
    return figures


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
    sys.stdout.write(f"{_peak()}\n")


def _peak() -> int:
    """Kilobytes; where Linux tells, not by getrusage, which starts from the parent's size."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    lines = status.read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1])


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
    figures = measure(options.messages, options.rounds)
    short, long = peak_memory(options.messages // 4), peak_memory(options.messages)
    ratio = median(figures.by_driver) / median(figures.replays)
    growth = long / short
    _print(figures, options.messages, short, long)
    return 0 if ratio >= BAR and growth <= GROWTH_BAR else 1


def _judged(bar: str, *, met: bool) -> str:
    return bar if met else f"{bar} MISSED"


def _print(figures: Figures, messages_replayed: int, short: int, long: int) -> None:
    def rate(seconds: list[float]) -> str:
        return f"{messages_replayed / median(seconds):,.0f}/s"

    table = Table(title=f"{messages_replayed:,} messages, {len(figures.replays)} rounds, medians")
    for column in ("figure", "value", "reference", "ratio", "bar"):
        table.add_column(column, justify="left" if column == "figure" else "right")
    replays = figures.replays
    ratio = median(figures.by_driver) / median(replays)
    bar = _judged(f">= {BAR:.2f}", met=ratio >= BAR)
    table.add_row(
        "replay against the bare insert (driver)",
        rate(replays),
        rate(figures.by_driver),
        f"{ratio:.2f}",
        bar,
    )
    against_core = median(figures.by_core) / median(replays)
    table.add_row(
        "for comparison: SQLAlchemy's insert()",
        rate(replays),
        rate(figures.by_core),
        f"{against_core:.2f}",
        "none",
    )
    table.add_row(
        "peak memory of a stream four times as long",
        f"{long // 1024} MB",
        f"{short // 1024} MB",
        f"{long / short:.2f}",
        _judged(f"<= {GROWTH_BAR}", met=long / short <= GROWTH_BAR),
    )
    console = Console(width=110)
    console.print(table)
    rounds = zip(replays, figures.by_core, figures.by_driver, strict=True)
    spread = ", ".join("/".join(f"{seconds:.2f}" for seconds in turn) for turn in rounds)
    console.print(f"seconds of each round (replay/insert()/driver): {spread}")
    console.print(f"the replay: {figures.summary.as_dict()}", soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
