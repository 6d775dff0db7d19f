"""The cost of a replay, counted: a message does not look at everybody who waits."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from tests.rule_files import book_of

from whereupon.engine import Engine
from whereupon.messages.arrival import Arrival
from whereupon.messages.codec import encode
from whereupon.messages.model import Message, SenderClass
from whereupon.messages.wire import parse_message
from whereupon.replay.stream_replay import Replay
from whereupon.scheduling.clocks import FrozenClock

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
BOOK = book_of(
    {
        "campaign": "welcome",
        "description": "Waits for long.",
        "when": "signed up",
        "reentry": "once",
        "whereupon": [{"wait": "30d"}, {"send": "push", "title": "Hello"}],
    }
)


def stream(waiting: int, others: int) -> Iterator[Message]:
    """People who begin to wait, then other people's messages, in one batch."""
    for place in range(waiting + others):
        at = NOON + place * timedelta(seconds=1)
        name = "signed up" if place < waiting else "looked"
        said = {"type": "track", "event": name, "userId": f"p-{place}", "messageId": f"m-{place}"}
        yield parse_message(encode(said), Arrival(at, SenderClass.SERVER, lambda: ""))


def calls(waiting: int, others: int) -> int:
    """How many functions and generators a replay enters."""
    count = 0

    def note(_frame: object, what: str, _argument: object) -> None:
        nonlocal count
        count += what == "call"

    clock = FrozenClock(NOON)
    messages = list(stream(waiting, others))
    with Engine.open("memory://", rules=BOOK, clock=clock) as engine:
        run = Replay(engine, clock, lambda _: None)
        sys.setprofile(note)
        try:
            run.feed(messages)
            run.finish()
        finally:
            sys.setprofile(None)
    return count


def test_a_message_costs_the_same_however_many_wait() -> None:
    """A hundred messages more, among few people who wait and among many."""
    calls(1, 1)  # compiles what is compiled once
    few, many = (calls(waiting, 200) - calls(waiting, 100) for waiting in (5, 300))
    assert many < 1.1 * few
