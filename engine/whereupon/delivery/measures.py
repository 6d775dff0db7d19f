"""Counts of what one process did: messages, decisions, events, calls of the host's functions, failures."""

from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from threading import Lock
from types import MappingProxyType
from typing import Any, Final

from whereupon.decide import Skipped, SkippedTogether
from whereupon.decide.decisions import Decision
from whereupon.runtime.forks import ForkAware, watch_forks

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds of the classes that calls are counted in by their duration, in seconds."""

UNMATCHED = "unmatched"
"""The reason of decisions on rules that the index left out: their ``where``, or the attributes in their ``who``,
do not hold. Which it is, is found when an operator asks (see `Engine.explain`)."""

_NOTED: Final = 1_000
"""The most calls whose counts are noted one by one; then they are added up."""
_NONE_SKIPPED: Final[Mapping[str, int]] = MappingProxyType({})
_OUTCOMES: Final = ("accepted", "duplicates", "rejected")
_ENTERED: Final = ("entered", "")
_UNMATCHED: Final = ("skipped", UNMATCHED)
_UNREAD: Final = frozenset({Skipped, SkippedTogether})


@dataclass(frozen=True, slots=True)
class CallTimes:
    """How long calls of one function took.

    Attributes:
        within: for each of `BOUNDS`, how many took so long or less.
        number: how many there were.
        seconds: how long all of them took together.
    """

    within: tuple[int, ...]
    number: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Activity:
    """What one process did so far; a child of a fork begins at zero.

    Attributes:
        messages: that came in, by outcome: ``accepted``, ``duplicates``, ``rejected``.
        decisions: by outcome and reason (see `UNMATCHED`); the reason of ``entered`` is the empty text.
        events: by name (see `Engine.on`), and by channel or action.
        calls: of channels and actions, by ``channel`` or ``action``, and by name.
        failures: of ``ingest`` and of ``round`` (due work), and by the code of the `StoreError`; the code of
            any other error is the empty text.
        hanging: calls that hang now, as `calls`.
    """

    messages: Mapping[str, int]
    decisions: Mapping[tuple[str, str], int]
    events: Mapping[tuple[str, str], int]
    calls: Mapping[tuple[str, str], CallTimes]
    failures: Mapping[tuple[str, str], int]
    hanging: Mapping[tuple[str, str], int] = field(default_factory=dict)


class Measures(ForkAware):
    """The counters of one process. Thread-safe."""

    def __init__(self) -> None:
        self.after_fork_in_child()
        watch_forks(self)

    def after_fork_in_child(self) -> None:
        """Begin at zero: what was done before is the parent's."""
        self._lock = Lock()
        self._came: deque[tuple[int, int, int]] = deque()
        self._went: deque[tuple[int, int]] = deque()
        self._messages: tuple[int, int, int] | None = None
        self._decided: tuple[int, int] | None = None
        self._skipped: dict[str, int] = {}
        self._events: Counter[tuple[str, str]] = Counter()
        self._calls: dict[tuple[str, str], list[int]] = {}
        self._seconds: dict[tuple[str, str], float] = {}
        self._failures: Counter[tuple[str, str]] = Counter()

    def count_messages(self, accepted: int, duplicates: int, rejected: int) -> None:
        """Count messages that came in."""
        self._came.append((accepted, duplicates, rejected))
        if len(self._came) > _NOTED:
            self._add_up()

    def count_decisions(self, emitted: Sequence[Any]) -> None:
        """Count the decisions among what was emitted."""
        entered = unmatched = 0
        skipped: dict[str, int] = {}
        for each in emitted:
            kind = type(each)
            if kind is not Decision and kind not in _UNREAD:
                continue
            reason, number = each.reason, 1 if kind is Decision else len(each)
            if reason is not None:
                skipped[reason] = skipped.get(reason, 0) + number
            elif kind is Decision:
                entered += 1
            else:
                unmatched += number
        if entered or unmatched or skipped:
            self._note(entered, unmatched, skipped)

    def _note(self, entered: int, unmatched: int, skipped: Mapping[str, int]) -> None:
        self._went.append((entered, unmatched))
        if skipped or len(self._went) > _NOTED:
            self._add_up(skipped)

    def _add_up(self, skipped: Mapping[str, int] = _NONE_SKIPPED) -> None:
        """Add up what calls have noted, and count what was skipped, by reason. To note takes less than the lock."""
        with self._lock:
            came, went = self._came, self._went
            for _ in range(len(came)):
                before, now = self._messages or (0, 0, 0), came.popleft()
                self._messages = before[0] + now[0], before[1] + now[1], before[2] + now[2]
            for _ in range(len(went)):
                entered, unmatched = self._decided or (0, 0)
                more_entered, more_unmatched = went.popleft()
                self._decided = entered + more_entered, unmatched + more_unmatched
            for reason, number in skipped.items():
                self._skipped[reason] = self._skipped.get(reason, 0) + number

    def _decisions(self) -> dict[tuple[str, str], int]:
        """The decisions by outcome and reason."""
        if self._decided is None:
            return {}
        entered, unmatched = self._decided
        decisions = {_ENTERED: entered}
        if unmatched:
            decisions[_UNMATCHED] = unmatched
        return decisions | {("skipped", reason): n for reason, n in self._skipped.items()}

    def count_event(self, event: str, name: str, number: int = 1) -> None:
        """Count an event of a channel or an action."""
        with self._lock:
            self._events[event, name] += number

    def count_call(self, kind: str, name: str, seconds: float) -> None:
        """Count a call of a channel or an action that has returned."""
        place = bisect_left(BOUNDS, seconds)
        with self._lock:
            classes = self._calls.setdefault((kind, name), [0] * (len(BOUNDS) + 1))
            classes[place] += 1
            self._seconds[kind, name] = self._seconds.get((kind, name), 0.0) + seconds

    def count_failure(self, of: str, code: str) -> None:
        """Count a failure of the engine's own work (see `Activity`)."""
        with self._lock:
            self._failures[of, code] += 1

    def so_far(self) -> Activity:
        """The counts as they are now."""
        self._add_up()
        with self._lock:
            return Activity(
                dict(zip(_OUTCOMES, self._messages, strict=True)) if self._messages else {},
                self._decisions(),
                dict(self._events),
                {
                    of: CallTimes(tuple(accumulate(classes[:-1])), sum(classes), self._seconds[of])
                    for of, classes in self._calls.items()
                },
                dict(self._failures),
            )
