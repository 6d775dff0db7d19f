"""Forwards requests to a server and answers back, as a proxy does, and remembers them.

with forwarder(shop.url) as wire:
    ...                                  # a client sends to wire.url
    wire.wait_for(lambda: wire.statuses.count(200) == 2)
"""

import gzip
import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from threading import Condition
from urllib.parse import urlsplit

from pydantic import JsonValue
from tests.http_receiver import Received, Reply, http_receiver
from tests.js_clients.serving import PATIENCE

_OF_ONE_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "content-length", "date"}


@dataclass(frozen=True)
class Exchange:
    """A request, and how it was answered."""

    request: Received
    reply: Reply

    @property
    def messages(self) -> list[dict[str, JsonValue]]:
        """The messages in the body, also if they stand alone."""
        body = self.request.body
        if self.request.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        value = json.loads(body) if body else {}
        return value.get("batch", [value]) if value else []


class Forwarder:
    """What is between a client and the server.

    Attributes:
        url: what the client is told.
        begun: how many requests have come in that send something.
        exchanges: what was forwarded, in the order of the answers.
        before_answer: called with each exchange before its answer goes to the client; may give another answer.
    """

    def __init__(self, target: str) -> None:
        self._target = urlsplit(target)
        self._changed = Condition()
        self.url = ""
        self.begun = 0
        self.exchanges: list[Exchange] = []
        self.before_answer: Callable[[Exchange], Reply | None] = lambda _: None

    def forward(self, request: Received) -> Reply:
        """Ask the server; while nobody listens there, answer as a proxy does."""
        with self._changed:
            self.begun += request.method == "POST"
            self._changed.notify_all()
        address = self._target.hostname or "", self._target.port
        with closing(HTTPConnection(*address, timeout=PATIENCE)) as connection:
            try:
                headers = dict(request.headers)
                connection.request(request.method, request.path, request.body, headers)
                answer = connection.getresponse()
                body = answer.read()
            except (OSError, HTTPException):
                reply = Reply(503, {"Retry-After": "1", "Access-Control-Allow-Origin": "*"}, b"{}")
            else:
                kept = {n: v for n, v in answer.getheaders() if n.lower() not in _OF_ONE_CONNECTION}
                reply = Reply(answer.status, kept, body)
        reply = self.before_answer(Exchange(request, reply)) or reply
        with self._changed:
            self.exchanges.append(Exchange(request, reply))
            self._changed.notify_all()
        return reply

    def posts(self, *statuses: int) -> list[Exchange]:
        """The requests that sent something, and were answered so."""
        with self._changed:
            sent = [each for each in self.exchanges if each.request.method == "POST"]
        return [each for each in sent if each.reply.status in statuses]

    def statuses(self) -> list[int]:
        """How the requests were answered that sent something, in the order of the answers."""
        with self._changed:
            return [e.reply.status for e in self.exchanges if e.request.method == "POST"]

    def accepted(self) -> int:
        """How many messages were in requests that were answered with 200."""
        return sum(len(exchange.messages) for exchange in self.posts(200))

    def wait_for(self, holds: Callable[[], bool]) -> None:
        """Return as soon as a condition holds; it is asked at each request and each answer."""
        with self._changed:
            held = self._changed.wait_for(holds, PATIENCE)
        seen = [(e.request.method, e.request.path, e.reply.status) for e in self.exchanges]
        assert held, f"it never came to that, but {seen}"


class Loss:
    """A network that loses the first answer after the server has recorded what was sent."""

    def __init__(self) -> None:
        self.happened = False

    def __call__(self, exchange: Exchange) -> Reply | None:
        """Say that something between failed."""
        if self.happened or exchange.request.method != "POST":
            return None
        self.happened = True
        return Reply(502, {"Access-Control-Allow-Origin": "*"}, b"{}")


@contextmanager
def forwarder(target: str, *, tls: bool = False) -> Iterator[Forwarder]:
    """A proxy before a server, with a certificate for localhost if ``tls``."""
    wire = Forwarder(target)
    with http_receiver(tls_host="localhost" if tls else None, respond=wire.forward) as receiver:
        wire.url = receiver.url("", host="localhost" if tls else "127.0.0.1")
        yield wire
