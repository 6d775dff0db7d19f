"""Journeys: what people who wait cost until they are due, steps advanced beside the bare driver, and a whole year.

    python -m tests.benchmarks.journeys [--inside N] [--people N]

What is measured is said in `bench_journeys` and `bench_journey_year`. A million inside, as by default, take some minutes, nearly all of them
to put them there; a year of a million people takes about an hour (``--people 1000000``).
"""

import argparse
import sys

from tests.benchmarks.table import Row, at_most, exit_status, show
from tests.benchmarks.timing import rate_row, timed

RATE_BAR, IDLE_BAR, MEMORY_BAR = 0.33, 1.25, 1.15
REPRODUCE = "python -m tests.benchmarks.journeys"
DATABASES = {"sqlite": "SQLite", "postgres": "PostgreSQL"}
IDLE = {"looks": "looking for due work", "ingests": "messages of strangers"}


def rows(inside: int = 1_000_000, people: int = 20_000) -> list[Row]:
    """Measure every figure."""
    times = timed("bench_journeys.py", {"WHEREUPON_INSIDE": inside})
    times |= timed("bench_journey_year.py", {"WHEREUPON_YEAR": people})
    found = []
    for name, database in DATABASES.items():
        for test, what in IDLE.items():
            ours, empty = (times[f"test_{test}[{name}-{store}]"] for store in ("inside", "empty"))
            ratio = ours.median / empty.median
            bar, met = at_most(ratio, IDLE_BAR)
            figure = f"{what}, {inside:,} inside a journey, {database}"
            beside = f"nobody inside {empty.rate}"
            found.append(Row(figure, ours.rate, beside, ratio, bar, met, ours.spread, REPRODUCE))
    for name, database in DATABASES.items():
        ours, bare = times[f"test_advances[{name}]"], times[f"test_reference[{name}]"]
        figure = f"steps advanced, {database}"
        found.append(rate_row(figure, ours, "the bare driver", bare, RATE_BAR, REPRODUCE))
    few, many = times[f"test_year[{people // 5}]"], times[f"test_year[{people}]"]
    bar, met = at_most(many.peak / few.peak, MEMORY_BAR)
    peak = f"{many.peak // 1024} MB, {many.rate}"
    beside = f"of {people // 5:,}: {few.peak // 1024} MB"
    figure = f"peak memory of a year of {people:,} journeys, and their rate"
    found.append(Row(figure, peak, beside, many.peak / few.peak, bar, met, many.spread, REPRODUCE))
    return found


def main() -> int:
    """Measure, print the table, and fail where a bar is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--inside", type=int, default=1_000_000, help="44,000 at least")
    parser.add_argument("--people", type=int, default=20_000, help="of the year")
    asked = parser.parse_args()
    found = rows(asked.inside, asked.people)
    show(found)
    return exit_status(found)


if __name__ == "__main__":
    sys.exit(main())
