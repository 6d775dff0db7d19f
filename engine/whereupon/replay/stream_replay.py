"""Replay: streams through the real engine, on a frozen clock that messages and due work move.

Nothing leaves the process and no handler of the host is called: deliveries stay in the outbox of a
throwaway store. Actions act on that store, so that what follows is faithful.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

from whereupon.decide import BatchResult, Emitted, Ended
from whereupon.decide.decisions import Decision, Outcome
from whereupon.engine import Engine
from whereupon.insight import next_step
from whereupon.insight.identify_preview import WaitingEntry
from whereupon.matching import RuleIndex
from whereupon.messages.model import NAMED, Message, id_in_ref
from whereupon.messages.streams import BadLine, StreamReader
from whereupon.messages.times import EPOCH, LAST_INSTANT, later
from whereupon.pipeline.load import CrowdedError
from whereupon.records import Delivery, DeliveryState, Entry, Request
from whereupon.scheduling import FrozenClock

BATCH = 5_000
"""Messages in one transaction, unless something that is due must come between."""

LONG_GAP = timedelta(days=366)
"""Scheduled broadcasts are made up for in a gap between messages up to this long, then once."""

Record: TypeAlias = Emitted | BadLine | WaitingEntry
"""What a replay tells, in order."""


@dataclass(slots=True)
class Summary:
    """How many of each a replay saw and made; ``persons`` are those known at its end.

    Attributes:
        exited: entries that ended early, whatever ended them.
        withheld: deliveries that were held back, and do not count as deliveries.
        waiting: entries that still waited at the end.
        received: how many deliveries each person got, by their first user id then.
    """

    messages: int = 0
    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    persons: int = 0
    decisions: int = 0
    entered: int = 0
    deliveries: int = 0
    requests: int = 0
    exited: int = 0
    withheld: int = 0
    waiting: int = 0
    received: Counter[str] = field(default_factory=Counter)

    def count_messages(self, folded: BatchResult) -> None:
        """Count what became of a batch's messages; one that the engine failed on is not accepted."""
        self.accepted += folded.accepted
        self.duplicates += len(folded.duplicates)
        self.rejected += len(folded.set_aside)

    def count(self, record: Record) -> None:
        """Count one record."""
        match record:
            case BadLine():
                self.rejected += 1
                self.messages += 1
            case Decision():
                self.decisions += 1
                self.entered += record.outcome is Outcome.ENTERED
            case Delivery(state=DeliveryState.WITHHELD):
                self.withheld += 1
            case Delivery(state=DeliveryState.PENDING):
                self.deliveries += 1
                self.received[record.person] += 1
            case Request():
                self.requests += 1
            case Ended():
                self.exited += 1
            case WaitingEntry():
                self.waiting += 1
            case _:
                pass

    def as_dict(self) -> dict[str, int]:
        """The counts by name, in the order of the contract; the most and the median of one person last."""
        counts = {each.name: getattr(self, each.name) for each in fields(self)}
        del counts["received"]
        each = sorted(self.received.values()) or [0]
        return {
            **counts,
            "most_per_person": each[-1],
            "median_per_person": each[(len(each) - 1) // 2],
        }


class Replay:
    """Drives one engine through arrivals; call it with a sink for the records.

    Args:
        engine: on a throwaway store, with ``clock``.
        tell: gets every record, in order.
        batch: messages in one transaction at most; what is told does not depend on it.
    """

    def __init__(
        self,
        engine: Engine,
        clock: FrozenClock,
        tell: Callable[[Record], None],
        *,
        batch: int = BATCH,
    ) -> None:
        self.summary = Summary()
        self._most = batch
        self._engine = engine
        self._clock = clock
        self._tell = tell
        self._batch: list[Message] = []
        self._next_run: datetime | None = None
        self._index = engine.pipeline.index
        self._any_may_start = _steps_start_broadcasts(self._index)
        self._starting_nothing: set[str] = set()
        self._guarded = engine.pipeline.settings.registry.guarded
        self._look_for_runs()

    def intervene(self, at: datetime, act: Callable[[Engine], Iterable[Record]]) -> None:
        """Let somebody decide something at an instant, between the messages; what that led to is told."""
        self._take_batch()
        self._pass_time(at)
        for record in act(self._engine):
            self._told(record)
        self._wake(at)

    def feed(self, arrivals: Iterable[Message | BadLine]) -> None:
        """Take arrivals, in their order."""
        for arrival in arrivals:
            if isinstance(arrival, BadLine):
                self._take_batch()  # what the lines above led to comes first
                self._told(arrival)
                continue
            if self._is_run_due(arrival.received_at):
                self._take_batch()
                self._pass_time(arrival.received_at)
            self._batch.append(arrival)
            if arrival.name not in self._starting_nothing and self._may_start(arrival):
                self._take_batch()
                self._wake(arrival.received_at)
            elif len(self._batch) >= self._most:
                self._take_batch()

    def _may_start(self, arrival: Message) -> bool:
        """Whether a message may start a broadcast or a cool-off, so that a batch ends behind it."""
        if self._any_may_start or arrival.name in self._guarded:
            return True
        matches = [self._index.trigger_match(type_, arrival.name) for type_ in NAMED]
        if not any(match.broadcasts for match in matches):
            self._starting_nothing.add(arrival.name)
        return bool(self._index.trigger_match(arrival.type, arrival.name).broadcasts)

    def _is_run_due(self, now: datetime) -> bool:
        return self._any_may_start or (self._next_run is not None and now >= self._next_run)

    def finish(self, until: datetime | timedelta | None = None) -> Summary:
        """Run what is due to its end, or up to ``until``; scheduled broadcasts end with the stream.

        Args:
            until: an instant, or a duration from where the stream ends.
        """
        self._take_batch()
        if isinstance(until, timedelta):
            until = later(self._clock.now(), until)
        if until is not None:
            self._pass_time(until)
        else:
            self._wake(self._clock.now())
            self._wake(LAST_INSTANT, scheduled=False)
        with self._engine.store.session() as session:
            counts = session.counts()
            waiting = session.due_entries(LAST_INSTANT, counts.entries or 1)
            known = session.persons({entry.person_key for entry in waiting}) if waiting else []
        self.summary.persons = counts.persons
        names = {person.key: person.user_id for person in known}
        for entry in waiting:
            self._told(self._as_waiting(entry, names.get(entry.person_key, "")))
        return self.summary

    def _as_waiting(self, entry: Entry, person: str) -> WaitingEntry:
        rule = self._engine.pipeline.index.by_digest.get(entry.digest)
        then = next_step(rule.steps, entry.position) if rule is not None else ""
        due_at = entry.entered_at if entry.due_at is None else entry.due_at
        return WaitingEntry(entry.rule, person, id_in_ref(entry.occasion), due_at, then)

    def _take_batch(self) -> None:
        batch, self._batch = self._batch, []
        while batch:
            taken, folded = self._take_part(batch)
            self._clock.move_to(batch[taken - 1].received_at)
            self.summary.messages += taken
            self._report(folded)
            batch = batch[taken:]

    def _take_part(self, batch: list[Message]) -> tuple[int, BatchResult]:
        """Take as much of the batch as goes with everything that comes due meanwhile."""
        part = batch
        while True:
            try:
                return len(part), self._engine.take(part, until=part[-1].received_at)
            except CrowdedError:
                self._wake(part[0].received_at)
                part = part[: (len(part) + 1) // 2]

    def _pass_time(self, until: datetime) -> None:
        made_up_for = min(later(self._clock.now(), LONG_GAP), until)
        self._wake(made_up_for)
        if made_up_for < until:
            self._wake(until, scheduled=False)  # waits are over on time, however long the gap
        self._wake(until)

    def _wake(self, until: datetime, *, scheduled: bool = True) -> None:
        for folded in self._engine.wake(until, scheduled=scheduled):
            self._report(folded)
        if until is not LAST_INSTANT:
            self._clock.move_to(until)
        self._look_for_runs()

    def _look_for_runs(self) -> None:
        with self._engine.store.session() as session:
            waiting, request = session.waiting_runs(), session.next_request_due()
        due = [run.due_at for run in waiting[:1]] + ([] if request is None else [request])
        self._next_run = min(due, default=None)

    def _report(self, folded: BatchResult) -> None:
        self.summary.count_messages(folded)
        for told in folded.records():
            self._told(told)

    def _told(self, record: Record) -> None:
        self.summary.count(record)
        self._tell(record)


def _steps_start_broadcasts(index: RuleIndex) -> bool:
    """Whether a campaign's own `track` step may start a broadcast, at any message or wait."""
    emitted = {message for rule in index.book.rules for message in rule.messages_sent}
    return any(index.trigger_match(*message).broadcasts for message in emitted)


def replay(
    arrivals: Iterable[Message | BadLine],
    open_engine: Callable[[FrozenClock], Engine],
    tell: Callable[[Record], None],
    *,
    until: datetime | timedelta | None = None,
    batch: int = BATCH,
) -> Summary:
    """Replay arrivals through an engine that is opened at the first one's time.

    Args:
        open_engine: makes the engine on the clock that it is given; it is closed here.
        until: see `Replay.finish`.
        batch: see `Replay`.
    """
    waiting = iter(arrivals)
    bad: list[BadLine] = []
    start = until if isinstance(until, datetime) else EPOCH
    first: list[Message] = []
    for arrival in waiting:
        if isinstance(arrival, Message):
            first, start = [arrival], arrival.received_at
            break
        bad.append(arrival)
    clock = FrozenClock(start)
    with open_engine(clock) as engine:
        run = Replay(engine, clock, tell, batch=batch)
        run.feed(chain(bad, first, waiting))
        return run.finish(until)


def read_streams(paths: Iterable[Path], reader: StreamReader) -> Iterator[Message | BadLine]:
    """Several streams, one after another, as one sequence of arrivals."""
    for path in paths:
        yield from reader.read(path)


@contextmanager
def throwaway_store() -> Iterator[str]:
    """The URL of a store that is gone afterwards; on disk, so that memory does not grow."""
    with TemporaryDirectory(prefix="whereupon-") as folder:
        yield f"sqlite:///{folder}/replay.db?synchronous=OFF"
