"""Runs a year of generated people through the engine and through the model, and compares the days.

    python -m tests.properties.year_runs --people 10000 [--seed 1] [--rules rules] [--days 365]

Compared is how many people entered, were kept out and why, left and why, and were sent something or not, by day and
rule, and which households' numbers these make together: so a report can name the household of a difference. The year
is written to a file a day, and the engine reads day after day; the model takes household after household, in as many
processes as there are processors. So neither needs memory for the year.
"""

import argparse
import json
import logging
import os
import sqlite3
import sys
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from tempfile import TemporaryDirectory
from time import monotonic
from zoneinfo import ZoneInfo

from tests.properties.year_clock import DAY, cron_times, local, on_clock
from tests.properties.year_model import STAYS_OPEN, Household
from tests.properties.year_people import START, ZONES, Author
from tests.properties.year_rules import Rule, Rules
from tests.properties.year_words import Look, Said, holds

from whereupon.decide.decisions import Decision
from whereupon.engine import Engine
from whereupon.messages.codec import encode
from whereupon.messages.model import Message, MessageType, Origin, SenderClass
from whereupon.scheduling.clocks import FrozenClock

Key = tuple[int, str, str]
"""A day, a rule and an outcome."""
_FIRST_CLOCK = ZoneInfo("Etc/GMT-14")
"""The first clock on earth."""
_BATCH = 2_000
_AT_ONCE = 500
"""Households whose messages are written together."""
logging.getLogger("whereupon").addHandler(logging.NullHandler())


@dataclass
class Tally:
    """How many, by day, rule and outcome, and the sum of their households' numbers."""

    counts: Counter[Key] = field(default_factory=Counter)
    sums: Counter[Key] = field(default_factory=Counter)

    def add(self, key: Key, number: int = 0, times: int = 1) -> None:
        """Count what happened in a household; what happens in none has the number 0."""
        self.counts[key] += times
        self.sums[key] += number * times

    def update(self, other: "Tally") -> None:
        """Add what another has counted."""
        self.counts.update(other.counts)
        self.sums.update(other.sums)


