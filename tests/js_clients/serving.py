"""A process of ``whereupon serve`` for clients, its keys, and what arrived in its store.

with serving(folder) as shop:
    key = shop.key(KeyKind.SERVER).secret
    ...                                 # a client sends to shop.url
    (message,) = shop.arrived()
"""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Condition, Thread

from pydantic import JsonValue
from tests.paths import RULES

from whereupon import Engine
from whereupon.operations.api_keys import NewKey
from whereupon.records.api_keys import KeyKind

PATIENCE = 240.0
"""Seconds in which a wait that comes to nothing ends, however busy the machine is."""

_ARRIVED = """
SELECT m.source, m.user_id, m.anonymous_id, m.timestamp, m.body
FROM whereupon_message AS m JOIN whereupon_name AS n ON n.id = m.name_id
WHERE length(m.body) > 0 ORDER BY m.key
"""


@dataclass(frozen=True)
class Arrived:
    """A message in the store.

    Attributes:
        source: the class of sender, ``server`` or ``client``.
        timestamp: when it happened, in microseconds since the Unix epoch.
        body: the message as it was sent, repaired.
    """

    source: str
    user_id: str | None
    anonymous_id: str | None
    timestamp: int
    body: Mapping[str, JsonValue]


class Serving:
    """The process, and its store, which is an SQLite file in its folder."""

    def __init__(self, folder: Path, options: tuple[str, ...]) -> None:
        self.folder, self._options = folder, options
        self.store = f"sqlite:///{folder}/shop.db"
        self.port = 0
        self.log: list[dict[str, object]] = []
        self._changed = Condition()

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Begin the process, on its former port if it had one; return when it takes requests."""
        if self.port:
            self.stop()
        command = [sys.executable, "-m", "whereupon", "serve", "--log-format", "json"]
        self.process = subprocess.Popen(
            [*command, "--store", self.store, "--port", str(self.port), *self._options],
            cwd=self.folder,
            env=dict(os.environ),
            stderr=subprocess.PIPE,
            text=True,
        )
        self.log.clear()
        self._ended = False
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()
        port = self.await_event("started")["port"]
        assert isinstance(port, int)
        self.port = port

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._changed:
                self.log.append(json.loads(line) if line.startswith("{") else {"text": line})
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def stop(self) -> None:
        """Kill the process, if it still runs."""
        self.process.kill()
        self.process.wait(PATIENCE)
        self._reader.join()
        assert self.process.stderr is not None
        self.process.stderr.close()

    def await_event(self, event: str) -> dict[str, object]:
        """The line of the log that names an event, as soon as it is there."""

        def found() -> dict[str, object] | None:
            return next((line for line in self.log if line.get("event") == event), None)

        with self._changed:
            self._changed.wait_for(lambda: found() or self._ended, PATIENCE)
            line = found()
        assert line, f"{event} was never logged, but {self.log}"
        return line

    def key(
        self, kind: KeyKind, *, limit: str | None = None, origins: tuple[str, ...] = ()
    ) -> NewKey:
        """A new key, with its secret."""
        with Engine.open(self.store) as engine:
            return engine.keys.create("a test", kind=kind, limit=limit, origins=origins)

    def arrived(self) -> list[Arrived]:
        """The messages in the store, in the order of their arrival; nothing is kept of those that ask for something."""
        with closing(sqlite3.connect(self.folder / "shop.db")) as database:
            rows = database.execute(_ARRIVED).fetchall()
        return [
            Arrived(source, user_id, anonymous_id, timestamp, json.loads(body))
            for source, user_id, anonymous_id, timestamp, body in rows
        ]


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[Serving]:
    """Serve on a free port, until the end of the block; the rules are the folder's own, or else the shop's."""
    if not (folder / "rules").exists():
        (folder / "rules").symlink_to(RULES)
    running = Serving(folder, options)
    running.start()
    try:
        yield running
    finally:
        running.stop()
