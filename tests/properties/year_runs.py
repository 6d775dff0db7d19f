"""Runs a year of generated people through the engine and through the model, and compares the days.

    python -m tests.properties.year_runs --people 10000 [--seed 1] [--rules rules] [--days 365]

Compared is how many people entered, were kept out and why, left and why, and were sent something or not, by day and
rule. The year is written to a file a day, and the engine reads day after day; the model takes household after
household. So neither needs memory for the year.
"""

import argparse
import json
import logging
import sqlite3
import sys
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
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

Counts = Counter[tuple[int, str, str]]
"""How many, by day, rule and outcome."""
_FIRST_CLOCK = ZoneInfo("Etc/GMT-14")
"""The first clock on earth."""
_BATCH = 2_000
_AT_ONCE = 500
"""Households whose messages are written together."""
logging.getLogger("whereupon").addHandler(logging.NullHandler())


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
    counts: Counts = field(default_factory=Counter)

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
                    self.counts[message.at // DAY, rule.id, "where"] += 1

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


def by_the_model(world: World, people: int, spool: Path) -> Counts:
    """What the model says becomes of so many households; their messages are written to the spool."""
    counts, admitted = Counter(world.counts), Counter[tuple[str, str]]()
    _write(spool, world.catalogue)
    for first in range(0, people, _AT_ONCE):
        together: list[Said] = []
        for number in range(first, min(people, first + _AT_ONCE)):
            year = world.author.year(number)
            together += year
            household = Household(world.rules, world.runs)
            household.live(year, world.end)
            counts.update(household.counts)
            admitted.update(household.admitted)
        _write(spool, together)
        _progress(f"model: {min(people, first + _AT_ONCE)} of {people} households")
    for at, rule, opening in world.runs:
        over = at + STAYS_OPEN if opening.kind == "own" else at
        if over < world.end and not admitted[rule.id, opening.id]:
            counts[over // DAY, rule.id, "who"] += 1
    return counts


def _write(spool: Path, messages: Iterable[Said]) -> None:
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


def by_the_engine(world: World, spool: Path, database: Path) -> Counts:
    """What the engine makes of the messages in the spool."""
    clock = FrozenClock(_instant(START))
    counts: Counts = Counter()
    cuts = sorted(world.cuts())
    store = f"sqlite:///{database}?synchronous=OFF"
    with Engine.open(store, rules=world.folder, clock=clock) as engine:
        for _ in engine.wake(clock.now()):  # makes the timers of nobody, since nobody is there yet
            pass
        for day in range(START // DAY, world.end // DAY):
            coming = sorted(_lines(spool / str(day)), key=_arrival_of)
            for cut in [*(at for at in cuts if at // DAY == day), (day + 1) * DAY - 1]:
                until = _instant(cut)
                now = bisect_right(coming, cut, key=_arrival_of)
                for first in range(0, now, _BATCH):
                    read = map(_message, coming[first : min(now, first + _BATCH)])
                    _count(counts, engine.take([*read]).decisions)
                del coming[:now]
                for woken in engine.wake(until):
                    _count(counts, woken.decisions)
                clock.move_to(until)
            if day % 30 == 0:
                _progress(f"engine: day {day - START // DAY}")
    with closing(sqlite3.connect(database)) as connection:
        counts.update(_ends(connection))
    return counts


def _count(counts: Counts, decisions: Iterable[Decision]) -> None:
    for each in decisions:
        day = int(each.decided_at.timestamp()) // 86_400
        counts[day, each.rule, str(each.reason or "entered")] += 1


_STATE = "CASE WHEN reason LIKE 'withdrawn%' OR reason = 'merged' THEN 'withdrawn' ELSE coalesce(reason, state) END"


def _ends(connection: sqlite3.Connection) -> Counts:
    """How entries ended and what was sent, of all who are not deleted."""
    counts: Counts = Counter()
    ends = "coalesce(ended_at, entered_at) / ?, rule, 'end ' || coalesce(end_reason, 'inside')"
    sends = f"due_at / ?, rule, 'send ' || channel || ' ' || {_STATE}"
    converted = "timestamp / ?, rule, 'converted'"
    for what, table, where in (
        (ends, "entry", "1"),
        (sends, "delivery", "1"),
        (converted, "entry", "converted_at IS NOT NULL"),
    ):
        query = f"SELECT {what}, count(*) FROM whereupon_{table} WHERE {where} GROUP BY 1, 2, 3"  # noqa: S608
        for day, rule, outcome, number in connection.execute(query, (DAY,)):
            counts[day, rule, outcome] += number
    return counts


def _lines(file: Path) -> list[str]:
    """The messages of a day, as they are written: a day of many people would need much memory otherwise."""
    return file.read_text().splitlines() if file.exists() else []


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


def differences(expected: Counts, found: Counts) -> list[str]:
    """The days, rules and outcomes that are not as many in both, in their order."""
    return [
        f"{_instant(day * DAY).date()} {rule} {outcome}: the model {expected[day, rule, outcome]}, "
        f"the engine {found[day, rule, outcome]}"
        for day, rule, outcome in sorted({*expected, *found})
        if expected[day, rule, outcome] != found[day, rule, outcome]
    ]


def compared(world: World, people: int) -> tuple[Counts, list[str]]:
    """What the model counts, and how the engine differs from it."""
    with TemporaryDirectory(prefix="whereupon-") as place:
        spool = Path(place) / "days"
        spool.mkdir()
        expected = by_the_model(world, people, spool)
        found = by_the_engine(world, spool, Path(place) / "year.db")
    return expected, differences(expected, found)


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
    counts, found = compared(World(asked.rules, asked.seed, asked.days), asked.people)
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
