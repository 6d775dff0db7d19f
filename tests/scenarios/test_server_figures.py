"""What a server tells its operators: metrics, access records, addresses behind a proxy. And what it never tells."""

import json
import logging
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import StringIO
from urllib.request import urlopen

import pytest
from tests.web_server import PATIENT, Said, ask, await_that, sent, served

from whereupon import Engine
from whereupon.contrib.prometheus import serve, text
from whereupon.contrib.prometheus_traffic import traffic_collector
from whereupon.records.api_keys import ApiKey
from whereupon.runtime.log_lines import JsonLines
from whereupon.web.serving import Server
from whereupon.web.serving.traffic import Traffic

MARK = "m4rk"


class Shop:
    """An engine, its server, and the log of both."""

    def __init__(self, engine: Engine, server: Server, log: StringIO) -> None:
        self.engine = engine
        self.server = server
        self.log = log

    def records(self) -> list[dict[str, object]]:
        """The access records."""
        lines = [json.loads(line) for line in self.log.getvalue().splitlines()]
        return [each for each in lines if each.get("event") == "request"]

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> Said:
        """Send one request."""
        said = None if body is None else json.dumps(body)
        return ask(self.server.port, method, path, said, **headers)

    def metrics(self) -> str:
        """The metrics as text."""
        return _figures(self.engine)(self.server.traffic).decode()


def _figures(engine: Engine) -> Callable[[Traffic], bytes]:
    def figures(traffic: Traffic) -> bytes:
        return text(engine, more=[traffic_collector(traffic)])

    return figures


@pytest.fixture
def log() -> Iterator[StringIO]:
    """All that is logged, as JSON Lines."""
    lines = StringIO()
    handler = logging.StreamHandler(lines)
    handler.setFormatter(JsonLines())
    root, ours = logging.getLogger(), logging.getLogger("whereupon")
    before = ours.level
    root.addHandler(handler)
    ours.setLevel(logging.DEBUG)
    try:
        yield lines
    finally:
        root.removeHandler(handler)
        ours.setLevel(before)


@pytest.fixture
def shop(log: StringIO) -> Iterator[Shop]:
    """A shop with all parts of the site."""
    with (
        Engine.open(
            "memory://", digest_key=b"of-the-test", public_url="http://127.0.0.1"
        ) as engine,
        served(engine, management=True, figures=_figures(engine)) as server,
    ):
        yield Shop(engine, server, log)


def _basic(secret: str) -> str:
    return f"Basic {b64encode(f'{secret}:'.encode()).decode()}"


def test_metrics_count_requests_by_route_status_and_kind_of_key(shop: Shop) -> None:
    """Also the bytes, and the items that were not accepted, by code."""
    secret = shop.engine.keys.create("shop", kind="server").secret
    batch = {"batch": [{"type": "track", "event": "seen", "userId": "ada"}, {"type": "track"}]}
    assert shop.ask("POST", "/v1/batch", batch, Authorization=_basic(secret)).status == 200
    assert shop.ask("POST", "/v1/batch", batch).status == 401
    await_that(lambda: len(shop.records()) == 2, "two records")
    metrics = shop.metrics()
    for line in (
        'whereupon_http_requests_total{key_kind="server",route="/v1/batch",status="200"} 1.0',
        'whereupon_http_requests_total{key_kind="",route="/v1/batch",status="401"} 1.0',
        'whereupon_http_refused_total{code="missing-key"} 1.0',
        'whereupon_http_request_seconds_count{route="/v1/batch"} 2.0',
        "whereupon_http_queue_seconds_count 2.0",
        "whereupon_http_queue_bytes 0.0",
        "whereupon_http_connections_accepted_total 2.0",
        "whereupon_messages_total",
    ):
        assert line in metrics
    assert 'whereupon_http_rejected_total{code="missing-' in metrics


