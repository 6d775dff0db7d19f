"""Every address of a site with every kind of key: what is open to whom, in one table.

An address that is new fails these tests until it stands in the table.
"""

import ast
import asyncio
import json
import re
import sys
from base64 import b64encode
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from enum import Enum
from itertools import combinations
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import unquote

import pytest
from tests.stores import tables_of

import whereupon.web.customerio as customerio
import whereupon.web.door.door as pipelines
from whereupon import Engine
from whereupon.records import ROLES, ApiKey, KeyKind, Scope
from whereupon.scheduling.clocks import FrozenClock
from whereupon.web import asgi
from whereupon.web.adapters import AsgiApp
from whereupon.web.customerio import CustomerIo
from whereupon.web.customerio.asked import parts_of
from whereupon.web.customerio.sends import _CHANNELS as SENDS
from whereupon.web.door.callers import Callers
from whereupon.web.door.options import DoorOptions
from whereupon.web.http import Answer, Request
from whereupon.web.management import PATHS as MANAGEMENT
from whereupon.web.management.application import _RESOURCES as RESOURCES
from whereupon.web.site import Site

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
HERE, ELSEWHERE = "https://shop.example", "https://other.example"


class Free(Enum):
    """What is open without a good key."""

    TO_ALL = "to all"
    WITH_ANY_TEXT = "with any text as a key, which is not looked up"


class Senders(Enum):
    """What takes messages of servers and of clients."""

    ALL = "servers and clients"


Need: TypeAlias = Free | Senders | Scope
"""What opens an address: a scope is that of a server's key, a role that of a management key."""

VIEWER, EDITOR, APPROVER, ADMIN = ROLES

PIPELINES: Mapping[str, Need] = {
    **{
        f"POST {path}": Senders.ALL
        for path in (
            *(f"/v1/{name}" for name in "itpsga"),
            *(
                f"{start}{name}"
                for name in ("identify", "track", "page", "screen", "group", "alias")
                for start in ("/v1/", "/api/s/", "/api/s/s2s/")
            ),
            *("/v1/batch", "/v1/b", "/v1/import", "/beacon/v1/batch"),
            *("/api/s/batch", "/api/s/s2s/batch"),
        )
    },
    "POST /v1/m": Free.TO_ALL,
    "GET /sourceConfig": Free.WITH_ANY_TEXT,
    "GET /v1/projects/{key}/settings": Free.TO_ALL,
    "GET /analytics.js/v1/{key}/analytics.min.js": Free.TO_ALL,
    "GET /analytics-next/bundle.js": Free.TO_ALL,
    "GET /v1/analytics-js/snippet/{key}/analytics.min.js": Free.TO_ALL,
}
PATTERNS = {
    "_PROJECT": r"/v1/projects/([^/]+)/settings",
    "_SCRIPTS": r"/analytics\.js/.+|/analytics-next/.+|/v1/analytics-js/.+",
}
"""The paths of the pipelines that have parts to choose; the table has an address of each."""

CUSTOMER_IO: Mapping[str, Need] = {
    "PUT /api/v1/customers/ada": Scope.MESSAGES,
    "DELETE /api/v1/customers/ada": Scope.MESSAGES,
    "POST /api/v1/customers/ada/events": Scope.MESSAGES,
    "PUT /api/v1/customers/ada/devices": Scope.MESSAGES,
    "DELETE /api/v1/customers/ada/devices/t%2F1": Scope.MESSAGES,
    "POST /api/v1/customers/ada/suppress": Scope.MESSAGES,
    "POST /api/v1/customers/ada/unsuppress": Scope.MESSAGES,
    "POST /api/v1/events": Scope.MESSAGES,
    "POST /api/v1/merge_customers": Scope.MESSAGES,
    "POST /api/v1/push/events": Scope.MESSAGES,
    "POST /api/v1/metrics": Scope.MESSAGES,
    "GET /api/v1/accounts/region": Scope.MESSAGES,
    "POST /api/v2/entity": Scope.MESSAGES,
    "POST /api/v2/batch": Scope.MESSAGES,
    **{f"POST /v1/send/{kind}": Scope.SEND for kind in SENDS},
    "POST /v1/campaigns/news/triggers": Scope.SEND,
    "POST /v1/api/campaigns/news/triggers": Scope.SEND,
    "GET /v1/customers": Scope.READ,
    "GET /v1/customers/ada/attributes": Scope.READ,
}

