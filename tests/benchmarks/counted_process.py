"""The process whose instructions `instructions` counts: warms up, has callgrind count, and says how many messages that were.

    python -m tests.benchmarks.counted_process WORKLOAD FOLDER

Workloads: ``sqlite`` (the pipeline's, batches of 900), ``memory``, ``reading`` (the wire
alone; ``reading-accented`` with text beyond ASCII; ``reading-collected``, ``reading-sent``, ``reading-unknown`` and
``reading-body`` as a collector sends them, as a client's own, with a field that nobody knows, as one body), ``nobody-enters`` and
``all-enter`` (the pipeline with rules that let nobody in, or everybody), ``one-call`` and ``one-call-memory``
(`Engine.track`, one by one), ``calls-together`` (eight of them at a time, as the thread that
leads a group takes them: without reading, answering and waiting), ``steps`` (people whose wait is up: it is left, a
mail is made, the next wait begins), ``replay`` (the shop's stream against ``rules/``, from the file to the records,
batches of 900),
and the references ``reference`` (the rows of the messages alone), ``steps-driver`` (the same changes of people's
entries by the bare driver), ``replay-driver`` (all rows that the replay makes) and ``bare-commit``.
``postgres``, ``postgres-reference``, ``postgres-call`` and ``postgres-commit`` are the same on PostgreSQL: the client
alone is counted, not the server.
"""

import gc
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from shutil import copyfile
from typing import Any

import psycopg
from tests.benchmarks import bench_pipeline as bench
from tests.benchmarks.bench_journeys import bare_driver
from tests.benchmarks.bench_replay import (
    empty_tables,
    in_batches,
    insert_rows,
    rows_made,
    write_stream,
)
from tests.benchmarks.copying import copier
from tests.benchmarks.journey_world import START, fill
from tests.benchmarks.journey_world import rules as journey
from tests.benchmarks.workload import PACE, messages, rules, tracked
from tests.benchmarks.writers import conninfo
from tests.servers import started

from whereupon.engine import Engine
from whereupon.messages.codec import decode
from whereupon.messages.model import Message, Origin, SenderClass
from whereupon.messages.streams import StreamReader
from whereupon.pipeline.fresh_ids import fresh_id
from whereupon.pipeline.ingestion import read_batch
from whereupon.pipeline.joint_takes import JointTake
from whereupon.pipeline.load import DUE_LIMIT
from whereupon.replay.stream_replay import Replay, read_streams
from whereupon.rules.model import Rule, Rulebook
from whereupon.rules.reader import parse_rule_file
from whereupon.runtime.gc_pause import bulk, keep_loaded
from whereupon.scheduling.clocks import FrozenClock
from whereupon.storage.sql.sqlite import PRAGMAS

SIZE, WARM, COUNTED = 900, 3, 2
"""Messages of a batch; batches before the counting, and those that are counted."""
CALLS = 150
"""Calls before the counting, and as many that are counted."""
TOGETHER = 8
"""Calls that are taken together."""

Step = Callable[[], None]


def batches() -> Iterator[list[bytes]]:
    """The stream, in batches."""
    texts = list(messages((WARM + COUNTED) * SIZE))
    return (texts[first : first + SIZE] for first in range(0, len(texts), SIZE))


def book(where: dict[str, Any] | None) -> Rulebook:
    """The thousand rules; with another `where` each, if one is given."""
    found = bench.book()
    if where is None:
        return found
    each = (
        parse_rule_file({**rule, "where": where}, stem=rule["campaign"], segments={})[0]
        for rule in rules()
    )
    return replace(found, rules=tuple(rule for rule in each if isinstance(rule, Rule)))


def pipeline(url: str, where: dict[str, Any] | None = None) -> Iterator[int]:
    """The pipeline, batch by batch; yields how many messages each had."""
    clock = FrozenClock(bench.START)
    with Engine.open(url, rules=book(where), clock=clock) as engine:
        for place, batch in enumerate(batches(), 1):
            clock.move_to(bench.START + place * SIZE * PACE)
            assert engine.ingest(batch).accepted == len(batch)
            yield len(batch)


def reference(folder: Path) -> Iterator[int]:
    """The rows of the messages alone, as `bench_pipeline` inserts them."""
    rows = bench.message_rows(folder)[: (WARM + COUNTED) * SIZE]
    path = folder / "reference.db"
    with Engine.open(f"sqlite:///{path}"):
        pass
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for pragma in PRAGMAS:
            connection.execute(pragma)
        statement = bench.places(rows, "?")
        for place, batch in enumerate(batches()):
            for text in batch:
                decode(text)
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(statement, rows[place * SIZE : place * SIZE + SIZE])
            connection.commit()
            yield len(batch)


def reading(title: bytes = b"Socks") -> Iterator[int]:
    """From the wire to messages; with a title of the page that each came from."""
    given = {"received_at": bench.START, "source": SenderClass.SERVER, "origin": Origin.LIVE}
    titled = [[text.replace(b'"Socks"', b'"%b"' % title) for text in each] for each in batches()]
    for batch in titled:
        read = read_batch(batch, **given, new_id=str)  # type: ignore[arg-type]
        assert len(read.messages) == len(batch)
        yield len(batch)


