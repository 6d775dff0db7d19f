"""The pipeline from the wire to the commit beside its reference, in one run.

    python -m tests.benchmarks.pipeline [--messages N] [--rounds N]

The workload is that of `workload`: 1,000 rules over fifty names, a fifth of the messages anonymous and
claimed later, one in twenty entering a rule. The reference is what `bench_pipeline` says: the same bytes
decoded, and the messages alone inserted by the bare driver. Medians are compared.
"""

import argparse
import sys
from typing import NamedTuple

from tests.benchmarks.table import Row, exit_status, show
from tests.benchmarks.timing import Time, rate_row, timed

REPRODUCE = "python -m tests.benchmarks.pipeline"
SCRIPT = "bench_pipeline.py"


class _Figure(NamedTuple):
    figure: str
    ours: str
    reference: str
    bar: float
    beside: str


FIGURES = (
    _Figure("SQLite, batches of 900", "test_sqlite[900]", "test_sqlite_reference[900]", 0.5, "messages alone"),
    _Figure("SQLite, batches of 100", "test_sqlite[100]", "test_sqlite_reference[100]", 1 / 3, "messages alone"),
    _Figure("PostgreSQL, batches of 900", "test_postgres", "test_postgres_reference", 0.5, "messages alone"),
    _Figure("a cap, SQLite", "test_sqlite_capped", "test_sqlite[900]", 0.8, "no cap"),
    _Figure("a cap, PostgreSQL", "test_postgres_capped", "test_postgres", 0.8, "no cap"),
    _Figure("in memory", "test_memory", "test_sqlite[900]", 2, "ours on SQLite"),
)  # fmt: skip


def rows(messages: int = 20_000, rounds: int = 5) -> list[Row]:
    """Measure every figure."""
    times = timed(SCRIPT, {"WHEREUPON_MESSAGES": messages, "WHEREUPON_ROUNDS": rounds})
    return [_row(figure, times) for figure in FIGURES]


def _row(figure: _Figure, times: dict[str, Time]) -> Row:
    ours, reference = times[figure.ours], times[figure.reference]
    name = f"pipeline, {figure.figure}"
    return rate_row(name, ours, figure.beside, reference, figure.bar, REPRODUCE)


def main() -> int:
    """Measure, print the table, and fail where a bar is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    found = rows(asked.messages, asked.rounds)
    show(found)
    return exit_status(found)


if __name__ == "__main__":
    sys.exit(main())
