"""Counts of what a server did, for its metrics. The thread of the event loop counts, and any thread may read."""

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Protocol

from whereupon.web.http import Answer
from whereupon.web.serving.budget import Budget

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the classes that durations are counted in, in seconds."""


@dataclass(slots=True)
class Durations:
    """How long things took: how many fell into each class of `BOUNDS`, and all together in seconds."""

    classes: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    seconds: float = 0.0

    def count(self, seconds: float) -> None:
        """Count one."""
        self.classes[bisect_left(BOUNDS, seconds)] += 1
        self.seconds += seconds

    @property
    def within(self) -> list[int]:
        """For each of `BOUNDS` how many took so long or less, and at the end how many there were."""
        return list(accumulate(self.classes))


class Sized(Protocol):
    """What has a number of things, such as requests that wait."""

    def __len__(self) -> int:
        """How many there are."""
        ...


@dataclass(slots=True)
class Traffic:
    """What a server did since it was started.

    Attributes:
        budget: counts the bodies that are being received, wait or are worked on.
        queue: the requests that wait for a thread.
        requests: by the template of the path, the status and the kind of key; the status is 0 where the client had
            gone before there was an answer.
        durations: from the headers of a request to its answer, by the template of the path.
        waits: how long requests waited for a thread.
        rejected: items that were not accepted, by code.
        over_limit: messages over a limit that only counts.
        refused: requests that were answered without work, by code: those of the door, ``queue-full``,
            ``store-away``, and ``gone`` where the client was.
        received: bytes of requests.
        sent: bytes of the bodies of answers.
        connections: that are open.
        connections_taken: that were accepted.
        closed: connections that the server ended, by why.
    """

    budget: Budget
    queue: Sized
    requests: Counter[tuple[str, int, str]] = field(default_factory=Counter)
    durations: dict[str, Durations] = field(default_factory=dict)
    waits: Durations = field(default_factory=Durations)
    rejected: Counter[str] = field(default_factory=Counter)
    over_limit: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    received: int = 0
    sent: int = 0
    connections: int = 0
    connections_taken: int = 0
    closed: Counter[str] = field(default_factory=Counter)

    def count_request(self, route: str, answer: Answer, seconds: float) -> None:
        """Count a request that has its answer."""
        counted = answer.counted
        self.requests[route, answer.status, counted.key_kind] += 1
        durations = self.durations.get(route)
        if durations is None:
            durations = self.durations[route] = Durations()
        durations.count(seconds)
        self.sent += len(answer.body)
        self.over_limit += counted.over_limit
        if counted.refused:
            self.refused[counted.refused] += 1
        if counted.rejected:
            self.rejected.update(counted.rejected)