def test_metrics_are_for_management_keys(shop: Shop) -> None:
    """On the port of the site a proxy makes everybody look local, so an address is no proof."""
    viewer = shop.engine.keys.create("ops", kind="management", scopes=["viewer"]).secret
    server = shop.engine.keys.create("shop", kind="server").secret
    for refused in ({}, {"Authorization": f"Bearer {server}"}, {"Authorization": _basic(viewer)}):
        assert shop.ask("GET", "/metrics", **refused).status == 401
    answer = shop.ask("GET", "/metrics", Authorization=f"Bearer {viewer}")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert b"whereupon_http_connections " in answer.body
    assert shop.ask("POST", "/metrics", Authorization=f"Bearer {viewer}").status == 405


def test_a_port_of_their_own_has_the_metrics_of_engine_and_server(shop: Shop) -> None:
    """For scrapers, on the loopback."""
    scraped, thread = serve(shop.engine, 0, more=[traffic_collector(shop.server.traffic)])
    try:
        with urlopen(f"http://127.0.0.1:{scraped.server_port}/metrics") as answer:
            metrics = answer.read()
        assert b"whereupon_http_connections " in metrics
        assert b"whereupon_store_up" in metrics
    finally:
        scraped.shutdown()
        scraped.server_close()
        thread.join()


def test_each_request_has_one_access_record(shop: Shop) -> None:
    """With the template of its path, its status and its time, and nothing else of it."""
    shop.ask("GET", "/u/abc.def")
    shop.ask("GET", "/healthz?x=1")
    await_that(lambda: len(shop.records()) == 2, "two records")
    page, health = shop.records()
    assert (page["method"], page["route"], page["status"]) == ("GET", "/u/{token}", 404)
    assert (health["route"], health["status"]) == ("/healthz", 200)
    assert set(health) == {"time", "level", "logger", "event", "method", "route", "status", "ms"}


@pytest.mark.parametrize(("every", "records"), [(0, 1), (2, 3), (1, 5)])
def test_successes_are_logged_as_often_as_the_host_says(
    log: StringIO, every: int, records: int
) -> None:
    """What fails is always logged."""
    with (
        Engine.open("memory://") as engine,
        served(engine, replace(PATIENT, log_every=every)) as server,
    ):
        shop = Shop(engine, server, log)
        for _ in range(4):
            shop.ask("GET", "/healthz")
        shop.ask("GET", "/nowhere")
        await_that(lambda: any(each["status"] == 404 for each in shop.records()), "a record")
        assert len(shop.records()) == records


def test_the_address_that_a_proxy_names_counts_only_if_it_is_trusted() -> None:
    """Everybody can send the header."""
    for options, origin in (
        (PATIENT, "http://shop.example"),
        (replace(PATIENT, proxy_headers=True), "https://shop.example"),
        (
            replace(PATIENT, proxy_headers=True, forwarded_allow_ips="192.0.2.1"),
            "http://shop.example",
        ),
    ):
        with Engine.open("memory://") as engine, served(engine, options) as server:
            (said,) = sent(
                server.port,
                b"GET /v1/projects/k/settings HTTP/1.1\r\nHost: shop.example\r\n"
                b"X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\nConnection: close\r\n\r\n",
            )
            settings = json.loads(said.body)["integrations"]["Segment.io"]
            assert f"{settings['protocol']}://{settings['apiHost']}".startswith(origin)


def test_the_server_may_stand_below_a_path_that_a_proxy_takes_away() -> None:
    """What it says of its own address has the path."""
    with (
        Engine.open("memory://") as engine,
        served(engine, replace(PATIENT, root_path="/events")) as server,
    ):
        assert ask(server.port, "GET", "/healthz").status == 200
        said = ask(server.port, "GET", "/v1/projects/k/settings", Host="shop.example")
        settings = json.loads(said.body)["integrations"]["Segment.io"]
        assert settings["apiHost"] == "shop.example/events/v1"


