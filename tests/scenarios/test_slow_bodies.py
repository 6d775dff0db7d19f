"""Bodies that are held up without a key: they take the room of nobody who has one."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from tests.web_server import LONGEST, PATIENT, Said, ask, await_that, served

from whereupon import Engine
from whereupon.web.serving import Server
from whereupon.web.serving.budget import Sharer

MOST = PATIENT.queue_bytes
MESSAGES = [
    {"type": "track", "event": "seen", "userId": "ada", "properties": {"note": "x" * 30_000}}
] * 16


@pytest.fixture
def engine() -> Iterator[Engine]:
    """An empty one."""
    with Engine.open("memory://") as engine:
        yield engine


@contextmanager
def _held_up(server: Server, path: str, size: int) -> Iterator[None]:
    """From another address, more bodies than the server keeps, each without its last byte."""
    head = f"POST {path} HTTP/1.1\r\nHost: shop\r\nContent-Length: {size}\r\n\r\n".encode()
    address, traffic = "127.0.0.2", server.traffic

    def is_full() -> bool:
        has_room = traffic.budget.has_room(Sharer("", address))
        return not has_room or traffic.closed["no-room"] > 0

    with ExitStack() as stack:
        for _ in range(MOST // size + 10):
            place = ("127.0.0.1", server.port)
            slow = socket.create_connection(place, LONGEST, source_address=(address, 0))
            stack.enter_context(slow)
            slow.sendall(head + b"x" * (size - 1))
        await_that(is_full, "the end of the room")
        yield


def _app(server: Server, secret: str) -> Said:
    """A batch of an app, whose key is in the body."""
    body = json.dumps({"batch": MESSAGES, "writeKey": secret}).encode()
    return ask(server.port, "POST", "/v1/b", body)


@pytest.mark.parametrize(("path", "size"), [("/v1/b", 1 << 20), ("/api/reload", 2 << 20)])
def test_an_address_without_a_key_holds_nobody_up(engine: Engine, path: str, size: int) -> None:
    """Some clients never send again, so a refusal would lose their messages."""
    secret = engine.keys.create("app", kind="client").secret
    with served(engine, management=True) as server, _held_up(server, path, size):
        assert _app(server, secret).status == 200


def test_an_operator_has_room_beside_them(engine: Engine) -> None:
    """A management key that was good before is known by what it came with."""
    secret = engine.keys.create("ann", kind="management", scopes=["editor"]).secret
    bearer = {"Authorization": f"Bearer {secret}"}
    files = [{"name": f"rule-{number}.yaml", "text": "# " + "x" * 90_000} for number in range(60)]
    text = json.dumps({"files": files}).encode()
    with served(engine, management=True) as server:
        assert ask(server.port, "POST", "/api/rules/lint", b"{}", **bearer).status == 422
        with _held_up(server, "/api/reload", 2 << 20):
            said = ask(server.port, "POST", "/api/rules/lint", text, **bearer)
    assert said.status == 200, said
