"""Replay of streams through the real engine, on a clock that messages and due work move.

Nothing leaves the process, and no function of the host is called. Deliveries stay in the outbox of a
temporary store. Actions change that store, so later messages meet the same state as in production.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import JsonValue

from whereupon.decide import BatchResult
from whereupon.engine import Engine
from whereupon.insight import held_at, next_step
from whereupon.insight.identify_preview import WaitingEntry
from whereupon.matching import RuleIndex
from whereupon.messages.model import NAMED, Message, id_in_ref
from whereupon.messages.streams import BadLine, StreamReader
from whereupon.messages.times import EPOCH, FIRST_INSTANT, LAST_INSTANT, ZERO, earlier, later
from whereupon.pipeline.load import CrowdedError
from whereupon.records import NO_VALUES, Entry
from whereupon.replay.records import Record, Summary
from whereupon.scheduling import FrozenClock

BATCH = 5_000
"""The most messages in one transaction. Due work between two messages makes it shorter."""

_MOST_TOGETHER = 4
"""How many times longer a batch gets so that messages of one instant stay together."""
_RUN = 100
"""Arrivals that are looked at together. If one of them starts something, they are taken one by one."""

_MICROSECOND = timedelta(microseconds=1)

_LAST_DUE = LAST_INSTANT - timedelta(microseconds=1)
"""Whatever is due at a time is due by then; what waits for something without an end is due at `NEVER`."""

LONG_GAP = timedelta(days=366)
"""Within this time of a gap between messages, a scheduled broadcast runs every time; after it, once."""


class Replay:
    """Drives one engine through arrivals.

    Args:
        engine: an engine on a temporary store, with ``clock``.
        emit: is called with every record, in order.
        batch: the most messages in one transaction; the records do not depend on it.
        functions: what the functions of `run` steps return, by their names; null by default.
    """

    def __init__(
        self,
        engine: Engine,
        clock: FrozenClock,
        emit: Callable[[Record], None],
        *,
        batch: int = BATCH,
        functions: Mapping[str, JsonValue] = NO_VALUES,
    ) -> None:
        engine.stand_in(functions)
        self.summary = Summary()
        self._batch_size = batch
        self._engine = engine
        self._clock = clock
        self._emit_record = emit
        self._batch: list[Message] = []
        self._next_run: datetime | None = None
        self._stops_at: datetime | None = None  # from then on each message is taken by itself
        self._index = engine.pipeline.index
        self._any_may_start = _steps_start_broadcasts(self._index)
        self._starting_nothing: set[str] = set()
        self._guarded = engine.pipeline.settings.registry.guarded
        self._look_for_runs()

    def perform(self, at: datetime, act: Callable[[Engine], Iterable[Record]]) -> None:
        """Perform an operator's act at an instant between the messages, and emit the records of it."""
        self._take_batch()
        self._pass_time(at)
        for record in act(self._engine):
            self._emit(record)
        self._wake(at)

    def feed(self, arrivals: Iterable[Message | BadLine]) -> None:
        """Take arrivals in order."""
        waiting, is_over = iter(arrivals), False
        while not is_over:
            run: list[Message | BadLine] = []
            room = self._batch_size - len(self._batch)
            try:
                run.extend(islice(waiting, min(max(room, 1), _RUN)))
            finally:  # so that what comes before an unreadable part of a stream is taken, too
                messages = [each for each in run if isinstance(each, Message)]
                if len(messages) == len(run) <= room and self._only_fill(messages):
                    self._batch += messages
                else:
                    self._feed_each(run)
            is_over = not run

    def _only_fill(self, messages: Sequence[Message]) -> bool:
        """Whether messages do nothing but fill a batch: they start nothing, and nothing is due before them."""
        if not all(map(self._starts_nothing, {each.name for each in messages})):
            return False
        last = max([each.received_at for each in messages], default=FIRST_INSTANT)
        return self._stops_at is None or last < self._stops_at

    def _feed_each(self, run: Iterable[Message | BadLine]) -> None:
        """Take arrivals one by one."""
        for arrival in run:
            if isinstance(arrival, BadLine):
                self._take_batch()  # the records of the lines above come first
                self._emit(arrival)
                continue
            if self._stops_at is not None and self._stops_at <= arrival.received_at:
                self._take_batch()
                self._pass_time(self._just_before(arrival.received_at))
            elif len(self._batch) >= self._batch_size and self._is_full_before(arrival):
                self._take_batch()
            self._batch.append(arrival)
            if self._may_start(arrival):
                self._take_batch()
                self._wake(arrival.received_at)

    def _just_before(self, instant: datetime) -> datetime:
        """Up to when due work is done before a message that arrives then: it is heard before what is due at that instant."""
        is_run_due = self._next_run is not None and self._next_run <= instant
        return instant if is_run_due else earlier(instant, _MICROSECOND)

    def _is_full_before(self, arrival: Message) -> bool:
        """Whether a full batch is taken before an arrival; messages of one instant stay together, if they are not too many."""
        is_apart = arrival.received_at != self._batch[-1].received_at
        return is_apart or len(self._batch) >= _MOST_TOGETHER * self._batch_size

    def _starts_nothing(self, name: str) -> bool:
        """Whether no message of a name starts a broadcast or a cool-off; found once a name."""
        if name in self._starting_nothing:
            return True
        if self._any_may_start or name in self._guarded:
            return False
        matches = [self._index.trigger_match(type_, name) for type_ in NAMED]
        if any(match.broadcasts for match in matches):
            return False
        self._starting_nothing.add(name)
        return True

    def _may_start(self, arrival: Message) -> bool:
        """Whether a message may start a broadcast or a cool-off, so that its batch ends with it."""
        if self._starts_nothing(arrival.name):
            return False
        match = self._index.trigger_match(arrival.type, arrival.name)
        return self._any_may_start or arrival.name in self._guarded or bool(match.broadcasts)

    def finish(
        self, until: datetime | timedelta | None = None, *, opens_for: timedelta = ZERO
    ) -> Summary:
        """Run the waits to their end, or all due work up to ``until``.

        Args:
            until: an instant, or a duration after the end of the stream. Without it, scheduled broadcasts do
                not run after the stream, and time alone lets nobody into a rule.
            opens_for: without ``until``, how long after the end of the stream time alone lets people in all the same.
        """
        self._take_batch()
        if isinstance(until, timedelta):
            until = later(self._clock.now(), until)
        if until is not None:
            self._pass_time(until)
        else:
            self._wake(self._clock.now())
            if opens_for:
                self._wake(later(self._clock.now(), opens_for), scheduled=False)
            self._wake(_LAST_DUE, scheduled=False, opens=False)
        self._emit_waiting()
        return self.summary

    def _emit_waiting(self) -> None:
        with self._engine.store.session() as session:
            counts = session.counts()
            waiting = session.due_entries(LAST_INSTANT, counts.entries or 1)
            known = session.persons({entry.person_key for entry in waiting}) if waiting else []
        self.summary.persons = counts.persons
        names = {person.key: person.user_id for person in known}
        for entry in waiting:
            self._emit(self._as_waiting(entry, names.get(entry.person_key, "")))

    def _as_waiting(self, entry: Entry, person: str) -> WaitingEntry:
        rule = self._engine.pipeline.index.by_digest.get(entry.digest)
        then = "" if rule is None else held_at(entry, rule) or next_step(rule, entry.address)
        place = (entry.rule, person, id_in_ref(entry.occasion))
        return WaitingEntry(*place, entry.waits_until, then, entry.address)

    def _take_batch(self) -> None:
        batch, self._batch = self._batch, []
        while batch:
            taken, result = self._take_part(batch)
            self._clock.move_to(batch[taken - 1].received_at)
            self.summary.messages += taken
            self._report(result)
            batch = batch[taken:]

    def _take_part(self, batch: list[Message]) -> tuple[int, BatchResult]:
        """Take the batch, or its beginning if too much work becomes due during it."""
        part = batch
        while True:
            try:
                return len(part), self._engine.take(part, until=part[-1].received_at)
            except CrowdedError:
                self._wake(part[0].received_at)
                part = part[: (len(part) + 1) // 2]

    def _pass_time(self, until: datetime) -> None:
        every_run = min(later(self._clock.now(), LONG_GAP), until)
        self._wake(every_run)
        if every_run < until:
            self._wake(until, scheduled=False)  # waits end on time, even in a long gap
        self._wake(until)

    def _wake(self, until: datetime, *, scheduled: bool = True, opens: bool = True) -> None:
        for result in self._engine.wake(until, scheduled=scheduled, opens=opens):
            self._report(result)
        if until is not _LAST_DUE:
            self._clock.move_to(until)
        self._look_for_runs()

    def _look_for_runs(self) -> None:
        with self._engine.store.session() as session:
            waiting, request = session.waiting_runs(), session.next_request_due()
        due = [run.due_at for run in waiting[:1]] + ([] if request is None else [request])
        self._next_run = min(due, default=None)
        self._stops_at = FIRST_INSTANT if self._any_may_start else self._next_run

    def _report(self, result: BatchResult) -> None:
        count, emit = self.summary.count, self._emit_record
        self.summary.count_messages(result)
        for record in result.records():
            count(record)
            emit(record)

    def _emit(self, record: Record) -> None:
        self.summary.count(record)
        self._emit_record(record)


def _steps_start_broadcasts(index: RuleIndex) -> bool:
    """Whether a `track` step may start a broadcast, so that any message or wait may do so."""
    emitted = {message for rule in index.book.rules for message in rule.messages_sent}
    return any(index.trigger_match(*message).broadcasts for message in emitted)


def replay(
    arrivals: Iterable[Message | BadLine],
    open_engine: Callable[[FrozenClock], Engine],
    emit: Callable[[Record], None],
    *,
    until: datetime | timedelta | None = None,
    batch: int = BATCH,
) -> Summary:
    """Replay arrivals through an engine whose clock starts at the first arrival.

    Args:
        open_engine: opens the engine with the clock that it is given. `replay` closes the engine.
        emit: is called with every record, in order.
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
        run = Replay(engine, clock, emit, batch=batch)
        run.feed(chain(bad, first, waiting))
        return run.finish(until)


def read_streams(paths: Iterable[Path], reader: StreamReader) -> Iterator[Message | BadLine]:
    """The arrivals of several streams, one stream after another."""
    return chain.from_iterable(map(reader.read, paths))


@contextmanager
def temporary_store() -> Iterator[str]:
    """The URL of a temporary store, which is deleted at the end. It is on disk to save memory."""
    with TemporaryDirectory(prefix="whereupon-") as folder:
        yield f"sqlite:///{folder}/replay.db?synchronous=OFF"
