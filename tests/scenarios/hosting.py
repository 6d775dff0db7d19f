"""What the scenarios share: rules written on the spot, and a look at everything a store keeps."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier, Thread
from typing import Any, TypeAlias

from sqlalchemy import inspect, text
from tests.stores import contents

from whereupon import Engine
from whereupon.messages.codec import encode
from whereupon.rules.model import Rule, Rulebook
from whereupon.rules.reader import parse_rule_file
from whereupon.storage.memory.store import MemoryStore
from whereupon.storage.sql.addresses import engine_of

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "rules"
STREAMS = ROOT / "fixtures" / "streams"
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)

Tables: TypeAlias = dict[str, list[tuple[object, ...]]]


def book(*rules: Mapping[str, object]) -> Rulebook:
    """A rulebook of these rules, each as its file would say it."""
    made: list[Rule] = []
    for said in rules:
        stem = str(said.get("campaign") or said["broadcast"])
        rule, problems = parse_rule_file(dict(said), stem=stem, segments={})  # type: ignore[arg-type]
        assert isinstance(rule, Rule), problems
        made.append(rule)
    return Rulebook(rules=tuple(made))


def thanks(**changes: object) -> dict[str, object]:
    """A campaign that answers every purchase with a push at once, unless the changes say else."""
    said: dict[str, object] = {
        "campaign": "thanks",
        "when": "purchase",
        "reentry": "every_time",
        "whereupon": [{"send": "push", "title": "Thanks"}],
    }
    return {**said, **changes}


def news(**changes: object) -> dict[str, object]:
    """A broadcast that the host calls up, unless the changes say else."""
    said: dict[str, object] = {
        "broadcast": "news",
        "when": "api",
        "whereupon": [{"send": "email", "subject": "News"}],
    }
    return {**said, **changes}


def purchase(number: int, user_id: str = "ada") -> dict[str, object]:
    """A purchase in wire form, its id following from the number."""
    return {
        "type": "track",
        "event": "purchase",
        "userId": user_id,
        "messageId": f"purchase-{number}",
        "properties": {"number": number},
    }


def tables_of(engine: Engine) -> Tables:
    """Everything that the engine's store in memory keeps, but for the counter of keys."""
    return {
        name: sorted((repr(row),) for key, row in rows.items() if key != "next_key")
        for name, (rows, _) in contents(engine.store).items()
    }


def tables_in(database: str) -> Tables:
    """Every row of every table of ours in a database, by its URL, but for the counter of keys and what processes mark."""
    engine, _ = engine_of(database, patience=30)
    with engine.connect() as connection:
        names = [n for n in inspect(connection).get_table_names() if n.startswith("whereupon_")]
        rows = {
            name: [tuple(row) for row in connection.execute(text(f"SELECT * FROM {name}"))]  # noqa: S608
            for name in names
        }
    engine.dispose()
    rows["whereupon_meta"] = [
        row
        for row in rows["whereupon_meta"]
        if row[0] != "next_key" and not str(row[0]).startswith("process:")
    ]
    return {name: sorted(found, key=repr) for name, found in rows.items()}


def in_threads(count: int, work: Callable[[int], object]) -> None:
    """Let so many threads work at once, each with its number; what one raises, this raises."""
    faults: list[BaseException] = []
    ready = Barrier(count)

    def run(number: int) -> None:
        try:
            ready.wait(60)
            work(number)
        except BaseException as fault:  # noqa: BLE001 - raised again below, in the test's own thread
            faults.append(fault)

    threads = [Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not any(thread.is_alive() for thread in threads)
    if faults:
        message = f"{len(faults)} of {count} threads"
        raise BaseExceptionGroup(message, faults)


def owners_of(engine: Engine) -> dict[str, str]:
    """By message id: the user id of the person whose it is; of one that waits, its anonymous id."""
    store = engine.store
    assert isinstance(store, MemoryStore)
    schema = store.schema
    return {
        message.message_id: schema.persons.rows[message.owner].user_id
        if message.owner in schema.persons.rows
        else f"waits: {message.anonymous_id}"
        for message in schema.messages.rows.values()
    }


def written(path: Path, lines: Iterable[Mapping[str, object]]) -> Path:
    """A stream file of these lines."""
    path.write_bytes(b"".join(encode(line) + b"\n" for line in lines))
    return path


def rows_of(plan: dict[str, Any]) -> int:
    """The rows that a plan's parts give and leave out."""
    left_out = (value for name, value in plan.items() if name.startswith("Rows Removed"))
    own = (plan["Actual Rows"] + sum(left_out)) * plan["Actual Loops"]
    return int(own) + sum(map(rows_of, plan.get("Plans", ())))
