"""A process that sends a broadcast to everybody in a database, and prints the size of each chunk.

    python -m tests.scenarios.broadcast_process sqlite:///shop.db

The scenarios start it, and kill it. It may be started again: it goes on with what is left.
"""

import sys

from tests.rule_files import book_of
from tests.shop import NOON, news

from whereupon import Engine
from whereupon.scheduling.clocks import FrozenClock

RULES = book_of(
    news(
        who={"plan": "pro"}, whereupon=[{"track": "Addressed"}, {"send": "email", "subject": "Hi"}]
    )
)


def main(database: str) -> None:
    """Send the rest, chunk by chunk."""
    with Engine.open(database, rules=RULES, clock=FrozenClock(NOON)) as engine:
        for result in engine.wake(NOON):
            sys.stdout.write(f"{len(result.changes.deliveries)}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