BY_MANAGERS: Mapping[str, Need] = {
    "GET /api/openapi.json": Free.TO_ALL,
    "GET /api/rules": VIEWER,
    "GET /api/rules/{rule}": VIEWER,
    "GET /api/rules/{rule}/versions": VIEWER,
    "GET /api/rules/{rule}/versions/{digest}": VIEWER,
    "POST /api/rules/lint": EDITOR,
    "POST /api/reload": EDITOR,
    "GET /api/people/{person}": VIEWER,
    "GET /api/people/{person}/timeline": VIEWER,
    "GET /api/people/{person}/explain": VIEWER,
    "GET /api/people/{person}/deliveries": VIEWER,
    "GET /api/people/{person}/inbox": VIEWER,
    "POST /api/people/{person}/erase": EDITOR,
    "GET /api/deliveries": VIEWER,
    "GET /api/deliveries/{delivery}": VIEWER,
    "POST /api/deliveries/retry": EDITOR,
    "POST /api/deliveries/{delivery}/retry": EDITOR,
    "GET /api/broadcasts": VIEWER,
    "GET /api/broadcasts/{rule}": VIEWER,
    "GET /api/broadcasts/{rule}/runs": VIEWER,
    "GET /api/broadcasts/{rule}/runs/{run}": VIEWER,
    "POST /api/broadcasts/{rule}/runs/{run}/pause": EDITOR,
    "POST /api/broadcasts/{rule}/runs/{run}/resume": EDITOR,
    "POST /api/broadcasts/{rule}/runs/{run}/cancel": EDITOR,
    "POST /api/broadcasts/{rule}/preview": EDITOR,
    "POST /api/broadcasts/{rule}/trigger": EDITOR,
    "GET /api/runs": VIEWER,
    "GET /api/pauses": VIEWER,
    "POST /api/rules/{rule}/pause": EDITOR,
    "POST /api/rules/{rule}/resume": EDITOR,
    "POST /api/rules/{rule}/end": EDITOR,
    "POST /api/rules/{rule}/move": EDITOR,
    "GET /api/entries": VIEWER,
    "GET /api/entries/counts": VIEWER,
    "GET /api/entries/{entry}": VIEWER,
    "POST /api/entries/{entry}/pause": EDITOR,
    "POST /api/entries/{entry}/resume": EDITOR,
    "POST /api/entries/{entry}/end": EDITOR,
    "GET /api/requests": VIEWER,
    "GET /api/requests/{request}": VIEWER,
    "POST /api/requests/{request}/approve": APPROVER,
    "POST /api/requests/{request}/cancel": APPROVER,
    "POST /api/requests/{request}/retry": APPROVER,
    "GET /api/breakers": VIEWER,
    "POST /api/breakers/{guard}/close": APPROVER,
    "GET /api/audit": VIEWER,
    "POST /api/audit/verify": VIEWER,
    "GET /api/audit/receipts/{request}": VIEWER,
    "GET /api/stats": VIEWER,
    "GET /api/stats/{rule}": VIEWER,
    "GET /api/status": VIEWER,
    "POST /api/suppression/look-up": VIEWER,
    "POST /api/suppression": EDITOR,
    "POST /api/suppression/lift": EDITOR,
    "GET /api/keys": ADMIN,
    "GET /api/keys/{key}": ADMIN,
    "POST /api/keys": ADMIN,
    "PATCH /api/keys/{key}": ADMIN,
    "POST /api/keys/{key}/rotate": ADMIN,
    "POST /api/keys/{key}/revoke": ADMIN,
}

PAGES: Mapping[str, Need] = {
    **{f"{method} /u/token": Free.TO_ALL for method in ("GET", "POST")},
    "GET /c/token": Free.TO_ALL,
    "GET /o/token": Free.TO_ALL,
    "POST /callbacks/email": Free.TO_ALL,  # the channel's own function checks a signature
}

