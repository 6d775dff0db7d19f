"""An HTTP server for tests: it keeps what it is sent, and can be told what to answer, to hang and to hang up.

with http_receiver() as receiver:
    receiver.answer(Reply(503, headers={"Retry-After": "5"}), None)    # then as usual
    ...                                                                 # a client posts to receiver.url("/hook")
    (request,) = receiver.wait_for(1)
    assert receiver.counts[request.key] == 1
"""

import ssl
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition, Event, Thread
from typing import Any, TypeAlias

import orjson
import trustme

_PATIENCE = 60.0  # seconds in which a test that fails ends
_KEYS = ("webhook-id", "idempotency-key", "i-twilio-idempotency-token")


@dataclass(frozen=True)
class Received:
    """One request as it arrived.

    Attributes:
        path: with the query, as it was sent.
        headers: by their names in lower case.
        connection: the number of its connection.
        server_name: what TLS asked for (SNI); None without TLS.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    connection: int
    server_name: str | None

    @cached_property
    def json(self) -> Any:
        """The body, decoded."""
        return orjson.loads(self.body)

    @property
    def key(self) -> str:
        """The idempotency key, in whichever header it stands; empty if there is none."""
        return next((self.headers[name] for name in _KEYS if name in self.headers), "")


@dataclass(frozen=True)
class Reply:
    """What the server answers.

    Attributes:
        mode: ``answer``; ``hang`` (nothing is sent until the server ends); ``hang up`` (the connection is closed
            without an answer); ``drip`` (the status line, and then a byte of a header now and then, for ever);
            ``drip body`` (likewise, of the body).
        raw: bytes to send instead of an answer, whatever they are.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    mode: str = "answer"
    raw: bytes | None = None


Responder: TypeAlias = Callable[[Received], Reply | None]


class HttpReceiver:
    """The server, and what it has received. Any thread may ask it.

    Attributes:
        port: where it listens, on 127.0.0.1.
        counts: how often each idempotency key was answered with 2xx.
        connections: how many were opened.
        respond: says what to answer to a request that no `answer` was prepared for; None means 200.
    """

    def __init__(self, responder: Responder | None = None) -> None:
        self.port = 0
        self.scheme = "http"
        self.counts: Counter[str] = Counter()
        self.connections = 0
        self.respond: Responder = responder or (lambda _: None)
        self.ended = Event()
        self._requests: list[Received] = []
        self._answers: deque[Reply | None] = deque()
        self._changed = Condition()

    def url(self, path: str = "/", *, host: str = "127.0.0.1") -> str:
        """The address of a path."""
        return f"{self.scheme}://{host}:{self.port}{path}"

    def answer(self, *replies: Reply | None) -> None:
        """Answer the next requests so, one after the other, and then as usual; None for the usual."""
        with self._changed:
            self._answers.extend(replies)

    @property
    def requests(self) -> list[Received]:
        """What has arrived, in its order."""
        with self._changed:
            return list(self._requests)

    def wait_for(self, number: int) -> list[Received]:
        """The requests, as soon as there are so many."""
        with self._changed:
            arrived = self._changed.wait_for(lambda: len(self._requests) >= number, _PATIENCE)
            assert arrived, f"{len(self._requests)} of {number} requests arrived"
            return list(self._requests)

    def opened(self) -> int:
        """Count a connection; its number."""
        with self._changed:
            self.connections += 1
            return self.connections

    def take(self, request: Received) -> Reply:
        """Keep a request, and say what to answer."""
        with self._changed:
            prepared = self._answers.popleft() if self._answers else None
        reply = prepared or self.respond(request) or Reply()
        with self._changed:
            self._requests.append(request)
            if reply.mode == "answer" and 200 <= reply.status < 300:
                self.counts[request.key] += 1
            self._changed.notify_all()
        return reply


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    receiver: HttpReceiver
    context: ssl.SSLContext | None = None

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is no fault."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server
    _number = 0

    def setup(self) -> None:
        self._number = self.server.receiver.opened()
        if self.server.context is not None:  # in this thread, so that no client holds up another
            self.request = self.server.context.wrap_socket(self.request, server_side=True)
        super().setup()

    def finish(self) -> None:
        super().finish()
        if self.server.context is not None:
            self.request.close()

    def handle_one_request(self) -> None:
        with suppress(OSError):
            super().handle_one_request()
            return
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def _serve(self) -> None:
        request = Received(
            self.command,
            self.path,
            {name.lower(): value for name, value in self.headers.items()},
            self.rfile.read(int(self.headers.get("Content-Length") or 0)),
            self._number,
            getattr(self.request, "server_name", None),
        )
        self._send(self.server.receiver.take(request))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_CONNECT = _serve  # noqa: N815

    def _send(self, reply: Reply) -> None:
        if reply.raw is not None or reply.mode != "answer":
            self.close_connection = True
        if reply.raw is not None:
            self.wfile.write(reply.raw)
        elif reply.mode == "hang":
            self.server.receiver.ended.wait(_PATIENCE)
        elif reply.mode.startswith("drip"):
            self._drip(reply.mode)
        elif reply.mode == "answer":
            self.send_response(reply.status)
            said = {"Content-Length": str(len(reply.body)), **reply.headers}
            for name, value in said.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body)

    def _drip(self, mode: str) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        if mode == "drip body":
            self.wfile.write(b"no\r\nContent-Length: 60000\r\n\r\n")
        while not self.server.receiver.ended.wait(0.02):
            self.wfile.write(b"x")


@lru_cache
def authority() -> trustme.CA:
    """The authority that signs the servers' certificates."""
    return trustme.CA()


def _context(host: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority().issue_cert(host).configure_cert(context)

    def remember(sock: ssl.SSLSocket | ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        vars(sock)["server_name"] = name

    context.sni_callback = remember
    return context


@contextmanager
def http_receiver(
    *, tls_host: str | None = None, respond: Responder | None = None
) -> Iterator[HttpReceiver]:
    """A server on a port of its own, for one block.

    Args:
        tls_host: the name in its certificate, which `authority` has signed; None for plain HTTP.
        respond: see `HttpReceiver.respond`.
    """
    receiver = HttpReceiver(respond)
    server = _Server(("127.0.0.1", 0), _Handler)
    server.receiver, receiver.port = receiver, server.server_address[1]
    if tls_host is not None:
        receiver.scheme, server.context = "https", _context(tls_host)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.ended.set()
        server.shutdown()
        thread.join()
        server.server_close()
