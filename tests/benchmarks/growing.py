"""Whether rate and memory hold while the store grows, beside what the bare driver loses, in one run.

    python -m tests.benchmarks.growing [--millions N]

The pipeline's workload (`workload`), millions of it, into one SQLite file; and the same messages' rows alone
into another. Ten millions take about half an hour, and 15 GB in the folder for temporary files.
"""

import argparse
import sys

from tests.benchmarks.table import Row, at_least, at_most, exit_status, show
from tests.benchmarks.timing import timed

RATE_BAR, MEMORY_BAR = 0.8, 1.15
REPRODUCE = "python -m tests.benchmarks.growing"


def rows(millions: int = 10) -> list[Row]:
    """The last million beside the first."""
    times = timed("bench_growing.py", {"WHEREUPON_MILLIONS": millions})
    first, last = times["test_ours[1]"], times[f"test_ours[{millions}]"]
    bare = times["test_reference[1]"].median / times[f"test_reference[{millions}]"].median
    kept = first.median / last.median
    bar, met = at_least(kept / bare, RATE_BAR)
    lost = f"the first {first.rate}; the bare insert keeps {bare:.2f}"
    rate = Row(
        f"rate of the {millions}th million",
        last.rate,
        lost,
        kept / bare,
        bar,
        met,
        last.spread,
        REPRODUCE,
    )
    bar, met = at_most(last.peak / first.peak, MEMORY_BAR)
    memory = Row(
        f"peak memory of {millions} million",
        f"{last.peak // 1024} MB",
        f"of one million {first.peak // 1024} MB",
        last.peak / first.peak,
        bar,
        met,
        0,
        REPRODUCE,
    )
    return [rate, memory]


def main() -> int:
    """Measure, print the table, and fail where a bar is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--millions", type=int, default=10)
    found = rows(parser.parse_args().millions)
    show(found)
    return exit_status(found)


if __name__ == "__main__":
    sys.exit(main())
