"""Deliveries a second through channels, settled one by one, beside a bare loop over the same table, in one run.

    python -m tests.benchmarks.delivery

What is measured is said in `bench_delivery`.
"""

import sys

from tests.benchmarks.table import Row, exit_status, show
from tests.benchmarks.timing import Time, timed

REPRODUCE = "python -m tests.benchmarks.delivery"
DATABASES = {"sqlite": "SQLite", "postgres": "PostgreSQL"}
FIGURES = {
    "noop": ("deliveries, a channel that does nothing, 8 calls side by side", 1_000),
    "slow": ("deliveries, calls of 100 ms, 50 side by side", 400),
}
"""What is measured, and how many a second there are to be."""


def rows() -> list[Row]:
    """Measure every figure."""
    times = timed("bench_delivery.py", {})
    return [
        _row(
            f"{what}, {database}",
            times[f"test_{test}[{name}]"],
            times[f"test_reference[{name}]"],
            bar,
        )
        for test, (what, bar) in FIGURES.items()
        for name, database in DATABASES.items()
    ]


def _row(figure: str, ours: Time, reference: Time, bar: int) -> Row:
    ratio, is_met = reference.median / ours.median, 1 / ours.median >= bar
    beside = f"a bare loop {reference.rate}"
    return Row(figure, ours.rate, beside, ratio, f"≥ {bar:,}/s", is_met, ours.spread, REPRODUCE)


def main() -> int:
    """Measure, print the table, and fail where a bar is missed."""
    found = rows()
    show(found)
    return exit_status(found)


if __name__ == "__main__":
    sys.exit(main())
