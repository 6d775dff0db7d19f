"""The pipeline from the wire to the commit beside its reference, in one run.

    python -m tests.benchmarks.pipeline [--messages N] [--rounds N]

The workload is that of `workload`: 1,000 rules over fifty names, a fifth of the messages anonymous and
claimed later, one in twenty entering a rule. The reference is what `bench_pipeline` says: the same bytes
decoded, and the messages alone inserted by the bare driver. Medians are compared.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks.table import Row, at_least, exit_status, show

REPRODUCE = "python -m tests.benchmarks.pipeline"
TIMED = "tests/benchmarks/bench_pipeline.py"


class Rate(NamedTuple):
    """Messages a second: the median of the rounds, and their spread in percent."""

    median: float
    spread: float

    def __str__(self) -> str:
        return f"{self.median:,.0f}/s"


class _Figure(NamedTuple):
    figure: str
    ours: str
    reference: str
    bar: float
    beside: str


FIGURES = (
    _Figure("SQLite, batches of 1,000", "test_sqlite[1000]", "test_sqlite_reference[1000]", 0.5, "messages alone"),
    _Figure("SQLite, batches of 100", "test_sqlite[100]", "test_sqlite_reference[100]", 1 / 3, "messages alone"),
    _Figure("PostgreSQL, batches of 1,000", "test_postgres", "test_postgres_reference", 0.5, "messages alone"),
    _Figure("in memory", "test_memory", "test_sqlite[1000]", 2, "ours on SQLite"),
)  # fmt: skip


def timed(messages: int, rounds: int) -> dict[str, Rate]:
    """Every rate, by the name of its benchmark."""
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "times.json"
        command = [sys.executable, "-m", "pytest", "-q", TIMED, f"--benchmark-json={written}"]
        asked = {"WHEREUPON_MESSAGES": str(messages), "WHEREUPON_ROUNDS": str(rounds)}
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=os.environ | asked)
        found = json.loads(written.read_text())["benchmarks"]
    return {each["name"]: _rate(each["stats"], messages) for each in found}


def _rate(stats: dict[str, float], messages: int) -> Rate:
    return Rate(messages / stats["median"], 100 * stats["stddev"] / stats["median"])


def rows(messages: int = 20_000, rounds: int = 5) -> list[Row]:
    """Measure every figure."""
    rates = timed(messages, rounds)
    return [_row(figure, rates) for figure in FIGURES]


def _row(figure: _Figure, rates: dict[str, Rate]) -> Row:
    ours, reference = rates[figure.ours], rates[figure.reference]
    ratio = ours.median / reference.median
    bar, met = at_least(ratio, round(figure.bar, 2))
    return Row(
        f"pipeline, {figure.figure}",
        str(ours),
        f"{reference} ({figure.beside})",
        ratio,
        bar,
        met,
        ours.spread,
        REPRODUCE,
    )


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