TABLE: Mapping[str, Need] = {**PIPELINES, **CUSTOMER_IO, **BY_MANAGERS, **PAGES}


# --- the table has every address ------------------------------------------------------------------


def test_the_table_has_every_call_of_the_pipelines() -> None:
    """Those with a fixed path, and one for each pattern."""
    calls: Mapping[str, Any] = vars(pipelines)["_CALLS"]
    fixed = {
        f"{method} {path}"
        for path, call in calls.items()
        for method in call.methods.split(", ")
        if method not in {"OPTIONS", "HEAD"}  # a preflight has no key; HEAD is GET
    }
    patterns = {n: p.pattern for n, p in vars(pipelines).items() if isinstance(p, re.Pattern)}
    assert patterns == PATTERNS
    chosen = {each for each in PIPELINES if each not in fixed}
    assert fixed <= PIPELINES.keys()
    for each in chosen:
        assert any(re.fullmatch(p, each.partition(" ")[2]) for p in PATTERNS.values()), each


def test_the_table_has_every_call_of_customer_io() -> None:
    """With its methods and what it needs; no branch that leads to a call is left out."""
    with Engine.open("memory://") as engine:
        api = CustomerIo(engine, Callers(engine.keys.check))
        found: dict[str, Need] = {}
        with _lines_run() as lines:
            for path in {each.partition(" ")[2] for each in CUSTOMER_IO}:
                scope, calls = vars(CustomerIo)["_calls_at"](api, parts_of(path))
                found |= {f"{method} {path}": scope for method in calls}
    assert found == CUSTOMER_IO
    assert len([*_branches()]) > 15
    assert [each for each in _branches() if each not in lines] == []


def _branches() -> Iterator[tuple[str, int]]:
    """The first line of every branch that leads to calls, by file and number."""
    for file in Path(customerio.__file__).parent.glob("*.py"):
        for function in ast.walk(ast.parse(file.read_text())):
            if isinstance(function, ast.FunctionDef) and "Calls" in ast.unparse(
                function.returns or ast.Constant(None)
            ):
                cases = (each for each in ast.walk(function) if isinstance(each, ast.match_case))
                yield from ((file.name, case.body[0].lineno) for case in cases)


@contextmanager
def _lines_run() -> Iterator[set[tuple[str, int]]]:
    """The lines of files of Customer.io's APIs that run in the block, by file and number."""
    lines, before = set[tuple[str, int]](), sys.gettrace()

    def trace(frame: FrameType, _event: str, _argument: object) -> Any:
        file = Path(frame.f_code.co_filename)
        if file.parent.name == "customerio":
            lines.add((file.name, frame.f_lineno))
        return trace

    sys.settrace(trace)
    try:
        yield lines
    finally:
        sys.settrace(before)


def test_the_table_has_every_call_of_the_management_api() -> None:
    """Those that the document lists, and the document itself."""
    routes = {
        f"{method} {route.path}": Scope((route.openapi_extra or {})["x-role"])
        for resource in RESOURCES
        for route in vars(resource.routes)["routes"]
        for method in route.methods
    }
    assert {**routes, "GET /api/openapi.json": Free.TO_ALL} == BY_MANAGERS


def test_the_table_has_every_part_of_a_site() -> None:
    """A part that is added to the site is added to this list, and its addresses to the table."""
    with Engine.open("memory://") as engine:
        parts = vars(Site(engine, door=DoorOptions()))["_parts"]
    known = {r"/callbacks/", CustomerIo.PATHS.pattern, pipelines.Door.PATHS.pattern}
    assert {paths.pattern for paths, _ in parts} == known
    elsewhere = [
        each
        for each in TABLE
        if not any(paths.match(each.partition(" ")[2]) for paths, _ in parts)
        and not MANAGEMENT.match(each.partition(" ")[2])
    ]
    assert {each.partition(" ")[2] for each in elsewhere} == {"/u/token", "/c/token", "/o/token"}


# --- keys -----------------------------------------------------------------------------------------


SUBSETS = [
    scopes
    for size in (1, 2, 3)
    for scopes in combinations((Scope.MESSAGES, Scope.SEND, Scope.READ), size)
]


