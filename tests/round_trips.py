"""A relay before the tests' PostgreSQL, which counts how often a client waits for an answer.

    with relayed(server.socket) as relay:
        engine = ...  # on the host relay.folder
        relay.waits.clear()
        engine.track(…)
        assert len(relay.waits) <= 5

A client waits after each message of the protocol that has the server send what it has: a simple query, a Sync, a
Flush, and the end of a COPY. Several statements before one Sync are one round trip.
"""

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

_NAME = ".s.PGSQL.5432"
_WAITS = {ord("Q"), ord("S"), ord("H"), ord("c")}
_TEXTS = {ord("Q"), ord("P")}
"""Messages that hold the text of a statement: a simple query, and what prepares one."""


class Relay:
    """What passed.

    Attributes:
        folder: of its socket, the host to connect to.
        waits: for each round trip, the messages that the client sent before it waited: their letters, with the
            text of a statement where there is one.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.waits: list[list[str]] = []
        self._sent: list[str] = []

    def note(self, kind: int, body: bytes) -> None:
        """Note a message of the client."""
        text = body.partition(b"\0")[2] if kind == ord("P") else body
        self._sent.append(chr(kind) + (text.partition(b"\0")[0].decode() if kind in _TEXTS else ""))
        if chr(kind) == "H" and self._sent == ["H"]:  # the driver's own, right behind a Sync
            self._sent = []
        elif kind in _WAITS:
            self.waits.append(self._sent)
            self._sent = []


@contextmanager
def relayed(server: str) -> Iterator[Relay]:
    """A relay to the server whose socket is in a folder; close what is connected to it first."""
    with TemporaryDirectory(prefix="relay-") as folder, socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(Path(folder) / _NAME))
        listening.listen()
        relay = Relay(folder)
        threads: list[Thread] = []
        accepting = Thread(target=_accept, args=(listening, server, relay, threads))
        accepting.start()
        try:
            yield relay
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            accepting.join()  # then no other thread begins
            for thread in threads:
                thread.join()


def _accept(listening: socket.socket, server: str, relay: Relay, threads: list[Thread]) -> None:
    with suppress(OSError):  # the test is over
        while True:
            client, _ = listening.accept()
            thread = Thread(target=_serve, args=(client, server, relay))
            threads.append(thread)
            thread.start()


def _serve(client: socket.socket, server: str, relay: Relay) -> None:
    """Pass on what one client says, message by message, and what it is answered."""
    with client, socket.socket(socket.AF_UNIX) as behind, client.makefile("rb") as said:
        behind.connect(str(Path(server) / _NAME))
        answering = Thread(target=_answer, args=(behind, client))
        answering.start()
        with suppress(
            OSError, struct.error
        ):  # the client goes, perhaps before it has said anything
            first = said.read(4)  # the first message has no letter
            behind.sendall(first + said.read(struct.unpack("!I", first)[0] - 4))
            while head := said.read(5):
                kind, length = struct.unpack("!BI", head)
                body = said.read(length - 4)
                relay.note(kind, body)
                behind.sendall(head + body)
        with suppress(OSError):
            behind.shutdown(socket.SHUT_WR)
        answering.join()


def _answer(behind: socket.socket, client: socket.socket) -> None:
    with suppress(OSError):
        while got := behind.recv(1 << 16):
            client.sendall(got)
    with suppress(OSError):
        client.shutdown(socket.SHUT_WR)
