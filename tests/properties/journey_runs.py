"""Runs journeys through the engine and through the model, and compares what came of them.

    python -m tests.properties.journey_runs --journeys 10000 [--database sqlite] [--seed 1]

How the messages of one instant are divided into batches, at which moments somebody looks for due work when there is
none, and where the engine is killed and opened again, follows from the seed and must not matter. A kill is an
exception in a transaction: at one of its statements, or in memory at its commit.
"""

import argparse
import logging
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from difflib import unified_diff
from functools import partial
from hashlib import blake2b
from itertools import count
from multiprocessing import Pool
from pathlib import Path
from random import Random  # noqa: TID251 - seeded
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import Self, TypeAlias

from sqlalchemy import Engine as Database
from sqlalchemy import event
from tests.properties.journey_model import Entry, Model
from tests.properties.journey_world import Data, Message
from tests.properties.journeys import START, Journey, drafted, smallest
from tests.rule_files import book_of
from tests.servers import Server, started

from whereupon.engine import Engine
from whereupon.ports import Session, Store
from whereupon.records import DeliveryState, EntryFilter
from whereupon.records.trail import MarkKind
from whereupon.rules.model import Rulebook
from whereupon.scheduling.clocks import FrozenClock
from whereupon.storage import open_store
from whereupon.storage.memory.session import MemorySession
from whereupon.storage.memory.store import MemoryStore

_MARKS = {MarkKind.STEP_IF, MarkKind.ARM, MarkKind.PASSED, MarkKind.EXPIRED}
"""What both tell of the way of an entry."""
logging.getLogger("whereupon").addHandler(logging.NullHandler())  # what is held is told often
_SECOND = timedelta(seconds=1)
_MOST_REPORTS = 5
_LATEST_KILL = 60
"""Statements of one call; a later aim is not met."""


def instant(at: int) -> datetime:
    """A second of the model's as an instant."""
    return datetime.fromtimestamp(at, UTC)


# --- killing --------------------------------------------------------------------------------------


class KilledError(BaseException):
    """The engine is gone; nothing of ours may catch it."""


@dataclass
class Killer:
    """Raises at a statement or a commit, counted from when it is aimed."""

    left: int = 0
    kills: int = 0

    def strike(self, *_: object) -> None:
        """Come to a statement or a commit."""
        self.left -= 1
        if self.left == 0:
            self.kills += 1
            raise KilledError


class MortalStore(MemoryStore):
    """A store in memory whose transactions may raise before they are committed."""

    def __init__(self, killer: Killer) -> None:
        super().__init__()
        self._killer = killer

    @contextmanager
    def session(self, connection: object = None) -> Iterator[MemorySession]:
        """A transaction that the killer may end."""
        with super().session(connection) as session:
            yield session
            self._killer.strike()

    reading = session


class Door:
    """Opens a store, and opens it again when its engine was killed.

    Args:
        enter: opens it; a store in memory is made once.
        killer: kills who works on it.
    """

    def __init__(self, enter: Callable[[], Store], killer: Killer) -> None:
        self._enter = enter
        self.killer = killer
        self.store = enter()

    def reopen(self) -> None:
        """Leave the store as a process that died does, and open it."""
        if not isinstance(self.store, MemoryStore):
            self.store.close()
            self.store = self._enter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.store.close()


Place: TypeAlias = Callable[[], AbstractContextManager[Door]]
"""Lends an empty store for one journey."""


# --- the engine -----------------------------------------------------------------------------------


class Run:
    """A journey through the engine.

    Args:
        door: to an empty store.
        whole: the journey.
        chance: how it is driven.
    """

    def __init__(self, door: Door, whole: Journey, chance: Random) -> None:
        self._door, self._whole, self._chance, self._killer = door, whole, chance, door.killer
        self._clock = FrozenClock(instant(START))
        self._book: Rulebook = book_of(*whole.rules)
        self._engine = self._opened()

    def _opened(self) -> Engine:
        return Engine(self._door.store, self._book, clock=self._clock)

    def go(self) -> list[str]:
        """Let everything happen; what became of it, in lines."""
        for happening in self._whole.happens:
            match happening:
                case {"pass": span}:
                    self._pass(instant_after(self._clock, span))
                case {"stall": span}:
                    self._surely(partial(self._wake, self._clock.now()))
                    self._clock.move_to(instant_after(self._clock, span))
                    self._surely(self._run_due)
                case {"arrive": messages}:
                    if not comes_alone(messages):
                        self._surely(partial(self._wake, self._clock.now()))
                    self._arrive([wire_of(message) for message in messages])
                case _:
                    self._deliver()
        self._wake(self._clock.now())
        with self._door.store.session() as session:
            return sorted(_lines(session))

    def _pass(self, end: datetime) -> None:
        """Do due work at its time, up to the end of the span but not at it: messages come before it."""
        span = int((end - self._clock.now()).total_seconds())
        stops = sorted(self._chance.sample(range(1, span), min(2, span - 1))) if span > 1 else []
        moments = [
            self._clock.now() + stop * _SECOND for stop in stops if self._chance.random() < 0.5
        ]
        for moment in moments:
            self._surely(partial(self._wake, moment))
            self._clock.move_to(moment)
            self._surely(self._run_due)  # when all is done already
        self._surely(partial(self._wake, end - _SECOND))
        self._clock.move_to(end)

    def _run_due(self) -> None:
        self._engine.run_due()

    def _wake(self, until: datetime) -> None:
        for _ in self._engine.wake(until):
            pass

    def _arrive(self, batch: list[Data]) -> None:
        while batch:
            size = self._chance.randint(1, len(batch))
            self._surely(partial(self._engine_takes, batch[:size]))
            batch = batch[size:]

    def _engine_takes(self, batch: list[Data]) -> None:
        taken = self._engine.ingest(batch)
        assert not taken.rejected, taken.rejected

    def _surely(self, work: Callable[[], object]) -> None:
        """Do work again until it is done, by another engine if this one is killed."""
        if self._chance.random() < 0.25:
            self._killer.left = self._chance.choice(
                (1, 2, 3, self._chance.randint(1, _LATEST_KILL))
            )
        try:
            work()
        except KilledError:
            self._door.reopen()
            self._engine = self._opened()
            work()
        finally:
            self._killer.left = 0

    def _deliver(self) -> None:
        self._engine = self._opened()
        self._engine.channel("push")(lambda _: None)
        self._engine.run_due()
        self._engine = self._opened()


