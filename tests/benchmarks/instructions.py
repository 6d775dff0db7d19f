"""Instructions a message, counted by valgrind, which do not depend on what else the machine does.

    python -m tests.benchmarks.instructions [WORKLOAD ...]

Wall times of two runs on a shared machine differ by tens of percent; these counts repeat to half a percent. A workload
runs in a process of its own under callgrind, which counts only once some batches have warmed the process up.
Valgrind is a package of Debian; `make bench` leaves this part out where it is missing.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks.table import Row, at_least, exit_status, show

REPRODUCE = "python -m tests.benchmarks.instructions"


class _Figure(NamedTuple):
    """One row.

    Attributes:
        most: the bar: the most instructions for one message.
        share: the bar: the least that the reference takes, as a share of ours.
    """

    figure: str
    workload: str
    reference: str
    beside: str
    most: int | None = None
    share: float | None = None


FIGURES = (
    _Figure("instructions a message, SQLite, batches of 900", "sqlite", "reference", "messages alone", most=113_000),
    _Figure("instructions of one call, SQLite", "one-call", "bare-commit", "a bare commit"),
    _Figure("instructions to read a message with an accented letter", "reading-accented", "reading", "without one", share=1 / 1.1),
)  # fmt: skip
_TOTAL = re.compile(r"^(?:summary|totals): (\d+)", re.MULTILINE)
_PROCESS = "tests.benchmarks.counted_process"
WORKLOADS = (
    *("sqlite", "reference", "memory", "reading", "reading-accented"),
    *("reading-collected", "reading-sent", "reading-unknown", "reading-body"),
    *(
        "one-call",
        "one-call-memory",
        "calls-together",
        "bare-commit",
        "nobody-enters",
        "all-enter",
        "steps",
        "steps-driver",
        "replay",
        "replay-driver",
    ),
    *("postgres", "postgres-reference", "postgres-call", "postgres-commit"),
)


def count(workload: str) -> float:
    """Instructions for one message, or call, of a workload (see `counted_process`).

    Raises:
        SystemExit: the process failed.
    """
    with tempfile.TemporaryDirectory(prefix="whereupon-") as folder:
        out = Path(folder) / "callgrind.out"
        counted = [sys.executable, "-m", _PROCESS, workload, folder]
        valgrind = [
            "valgrind",
            "--tool=callgrind",
            "--instr-atstart=no",
            f"--callgrind-out-file={out}",
        ]
        env = os.environ | {"PYTHONHASHSEED": "0"}
        done = subprocess.run(
            [*valgrind, *counted],
            check=False,
            env=env,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            sys.exit(f"{workload} failed:\n{done.stderr[-2000:]}")
        found = _TOTAL.search(Path(f"{out}.1").read_text(errors="replace"))
        if found is None:
            sys.exit(f"{workload}: callgrind counted nothing")
        return int(found[1]) / int(done.stdout)


def rows() -> list[Row]:
    """The count of the pipeline beside its reference; none without valgrind."""
    if shutil.which("valgrind") is None:
        sys.stderr.write("no valgrind, so no instructions are counted; apt-get install valgrind\n")
        return []
    return [_row(each) for each in FIGURES]


def _row(figure: _Figure) -> Row:
    ours, reference = count(figure.workload), count(figure.reference)
    shown, met = "", True
    if figure.most is not None:
        shown, met = f"≤ {figure.most:,}", ours <= figure.most
    elif figure.share is not None:
        shown, met = at_least(reference / ours, round(figure.share, 2))
    beside = f"{figure.beside} {reference:,.0f}"
    return Row(figure.figure, f"{ours:,.0f}", beside, reference / ours, shown, met, 0.0, REPRODUCE)


def main() -> int:
    """Count the named workloads, or print the rows of the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("workload", nargs="*", choices=[*WORKLOADS, []])
    asked = parser.parse_args()
    for workload in asked.workload:
        sys.stdout.write(f"{workload} {count(workload):,.0f}\n")
    if asked.workload:
        return 0
    found = rows()
    show(found)
    return exit_status(found)


if __name__ == "__main__":
    sys.exit(main())