def _marked(key: ApiKey, secret: str) -> Iterator[tuple[str, str, object, dict[str, str]]]:
    """Requests for every part of the site, with marks wherever a sender writes something."""
    person, headers = f"{MARK}-person", {"Authorization": _basic(secret)}
    headers |= {"User-Agent": f"{MARK}-agent", "Referer": f"https://{MARK}.example/"}
    headers |= {"X-Forwarded-For": f"{MARK}.1", "Cookie": f"{MARK}=1"}
    track = {"userId": person, "event": f"{MARK} event", "properties": {MARK: MARK}}
    identify = {"userId": person, "traits": {"email": f"{MARK}@example.com", MARK: MARK}}
    for path in ("track", "t", "batch", "import", "m"):
        yield "POST", f"/v1/{path}?writeKey={MARK}", track, headers
    yield "POST", "/v1/identify", identify, headers
    yield "POST", "/v1/batch", {"batch": [track, identify, {"type": MARK}], "writeKey": MARK}, {}
    yield "POST", f"/v1/{MARK}", track, headers
    yield "GET", f"/v1/projects/{MARK}/settings", None, headers
    yield "GET", f"/sourceConfig/?writeKey={MARK}", None, {}
    yield "POST", f"/beacon/v1/batch?writeKey={MARK}", track, {}
    yield "POST", "/api/s/track", track, {"X-Write-Key": MARK}
    pair = b64encode(f"{key.id}:{secret}".encode()).decode()
    track_api = {**headers, "Authorization": f"Basic {pair}"}
    customer = f"/api/v1/customers/{person}%2Fx"
    yield "PUT", customer, {"email": f"{MARK}@example.com"}, track_api
    yield "POST", f"{customer}/events", {"name": MARK, "data": {MARK: MARK}}, track_api
    yield "PUT", f"{customer}/devices", {"device": {"id": MARK, "platform": "ios"}}, track_api
    yield "DELETE", f"{customer}/devices/{MARK}%2F", None, track_api
    yield "POST", "/api/v2/entity", {"type": MARK, "identifiers": {"id": MARK}}, track_api
    app = {**headers, "Authorization": f"Bearer {secret}"}
    yield "POST", "/v1/send/email", {"to": f"{MARK}@example.com", "identifiers": {"id": MARK}}, app
    yield "POST", f"/v1/campaigns/{MARK}/triggers", {"data": {MARK: MARK}}, app
    yield "GET", f"/v1/customers?email={MARK}@example.com", None, app
    for place in ("u", "c", "o", "callbacks"):
        yield "GET", f"/{place}/{MARK}?{MARK}={MARK}", None, headers
    yield "POST", f"/u/{MARK}", {MARK: MARK}, headers
    for path in ("people", "deliveries", "rules", "broadcasts", "requests", MARK):
        yield "GET", f"/api/{path}/{MARK}?{MARK}={MARK}", None, app
        yield "GET", f"/api/{path}/{MARK}", None, {"Authorization": f"Bearer {MARK}"}
    yield "GET", f"/metrics?{MARK}", None, {"Authorization": f"Bearer {MARK}"}
    yield "GET", f"/{MARK}?{MARK}", None, headers
    yield "OPTIONS", f"/v1/{MARK}", None, {"Origin": f"https://{MARK}.example"}


def test_nothing_that_a_client_sends_is_in_a_log_or_a_metric(shop: Shop) -> None:
    """No id, no name, no address, no key, no path and no query, from whichever part of the site."""
    made = shop.engine.keys.create("shop", kind="server")
    manager = shop.engine.keys.create("ops", kind="management", scopes=["admin"]).secret
    shop.log.truncate(shop.log.seek(0))  # that a key was made is told with its public id
    statuses = set()
    for method, path, body, headers in _marked(made.key, made.secret):
        statuses.add(shop.ask(method, path, body, **headers).status)
    for malformed in (
        f"GET /{MARK} HTTP/1.1\r\nHost: {MARK}/\r\n\r\n",
        f"{MARK} / HTTP/1.1\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: x\r\n{MARK}: {MARK * 10_000}\r\n\r\n",
    ):
        statuses.add(sent(shop.server.port, malformed.encode())[0].status)
    assert {200, 400, 401, 404, 431} <= statuses
    shop.ask("GET", f"/api/people/{MARK}-person", Authorization=f"Bearer {manager}")
    await_that(lambda: len(shop.records()) > 40, "the records")
    for told in (shop.log.getvalue(), shop.metrics()):
        assert MARK not in told
        assert made.secret not in told
        assert made.key.id not in told
        assert manager not in told
