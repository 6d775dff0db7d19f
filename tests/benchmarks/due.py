"""Entries that wait: what they cost until they are due, and waking them beside the bare driver, in one run.

    python -m tests.benchmarks.due [--entries N]

What is measured is said in `bench_due`. A million entries, as by default, take about four minutes, nearly all of them to
put them there.
"""

import argparse
import sys

from tests.benchmarks.table import Row, at_most, exit_status, show
from tests.benchmarks.timing import rate_row, timed

RATE_BAR, IDLE_BAR = 0.33, 1.25
REPRODUCE = "python -m tests.benchmarks.due"
DATABASES = {"sqlite": "SQLite", "postgres": "PostgreSQL"}
IDLE = {"looks": "looking for due work", "ingests": "messages of strangers"}


def rows(entries: int = 1_000_000) -> list[Row]:
    """Measure every figure."""
    times = timed("bench_due.py", {"WHEREUPON_ENTRIES": entries})
    found = []
    for name, database in DATABASES.items():
        for test, what in IDLE.items():
            ours, empty = (times[f"test_{test}[{name}-{store}]"] for store in ("waiting", "empty"))
            ratio = ours.median / empty.median
            bar, met = at_most(ratio, IDLE_BAR)
            figure = f"{what}, {entries:,} waiting, {database}"
            beside = f"none waiting {empty.rate}"
            found.append(Row(figure, ours.rate, beside, ratio, bar, met, ours.spread, REPRODUCE))
    for name, database in DATABASES.items():
        ours, bare = times[f"test_wakes[{name}]"], times[f"test_reference[{name}]"]
        figure = f"waking of {entries:,}, {database}"
        found.append(rate_row(figure, ours, "the bare driver", bare, RATE_BAR, REPRODUCE))
    return found


def main() -> int:
    """Measure, print the table, and fail where a bar is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--entries", type=int, default=1_000_000, help="42,000 at least")
    found = rows(parser.parse_args().entries)
    show(found)
    return exit_status(found)


if __name__ == "__main__":
    sys.exit(main())
