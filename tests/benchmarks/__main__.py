"""Every figure in one table: its reference, the ratio, the bar, and how to reproduce it.

    python -m tests.benchmarks [NAME ...] [--markdown FILE] [--plot FILE]

A name is that of a module beside this one; without any, all are measured, which takes about half an hour.
``--markdown`` writes the table into a text, between the lines ``<!-- figures -->`` and ``<!-- /figures -->``.
"""

import argparse
import os
import platform
import re
import sqlite3
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from rich.console import Console
from tests.benchmarks import (
    broadcast,
    calls,
    claims,
    conditions,
    delivery,
    door,
    due,
    honest,
    instructions,
    journeys,
    loading,
    matching,
    moments,
    pipeline,
    replay_floor,
    rule_tests,
    stacks,
    starting,
    writers,
)
from tests.benchmarks.table import Row, exit_status, show

Measure = Callable[[], list[Row]]


def benchmarks(plotted: Path | None) -> Mapping[str, Measure]:
    """What is measured, in the table's order."""
    return {
        "conditions": conditions.rows,
        "matching": partial(matching.rows, plotted=plotted),
        "loading": loading.rows,
        "starting": starting.rows,
        "pipeline": pipeline.rows,
        "instructions": instructions.rows,
        "stacks": stacks.rows,
        "replay_floor": replay_floor.rows,
        "rule_tests": rule_tests.rows,
        "calls": calls.rows,
        "writers": writers.rows,
        "claims": claims.rows,
        "broadcast": broadcast.rows,
        "due": due.rows,
        "moments": moments.rows,
        "journeys": journeys.rows,
        "delivery": delivery.rows,
        "door": door.rows,
        "honest": honest.rows,
    }


def machine() -> str:
    """Where and when, in a sentence."""
    today = datetime.now(UTC).date().isoformat()
    python, sqlite = platform.python_version(), sqlite3.sqlite_version
    return f"{today}, {_processor()}, {os.cpu_count()} cores, Python {python}, SQLite {sqlite}"


def _processor() -> str:
    """The processor's name, if the system has it."""
    known = Path("/proc/cpuinfo")
    named = re.search(r"^model name\s*:\s*(.+)$", known.read_text() if known.exists() else "", re.M)
    return named[1] if named else platform.processor() or platform.machine()


def as_markdown(rows: Sequence[Row], before: str = "") -> str:
    """The table for a page; figures that were not measured this time stay as they were ``before``."""
    head = ["| figure | median | ± | reference | ratio | bar | |", "|---|--:|--:|---|--:|--:|---|"]
    lines = {
        line.split("|")[1].strip(): line for line in before.splitlines() if line.startswith("| ")
    }
    for row in rows:
        verdict = ("met" if row.is_met else "**missed**") if row.bar else ""
        cells = (row.figure, row.value, f"{row.spread:.0f} %", row.reference, f"{row.ratio:.3g}")
        lines[row.figure] = f"| {' | '.join((*cells, row.bar, verdict))} |"
    lines.pop("figure", None)
    return "\n".join([*head, *lines.values()])


def put_into(text: str, rows: Sequence[Row]) -> str:
    """Put the table between its marks in a text; raise ValueError if it has none."""
    begin, end = "<!-- figures -->\n", "<!-- /figures -->"
    if begin not in text or end not in text:
        message = f"there are no lines {begin.strip()} and {end}"
        raise ValueError(message)
    before, rest = text.split(begin, 1)
    inside, behind = rest.split(end, 1)
    return f"{before}{begin}{machine()}.\n\n{as_markdown(rows, inside)}\n{end}{behind}"


def main() -> int:
    """Measure, print, and fail if a bar is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--markdown", type=Path, metavar="FILE")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="the plot of matching, as SVG")
    asked = parser.parse_args()
    known = benchmarks(asked.plot)
    if unknown := set(asked.names) - known.keys():
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are: {', '.join(known)}")
    progress, found = Console(stderr=True), list[Row]()
    for name in asked.names or known:
        progress.print(f"measuring {name} …")
        found += known[name]()
    show(found, title=machine())
    if asked.markdown is not None:
        asked.markdown.write_text(put_into(asked.markdown.read_text(), found))
    return exit_status(found)


if __name__ == "__main__":
    sys.exit(main())