def instant_after(clock: FrozenClock, span: int) -> datetime:
    """So many seconds later."""
    return clock.now() + span * _SECOND


def comes_alone(messages: list[Data]) -> bool:
    """Whether it is one message, and brings no other: only then it meets what is due at its instant."""
    return len(messages) == 1 and not {"userId", "anonymousId"} <= messages[0].keys()


def wire_of(message: Data) -> Data:
    """The message as it is sent."""
    return {key: value for key, value in message.items() if key != "at"} | {
        "timestamp": instant(message["at"]).isoformat()
    }


def _lines(session: Session) -> Iterator[str]:
    names = {person.key: person.user_id for person in session.persons_after(0, 1_000)}
    entries, _ = session.entries_after(EntryFilter(), 0, 10_000, 10_000)
    for entry in entries:
        yield line_of(
            entry.rule,
            names[entry.person_key],
            int(entry.timestamp.timestamp()),
            None
            if entry.ended is None
            else (str(entry.ended.reason), int(entry.ended.at.timestamp())),
            [] if entry.arms is None else entry.arms.split(","),
            [(str(m.kind), m.address, m.arm) for m in entry.trail if m.kind in _MARKS],
            None if entry.converted_at is None else int(entry.converted_at.timestamp()),
        )
    for sent in session.deliveries(list(DeliveryState), 10_000):
        state = {"held": "pending", "withheld": "withdrawn"}.get(sent.state, str(sent.state))
        at = int(sent.due_at.timestamp())
        yield send_line(sent.rule, names[sent.person_key], str(sent.content["title"]), at, state)


def line_of(
    rule: str,
    person: str,
    opened: int,
    ended: tuple[str, int] | None,
    splits: list[str],
    trail: list[tuple[str, str, str | None]],
    converted: int | None,
) -> str:
    """An entry in one line."""
    return f"{rule} {person} opened {opened} ended {ended} {splits} {trail} converted {converted}"


def send_line(rule: str, person: str, title: str, at: int, state: str) -> str:
    """A delivery in one line; of one that is sent, the time is that of its settling."""
    return f"{rule} {person} {title} {state}" + ("" if state == "sent" else f" at {at}")


# --- the model ------------------------------------------------------------------------------------


def by_the_model(whole: Journey) -> list[str]:
    """What the model says becomes of a journey, in lines."""
    model, now = Model(whole.rules, draw), START
    for happening in whole.happens:
        match happening:
            case {"pass": span}:
                model.wake(now + span - 1)
                now += span
            case {"stall": span}:
                model.wake(now)
                now += span
                model.wake(now, now)
            case {"arrive": messages}:
                if not comes_alone(messages):
                    model.wake(now)
                for message in messages:
                    model.take(message_of(message), now)
            case _:
                model.wake(now, now)
                model.deliver()
    model.wake(now)
    return sorted(line for entry in model.entries for line in _lines_of(entry))


def _lines_of(entry: Entry) -> Iterator[str]:
    rule, person = entry.rule["campaign"], entry.person.ids[0]
    yield line_of(
        rule, person, entry.opening.at, entry.ended, entry.splits, entry.trail, entry.converted
    )
    for title, at, state in entry.sends:
        yield send_line(rule, person, title, at, state)


def message_of(wire: Data) -> Message:
    """A message of a journey as the model takes it."""
    name = wire["event"] if wire["type"] == "track" else wire["type"]
    data = wire.get("properties") or wire.get("traits") or {"previous": wire.get("previousId")}
    return Message(
        wire["messageId"], name, wire.get("userId"), wire.get("anonymousId"), data, wire["at"]
    )


