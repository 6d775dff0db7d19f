"""What a server does with more requests than it can work off: who waits, who is refused, and who is not bothered."""

import json
from base64 import b64encode
from collections.abc import Iterator, Sized
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Event, Thread

import pytest
from tests.servers import mortal
from tests.web_server import LONGEST, PATIENT, SHORT, Raw, Said, ask, await_that, served

from whereupon import Engine
from whereupon.web.serving import Server

FULL = replace(PATIENT, queue_bytes=1 << 20, queue_share=0.1)
"""A share is 104,857 bytes, and what has begun may take 262,144 more."""
LARGE = "x" * 25_000


class Shop:
    """An engine whose store is busy at will, with a key of each kind."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.server = engine.keys.create("server", kind="server").secret
        self.other = engine.keys.create("other", kind="server").secret
        self.client = engine.keys.create("client", kind="client").secret

    @contextmanager
    def busy(self) -> Iterator[Event]:
        """Another writer holds the store until the event is set, or the block ends."""
        held, done = Event(), Event()

        def hold() -> None:
            with self.engine.store.session():
                held.set()
                done.wait(LONGEST)

        thread = Thread(target=hold)
        thread.start()
        assert held.wait(LONGEST)
        try:
            yield done
        finally:
            done.set()
            thread.join(LONGEST)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """A shop on SQLite, whose writers queue."""
    with Engine.open(f"sqlite:///{tmp_path}/shop.db") as engine:
        yield Shop(engine)


def _head(secret: str, body: bytes, path: str = "/v1/track") -> bytes:
    basic = b64encode(f"{secret}:".encode())
    return (
        b"POST %s HTTP/1.1\r\nHost: shop\r\nAuthorization: Basic %s\r\nOrigin: https://shop.example\r\n"
        b"Connection: close\r\nContent-Length: %d\r\n\r\n"
    ) % (path.encode(), basic, len(body))


def _message(number: int, note: str = "") -> bytes:
    said = {"userId": "ada", "event": "seen", "messageId": f"m-{number}"}
    return json.dumps({**said, "properties": {"note": note}} if note else said).encode()


def _known(server: Server, secret: str) -> None:
    """Let the server learn a key, as in any request that went well."""
    basic = b64encode(f"{secret}:".encode()).decode()
    said = ask(server.port, "POST", "/v1/track", _message(0), Authorization=f"Basic {basic}")
    assert said.status == 200


@contextmanager
def _flooded(server: Server, secret: str) -> Iterator[Raw]:
    """A large request of a key, which fills its share while the store is busy."""
    messages = (json.loads(_message(100 + number, LARGE)) for number in range(8))
    batch = [{"type": "track", **each} for each in messages]
    body = json.dumps({"batch": batch}).encode()
    with closing(Raw(server.port)) as raw:
        raw.send(_head(secret, body, "/v1/batch"), body)
        await_that(lambda: server.traffic.budget.held == len(body), "a full share")
        yield raw


def test_a_server_key_that_floods_is_told_when_to_come_again(shop: Shop) -> None:
    """At once, with the time in seconds, and in a form that pages may read; what came before is taken."""
    with served(shop.engine, FULL) as server:
        _known(server, shop.server)
        with shop.busy() as done, _flooded(server, shop.server) as flood:
            body = _message(1)
            with closing(Raw(server.port)) as raw:
                raw.send(_head(shop.server, body), body)
                (refused,) = raw.rest()
            assert refused.status == 429
            assert 1 <= int(refused.headers["retry-after"]) <= 60
            assert refused.headers["access-control-allow-origin"] == "https://shop.example"
            assert "Retry-After" in refused.headers["access-control-expose-headers"]
            assert json.loads(refused.body)["code"] == "queue-full"
            assert server.traffic.refused == {"queue-full": 1}
            done.set()
            assert [each.status for each in flood.rest()] == [200]


def test_a_body_that_was_not_asked_for_ends_the_connection(shop: Shop) -> None:
    """Whether it still comes is not known, so no next request is looked for behind it."""
    with served(shop.engine, FULL) as server:
        _known(server, shop.server)
        with shop.busy(), _flooded(server, shop.server), closing(Raw(server.port)) as raw:
            head = _head(shop.server, b"{}").replace(b"Connection: close", b"Expect: 100-continue")
            raw.send(head)
            (refused,) = raw.rest()
            assert (refused.status, refused.headers["connection"]) == (429, "close")


def test_a_client_that_still_sends_reads_why_it_is_refused(shop: Shop) -> None:
    """Also if the connection ends behind the answer: it is closed in the other direction only once it was read."""
    with served(shop.engine, FULL) as server:
        _known(server, shop.server)
        with shop.busy(), _flooded(server, shop.server), closing(Raw(server.port)) as raw:
            raw.send(_head(shop.server, b"x" * 900_000), b"x" * 500_000)
            assert [each.status for each in raw.rest()] == [429]


def test_another_key_has_its_place_beside_a_flood(shop: Shop) -> None:
    """It is answered as soon as the store is free."""
    with served(shop.engine, FULL) as server:
        _known(server, shop.server)
        _known(server, shop.other)
        with (
            shop.busy() as done,
            _flooded(server, shop.server),
            closing(Raw(server.port)) as raw,
        ):
            body = _message(1)
            raw.send(_head(shop.other, body), body)
            await_that(lambda: server.traffic.budget.held > 200_000 + len(body), "a place")
            done.set()
            assert [each.status for each in raw.rest()] == [200]
            assert server.traffic.refused == {}


def test_a_client_key_waits_for_its_place(shop: Shop) -> None:
    """A browser that is refused loses the event; so it waits, and its body with it."""
    with served(shop.engine, FULL) as server:
        _known(server, shop.client)
        with (
            shop.busy() as done,
            _flooded(server, shop.client) as flood,
            closing(Raw(server.port)) as raw,
        ):
            body = _message(1)
            raw.send(_head(shop.client, body), body)
            await_that(lambda: server.traffic.budget.waiting == 1, "a client that waits")
            done.set()
            assert [each.status for each in raw.rest()] == [200]
            assert [each.status for each in flood.rest()] == [200]


def test_a_client_key_that_waited_long_enough_is_refused(shop: Shop) -> None:
    """With the time after which it may come again."""
    with served(shop.engine, replace(FULL, wait=SHORT)) as server:
        _known(server, shop.client)
        with (
            shop.busy(),
            _flooded(server, shop.client),
            closing(Raw(server.port)) as raw,
        ):
            body = _message(1)
            raw.send(_head(shop.client, body), body)
            (refused,) = raw.rest()
            assert (refused.status, "retry-after" in refused.headers) == (429, True)


def test_operators_are_answered_while_messages_pile_up(shop: Shop) -> None:
    """Health, readiness and the management API have threads of their own."""
    manager = shop.engine.keys.create("ops", kind="management", scopes=["viewer"]).secret
    options = replace(FULL, threads=1)
    with served(shop.engine, options, management=True) as server:
        _known(server, shop.server)
        with shop.busy(), _flooded(server, shop.server):
            assert ask(server.port, "GET", "/healthz").status == 200
            assert ask(server.port, "GET", "/readyz").status == 200
            asked = ask(server.port, "GET", "/api/rules", Authorization=f"Bearer {manager}")
            assert asked.status == 200
        key = ("/api/rules", 200, "management")
        await_that(lambda: server.traffic.requests[key] == 1, "a request that is counted")


def test_what_a_server_no_longer_waits_for_is_not_worked_on(shop: Shop) -> None:
    """It will send the same again; working on it twice would make a full server fuller."""
    with served(shop.engine, replace(PATIENT, threads=1)) as server:
        _known(server, shop.server)
        with shop.busy() as done, closing(Raw(server.port)) as first:
            for number, raw in enumerate([first, Raw(server.port)]):
                body = _message(10 + number)
                raw.send(_head(shop.server, body), body)
                await_that(partial(_has, server.traffic.queue, number), "a queue")
            raw.close()
            await_that(lambda: server.traffic.connections == 1, "the end of a connection")
            done.set()
            assert [each.status for each in first.rest()] == [200]
            await_that(lambda: server.traffic.refused["gone"] == 1, "a request that is dropped")
        assert ask(server.port, "GET", "/healthz").status == 200


def test_what_a_page_that_was_left_has_sent_is_taken(shop: Shop) -> None:
    """A browser does not send it again."""
    with served(shop.engine, replace(PATIENT, threads=1)) as server:
        _known(server, shop.client)
        before = server.traffic.requests["/v1/track", 200, "client"]
        with shop.busy():
            raw = Raw(server.port)
            body = _message(10)
            raw.send(_head(shop.client, body), body)
            await_that(lambda: server.traffic.budget.held == len(body), "a request")
            raw.close()
        key = ("/v1/track", 200, "client")
        await_that(lambda: server.traffic.requests[key] == before + 1, "an answer")


def _has(queue: Sized, number: int) -> bool:
    return len(queue) == number


def _away(said: Said) -> bool:
    return said.status == 503 and int(said.headers["retry-after"]) >= 1


@pytest.mark.slow
@pytest.mark.postgres
def test_a_store_that_is_away_is_503_at_once_until_it_is_back() -> None:
    """One thread asks it; no request waits to find out, and readiness says it to the balancer."""
    with (
        mortal() as database,
        database.empty() as url,
        Engine.open(url) as engine,
        served(engine) as server,
    ):
        secret = engine.keys.create("server", kind="server").secret
        basic = f"Basic {b64encode(f'{secret}:'.encode()).decode()}"

        def post(number: int) -> Said:
            return ask(server.port, "POST", "/v1/track", _message(number), Authorization=basic)

        assert post(1).status == 200
        database.stop()
        await_that(lambda: ask(server.port, "GET", "/readyz").status == 503, "an outage")
        assert all(_away(post(number)) for number in range(2, 12))
        assert ask(server.port, "GET", "/healthz").status == 200
        told = json.loads(ask(server.port, "GET", "/readyz").body)
        assert (told["ready"], told["store"]) == (False, "unreachable")
        database.start()
        await_that(lambda: ask(server.port, "GET", "/readyz").status == 200, "the store")
        assert post(12).status == 200


def test_what_needs_no_store_is_answered_without_it(shop: Shop) -> None:
    """A browser asks beforehand and for settings, and one that gets none sends nothing until its page is loaded anew."""
    with served(shop.engine) as server:
        shop.engine.store.close()
        await_that(lambda: ask(server.port, "GET", "/readyz").status == 503, "an outage")
        refused = ask(server.port, "POST", "/v1/track", "{}", X_Write_Key=shop.client)
        said = json.loads(refused.body)
        assert _away(refused)
        assert said["message"] == said["error"] == said["meta"]["error"]
        origin = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
        assert ask(server.port, "OPTIONS", "/v1/track", **origin).status == 200
        settings = ask(server.port, "GET", "/v1/projects/key/settings")
        assert json.loads(settings.body)["integrations"]["Segment.io"]["apiKey"] == "key"
        assert ask(server.port, "GET", "/sourceConfig/?writeKey=key").status == 200
