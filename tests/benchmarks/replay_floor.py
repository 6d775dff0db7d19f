"""Replay against its floor: the bare insert of the same rows into the same schema, in one run.

    python -m tests.benchmarks.replay_floor [--messages N]

A generated shop stream is replayed against ``rules/`` into a temporary store on SQLite (reading,
decoding, matching, deciding, running steps, writing); every row that the store then holds is inserted
into an empty store of the same schema and settings, in transactions of as many rows: by the bare driver,
the fastest that there is and what the bar is measured by, and by SQLAlchemy's ``insert()`` for
comparison. Medians are compared.

Peak memory is that of a process that replays a stream, and of one that replays one four times as long.
"""

import argparse
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests.benchmarks.bench_replay import prepared, write_stream
from tests.benchmarks.table import Row, at_most, exit_status, show
from tests.benchmarks.timing import peak_kilobytes, rate_row, timed

BAR = 1 / 3
GROWTH_BAR = 1.15
REPRODUCE = "python -m tests.benchmarks.replay_floor"


def peak_memory(count: int) -> int:
    """Megabytes at the most of a process that replays that many messages."""
    command = [sys.executable, "-m", "tests.benchmarks.replay_floor", "--peak", str(count)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(done.stdout) // 1024


def _print_peak(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        stream = Path(folder) / "shop.jsonl"
        write_stream(stream, count)
        prepared(stream, f"sqlite:///{folder}/replay.db?synchronous=OFF", stack)()
    sys.stdout.write(f"{peak_kilobytes()}\n")


def rows(messages: int = 100_000) -> list[Row]:
    """Measure the replay's rate beside its floor, and its memory beside a shorter stream's."""
    times = timed("bench_replay.py", {"WHEREUPON_MESSAGES": messages})
    ours = times["test_replay"]
    found = []
    for name, reference, bar in (
        ("the driver", "test_driver", BAR),
        ("insert()", "test_core", None),
    ):
        figure = f"replay, beside {name}"
        row = rate_row(figure, ours, "the same rows alone", times[reference], bar, REPRODUCE)
        found.append(row)
    short, long = peak_memory(messages // 4), peak_memory(messages)
    words, met = at_most(long / short, GROWTH_BAR)
    figure, beside = "peak memory of a replay", f"a stream a quarter as long {short} MB"
    found.append(Row(figure, f"{long} MB", beside, long / short, words, met, 0, REPRODUCE))
    return found


def main() -> int:
    """Print the table; 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--peak", type=int)
    options = parser.parse_args()
    if options.peak:
        _print_peak(options.peak)
        return 0
    found = rows(options.messages)
    show(found)
    return exit_status(found)


if __name__ == "__main__":
    sys.exit(main())
