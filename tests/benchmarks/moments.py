"""What time alone opens, among many people beside few, in one run.

    python -m tests.benchmarks.moments [--people N]

What is measured is said in `bench_moments`. A million people, as by default, take about ten minutes, nearly all of
them to put them there.
"""

import argparse
import sys

from tests.benchmarks.table import Row, at_most, exit_status, show
from tests.benchmarks.timing import timed

BAR = 1.25
REPRODUCE = "python -m tests.benchmarks.moments"
DATABASES = {"sqlite": "SQLite", "postgres": "PostgreSQL"}
WORK = {"looks": "looks at what is due", "rings": "people let in by dates and by silence"}


def rows(people: int = 1_000_000) -> list[Row]:
    """Measure every figure."""
    times = timed("bench_moments.py", {"WHEREUPON_PEOPLE": people})
    found = []
    for name, database in DATABASES.items():
        for test, what in WORK.items():
            many, few = (times[f"test_{test}[{name}-{store}]"] for store in ("many", "few"))
            ratio = many.median / few.median
            bar, met = at_most(ratio, BAR)
            figure = f"{what}, {people:,} people, {database}"
            beside = f"24,000 people {few.rate}"
            found.append(Row(figure, many.rate, beside, ratio, bar, met, many.spread, REPRODUCE))
    return found


def main() -> int:
    """Measure, print the table, and fail where a bar is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--people", type=int, default=1_000_000, help="24,000 at least")
    found = rows(parser.parse_args().people)
    show(found)
    return exit_status(found)


if __name__ == "__main__":
    sys.exit(main())