_HALF = SIZE // 2
_COLLECTED = (
    b',"sentAt":"2026-03-01T00:00:01.250Z","receivedAt":"2026-03-01T00:00:01.500Z",'
    b'"request_ip":"203.0.113.7","rudderId":"5b7a4ffe-3a7d-4a4b-9c5e-1b0a7f3e5a11","channel":"web"'
)
_SENT = b',"sentAt":"2026-03-01T00:00:01.250Z","integrations":{"All":true}'


def changed(change: Callable[[bytes], bytes], *, is_body: bool = False) -> Iterator[int]:
    """The same for messages that are changed first, half a batch at a time; also as one text."""
    given = {"received_at": bench.START, "source": SenderClass.SERVER, "origin": Origin.LIVE}
    for batch in [[change(text) for text in each] for each in batches()]:
        for half in (batch[:_HALF], batch[_HALF:]):
            body = b'{"batch":[%b],"sentAt":"2026-03-01T00:00:01.250Z"}' % b",".join(half)
            read = read_batch([body] if is_body else half, **given, new_id=str)  # type: ignore[arg-type]
            assert len(read.messages) == len(half)
        yield len(batch)


def with_members(members: bytes) -> Callable[[bytes], bytes]:
    """Adds members to the text of a message."""
    return lambda text: text[:-1] + members + b"}"


def sent(text: bytes) -> bytes:
    """As an official client sends it, which leaves it to the server to correct the time."""
    return with_members(_SENT)(text.replace(b'"timestamp"', b'"originalTimestamp"'))


def copied(url: str, folder: Path) -> Iterator[int]:
    """The rows of the messages alone, copied into PostgreSQL."""
    rows = bench.message_rows(folder)[: (WARM + COUNTED) * SIZE]
    with closing(psycopg.connect(conninfo(url))) as connection:
        write = copier(connection, bench.TABLE)
        for place, batch in enumerate(batches()):
            for text in batch:
                decode(text)
            write(rows[place * SIZE : place * SIZE + SIZE])
            yield len(batch)


def one_call(url: str) -> Iterator[int]:
    """`Engine.track`, one by one, by twenty persons, with the thousand rules."""
    with Engine.open(url, rules=bench.book()) as engine:
        for number in range(2 * CALLS):
            call = tracked(number)
            engine.track(call["event"], user_id=call["userId"], properties=call["properties"])
            yield 1


def calls_together(url: str) -> Iterator[int]:
    """Calls of eight threads, loaded, decided and written together."""
    with Engine.open(url, rules=bench.book()) as engine:
        now = engine.clock.now()
        given = {"received_at": now, "source": SenderClass.SERVER, "origin": Origin.LIVE}
        calls = [[tracked(number)] for number in range(2 * CALLS)]
        read = [read_batch(call, **given, new_id=fresh_id).messages for call in calls]  # type: ignore[arg-type]
        for first in range(0, 2 * CALLS - TOGETHER, TOGETHER):
            together = read[first : first + TOGETHER]
            works = [JointTake(engine.pipeline, messages, now) for messages in together]
            with engine.store.session() as session:
                works[0].together(session, works)
            yield TOGETHER


def steps(url: str, *, is_filled: bool = False) -> Iterator[int]:
    """People of a journey whose wait is up, a transaction each time; yields how many they were."""
    due = START + timedelta(hours=2)
    if not is_filled:
        fill(url, 2 * DUE_LIMIT)
    with Engine.open(url, rules=journey(), clock=FrozenClock(due)) as engine:
        keep_loaded()  # as `whereupon run` does
        for woken in engine.wake(due):
            yield len(woken.changes.deliveries)


def steps_driver(folder: Path) -> Iterator[int]:
    """The same changes by the bare driver, as `bench_journeys` makes them; yields how many people were woken."""
    urls = {name: f"sqlite:///{folder}/{name}.db" for name in ("inside", "bare")}
    fill(urls["inside"], 2 * DUE_LIMIT)
    copyfile(folder / "inside.db", folder / "bare.db")
    for _ in steps(urls["inside"], is_filled=True):
        pass
    with bare_driver(urls) as bare:
        changed = bare.changed()
        for _ in range(2):
            bare.wake(changed)
            yield DUE_LIMIT


def shop_stream(folder: Path) -> Path:
    """The file of the shop's stream, of one message more than its batches, since the next one closes a batch."""
    path = folder / "shop.jsonl"
    write_stream(path, (WARM + COUNTED) * SIZE + 1)
    return path


def replayed(folder: Path) -> Iterator[int]:
    """The stream, replayed batch by batch; what ends behind it is left out."""
    arrivals = read_streams([shop_stream(folder)], StreamReader())
    first = next(arrivals)
    assert isinstance(first, Message)
    clock = FrozenClock(first.received_at)
    url = f"sqlite:///{folder}/replay.db?synchronous=OFF"
    with Engine.open(url, rules="rules", clock=clock) as engine, bulk():
        run = Replay(engine, clock, lambda _: None, batch=SIZE)
        run.feed([first])
        for _ in range(WARM + COUNTED):
            run.feed(islice(arrivals, SIZE))
            yield SIZE


