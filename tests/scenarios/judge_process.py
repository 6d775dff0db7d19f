"""A worker that does the due work of a shop with guarded deletions when it gets a line.

    python -m tests.scenarios.judge_process sqlite:///shop.db

It says that it is ready, and begins with the first line that it reads.
"""

import sys

from tests.rule_files import File, book_of, guard
from tests.worlds import after

from whereupon import Engine
from whereupon.scheduling.clocks import FrozenClock

RULES: tuple[File, ...] = (
    guard("deletions", ["Delete Person"], cool_off="30m", limits=["3 per 1h"]),
)
DUE = after(31)


def main(database: str) -> None:
    """Judge the due requests."""
    with Engine.open(database, rules=book_of(*RULES), clock=FrozenClock(DUE)) as engine:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.readline()
        for _ in engine.wake(DUE):
            pass


if __name__ == "__main__":
    main(*sys.argv[1:])
