"""Where the next kill is to happen, and where a kill has happened."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random
from threading import Lock

_LATEST = 4_000  # microseconds after a mark; a batch takes about as long
_LATEST_OPENING = 40_000


class Victim(StrEnum):
    """What is killed: one of our processes, or the database server under all of them.

    ``delivery`` is a process while it delivers to receivers over the network, ``journey`` is one that does due work
    of journeys, ``broadcast`` one of broadcasts at their own time and at a rate, ``cap`` is one of several that send to the same few people under caps,
    ``door`` is ``whereupon serve`` under load.
    """

    PROCESS = "process"
    SERVER = "server"
    DELIVERY = "delivery"
    JOURNEY = "journey"
    BROADCAST = "broadcast"
    DOOR = "door"
    CAP = "cap"


@dataclass(frozen=True, slots=True)
class Aim:
    """A moment within an order: a point, when it is reached for the ``count``-th time.

    Attributes:
        delay: microseconds after it, by the killer's clock; None for exactly there, where the process
            then waits for its end.
    """

    order: str
    point: str
    count: int
    delay: int | None


_POINTS: Sequence[tuple[str, str, int]] = (
    ("ingest", "write", 6),
    ("ingest", "commit", 1),
    ("ingest", "committed", 1),
    ("wake", "write", 6),
    ("wake", "commit", 2),
    ("wake", "committed", 2),
    ("due", "write", 2),
    ("due", "commit", 2),
    ("due", "called", 3),
    ("due", "written", 3),
    ("due", "committed", 1),
)
"""The points of each order that are aimed at, and up to which time of reaching them."""

_ORDERS = {
    Victim.DELIVERY: ("due",),
    Victim.JOURNEY: ("wake", "ingest"),
    Victim.BROADCAST: ("wake",),
}
"""The orders that are aimed at; all of them unless it says else."""

_AHEAD = 2 * len(_POINTS)

_OPENING = Aim("open", "write", 10, None)
_REOPENING = ("open", "open", 1)
"""Tables are made once, at the first opening."""


class Aims:
    """As many aims as kills: each point in turn, in an order from the seed.

    The first turn is exact, so that even a few kills are spread over everything.
    """

    def __init__(self, kills: int, seed: int, *, at: Victim = Victim.PROCESS) -> None:
        chance = Random(f"aims-{seed}")
        endless = _late_turns(chance) if at is Victim.SERVER else _turns(chance, at)
        self._left = [next(endless) for _ in range(kills)]
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._left)

    def take(self, order: str) -> Aim | None:
        """The next aim for that order, if there is one soon enough to keep the kills spread."""
        with self._lock:
            for place, aim in enumerate(self._left[:_AHEAD]):
                if aim.order == order:
                    return self._left.pop(place)
        return None

    @property
    def wait_for_an_opening(self) -> bool:
        """Whether only aims at a process that opens the store are left."""
        return bool(self._left) and all(aim.order == "open" for aim in self._left)

    def give_back(self, aim: Aim) -> None:
        """Keep an aim that was not reached, with a smaller distance."""
        with self._lock:
            self._left.insert(0, replace(aim, count=max(1, aim.count // 2)))


def _late_turns(chance: Random) -> Iterator[Aim]:
    """Moments at which the process goes on while its server dies."""
    while True:
        for order, point, most in chance.sample(_POINTS, len(_POINTS)):
            yield Aim(order, point, chance.randint(1, most), chance.randrange(_LATEST))


def _turns(chance: Random, at: Victim) -> Iterator[Aim]:
    of_all = [each for each in _POINTS if each[0] in _ORDERS.get(at, each[0])]
    if at is Victim.PROCESS:
        yield _OPENING
    for order, point, _ in chance.sample(of_all, len(of_all)):
        yield Aim(order, point, 1, None)
    while True:
        points = (*of_all, _REOPENING) if at is Victim.PROCESS else of_all
        for order, point, most in chance.sample(points, len(points)):
            latest = _LATEST_OPENING if order == "open" else _LATEST
            late = None if chance.random() < 1 / 3 else chance.randrange(latest)
            yield Aim(order, point, chance.randint(1, most), late)


PHASES = (
    "opening",
    "ingesting, before the commit",
    "ingesting, in the commit",
    "ingesting, committed and not acknowledged",
    "waking, before the commit",
    "waking, in the commit",
    "waking, committed and not acknowledged",
    "delivering, before the channel is called",
    "delivering, in the channel",
    "delivering, taken by the channel and not settled",
    "delivering, settled and not acknowledged",
    "between two orders",
)
"""What a process may be doing when it dies."""


def phase_of(marks: Sequence[str]) -> str:
    """What a process was doing when it died; ``marks`` are those of its last order, in order."""
    order, last = marks[0], marks[-1]
    if last.startswith("="):
        return "between two orders"
    match order:
        case "open":
            return "opening"
        case "ingest" | "wake":
            doing = "ingesting" if order == "ingest" else "waking"
            stages = {"commit": "in the commit", "committed": "committed and not acknowledged"}
            return f"{doing}, {stages.get(last, 'before the commit')}"
        case _:
            return _phase_of_delivering(marks)


def _phase_of_delivering(marks: Sequence[str]) -> str:
    if marks[-1] == "committed":
        return "delivering, settled and not acknowledged"
    if marks[-1] == "called":
        return "delivering, in the channel"
    if "written" in marks:
        return "delivering, taken by the channel and not settled"
    return "delivering, before the channel is called"