def replay_driver(folder: Path) -> Iterator[int]:
    """All rows that the replay makes, inserted by the bare driver in as many transactions."""
    tables = rows_made(shop_stream(folder))
    with empty_tables(f"sqlite:///{folder}/bare.db") as connection:
        for batch in islice(in_batches(tables, SIZE), WARM + COUNTED):
            insert_rows(connection, batch)
            yield SIZE


def bare_commit(folder: Path) -> Iterator[int]:
    """BEGIN, INSERT and COMMIT of half a kilobyte."""
    with closing(sqlite3.connect(folder / "bare.db", isolation_level=None)) as connection:
        for pragma in PRAGMAS:
            connection.execute(pragma)
        connection.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, b BLOB)")
        for number in range(2 * CALLS):
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO t VALUES (?, ?)", (number, b"x" * 500))
            connection.execute("COMMIT")
            yield 1


def bare_commit_on_postgres(url: str) -> Iterator[int]:
    """The same on PostgreSQL."""
    with closing(psycopg.connect(conninfo(url))) as connection:
        connection.execute("CREATE TABLE t (k BIGINT PRIMARY KEY, b BYTEA)")
        connection.commit()
        for number in range(2 * CALLS):
            connection.execute("INSERT INTO t VALUES (%s, %s)", (number, b"x" * 500))
            connection.commit()
            yield 1
        connection.execute("DROP TABLE t")
        connection.commit()


def on_postgres(folder: Path, work: Callable[[str], Iterator[int]]) -> Iterator[int]:
    """Some work on a server of its own, which valgrind does not follow."""
    with started(folder / "postgres") as server, server.clean() as url:
        yield from work(url)


def workloads(folder: Path) -> dict[str, tuple[Callable[[], Iterator[int]], int]]:
    """Each workload, and how many steps of it warm up."""
    sqlite = f"sqlite:///{folder}/counted.db"
    nobody: dict[str, Any] = {"category": "none"}
    everybody: dict[str, Any] = {"currency": "EUR"}
    return {
        "sqlite": (partial(pipeline, sqlite), WARM),
        "memory": (partial(pipeline, "memory://"), WARM),
        "nobody-enters": (partial(pipeline, sqlite, nobody), WARM),
        "all-enter": (partial(pipeline, sqlite, everybody), WARM),
        "reading": (reading, WARM),
        "reading-accented": (partial(reading, "Chaussettes rayées".encode()), WARM),
        "reading-collected": (partial(changed, with_members(_COLLECTED)), WARM),
        "reading-sent": (partial(changed, sent), WARM),
        "reading-unknown": (partial(changed, with_members(b',"tenant":"acme"')), WARM),
        "reading-body": (partial(changed, bytes, is_body=True), WARM),
        "reference": (partial(reference, folder), WARM),
        "one-call": (partial(one_call, f"sqlite:///{folder}/calls.db"), CALLS),
        "one-call-memory": (partial(one_call, "memory://"), CALLS),
        "steps": (partial(steps, sqlite), 1),
        "steps-driver": (partial(steps_driver, folder), 1),
        "calls-together": (
            partial(calls_together, f"sqlite:///{folder}/calls.db"),
            CALLS // TOGETHER,
        ),
        "replay": (partial(replayed, folder), WARM),
        "replay-driver": (partial(replay_driver, folder), WARM),
        "bare-commit": (partial(bare_commit, folder), CALLS),
        "postgres": (partial(on_postgres, folder, pipeline), WARM),
        "postgres-reference": (partial(on_postgres, folder, partial(copied, folder=folder)), WARM),
        "postgres-call": (partial(on_postgres, folder, one_call), CALLS),
        "postgres-commit": (partial(on_postgres, folder, bare_commit_on_postgres), CALLS),
    }


def main() -> None:
    """Warm up, count the rest, and print how many messages or calls were counted."""
    name, folder = sys.argv[1:]
    work, warm = workloads(Path(folder))[name]
    steps = work()
    for _ in range(warm):
        next(steps)
    gc.collect()
    gc.freeze()
    _tell("--instr=on")
    counted = 0
    for done in steps:
        counted += done
        if counted == _last(name):  # what closing costs is not counted
            _tell("--dump")
    sys.stdout.write(str(counted))


def _last(name: str) -> int:
    if name in {"steps", "steps-driver"}:
        return DUE_LIMIT
    if name == "calls-together":
        return CALLS // TOGETHER * TOGETHER
    is_single = name in {
        "one-call",
        "one-call-memory",
        "bare-commit",
        "postgres-call",
        "postgres-commit",
    }
    return CALLS if is_single else COUNTED * SIZE


def _tell(option: str) -> None:
    """Have callgrind begin to count, or write what it has counted."""
    command = ["callgrind_control", option, str(os.getpid())]
    subprocess.run(command, check=True, stdout=sys.stderr)


if __name__ == "__main__":
    main()
