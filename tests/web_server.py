"""A real server for tests, on a free port of the loopback, and bytes that no HTTP client would send.

with served(engine) as server, closing(HTTPConnection("127.0.0.1", server.port)) as connection: …
"""

import select
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from http.client import HTTPConnection, HTTPResponse
from io import BytesIO
from time import monotonic
from typing import Any

import pytest

from whereupon import Engine
from whereupon.web.serving import Server, ServerOptions

LONGEST = 60
"""Seconds in which a test that fails ends."""
LONG = timedelta(seconds=LONGEST)
SHORT = timedelta(milliseconds=50)
PATIENT = ServerOptions(
    header_timeout=LONG, body_timeout=LONG, idle_timeout=LONG, write_timeout=LONG, wait=LONG
)
"""Options with which no deadline is reached, however slow the machine is."""


@contextmanager
def served(engine: Engine, options: ServerOptions = PATIENT, **more: Any) -> Iterator[Server]:
    """The site of an engine, served until the end of the block. The port is free, whatever the options say."""
    with Server(engine, replace(options, port=0), **more) as server:
        yield server


@dataclass(frozen=True)
class Said:
    """One answer, as it came from a socket."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Raw:
    """A socket to a server, on which a test writes bytes of its own."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=LONGEST)

    def send(self, *parts: bytes) -> None:
        """Send bytes."""
        for part in parts:
            self.socket.sendall(part)

    def rest(self) -> list[Said]:
        """All answers, until the server closes the connection."""
        received = bytearray()
        while piece := self.socket.recv(65_536):
            received += piece
        stream, answers = BytesIO(received), []
        while stream.tell() < len(received):
            answers.append(_answer(stream))
        return answers

    def answer(self) -> Said:
        """The next answer."""
        with self.socket.makefile("rb") as stream:
            return _answer(stream)

    def close(self) -> None:
        """Hang up."""
        self.socket.close()


def _answer(stream: Any) -> Said:
    status = int(stream.readline().split()[1])
    headers = {}
    while line := stream.readline().strip():
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    return Said(status, headers, stream.read(int(headers.get("content-length", 0))))


def sent(port: int, *parts: bytes) -> list[Said]:
    """What a server answers to these bytes, until it closes the connection."""
    with closing(Raw(port)) as raw:
        raw.send(*parts)
        return raw.rest()


def ask(port: int, method: str, path: str, body: bytes | str | None = None, **headers: str) -> Said:
    """Send one request, as any client does."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=LONGEST)) as connection:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, named)
        return said(connection.getresponse())


def said(response: HTTPResponse) -> Said:
    """An answer of the standard library's client."""
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Said(response.status, headers, response.read())


def await_closed(server: Server, why: str) -> None:
    """Return when the server has ended a connection for a reason."""
    await_that(lambda: server.traffic.closed[why] > 0, why)


def await_that(holds: Callable[[], bool], what: str) -> None:
    """Return when something holds that another thread brings about."""
    deadline = monotonic() + LONGEST
    while not holds():
        if monotonic() > deadline:
            pytest.fail(f"{what} never came about")
        select.select([], [], [], 0.005)
