"""The door as a function, with keys of the test: requests in, answers out, and what is stored."""

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, TypedDict

from tests.shop import NOON

from whereupon import Engine, FrozenClock, StoreAddress
from whereupon.messages.model import Message
from whereupon.operations.key_checks import KeyCheck
from whereupon.records import StoredMessage
from whereupon.web.door import Door, DoorOptions
from whereupon.web.door.callers import Callers, Check
from whereupon.web.http import Answer, Request

SERVER = "wk_server-0123456789abcdef"
CLIENT = "wk_client-0123456789abcdef"
PAGE = "wk_page-0123456789abcdef"
READER = "wk_reader-0123456789abcdef"
MANAGER = "of a manager"  # stands for the secret of one, since no management key adopts a secret
ORIGIN = "https://shop.example"


class _Made(TypedDict, total=False):
    kind: str
    scopes: tuple[str, ...]
    origins: tuple[str, ...]


_KEYS: dict[str, _Made] = {
    SERVER: {"kind": "server"},
    CLIENT: {"kind": "client"},
    PAGE: {"kind": "client", "origins": (ORIGIN,)},
    READER: {"kind": "server", "scopes": ("read",)},
}


def make_keys(engine: Engine) -> str:
    """Make a key for each of the secrets of the tests, whose id follows from it; returns that of a management key."""
    for secret, made in _KEYS.items():
        name = secret[3:].partition("-")[0]
        engine.keys.create(name, adopt=secret, key_id=f"k-{name}", **made)
    return engine.keys.create("manager", kind="management", scopes=("admin",)).secret


class DoorOfTest(NamedTuple):
    """A door, and the engine behind it."""

    engine: Engine
    door: Door

    def ask(self, request: Request) -> Answer:
        """The answer, which is always one that the clients can read."""
        answer = self.door.answer(request)
        check_form(answer)
        return answer

    def post(
        self, path: str, body: object, key: str | None = SERVER, **headers: str
    ) -> tuple[int, dict[str, Any]]:
        """Status and object of the answer to a body, which is written as JSON unless it is bytes."""
        answer = self.ask(posted(path, body, key, **headers))
        return answer.status, json.loads(answer.body)

    def stored(self) -> list[Message]:
        """The messages that are in the store, in the order in which they came."""
        return stored_in(self.engine)


def stored_in(engine: Engine) -> list[Message]:
    """The messages that are in an engine's store, in the order in which they came."""
    with engine.store.reading() as session:
        rows = sorted(session.scan(StoredMessage), key=lambda each: each.key)
        return [each.message for each in rows]


@contextmanager
def opened_door(
    options: DoorOptions | None = None,
    check: Check | None = None,
    store: StoreAddress = "memory://",
    alias: tuple[str, str] = ("", ""),
    **settings: Any,
) -> Iterator[DoorOfTest]:
    """A door with an empty store behind it.

    Args:
        alias: a secret that is too short to be a key's, and the secret that it stands for.
    """
    settings = {"clock": FrozenClock(NOON), **settings}
    with Engine.open(store, **settings) as engine:
        known = {alias[0]: alias[1], MANAGER: make_keys(engine)}
        options = options or DoorOptions()

        def check_alias(secret: str) -> KeyCheck:
            return engine.keys.check(known.get(secret, secret))

        callers = Callers(check or check_alias)
        yield DoorOfTest(engine, Door(engine, callers, options))


def basic(user: str, password: str = "") -> str:
    """The value of ``Authorization``."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def posted(path: str, body: object, key: str | None = SERVER, **headers: str) -> Request:
    """A request, as a client makes it; names of headers are written with underscores."""
    said = {name.replace("_", "-"): value for name, value in headers.items()}
    if key is not None:
        said = {"authorization": basic(key), **said}
    path, _, query = path.partition("?")
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Request(
        method="POST",
        path=path,
        query=query,
        headers=said,
        body=text,
        origin="https://events.shop.example/w",
    )


def asked(path: str, method: str = "GET", **headers: str) -> Request:
    """A request without a body."""
    return posted(path, b"", None, **headers).changed(method=method)


def headers_of(answer: Answer) -> Mapping[str, str]:
    """The headers by lower-case names; none comes twice."""
    names = [name.lower() for name, _ in answer.headers]
    assert len(names) == len(set(names))
    return dict(zip(names, (value for _, value in answer.headers), strict=True))


def check_form(answer: Answer) -> None:
    """What every client needs of every answer: a JSON object, one of few statuses, and readable across origins."""
    headers = headers_of(answer)
    assert answer.status in {200, 400, 401, 404, 405, 429, 500, 503}
    assert "location" not in headers
    assert headers["vary"] == "Origin"
    assert headers["access-control-expose-headers"] == "Retry-After"
    if headers["content-type"].startswith("text/javascript"):
        return
    assert headers["content-type"] == "application/json"
    body = json.loads(answer.body)
    assert isinstance(body, dict)
    if answer.status != 200:
        assert isinstance(body["code"], str)
        assert body["message"] == body["error"]
    assert ("retry-after" in headers) == (answer.status in {429, 503})
