"""A worker process as its killer sees it: it gets orders, is killed, and is started again."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from time import perf_counter
from typing import Any

from tests.chaos.killing import Aim, phase_of
from tests.chaos.nest import Hatched, Nest

Order = dict[str, Any]
Answer = dict[str, Any]

_PATIENCE = 120.0  # seconds; only a worker that hangs ever takes so long


_CALLS = "+", "-"  # a key behind it: a call begins, or is settled


class HungError(Exception):
    """A worker neither answered nor died."""


@dataclass(frozen=True, slots=True)
class Tried:
    """The result of one order: an answer, a death, or both.

    Attributes:
        answer: None when the process died before it answered.
        phase: what it was doing when it was killed; None when it lives.
        under_way: the idempotency keys of calls that had begun and were not settled when it died, as far as
            it has said so.
    """

    answer: Answer | None
    phase: str | None
    under_way: frozenset[str] = frozenset()


class Worker:
    """A process that is started for its first order."""

    def __init__(
        self,
        nest: Nest,
        url: str,
        log: Path,
        places: list[str] | None = None,
        book: str = "shop",
    ) -> None:
        self._nest = nest
        self._store = url, log, places, book
        self._process: Hatched | None = None
        self._under_way: set[str] = set()

    @property
    def is_alive(self) -> bool:
        """Whether a process waits for orders."""
        return self._process is not None

    def attempt(
        self, order: Order, aim: Aim | None = None, strike: Callable[[], None] | None = None
    ) -> Tried:
        """Give an order, and kill the process at the aim, if it gets there.

        Args:
            strike: kills something else instead; the process goes on, and answers.
        """
        if self._process is None:
            self._process = self._nest.hatch(*self._store)
            self._under_way = set()
        process = self._process
        given = dict(order)
        if aim is not None and aim.delay is None:
            given["stop"] = [aim.point, aim.count]
        marks, found = [str(order["do"])], list[str]()
        watch = Timer(_PATIENCE, process.kill)
        watch.start()
        try:
            _write(process, given)
            for line in _lines(process):
                if line.startswith(_CALLS):
                    self._follow(line)
                    continue
                marks.append(line)
                if not found and aim is not None and _is_met(aim, marks):
                    found = list(marks)
                    _wait(aim.delay or 0)
                    (strike or process.kill)()
                elif line.startswith("=") and not process.is_killed:
                    break
        finally:
            watch.cancel()
        if not process.is_killed:
            return self._answered(marks, found)
        self.end()
        phase = phase_of([mark for mark in marks if mark != "stopped"])
        return Tried(_answer_in(marks), phase, frozenset(self._under_way))

    def _follow(self, line: str) -> None:
        """Note which calls are under way."""
        key = line[1:]
        if line.startswith("+"):
            self._under_way.add(key)
        else:
            self._under_way.discard(key)

    def _answered(self, marks: list[str], found: list[str]) -> Tried:
        answer = _answer_in(marks)
        if answer is None:
            raise HungError(" ".join(marks[-20:]))
        return Tried(answer, phase_of(found) if found else None)

    def end(self) -> None:
        """End the process, whatever it does."""
        if self._process is not None:
            self._process.close()
            self._process = None


def _write(process: Hatched, order: Order) -> None:
    process.orders.write(json.dumps(order).encode() + b"\n")
    process.orders.flush()


def _lines(process: Hatched) -> Iterator[str]:
    return (line.decode().rstrip("\n") for line in process.lines if line.endswith(b"\n"))


def _is_met(aim: Aim, marks: list[str]) -> bool:
    if aim.delay is None:
        return marks[-1] == "stopped"
    return marks[1:].count(aim.point) == aim.count


def _answer_in(marks: list[str]) -> Answer | None:
    answer: Answer | None = json.loads(marks[-1][1:]) if marks[-1].startswith("=") else None
    return answer


def _wait(micros: int) -> None:
    until = perf_counter() + micros / 1_000_000
    while perf_counter() < until:
        pass
