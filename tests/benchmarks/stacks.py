"""The pipeline beside what a shop would write itself, on the same messages and rules, in one run.

    make bench-peers && python -m tests.benchmarks.stacks

The stacks (`peers/stacks.py`) do less: they keep no decision against a rule, explain nothing, and know no other identity
than a device that becomes one person's. They and the engine run in turns, each in a process of its own.
"""

import json
import subprocess
import sys
from statistics import median, stdev

from tests.benchmarks.conditions import PEERS_PYTHON
from tests.benchmarks.table import Row, exit_status, show
from tests.benchmarks.timing import Time, rate_row, timed

MESSAGES, ROUNDS = 9_000, 5
BAR = 1.0
REPRODUCE = "python -m tests.benchmarks.stacks"
_OURS = "test_sqlite[900]"


def rows() -> list[Row]:
    """The engine beside each stack; nothing where they are not installed (`make bench-peers`)."""
    if not PEERS_PYTHON.exists():
        return []
    ours, stacks = list[float](), dict[str, list[float]]()
    for _ in range(ROUNDS):
        asked = {"WHEREUPON_MESSAGES": MESSAGES, "WHEREUPON_ROUNDS": 1}
        ours.append(timed("bench_pipeline.py", asked, only=_OURS)[_OURS].median)
        for name, seconds in seconds_of_stacks(MESSAGES, 900).items():
            stacks.setdefault(name, []).append(seconds)
    return [_row(name, _time(ours), _time(each)) for name, each in stacks.items()]


def seconds_of_stacks(messages: int, size: int, only: str = "") -> dict[str, float]:
    """Seconds for one message of each stack, by its name; none where they are not installed.

    Args:
        messages: how many they take; those with an ORM a quarter.
        size: messages in one transaction.
        only: how the names begin of those that are measured.
    """
    if not PEERS_PYTHON.exists():
        return {}
    script = "tests/benchmarks/peers/stacks.py"
    command = [str(PEERS_PYTHON), script, str(messages), str(size), only]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _time(seconds: list[float]) -> Time:
    return Time(median(seconds), 100 * stdev(seconds) / median(seconds))


def _row(name: str, ours: Time, stack: Time) -> Row:
    return rate_row(f"pipeline, batches of 900, beside {name}", ours, "", stack, BAR, REPRODUCE)


def main() -> int:
    """Measure, print the table, and fail where a bar is missed."""
    if not PEERS_PYTHON.exists():
        sys.exit("the peers are not installed; run: make bench-peers")
    found = rows()
    show(found)
    return exit_status(found)


if __name__ == "__main__":
    sys.exit(main())
