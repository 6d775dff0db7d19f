"""An identify that claims ten thousand messages beside the pipeline, and what others wait for it, in one run.

    python -m tests.benchmarks.claims [--messages N] [--rounds N]

What is measured is said in `bench_claims`. The longest that others wait is the longest of a hundred messages,
one after another, each of which comes while a claim goes on.
"""

import argparse
import sys

from tests.benchmarks.table import Row, at_most, exit_status, show
from tests.benchmarks.timing import rate_row, timed

RATE_BAR, WAIT_BAR = 0.5, 0.05
REPRODUCE = "python -m tests.benchmarks.claims"
DATABASES = {"sqlite": "SQLite", "postgres": "PostgreSQL"}


def rows(messages: int = 10_000, rounds: int = 5) -> list[Row]:
    """Measure every figure."""
    asked = {"WHEREUPON_CLAIMED": messages, "WHEREUPON_ROUNDS": rounds}
    times = timed("bench_claims.py", asked)
    found = []
    for name, database in DATABASES.items():
        ours, pipeline = times[f"test_claim[{name}]"], times[f"test_reference[{name}]"]
        figure = f"a claim of {messages:,}, {database}"
        found.append(rate_row(figure, ours, "the pipeline", pipeline, RATE_BAR, REPRODUCE))
    for name, database in DATABASES.items():
        others = times[f"test_others[{name}]"]
        ratio = others.longest / WAIT_BAR
        bar, met = at_most(ratio, 1)
        figure = f"the longest that others wait for it, {database}"
        value = f"{others.longest * 1e3:.0f} ms"
        beside = f"bar {WAIT_BAR * 1e3:.0f} ms (median {others.median * 1e3:.0f} ms)"
        found.append(Row(figure, value, beside, ratio, bar, met, others.spread, REPRODUCE))
    return found


def main() -> int:
    """Measure, print the table, and fail where a bar is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    found = rows(asked.messages, asked.rounds)
    show(found)
    return exit_status(found)


if __name__ == "__main__":
    sys.exit(main())
