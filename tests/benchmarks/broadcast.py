"""A broadcast to a large audience beside the bare insert of its rows, and how its audience is found, in one run.

    python -m tests.benchmarks.broadcast [--persons N]

What is measured is said in `bench_broadcast`. A million persons take about six minutes, and 5 GB in the
folder for temporary files. Memory is what the process ever took, sending to a tenth of them and then to all.
"""

import argparse
import sys

from tests.benchmarks.table import Row, at_most, exit_status, show
from tests.benchmarks.timing import Time, rate_row, timed

RATE_BAR, SELECTION_BAR, MEMORY_BAR = 0.33, 2, 1.1
REPRODUCE = "python -m tests.benchmarks.broadcast"
DATABASES = {"sqlite": "SQLite", "postgres": "PostgreSQL"}


def rows(persons: int = 200_000) -> list[Row]:
    """Measure every figure."""
    times = timed("bench_broadcast.py", {"WHEREUPON_PERSONS": persons})
    found = []
    for name, database in DATABASES.items():
        ours = times[f"test_sqlite[{persons}]" if name == "sqlite" else f"test_{name}"]
        bare = times[f"test_{name}_reference"]
        found.append(
            rate_row(
                f"broadcast to {persons:,}, {database}",
                ours,
                "bare insert",
                bare,
                RATE_BAR,
                REPRODUCE,
            )
        )
    for name, database in DATABASES.items():
        ours, everybody = (
            times[f"test_{name}_selects[{way}]"] for way in ("prefilter", "everybody")
        )
        figure = f"selecting 1 % of {persons:,}, {database}"
        found.append(
            rate_row(figure, ours, "all read and asked", everybody, SELECTION_BAR, REPRODUCE)
        )
    return [
        *found,
        _memory(times[f"test_sqlite[{persons // 10}]"], times[f"test_sqlite[{persons}]"], persons),
    ]


def _memory(few: Time, many: Time, persons: int) -> Row:
    bar, met = at_most(many.peak / few.peak, MEMORY_BAR)
    return Row(
        f"peak memory of a broadcast to {persons:,}",
        f"{many.peak // 1024} MB",
        f"to {persons // 10:,} {few.peak // 1024} MB",
        many.peak / few.peak,
        bar,
        met,
        0,
        REPRODUCE,
    )


def main() -> int:
    """Measure, print the table, and fail where a bar is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--persons", type=int, default=200_000, help="a multiple of 100,000")
    found = rows(parser.parse_args().persons)
    show(found)
    return exit_status(found)


if __name__ == "__main__":
    sys.exit(main())
