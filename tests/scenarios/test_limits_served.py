"""Limits of keys on a real server: a client's messages wait for their turn, a server's are refused."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from http.client import HTTPConnection

import pytest
from tests.door import stored_in
from tests.web_server import served

from whereupon import Engine
from whereupon.web.serving import Server, ServerOptions

MESSAGE = b'{"event": "seen", "userId": "ada"}'


@pytest.fixture
def engine() -> Iterator[Engine]:
    """An empty one, with a key of each kind that takes two messages in a second."""
    with Engine.open("memory://") as engine:
        for kind in ("client", "server"):
            engine.keys.create(
                kind, kind=kind, limit="2 per 1s", adopt=f"wk_{kind}-0123456789abcdef"
            )
        yield engine


def statuses(server: Server, kind: str, count: int) -> list[int]:
    """Of so many messages, one after another on one connection."""
    found = []
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=60)) as connection:
        for _ in range(count):
            headers = {"X-Write-Key": f"wk_{kind}-0123456789abcdef"}
            connection.request("POST", "/v1/track", MESSAGE, headers)
            answer = connection.getresponse()
            answer.read()
            found.append(answer.status)
    return found


def test_what_a_clients_key_brings_over_its_limit_waits(engine: Engine) -> None:
    """Some clients of browsers never send again, so a refusal would lose the message."""
    with served(engine) as server:
        assert statuses(server, "client", 4) == [200] * 4
    assert len(stored_in(engine)) == 4


def test_what_a_servers_key_brings_over_its_limit_is_refused(engine: Engine) -> None:
    """It sends again after as many seconds as it is told."""
    with served(engine) as server:
        assert 429 in statuses(server, "server", 200)


def test_a_client_that_would_have_to_wait_too_long_is_refused(engine: Engine) -> None:
    """The options say how long it waits."""
    with served(engine, ServerOptions(wait=timedelta())) as server:
        assert 429 in statuses(server, "client", 200)
