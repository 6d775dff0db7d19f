"""``python -m tests.chaos.storm --seconds 60``: many callers at the same few people, on PostgreSQL.

Claims, merges, erasures, devices and objects, in calls and in batches, by several processes of several
threads each. Afterwards: how many deadlocks the server has seen, how long calls took, what they raised,
and whether what is left in the tables agrees with itself. Exit status 1 where any of it is wrong.

Which calls a thread makes follows from the seed; how they meet is the machine's affair.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count, islice
from pathlib import Path
from random import Random
from subprocess import PIPE, Popen
from tempfile import TemporaryDirectory
from threading import Thread
from time import monotonic
from typing import Any

from sqlalchemy import Connection, text
from tests.paths import ROOT
from tests.rule_files import book_of
from tests.servers import Server, started
from tests.shop import news, thanks

from whereupon import Engine
from whereupon.errors import StoreError
from whereupon.storage.sql.database_url import engine_of

PEOPLE, DEVICES = 6, 6
PATIENCE = 30.0
SPARE = 1.5
"""Of its patience, how much longer a call may take before it counts as late: a machine has other work."""
RULES = book_of(
    thanks(campaign="always", whereupon=[{"wait": "1h"}, {"send": "push", "title": "Thanks"}]),
    thanks(campaign="first", reentry="once", retroactive={"take": "first"}),
    thanks(campaign="seen", when="view", reentry="not_while_active", whereupon=[{"wait": "1d"}]),
    news(broadcast="offer", when="sale"),
)

Wire = dict[str, Any]


@dataclass
class Weather:
    """The calls of one process, or of all of them.

    Attributes:
        calls: how many were made.
        late: calls that took longer than their patience.
        longest: seconds that the longest took.
        raised: how often calls raised what.
    """

    calls: int = 0
    late: int = 0
    longest: float = 0.0
    raised: Counter[str] = field(default_factory=Counter)

    def note(self, seconds: float, fault: str | None) -> None:
        """Count a call."""
        self.calls += 1
        self.late += seconds > SPARE * PATIENCE
        self.longest = max(self.longest, seconds)
        if fault is not None:
            self.raised[fault] += 1

    def join(self, other: "Weather") -> None:
        """Add the calls of another process."""
        self.calls += other.calls
        self.late += other.late
        self.longest = max(self.longest, other.longest)
        self.raised += other.raised


def items(seed: str) -> Iterator[Wire]:
    """Endless messages about the same people, the same for the same seed."""
    random, numbers = Random(seed), count()
    kinds: Sequence[tuple[int, Callable[[Random], Wire]]] = (
        (6, lambda r: _track(r, "purchase", userId=_person(r))),
        (6, lambda r: _track(r, "purchase", anonymousId=_device(r))),
        (3, lambda r: _track(r, "view", userId=_person(r), anonymousId=_device(r))),
        (4, lambda r: {"type": "identify", "userId": _person(r), "anonymousId": _device(r)}),
        (3, lambda r: {"type": "alias", "userId": _person(r), "previousId": _person(r)}),
        (1, lambda r: {"type": "alias", "userId": _person(r), "previousId": _device(r)}),
        (2, lambda r: {"type": "group", "userId": _person(r), "groupId": _thing(r)}),
        (3, lambda r: _track(r, "Delete Person", userId=_person(r))),
        (1, lambda r: _track(r, "Suppress Person", userId=_person(r))),
        (2, lambda r: _track(r, "Unsuppress Person", userId=_person(r))),
        (3, lambda r: _token(r, "Device Created or Updated")),
        (2, lambda r: _token(r, "Delete Device")),
        (1, lambda r: _track(r, "Delete Object", userId=_person(r), properties=_object(r))),
        (1, lambda r: _track(r, "Delete Relationship", userId=_person(r), properties=_object(r))),
        (1, lambda r: _track(r, "sale", userId=_person(r))),
        (1, lambda r: _track(r, f"page {r.randrange(50)}", userId=_person(r))),
    )
    weights = [weight for weight, _ in kinds]
    while True:
        ((_, make),) = random.choices(kinds, weights)
        yield {**make(random), "messageId": f"{seed}-{next(numbers)}"}


def _person(random: Random) -> str:
    return f"person-{random.randrange(PEOPLE)}"


def _device(random: Random) -> str:
    return f"anon-{random.randrange(DEVICES)}"


def _thing(random: Random) -> str:
    return f"thing-{random.randrange(4)}"


def _object(random: Random) -> Wire:
    return {"objectId": _thing(random), "objectTypeId": "1"}


def _track(_random: Random, event: str, **more: object) -> Wire:
    return {"type": "track", "event": event, **more}


def _token(random: Random, event: str) -> Wire:
    device = {"token": f"token-{random.randrange(4)}", "type": "ios"}
    return _track(random, event, userId=_person(random), context={"device": device})


def calls(seed: str) -> Iterator[list[Wire]]:
    """The arguments of each call: mostly one message, sometimes a batch; some are repeated."""
    random, coming, sent = Random(f"{seed} calls"), items(seed), list[Wire]()
    while True:
        size = random.choice((1, 1, 1, 1, 3, 12))
        batch = list(islice(coming, size))
        if sent and not random.randrange(5):
            batch.append(random.choice(sent))
        sent = [*sent[-20:], *batch]
        yield batch


def blow(engine: Engine, seed: str, go_on: Callable[[int], bool], met: Weather) -> None:
    """The calls of one thread."""
    for number, batch in enumerate(calls(seed)):
        if not go_on(number):
            return
        began = monotonic()
        fault: str | None = None
        try:
            if number % 25 == 24:
                engine.run_due()
            result = engine.ingest(batch)
            answered = result.accepted + result.duplicates + len(result.rejected)
            if answered != len(batch):
                fault = f"{answered} of {len(batch)} messages answered"
        except StoreError as error:
            fault = error.code
        except Exception as error:  # noqa: BLE001 - it is reported with the others
            fault = f"{type(error).__name__}: {error}"
        met.note(monotonic() - began, fault)


def _be_silent(engine: Engine) -> None:
    for channel in ("push", "email"):
        engine.channel(channel)(lambda _: None)


def work(url: str, seed: str, threads: int, seconds: float, most: int) -> Weather:
    """The work of one process: several threads, for a time or a number of calls."""
    met = [Weather() for _ in range(threads)]
    with Engine.open(f"{url}&patience={PATIENCE}", rules=RULES) as engine:
        _be_silent(engine)
        end = monotonic() + seconds

        def go_on(number: int) -> bool:
            return number < most and monotonic() < end

        blowing = [
            Thread(target=blow, args=(engine, f"{seed}.{number}", go_on, each))
            for number, each in enumerate(met)
        ]
        for thread in blowing:
            thread.start()
        for thread in blowing:
            thread.join()
    for other in met[1:]:
        met[0].join(other)
    return met[0]


# --- all of it --------------------------------------------------------------------------------------


@dataclass
class Aftermath:
    """What a storm has led to.

    Attributes:
        deadlocks: those that the server has seen while it lasted.
        wrong: what in the tables does not agree.
    """

    weather: Weather
    deadlocks: int
    wrong: list[str]

    @property
    def is_fine(self) -> bool:
        """Whether nothing was wrong."""
        return not (self.deadlocks or self.weather.late or self.weather.raised or self.wrong)


def storm(
    server: Server, *, processes: int, threads: int, seconds: float, most: int, seed: str
) -> Aftermath:
    """Run several processes with several threads each on an empty store of a server."""
    with server.clean() as url:
        before, met = _deadlocks(url), Weather()
        command = [sys.executable, "-m", "tests.chaos.storm", "--url", url]
        command += [f"--threads={threads}", f"--seconds={seconds}", f"--most={most}"]
        started = [
            Popen([*command, f"--seed={seed}.{number}"], stdout=PIPE, text=True, cwd=ROOT)
            for number in range(processes)
        ]
        for process in started:
            output, _ = process.communicate()
            report = json.loads(output)
            met.join(Weather(**{**report, "raised": Counter(report["raised"])}))
        return Aftermath(met, _deadlocks(url) - before, _wrong(url))


def _deadlocks(url: str) -> int:
    with _connected(url) as connection:
        asked = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        return int(connection.execute(text(asked)).scalar_one())


@contextmanager
def _connected(url: str) -> Iterator[Connection]:
    database, _ = engine_of(url, patience=PATIENCE)
    with database.connect() as connection:
        yield connection
    database.dispose()


_DISAGREEMENTS: Mapping[str, str] = {
    "messages of owners that are not there": (
        "SELECT count(*) FROM whereupon_message m WHERE owner <> 0 "
        "AND NOT EXISTS (SELECT 1 FROM whereupon_person p WHERE p.key = m.owner) "
        "AND NOT EXISTS (SELECT 1 FROM whereupon_identifier i WHERE i.key = m.owner)"
    ),
    "user ids of nobody": (
        "SELECT count(*) FROM whereupon_identifier i WHERE kind = 'user' "
        "AND NOT EXISTS (SELECT 1 FROM whereupon_person p WHERE p.key = i.key)"
    ),
    "entries of nobody": (
        "SELECT count(*) FROM whereupon_entry e "
        "WHERE NOT EXISTS (SELECT 1 FROM whereupon_person p WHERE p.key = e.person_key)"
    ),
    "claims by nobody": (
        "SELECT count(*) FROM whereupon_claim c "
        "WHERE NOT EXISTS (SELECT 1 FROM whereupon_person p WHERE p.key = c.person_key)"
    ),
    "devices of nobody": (
        "SELECT count(*) FROM whereupon_device d "
        "WHERE NOT EXISTS (SELECT 1 FROM whereupon_person p WHERE p.key = d.person_key)"
    ),
    "purchases of somebody that opened nothing": (
        "SELECT count(*) FROM whereupon_message m JOIN whereupon_name n ON n.id = m.name_id "
        "JOIN whereupon_person p ON p.key = m.owner WHERE n.name = 'purchase' "
        "AND NOT EXISTS (SELECT 1 FROM whereupon_entry e "
        "WHERE e.message_key = m.key AND e.rule = 'always') "
        "AND m.skipped_list IS NULL "
        "AND NOT EXISTS (SELECT 1 FROM whereupon_skips s WHERE s.message_key = m.key)"
    ),
}


def _wrong(url: str) -> list[str]:
    """What disagrees in the tables and in the audit log; then whether everybody can be erased."""
    with Engine.open(url, rules=RULES) as engine:
        _be_silent(engine)
        engine.run_due()
        found = [*_disagreements(url)]
        found += [f"the audit log: {flaw}" for flaw in engine.audit.verify()]
        for number in range(PEOPLE):
            engine.track("Delete Person", user_id=f"person-{number}")
        with _connected(url) as connection:
            for table in ("person", "entry", "delivery", "device", "claim", "relationship"):
                left = connection.execute(text(f"SELECT count(*) FROM whereupon_{table}"))  # noqa: S608
                if rows := left.scalar_one():
                    found.append(f"{rows} rows of {table} are left of people who were all erased")
    return found


def _disagreements(url: str) -> Iterator[str]:
    with _connected(url) as connection:
        for what, asked in _DISAGREEMENTS.items():
            if number := connection.execute(text(asked)).scalar_one():
                yield f"{number} {what}"


def main() -> int:
    """Run with the options of the command line, and print the result."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.storm", description=__doc__)
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--threads", type=int, default=6, help="of each process")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--most", type=int, default=sys.maxsize, help="calls of each thread")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--url", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.url:
        met = work(chosen.url, chosen.seed, chosen.threads, chosen.seconds, chosen.most)
        sys.stdout.write(json.dumps(vars(met)))
        return 0
    with TemporaryDirectory(prefix="whereupon-storm-") as folder, started(Path(folder, "pg")) as on:
        left = storm(
            on,
            processes=chosen.processes,
            threads=chosen.threads,
            seconds=chosen.seconds,
            most=chosen.most,
            seed=chosen.seed,
        )
    return _report(left)


def _report(left: Aftermath) -> int:
    met, write = left.weather, sys.stdout.write
    write(
        f"{met.calls} calls; the longest took {met.longest:.1f} s, of {PATIENCE:.0f} s patience\n"
    )
    write(f"{left.deadlocks} deadlocks; {met.late} calls past their patience\n")
    for fault, times in met.raised.most_common(20):
        write(f"  {times} times raised: {fault}\n")
    for line in left.wrong:
        write(f"  wrong: {line}\n")
    return 0 if left.is_fine else 1


if __name__ == "__main__":
    sys.exit(main())
