"""A process that lets timers ring which are due in a database, and prints how many people each transaction let in.

    python -m tests.scenarios.timer_process sqlite:///shop.db

The scenarios start it, and kill it. It may be started again: it goes on with what is left.
"""

import sys
from datetime import timedelta
from typing import Final

from tests.rule_files import book_of, campaign
from tests.shop import NOON

from whereupon import Engine
from whereupon.scheduling.clocks import FrozenClock

LATER: Final = NOON + timedelta(days=30)
RULES: Final = book_of(
    campaign("renewal", {"date": "person.renews_at", "at": "09:00"}, max_age="90d"),
    campaign("back", {"quiet": "Signed In", "for": "20d"}, max_age="90d"),
)


def main(database: str) -> None:
    """Do what is due after a standstill of a month, transaction by transaction."""
    with Engine.open(database, rules=RULES, clock=FrozenClock(LATER)) as engine:
        for result in engine.wake(LATER):
            sys.stdout.write(f"{len(result.changes.new_entries)}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
