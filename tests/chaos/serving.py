"""A server under load that is killed again and again: what it acknowledged is there, and counts once.

The server is ``whereupon serve`` itself, with one process on SQLite and two on PostgreSQL; a kill (SIGKILL) hits all
of it, or, with two, one process of it. After each kill, whatever was acknowledged until then is looked for.
"""

import os
import signal
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from threading import Event

from psutil import NoSuchProcess, Process, pid_exists, wait_procs
from sqlalchemy import Engine as Database
from sqlalchemy import text
from tests.chaos.senders import EVENT, Keys, Ledger, Sender
from tests.chaos.server_nest import ServerNest

from whereupon import Engine
from whereupon.storage.sql.database_url import engine_of

SENDERS = 6
_LATEST = 0.03
"""Seconds after an acknowledgement until which a kill may come."""
_MOST_BETWEEN = 40
"""Messages acknowledged between two kills, at most."""
_PATIENCE = 120.0
_RULE = f"""\
campaign: thanks
when: {EVENT}
reentry: every_time
whereupon:
  - send: push
    title: "Thanks for {{{{ properties.order_id }}}}"
"""


@dataclass
class Served:
    """What a run did, and what is wrong.

    Attributes:
        kills: how many of the whole server, and how many of one of its processes.
    """

    kills: Counter[str] = field(default_factory=Counter)
    messages: int = 0
    resent: int = 0
    answers: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


class _Server:
    """``whereupon serve`` on one port, started again after each kill."""

    def __init__(self, nest: ServerNest, arguments: list[str], port: int) -> None:
        self._nest, self._arguments, self._port = nest, arguments, port
        self._pid: int | None = None

    def start(self) -> None:
        """Start it, if it does not run, and wait until it takes connections."""
        if self._pid is None:
            self._pid = self._nest.start(*self._arguments)
        until = Event()
        for _ in range(int(_PATIENCE / 0.01)):
            if not pid_exists(self._pid):
                message = f"the server ended by itself: {' '.join(self._arguments)}"
                raise AssertionError(message)
            with suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 1):
                return
            until.wait(0.01)
        message = "the server does not take connections"
        raise TimeoutError(message)

    def kill(self) -> None:
        """Kill all of it at once."""
        assert self._pid is not None
        everything = _family(self._pid)
        os.killpg(self._pid, signal.SIGKILL)
        wait_procs(everything)
        self._pid = None

    def kill_one(self, chance: Random) -> None:
        """Kill one of the processes that serve; the one above them starts another."""
        assert self._pid is not None
        _, *children = _family(self._pid)
        if not children:
            return
        with suppress(NoSuchProcess):
            chance.choice(children).kill()


def _family(pid: int) -> list[Process]:
    try:
        process = Process(pid)
        return [process, *process.children(recursive=True)]
    except NoSuchProcess:
        return []


def run(url: str, folder: Path, *, kills: int, seed: int, processes: int = 1) -> Served:
    """Serve, send, kill and look, so many times.

    Args:
        url: of an empty store.
        folder: for the rules.
        processes: how many serve; with several, every second kill hits one of them alone.
    """
    (folder / "thanks.yaml").write_text(_RULE)
    keys, port, chance = _keys_in(url), _free_port(), Random(seed)
    arguments = ["serve", "--store", url, "--rules", str(folder), "--port", str(port)]
    arguments += ["--log-level", "error"]
    if processes > 1:
        arguments += ["--processes", str(processes)]
    served, ledger = Served(), Ledger()
    is_up, is_over = Event(), Event()
    senders = [Sender(n, port, keys, ledger, is_up, is_over) for n in range(SENDERS)]
    with ServerNest() as nest, _looking(url) as look:
        server = _Server(nest, arguments, port)
        server.start()
        is_up.set()
        for sender in senders:
            sender.start()
        for number in range(kills):
            _wait(ledger, chance)
            if processes > 1 and number % 2:
                server.kill_one(chance)
                served.kills["one process"] += 1
            else:
                is_up.clear()
                server.kill()
                served.kills["the server"] += 1
                server.start()
                is_up.set()
            served.faults += look.lost(ledger)
        is_over.set()
        for sender in senders:
            sender.join(_PATIENCE)
            if sender.is_alive():
                served.faults.append(f"{sender.name} never came to an end")
        server.kill()
        served.faults += [*look.lost(ledger), *look.miscounted(ledger)]
    served.messages, served.resent, served.answers = (
        len(ledger.acknowledged),
        ledger.resent,
        ledger.answers,
    )
    return served


def _wait(ledger: Ledger, chance: Random) -> None:
    if not ledger.wait_for(chance.randint(1, _MOST_BETWEEN), _PATIENCE):
        message = "nothing is acknowledged any more"
        raise TimeoutError(message)
    Event().wait(chance.uniform(0, _LATEST))


def _keys_in(url: str) -> Keys:
    with Engine.open(url) as engine:
        server = engine.keys.create("server", kind="server")
        client = engine.keys.create("client", kind="client")
        return Keys(server.key.id, server.secret, client.secret)


def _free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        port: int = asked.getsockname()[1]
        return port


class _Look:
    """Looks into the store, as another process would."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._seen = 0

    def lost(self, ledger: Ledger) -> list[str]:
        """The messages acknowledged since the last look that are not there."""
        asked = ledger.acknowledged[self._seen :]
        self._seen += len(asked)
        statement = text("SELECT 1 FROM whereupon_message WHERE message_id = :id")
        with self._database.connect() as connection:
            found = [(each, connection.execute(statement, {"id": each}).first()) for each in asked]
        return [f"acknowledged and lost: {each}" for each, row in found if row is None]

    def miscounted(self, ledger: Ledger) -> list[str]:
        """What there is not exactly once: a row, an entry and a delivery for each message."""
        count = len(set(ledger.acknowledged))
        with self._database.connect() as connection:
            found = {
                table: connection.execute(text(f"SELECT count(*) FROM whereupon_{table}")).scalar()  # noqa: S608
                for table in ("message", "entry", "delivery")
            }
        faults = [
            f"{count} messages, {n} rows of {table}" for table, n in found.items() if n != count
        ]
        if count != len(ledger.acknowledged):
            faults.append("a message was acknowledged twice")
        return faults


@contextmanager
def _looking(url: str) -> Iterator[_Look]:
    database, _ = engine_of(url, patience=30)
    try:
        yield _Look(database)
    finally:
        database.dispose()