def draw(name: str, user: str) -> int:
    """The ten thousandth by which a split or a holdout goes, as the reference page says it is computed."""
    digest = blake2b(f"{name}\x1f{user}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % 10_000


def journey(seed: int) -> Journey:
    """The journey of a seed, in the first draft that is a rulebook."""
    return next(whole for draft in count() if _is_accepted(whole := drafted(seed, draft)))


def _is_accepted(whole: Journey) -> bool:
    with suppress(AssertionError):
        return bool(book_of(*whole.rules).rules)
    return False


# --- both -----------------------------------------------------------------------------------------


@contextmanager
def places(database: str, killer: Killer) -> Iterator[Place]:
    """Empty stores of a kind, on which the killer is at work."""
    with ExitStack() as stack:
        if database == "memory":
            yield lambda: nullcontext(Door(lambda: MortalStore(killer), killer))
            return
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="whereupon-")))
        if database == "sqlite":
            open_store(f"sqlite:///{folder}/empty.db").close()
            stack.enter_context(_watched_by(killer))
            yield partial(_in_a_file, folder, killer)
            return
        server = stack.enter_context(started(folder / "postgres"))
        yield stack.enter_context(on_a_server(server, killer))


@contextmanager
def on_a_server(server: Server, killer: Killer) -> Iterator[Place]:
    """Empty stores on a server of PostgreSQL."""
    with _watched_by(killer):
        yield partial(_on_a_server, server, killer)


@contextmanager
def _watched_by(killer: Killer) -> Iterator[None]:
    event.listen(Database, "before_cursor_execute", killer.strike)
    try:
        yield
    finally:
        event.remove(Database, "before_cursor_execute", killer.strike)


@contextmanager
def _in_a_file(folder: Path, killer: Killer) -> Iterator[Door]:
    copyfile(folder / "empty.db", folder / "store.db")
    with Door(partial(open_store, f"sqlite:///{folder}/store.db?synchronous=OFF"), killer) as door:
        yield door
    for file in folder.glob("store.db*"):
        file.unlink()


@contextmanager
def _on_a_server(server: Server, killer: Killer) -> Iterator[Door]:
    with server.clean() as url, Door(partial(open_store, url), killer) as door:
        yield door


@dataclass
class Examiner:
    """Holds the engine to the model, journey by journey."""

    place: Place
    seen: Counter[str] = field(default_factory=Counter)

    def differences(self, whole: Journey, seed: int) -> list[str]:
        """What the engine makes of a journey beside what the model does; empty if they agree."""
        expected = by_the_model(whole)
        with self.place() as door:
            found = Run(door, whole, Random(f"run-{seed}")).go()  # noqa: S311
        self.seen.update(journeys=1, lines=len(expected))
        self.seen.update(word for line in expected for word in SEEN if word in line)
        return list(unified_diff(expected, found, "the model", "the engine", lineterm="", n=9))

    def report(self, seed: int) -> str | None:
        """The smallest journey found on which they differ, if they differ on that of the seed."""
        whole = journey(seed)
        if not self.differences(whole, seed):
            return None
        least = smallest(whole, lambda each: self.fails(each, seed))
        differences = "\n".join(self.differences(least, seed))
        return f"--- journey {seed}\n{least}\n{differences}\n"

    def fails(self, whole: Journey, seed: int) -> bool:
        """Whether they differ on a journey; one that is none any more does not count."""
        try:
            return bool(self.differences(whole, seed))
        except Exception:  # noqa: BLE001 - what is cut down may be no rule any more
            return False


SEEN = ["event", "condition", "goal", "who", "merged", "step", "completed", "withdrawn", "sent"]
SEEN += ["no-date", "holdout", "passed", "expired", "arm", "step-if", "#"]


def examine(seeds: Sequence[int], database: str) -> tuple[list[str], Counter[str]]:
    """Run the journeys of these seeds; the reports of those that differ, and what was seen."""
    killer, reports = Killer(), list[str]()
    with places(database, killer) as place:
        examiner = Examiner(place)
        for seed in seeds:
            report = examiner.report(seed)
            if report is not None:
                reports.append(report)
                if len(reports) == _MOST_REPORTS:
                    break
    return reports, examiner.seen + Counter(kills=killer.kills)


def main() -> int:
    """Run with the options of the command line; exit status 1 on any difference."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--journeys", type=int, default=10_000)
    parser.add_argument("--database", choices=["memory", "sqlite", "postgres"], default="memory")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    asked = parser.parse_args()
    seeds = range(asked.seed * 1_000_000, asked.seed * 1_000_000 + asked.journeys)
    parts = [(seeds[n :: asked.jobs], asked.database) for n in range(asked.jobs)]
    if asked.jobs == 1:
        found = [examine(*parts[0])]
    else:
        with Pool(asked.jobs) as pool:
            found = pool.starmap(examine, parts)
    seen = sum((each for _, each in found), Counter[str]())
    reports = [report for each, _ in found for report in each]
    sys.stdout.write("".join(reports) + f"{asked.database}: {dict(seen)}\n")
    sys.stdout.write(f"{len(reports)} differences\n" if reports else "no difference\n")
    return 1 if reports else 0


if __name__ == "__main__":
    sys.exit(main())
