"""A process in which an operator ends or moves everybody inside a rule, or cancels a broadcast, person by person.

    python -m tests.scenarios.operator_process sqlite:///shop.db end

The scenarios start it, and kill it.
"""

import sys

from tests.rule_files import book_of
from tests.shop import NOON, news, thanks

import whereupon.operations.entries as entries
import whereupon.pipeline.sweeps as sweeps
from whereupon import Engine
from whereupon.scheduling.clocks import FrozenClock

_STEPS = [{"send": "push", "title": "First"}, {"wait": "1h"}, {"send": "push", "title": "Second"}]
RULES = book_of(thanks(whereupon=_STEPS), news(whereupon=_STEPS))
EDITED = book_of(
    thanks(whereupon=[*_STEPS[:2], {"send": "push", "title": "Mended"}]), news(whereupon=_STEPS)
)


def main(database: str, verb: str) -> None:
    """Do it in the smallest steps."""
    entries.CHUNK = sweeps.SWEEP_CHUNK = 1
    with Engine.open(database, rules=EDITED, clock=FrozenClock(NOON)) as engine:
        if verb == "end":
            engine.entries.end("thanks", by="tim")
        elif verb == "move":
            engine.entries.move("thanks", by="tim")
        else:
            for _ in engine.wake(NOON):
                pass


if __name__ == "__main__":
    main(*sys.argv[1:])