@dataclass
class World:
    """A folder, its people, and what is the same for everybody.

    Attributes:
        days: how long the year is.
        runs: the runs of broadcasts, in their order.
    """

    folder: Path
    seed: int
    days: int
    deleted: int = 97
    rules: Rules = field(init=False)
    author: Author = field(init=False)
    runs: list[tuple[int, Rule, Said]] = field(init=False)
    tally: Tally = field(default_factory=Tally)

    def __post_init__(self) -> None:
        self.rules = Rules(self.folder)
        self.author = Author(self.rules, self.seed, self.days, self.deleted)
        self.catalogue = self.author.catalogue()
        self.runs = sorted(self._runs(), key=lambda run: (run[0], run[1].place))

    @property
    def end(self) -> int:
        """The instant after the last day."""
        return START + self.days * DAY

    def cuts(self) -> set[int]:
        """When a broadcast asks people: what comes before is in the store by then, and what comes after is not."""
        found = {at for at, _, _ in self.runs}
        for _, rule, opening in self.runs:
            if opening.kind == "own":
                wall = datetime.fromisoformat(opening.data["wall"])
                clocks = {self.rules.clock(rule, {"timezone": name}) for name in ZONES}
                found |= {on_clock(wall.date(), wall.time(), zone) for zone in clocks}
        return found

    def _runs(self) -> Iterator[tuple[int, Rule, Said]]:
        for rule in self.rules.every:
            if rule.kind != "broadcast":
                continue
            for _, said in rule.of_kind("cron"):
                yield from self._scheduled(rule, said["cron"], said.get("timezone", "UTC"))
            for message in filter(rule.names, self.catalogue):
                seen = {"properties": message.data}
                look = Look(message.data, seen, message.at, self.rules.clock(rule, {}))
                if holds(rule.data.get("where"), look):
                    yield message.at, rule, message
                else:
                    self.tally.add((message.at // DAY, rule.id, "where"))

    def _scheduled(self, rule: Rule, cron: str, clock: str) -> Iterator[tuple[int, Rule, Said]]:
        """The runs at the times of a schedule; at each person's own time from when the first clock shows it."""
        is_own = clock == "person"
        zone = (
            _FIRST_CLOCK
            if is_own
            else self.rules.clock(Rule("", "", 0, {"timezone": clock}, ()), {})
        )
        for at in cron_times(cron, zone, START + 1, self.end):
            wall = local(at, zone).replace(tzinfo=None).isoformat()
            kind, data = ("own", {"wall": wall}) if is_own else ("", {})
            yield at, rule, Said(f"{rule.id}@{wall}", kind, "", None, None, data, at, at)


# --- the model ------------------------------------------------------------------------------------


def by_the_model(world: World, people: int, spool: Path, processes: int = 1) -> Tally:
    """What the model says becomes of so many households; their messages are written to folders in the spool."""
    tally, admitted = Tally(), Counter[tuple[str, str]]()
    tally.update(world.tally)
    _write(spool / "all", world.catalogue)
    parts = [(world, range(n, people, processes), spool / str(n)) for n in range(processes)]
    if processes == 1:
        told = [_part_by_the_model(*each) for each in parts]
    else:
        with ProcessPoolExecutor(processes) as pool:
            told = [*pool.map(_part_by_the_model, *zip(*parts, strict=True))]
    for part, let_in in told:
        tally.update(part)
        admitted.update(let_in)
    for at, rule, opening in world.runs:
        over = at + STAYS_OPEN if opening.kind == "own" else at
        if over < world.end and not admitted[rule.id, opening.id]:
            tally.add((over // DAY, rule.id, "who"))
    return tally


def _part_by_the_model(
    world: World, numbers: range, spool: Path
) -> tuple[Tally, Counter[tuple[str, str]]]:
    """What becomes of some households, and how many of them each run of a broadcast let in."""
    tally, admitted = Tally(), Counter[tuple[str, str]]()
    for first in range(0, len(numbers), _AT_ONCE):
        together: list[Said] = []
        for number in numbers[first : first + _AT_ONCE]:
            year = world.author.year(number)
            together += year
            household = Household(world.rules, world.runs)
            household.live(year, world.end)
            for key, times in household.counts.items():
                tally.add(key, number, times)
            admitted.update(household.admitted)
        _write(spool, together)
        _progress(f"model: {first + len(together)} messages more, of household {numbers[first]} on")
    return tally, admitted


def _write(spool: Path, messages: Iterable[Said]) -> None:
    spool.mkdir(exist_ok=True)
    days: dict[int, list[str]] = {}
    for m in messages:
        line = json.dumps([m.arrives, m.id, m.kind, m.name, m.user, m.device, m.data, m.at])
        days.setdefault(m.arrives // DAY, []).append(line + "\n")
    for day, lines in days.items():
        with (spool / str(day)).open("a") as file:
            file.writelines(lines)


def _progress(line: str) -> None:
    if sys.stderr.isatty() or _TOLD:
        sys.stderr.write(f"{line}, {getrusage(RUSAGE_SELF).ru_maxrss // 1024} MB at most\n")


_TOLD: list[bool] = []


# --- the engine -----------------------------------------------------------------------------------


def by_the_engine(world: World, spool: Path, database: Path) -> Tally:
    """What the engine makes of the messages in the spool."""
    clock = FrozenClock(_instant(START))
    tally = Tally()
    cuts = sorted(world.cuts())
    store = f"sqlite:///{database}?synchronous=OFF"
    with Engine.open(store, rules=world.folder, clock=clock) as engine:
        for _ in engine.wake(clock.now()):  # makes the timers of nobody, since nobody is there yet
            pass
        for day in range(START // DAY, world.end // DAY):
            coming = sorted(_lines(spool, day), key=_arrival_of)
            for cut in [*(at for at in cuts if at // DAY == day), (day + 1) * DAY - 1]:
                until = _instant(cut)
                now = bisect_right(coming, cut, key=_arrival_of)
                for first in range(0, now, _BATCH):
                    read = map(_message, coming[first : min(now, first + _BATCH)])
                    _count(tally, engine.take([*read]).decisions)
                del coming[:now]
                for woken in engine.wake(until):
                    _count(tally, woken.decisions)
                clock.move_to(until)
            if day % 30 == 0:
                _progress(f"engine: day {day - START // DAY}")
    with closing(sqlite3.connect(database)) as connection:
        for day, rule, outcome, times, number in _ends(connection):
            tally.counts[day, rule, outcome] += times
            tally.sums[day, rule, outcome] += number
    return tally


def _count(tally: Tally, decisions: Iterable[Decision]) -> None:
    for each in decisions:
        day = int(each.decided_at.timestamp()) // 86_400
        tally.add((day, each.rule, str(each.reason or "entered")), _household(each.person))


def _household(person: str | None) -> int:
    """The number of the household, by what its people are called; nobody's is 0."""
    return int(person[1:]) if person else 0


_STATE = "CASE WHEN reason LIKE 'withdrawn%' OR reason = 'merged' THEN 'withdrawn' ELSE coalesce(reason, state) END"


def _ends(connection: sqlite3.Connection) -> Iterator[tuple[int, str, str, int, int]]:
    """How entries ended and what was sent, of all who are not deleted."""
    ends = "coalesce(ended_at, entered_at) / ?, rule, 'end ' || coalesce(end_reason, 'inside')"
    sends = f"due_at / ?, rule, 'send ' || channel || ' ' || {_STATE}"
    converted = "timestamp / ?, rule, 'converted'"
    for what, table, where in (
        (ends, "entry", "1"),
        (sends, "delivery", "1"),
        (converted, "entry", "converted_at IS NOT NULL"),
    ):
        query = (
            f"SELECT {what}, count(*), sum(CAST(substr(p.user_id, 2) AS INTEGER)) "  # noqa: S608
            f"FROM whereupon_{table} AS o JOIN whereupon_person AS p ON p.key = o.person_key "
            f"WHERE {where} GROUP BY 1, 2, 3"
        )
        yield from connection.execute(query, (DAY,))


def _lines(spool: Path, day: int) -> list[str]:
    """The messages of a day, as they are written: a day of many people would need much memory otherwise."""
    return [
        line for file in sorted(spool.glob(f"*/{day}")) for line in file.read_text().splitlines()
    ]


def _arrival_of(line: str) -> int:
    return int(line[1 : line.index(",")])


def _message(line: str) -> Message:
    arrives, number, kind, name, user, device, data, at = json.loads(line)
    key = "traits" if kind == "identify" else "properties"
    return Message(
        message_id=number,
        type=MessageType(kind),
        name="" if kind == "alias" else name,
        user_id=user,
        anonymous_id=device,
        target_id=data.get("previousId") if kind == "alias" else None,
        timestamp=_instant(at),
        received_at=_instant(arrives),
        original_timestamp=_instant(at),
        source=SenderClass.SERVER,
        origin=Origin.LIVE,
        body=encode({key: data}),
    )


def _instant(at: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at)


# --- both -----------------------------------------------------------------------------------------


def differences(expected: Tally, found: Tally) -> list[str]:
    """The days, rules and outcomes that are not the same in both, in their order, with the household if it is one."""
    keys = sorted({*expected.counts, *found.counts})
    return [
        f"{_instant(day * DAY).date()} {rule} {outcome}: the model {expected.counts[key]}, "
        f"the engine {found.counts[key]}{_named(expected, found, key)}"
        for key in keys
        for day, rule, outcome in [key]
        if (expected.counts[key], expected.sums[key]) != (found.counts[key], found.sums[key])
    ]


def _named(expected: Tally, found: Tally, key: Key) -> str:
    """The household whose number makes the difference, if one alone can make it."""
    times = expected.counts[key] - found.counts[key]
    number = expected.sums[key] - found.sums[key]
    if not times or number % times:
        return f", the numbers of households differ by {number}"
    return f", household {number // times}"


def compared(world: World, people: int, processes: int = 1) -> tuple[Counter[Key], list[str]]:
    """What the model counts, and how the engine differs from it."""
    with TemporaryDirectory(prefix="whereupon-") as place:
        spool = Path(place) / "days"
        spool.mkdir()
        expected = by_the_model(world, people, spool, processes)
        found = by_the_engine(world, spool, Path(place) / "year.db")
    return expected.counts, differences(expected, found)


def main() -> int:
    """Run with the options of the command line; exit status 1 on any difference."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--people", type=int, default=10_000, help="how many households")
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rules", type=Path, default=Path("rules"))
    asked = parser.parse_args()
    _TOLD.append(True)
    began = monotonic()
    counts, found = compared(
        World(asked.rules, asked.seed, asked.days), asked.people, os.cpu_count() or 1
    )
    totals: Counter[tuple[str, str]] = Counter()
    for (_, rule, outcome), number in counts.items():
        totals[rule, outcome] += number
    for (rule, outcome), number in sorted(totals.items()):
        sys.stdout.write(f"{rule} {outcome} {number}\n")
    sys.stdout.writelines(f"{line}\n" for line in found[:200])
    peak = getrusage(RUSAGE_SELF).ru_maxrss // 1024
    sys.stdout.write(
        f"{asked.people} households, {asked.days} days, {monotonic() - began:.0f} s, {peak} MB at most: "
        f"{len(found) or 'no'} differences in {len(counts)} counts\n"
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
