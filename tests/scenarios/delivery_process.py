"""A process that makes or dispatches deliveries, and logs each call of its channel.

    python -m tests.scenarios.delivery_process make sqlite:///shop.db 100
    python -m tests.scenarios.delivery_process send sqlite:///shop.db log 71
    python -m tests.scenarios.delivery_process serve sqlite:///shop.db log
    python -m tests.scenarios.delivery_process loop sqlite:///shop.db log

The scenarios start it, stop it and kill it. `send` dies amid the call of that number, as by a
`kill -9`; `serve` hands over in the background until a SIGTERM comes, `loop` in the foreground,
as hosts would.
"""

import os
import signal
import sys
from datetime import timedelta
from pathlib import Path
from threading import Event

from tests.rule_files import book_of
from tests.shop import purchase, thanks

from whereupon import Delivery, Engine

RULES = book_of(thanks())


def make(database: str, count: str = "1") -> None:
    """Record purchases, each of which makes a push."""
    with Engine.open(database, rules=RULES) as engine:
        engine.ingest([purchase(number, f"p-{number}") for number in range(int(count))])


def send(database: str, log: str, dies_at: str) -> None:
    """Dispatch what is due, and die in the middle of the given call."""
    calls = 0
    with Engine.open(database, rules=RULES) as engine, Path(log).open("ab", buffering=0) as written:

        @engine.channel("push")
        def push(delivery: Delivery) -> None:
            nonlocal calls
            written.write(f"{delivery.person}\n".encode())
            calls += 1
            if calls == int(dies_at):
                os.kill(os.getpid(), signal.SIGKILL)

        engine.run_due()


def serve(database: str, log: str) -> None:
    """Work in the background, a second for each call, until a SIGTERM ends the process."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with (
        Path(log).open("ab", buffering=0) as written,
        Engine.open(database, rules=RULES, poll=timedelta(hours=1)) as engine,
    ):

        @engine.channel("push")
        def push(delivery: Delivery) -> None:
            written.write(f"{delivery.person}\n".encode())
            print("called", flush=True)  # noqa: T201 - to the scenario
            Event().wait(1)

        engine.start()
        Event().wait(60)


def loop(database: str, log: str) -> None:
    """Dispatch in the foreground, until the handler of a SIGTERM closes the engine in the middle of it."""
    with (
        Path(log).open("ab", buffering=0) as written,
        Engine.open(database, rules=RULES) as engine,
    ):

        def stop(*_: object) -> None:
            engine.close()
            sys.exit(0)

        @engine.channel("push")
        def push(delivery: Delivery) -> None:
            written.write(f"{delivery.person}\n".encode())
            print("called", flush=True)  # noqa: T201 - to the scenario
            Event().wait(1)

        signal.signal(signal.SIGTERM, stop)
        engine.run_due()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["make", *given]:
            make(*given)
        case ["send", *given]:
            send(*given)
        case ["loop", *given]:
            loop(*given)
        case [_, *given]:
            serve(*given)
