"""The contents of a store and of its channels' logs, in words that do not depend on keys.

The tables are read as they are, by SQL that knows of no table: a column that holds the key of a
person, an anonymous id or a message shows whose or which it is. What no two runs have alike is left
out, and listed here.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from difflib import unified_diff
from pathlib import Path
from typing import Any

from sqlalchemy import inspect, text

from whereupon.messages.codec import decode
from whereupon.storage.sql.database_url import engine_of
from whereupon.storage.sql.process_cache import PREFIX

Contents = dict[str, list[str]]
Rows = dict[str, list[dict[str, Any]]]

_OURS = "whereupon_"
_UNLIKE: Mapping[str, frozenset[str]] = {
    # A step is done when somebody is there to do it, and the next wait counts from then.
    "entry": frozenset({"key", "due_at", "ended_at"}),
    "message": frozenset({"key"}),
    "request": frozenset({"key"}),
    "person": frozenset({"key"}),
    "name": frozenset({"id"}),
    # When a run with a rate let people in is what the kills change; whom it let in is not.
    "run": frozenset({"due_at", "let_in"}),
    # The audit log is one chain, and who writes first is not the same twice; what it says is.
    "audit": frozenset({"sequence", "request", "previous", "hash"}),
    "audit_head": frozenset({"hash", "seal"}),
    # When it was settled, and how often it was tried, are what the kills change.
    "delivery": frozenset({"key", "due_at", "attempts", "reason"}),
}
_KEYS = frozenset({"owner", "entrant", "key"})


_KEY_OF_MESSAGE = re.compile(r'(?<="message_key":)(\d+)')

_PLACES = (
    "next_key",
    "prune_kind",
    "prune_cursor",
    "caps_cursor",
    "gone_skips",
    "scrubbed",
    "unscrubbed",
)
"""Marks of how far something has come: handing out keys, and passes that the next rounds go on with."""


def _is_of_a_process(name: str) -> bool:
    return name in _PLACES or name.startswith(PREFIX)


def contents_of(url: str) -> Contents:
    """Every row of our tables, as text, without keys and without the marks of processes."""
    rows = _read(url)
    names, messages = _names(rows), {row["key"]: row["message_id"] for row in rows["message"]}
    kinds = {row["id"]: f"{row['type']} {row['name']}" for row in rows["name"]}

    def shown(column: str, value: object) -> object:
        if column == "message_key":
            return messages.get(value, "gone")
        if column == "cursor":  # of a run: the key of a person
            return "under way" if value else value
        if column == "name_id":
            return kinds[value]
        if column in _KEYS or (column.endswith("_key") and isinstance(value, int)):
            return names.get(value, "gone")
        if column == "record":
            return _without_request(str(value))
        if column == "trail" and value is not None:
            return _KEY_OF_MESSAGE.sub(lambda found: str(messages.get(int(found[1]))), str(value))
        return bytes(value) if isinstance(value, memoryview) else value

    rows["meta"] = [row for row in rows["meta"] if not _is_of_a_process(str(row["name"]))]
    return {
        table: sorted(
            repr({c: shown(c, v) for c, v in row.items() if c not in _UNLIKE.get(table, ())})
            for row in found
        )
        for table, found in rows.items()
    }


def _without_request(record: str) -> object:
    """The content of an audit record without the key of its request."""
    fields = decode(record)
    assert isinstance(fields, dict)
    return {name: value for name, value in fields.items() if name != "request"}


def _read(url: str) -> Rows:
    engine, _ = engine_of(url, patience=30)
    with engine.connect() as connection:
        tables = [t for t in inspect(connection).get_table_names() if t.startswith(_OURS)]
        rows = {
            table.removeprefix(_OURS): [
                dict(row)
                for row in connection.execute(text(f"SELECT * FROM {table}")).mappings()  # noqa: S608
            ]
            for table in tables
        }
    engine.dispose()
    return rows


def _names(rows: Rows) -> dict[object, str]:
    """What a key stands for: a person, a former person, or an anonymous id."""
    names: dict[object, str] = {0: "nobody"}
    names |= {row["loser_key"]: f"formerly {row['loser']}" for row in rows["merge"]}
    ids = rows["identifier"]
    names |= {row["key"]: f"anonymous {row['value']}" for row in ids if row["kind"] == "anonymous"}
    return names | {row["key"]: row["user_id"] for row in rows["person"]}


class Handed:
    """The channels' calls: keys, the contents that came under each, and their number."""

    def __init__(self, path: Path) -> None:
        self.times: Counter[str] = Counter()
        self._calls: Counter[tuple[str, str]] = Counter()
        self.contents: dict[str, set[str]] = {}
        for line in path.read_bytes().splitlines():
            key, content, outcome = map(str, _texts(line))
            self.times[key] += outcome == "taken"
            self._calls[key, outcome] += 1
            self.contents.setdefault(key, set()).add(content)

    @property
    def repeated(self) -> int:
        """How many calls were made again, since nobody knew how the one before had ended."""
        return sum(times - 1 for times in self._calls.values())

    def faults(self) -> list[str]:
        """Deliveries that were never sent, and keys with two different contents."""
        never = [f"never dispatched: {key}" for key in self.contents if not self.times[key]]
        return never + [
            f"two contents under one idempotency key: {key}"
            for key, contents in self.contents.items()
            if len(contents) > 1
        ]

    def unexplained(self, under_way: Mapping[str, int]) -> list[str]:
        """Keys that were taken more often than kills explain: once, and once more for each call under way."""
        return [
            f"taken {times} times, and under way at {under_way[key]} kills: {key}"
            for key, times in self.times.items()
            if times > 1 + under_way[key]
        ]

    def lines(self) -> list[str]:
        """Each key with its content, whatever the number of calls."""
        return sorted(f"{key} {sorted(contents)}" for key, contents in self.contents.items())


def _texts(line: bytes) -> list[object]:
    texts = decode(line)
    assert isinstance(texts, list)
    return list(texts)


def differences(expected: Contents, found: Contents) -> list[str]:
    """A readable diff of two stores, table by table; empty when they are the same."""
    return [
        line
        for table in sorted({*expected, *found})
        for line in _diff(table, expected.get(table, []), found.get(table, []))
    ]


def _diff(table: str, expected: list[str], found: list[str]) -> Iterable[str]:
    names = f"{table}, undisturbed", f"{table}, after the kills"
    return unified_diff(expected, found, *names, lineterm="", n=0)