class Shown(NamedTuple):
    """A key that is shown, from an origin.

    Attributes:
        key: as it is; None if there is none with this secret.
        is_good: whether it is good, and the origin is one of its own.
    """

    secret: str
    key: ApiKey | None
    is_good: bool
    origin: str = ""

    def opens(self, need: Need, way: str) -> bool:
        """Whether it opens an address, shown in such a way; what the documentation says."""
        if need is Free.TO_ALL:
            return True
        if need is Free.WITH_ANY_TEXT:
            return bool(self.secret) and way != "body"
        if self.key is None or not self.is_good:
            return False
        kind, scopes = self.key.kind, self.key.scopes
        if need is Senders.ALL:
            return kind is KeyKind.CLIENT or (kind is KeyKind.SERVER and Scope.MESSAGES in scopes)
        if need in ROLES:
            (role,) = scopes if kind is KeyKind.MANAGEMENT else [None]
            return way == "bearer" and role in ROLES[ROLES.index(need) :]
        return kind is KeyKind.SERVER and need in scopes and way != "body"


def _keys(engine: Engine, clock: FrozenClock) -> dict[str, Shown]:
    """A key of every kind, by what it is called here."""
    keys, hour = engine.keys, timedelta(hours=1)
    shown = {"none": Shown("", None, False), "unknown": Shown("wk_nobodys", None, False)}
    for scopes in SUBSETS:
        made = keys.create("server", kind="server", scopes=scopes)
        shown[f"server {' '.join(scopes)}"] = Shown(made.secret, made.key, True)
    for role in ROLES:
        made = keys.create("operator", kind="management", scopes=[role])
        shown[role.value] = Shown(made.secret, made.key, True)
    made = keys.create("app", kind="client")
    shown["client"] = Shown(made.secret, made.key, True)
    made = keys.create("page", kind="client", origins=[HERE])
    shown["page"] = Shown(made.secret, made.key, True, HERE)
    shown["page elsewhere"] = Shown(made.secret, made.key, False, ELSEWHERE)
    shown["page without an origin"] = Shown(made.secret, made.key, False)
    for kind in KeyKind:
        most = [Scope.ADMIN] if kind is KeyKind.MANAGEMENT else []
        made = keys.create("expired", kind=kind, scopes=most, expires=hour)
        shown[f"expired {kind}"] = Shown(made.secret, made.key, False)
        made = keys.create("revoked", kind=kind, scopes=most)
        keys.revoke(made.key.id)
        shown[f"revoked {kind}"] = Shown(made.secret, made.key, False)
        made = keys.create("rotated", kind=kind, scopes=most)
        keys.rotate(made.key.id, overlap=timedelta())
        shown[f"replaced {kind}"] = Shown(made.secret, made.key, False)
    clock.move_to(NOON + hour)
    return shown


REFUSALS = {
    *("missing-key", "unknown-key", "expired-key", "revoked-key", "replaced-secret"),
    *("wrong-kind-of-key", "missing-scope", "wrong-origin", "missing-role"),
}
"""The codes that speak of a key. Guards refuse calls, too, with codes of their own."""
WAYS = ("bearer", "user", "pair", "header", "query", "body")
"""How a key is shown: as a token, as the user of Basic, behind its id, in ``X-Write-Key``, in the URL, in the body."""


class Gate:
    """A site with all that it has, and everybody's keys; its thousands of calls are made without a client."""

    def __init__(self, engine: Engine, clock: FrozenClock, runner: asyncio.Runner) -> None:
        self.engine = engine
        self.keys = _keys(engine, clock)
        self._site = asgi(engine, callbacks={"email": _report}, management=True)
        self._runner = runner

    def is_open(self, address: str, shown: Shown, way: str) -> bool:
        """Whether a key opens an address; whether the call then succeeds is another question."""
        method, _, path = address.partition(" ")
        path = path.replace("{request}", "1").replace("{key}", "key_0123456789ab")
        path = re.sub(r"{\w+}", "ada", path)
        headers = {"Origin": shown.origin} if shown.origin else {}
        body = '{"userId": "ada", "name": "seen", "event": "seen"}'
        key_id = "" if shown.key is None else shown.key.id
        match way if shown.secret else "":
            case "bearer":
                headers["Authorization"] = f"Bearer {shown.secret}"
            case "user":
                headers["Authorization"] = _basic(f"{shown.secret}:")
            case "pair":
                headers["Authorization"] = _basic(f"{key_id}:{shown.secret}")
            case "header":
                headers["X-Write-Key"] = shown.secret
            case "query":
                path += f"?writeKey={shown.secret}"
            case "body":
                body = body.replace("{", f'{{"writeKey": "{shown.secret}", ')
        status, answer = self._runner.run(_called(self._site, method, path, headers, body))
        assert status != 500, address
        assert status != 405, address
        return status not in {401, 403} or json.loads(answer)["code"] not in REFUSALS


