"""A process that works until a signal ends it: SIGTERM and SIGINT end it, SIGHUP has the rules read again."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from os import _exit
from pathlib import Path
from queue import Empty, SimpleQueue
from types import FrameType
from typing import Literal, TypeAlias

from whereupon.api.config import Ran
from whereupon.cli.rule_reload import RuleWatch, reload_rules
from whereupon.engine import Engine

Ending: TypeAlias = Literal["stop", "interrupt", "orphaned"]
"""What asked for the end: a service manager, a person at a terminal, or the death of the parent process."""
Happening: TypeAlias = Ending | Literal["reload"] | Ran | BaseException | int
Happenings: TypeAlias = SimpleQueue[Happening]
"""What the main thread waits for; a number is that of a process that ended. Signal handlers may put into such a queue at any moment."""

_EVERY = 1.0
"""Seconds between two looks at the rules folder."""


@contextmanager
def handled_signals(happenings: Happenings) -> Iterator[None]:
    """The first signal asks for the end, the second one ends the process at once."""
    asked: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        asked.append(number)
        if len(asked) > 1:
            sys.stderr.flush()
            _exit(128 + number)
        happenings.put("interrupt" if number == signal.SIGINT else "stop")

    handlers = dict.fromkeys((signal.SIGTERM, signal.SIGINT), stop)
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    if hasattr(signal, "SIGHUP"):
        hang_up = partial(_put_reload, happenings)
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, hang_up)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _put_reload(happenings: Happenings, _number: int, _frame: FrameType | None) -> None:
    happenings.put("reload")


def next_happening(happenings: Happenings, seconds: float | None) -> Happening | None:
    """What happens next; None if nothing does in so many seconds."""
    try:
        return happenings.get(timeout=seconds)
    except Empty:
        return None


def wait_for_end(
    engine: Engine, happenings: Happenings, rules: Path, watch: RuleWatch | None
) -> Ending:
    """Return when a signal asks for the end; reload the rules meanwhile when that is asked for."""
    while True:
        match next_happening(happenings, _EVERY if watch else None):
            case "stop" | "interrupt" | "orphaned" as ending:
                return ending
            case "reload":
                reload_rules(engine, rules)
            case _ if watch is not None and watch.has_changed():
                reload_rules(engine, rules)
