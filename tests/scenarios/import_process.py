"""A process that sends a stream into a database and prints which messages were acknowledged.

    python -m tests.scenarios.import_process sqlite:///shop.db stream.jsonl

The scenarios start it, and kill it. It may be started again: it sends everything anew.
"""

import sys
from itertools import islice
from pathlib import Path

from tests.rule_files import book_of
from tests.shop import thanks

from whereupon import Engine
from whereupon.messages.codec import decode
from whereupon.messages.times import parse_instant
from whereupon.scheduling.clocks import FrozenClock

_BATCH = 7
_RULES = book_of(
    thanks(
        when="Product Added",
        exit="Order Completed",
        reentry={"once_per": "1d"},
        whereupon=[{"wait": "10m"}, {"send": "push", "title": "{{ properties.name }}"}],
    ),
    thanks(campaign="hello", when="Signed In", reentry="once"),
    thanks(
        campaign="order",
        when="Order Completed",
        reentry={"once_per_key": "properties.order_id"},
        whereupon=[
            {"set": {"buyer": True}},
            {"track": "Bought"},
            {"wait": "1h"},
            {"send": "email"},
        ],
    ),
    thanks(campaign="bought", when="Bought", who={"buyer": True}),
)


def main(database: str, stream: str) -> None:
    """Send everything, with due work between the batches; the messages' own times are the clock."""
    clock = FrozenClock()
    lines = iter(Path(stream).read_bytes().splitlines())
    with Engine.open(database, rules=_RULES, clock=clock) as engine:
        while lines_of_batch := list(islice(lines, _BATCH)):
            batch = [
                message for message in map(decode, lines_of_batch) if isinstance(message, dict)
            ]
            for message in batch:
                clock.move_to(parse_instant(message["timestamp"]) or clock.now())
            engine.ingest(batch)
            for message in batch:
                sys.stdout.write(f"{message['messageId']}\n")
            sys.stdout.flush()
            for _ in engine.wake(clock.now()):
                pass


if __name__ == "__main__":
    main(*sys.argv[1:])