async def _called(
    site: AsgiApp, method: str, target: str, headers: Mapping[str, str], body: str
) -> tuple[int, bytes]:
    """The status and the body of the answer to a request."""
    path, _, query = target.partition("?")
    sent = {"Host": "shop.test", "Content-Length": str(len(body)), **headers}
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in sent.items()],
        "client": ("", 0),
        "server": ("shop.test", 80),
    }
    requests = [{"type": "http.request", "body": body.encode(), "more_body": False}]
    answers: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        if not requests:
            await asyncio.Event().wait()  # the client stays
        return requests.pop()

    async def send(event: MutableMapping[str, Any]) -> None:
        answers.append(event)

    await site(scope, receive, send)
    return answers[0]["status"], b"".join(each.get("body", b"") for each in answers[1:])


def _report(_engine: Engine, _request: Request) -> Answer:
    return Answer(status=204)


def _basic(pair: str) -> str:
    return f"Basic {b64encode(pair.encode()).decode()}"


@contextmanager
def _gate() -> Iterator[Gate]:
    clock = FrozenClock(NOON)
    with (
        asyncio.Runner() as runner,
        Engine.open("memory://", clock=clock, digest_key=b"secret") as engine,
    ):
        yield Gate(engine, clock, runner)


@pytest.fixture(scope="module")
def gate() -> Iterator[Gate]:
    """A site that all tests share."""
    with _gate() as gate:
        yield gate


ENDED = ("expired", "revoked", "replaced")
NAMES = (
    *("none", "unknown"),
    *(f"server {' '.join(scopes)}" for scopes in SUBSETS),
    *(role.value for role in ROLES),
    *("client", "page", "page elsewhere", "page without an origin"),
    *(f"{ended} {kind}" for kind in KeyKind for ended in ENDED),
)


@pytest.mark.parametrize("name", NAMES)
def test_a_key_opens_what_the_table_says_and_nothing_else(gate: Gate, name: str) -> None:
    """Every address, and every way in which a key can be shown; what is refused changes nothing."""
    assert gate.keys.keys() == {*NAMES}
    shown = gate.keys[name]
    refused = [(a, way) for a, need in TABLE.items() for way in WAYS if not shown.opens(need, way)]
    before = _kept(gate.engine)
    opened = [each for each in refused if gate.is_open(each[0], shown, each[1])]
    assert opened == []
    assert _kept(gate.engine) == before
    allowed = [(a, way) for a, need in TABLE.items() for way in WAYS if shown.opens(need, way)]
    assert [each for each in allowed if not gate.is_open(each[0], shown, each[1])] == []


def _kept(engine: Engine) -> Mapping[str, object]:
    """All that the store has, but when keys were used."""
    engine.keys.write_uses()
    tables = tables_of(engine)
    return {name: rows for name, rows in tables.items() if name != "api_keys"}


def test_a_clients_key_reaches_nothing_but_its_own_calls() -> None:
    """What the table says of it, spelled out: messages, and what is open to everybody."""
    with _gate() as gate:
        opened = {
            address
            for address in TABLE
            if any(gate.is_open(address, gate.keys["client"], way) for way in WAYS)
        }
    assert {TABLE[address] for address in opened} == {*Free, Senders.ALL}
    assert not opened & {*CUSTOMER_IO, *BY_MANAGERS} - {"GET /api/openapi.json"}
