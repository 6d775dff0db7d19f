"""The workload as a careful programmer writes it on the bare driver: one query for each question, bulk inserts.

The same as `shop_orm` does, in batches: one query for duplicates, one for persons, one for earlier entries, and one
`executemany` a table.
"""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Collection, Sequence
from contextlib import closing
from typing import Any

import orjson
from matchers import Matcher, Properties
from shop_tables import PRAGMAS, opened

_IN = "IN (SELECT value FROM json_each(?))"
_EVENT = "INSERT INTO event (id, message_id, type, name, person_id, anonymous_id, at, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"


def ingest(texts: Sequence[bytes], match: Matcher, path: str, size: int) -> int:
    """Take the messages, so many in a transaction; gives how often rules let somebody in."""
    opened(path).dispose()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for pragma in (*PRAGMAS, "PRAGMA wal_autocheckpoint = 10000"):
            connection.execute(pragma)
        shop = Shop(connection, match)
        for first in range(0, len(texts), size):
            connection.execute("BEGIN IMMEDIATE")
            shop.take(texts[first : first + size])
            connection.execute("COMMIT")
        return shop.entered


class Shop:
    """All batches of one stream.

    Attributes:
        entered: how often rules let somebody in.
    """

    def __init__(self, connection: sqlite3.Connection, match: Matcher) -> None:
        self._connection, self._match = connection, match
        self._events = self._persons = 0
        self.entered = 0

    def take(self, texts: Sequence[bytes]) -> None:
        """Take one batch."""
        messages = [orjson.loads(text) for text in texts]
        known = {
            each
            for (each,) in self._found(
                "message_id FROM event WHERE message_id", [m["messageId"] for m in messages]
            )
        }
        named = {m["userId"] for m in messages if m.get("userId")}
        users = dict(self._found("user_id, id FROM person WHERE user_id", named))
        self._past = defaultdict(list)
        for person, rule, at in self._found(
            "person_id, rule, at FROM entry WHERE person_id", users.values()
        ):
            self._past[person, rule].append(at)
        self._users, self._new = users, list[tuple[Any, ...]]()
        self._entries, self._outbox = list[tuple[Any, ...]](), list[tuple[Any, ...]]()
        self._rows, self._changed = list[list[Any]](), list[tuple[Any, ...]]()
        self._waiting: dict[str, list[list[Any]]] = defaultdict(list)
        for message, text in zip(messages, texts, strict=True):
            if message["messageId"] not in known:
                known.add(message["messageId"])
                self._take_one(message, text)
        many = self._connection.executemany
        many("INSERT INTO person VALUES (?, ?, ?)", self._new)
        many(_EVENT, self._rows)
        many("UPDATE person SET traits = ? WHERE id = ?", self._changed)
        many("INSERT INTO entry (rule, person_id, event_id, at) VALUES (?, ?, ?, ?)", self._entries)
        many("INSERT INTO outbox (key, channel, content, state) VALUES (?, ?, ?, ?)", self._outbox)

    def _found(self, what: str, values: Collection[object]) -> list[tuple[Any, ...]]:
        members = orjson.dumps([*values]).decode()
        return self._connection.execute(f"SELECT {what} {_IN}", (members,)).fetchall()

    def _take_one(self, message: Properties, text: bytes) -> None:
        device, person = message.get("anonymousId"), self._person(message.get("userId"))
        self._events += 1
        head = [self._events, message["messageId"], message["type"], message.get("event", "")]
        row = [*head, person, device, message["timestamp"], text]
        self._rows.append(row)
        if person is None:
            self._waiting[device].append(row)
        elif message["type"] != "identify":
            self._let_in(row, person, message["properties"])
        else:
            self._changed.append((json.dumps(message["traits"]), person))
            if device:
                self._claim(device, person, self._waiting.pop(device, ()))

    def _person(self, user_id: str | None) -> int | None:
        if not user_id:
            return None
        person = self._users.get(user_id)
        if person is None:
            self._persons += 1
            person = self._users[user_id] = self._persons
            self._new.append((person, user_id, "{}"))
        return person

    def _claim(self, device: str, person: int, here: Sequence[list[Any]]) -> None:
        """What the device did before, in the store and in this batch, becomes the person's."""
        there = "SELECT id, message_id, type, name, person_id, anonymous_id, at, body FROM event"
        found = self._connection.execute(
            f"{there} WHERE anonymous_id = ? AND person_id IS NULL", (device,)
        )
        for event in found.fetchall():
            self._connection.execute(
                "UPDATE event SET person_id = ? WHERE id = ?", (person, event[0])
            )
            self._let_in(event, person, orjson.loads(event[7]).get("properties", {}))
        for event in here:
            event[4] = person
            self._let_in(event, person, orjson.loads(event[7]).get("properties", {}))

    def _let_in(self, event: Sequence[Any], person: int, properties: Properties) -> None:
        for rule in self._match(event[3], properties):
            past = self._past[person, rule["campaign"]]
            if isinstance(rule["reentry"], dict) and past:
                continue
            past.append(event[6])
            content = json.dumps({"title": "Thanks!", "body": f"Size {properties['size']}."})
            self._entries.append((rule["campaign"], person, event[0], event[6]))
            self._outbox.append((f"{rule['campaign']}:{event[1]}", "push", content, "pending"))
            self.entered += 1
