"""The pages in real servers and frameworks: wsgiref, uvicorn, FastAPI and a dispatcher as beside Django."""

import re
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from http.client import HTTPConnection, HTTPResponse
from io import BytesIO
from subprocess import run
from threading import Thread
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.util import shift_path_info
from wsgiref.validate import validator

import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect
from tests.rule_files import book_of
from tests.shop import NOON, purchase, thanks
from tests.smtp import mail_server
from typing_extensions import override

from whereupon import Delivery, DeliveryState, Engine, FrozenClock
from whereupon.channels import Email
from whereupon.web import Answer, Request, asgi, wsgi

RULES = book_of(thanks(whereupon=[{"send": "email", "topic": "news", "subject": "News"}]))
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
ONE_CLICK = "List-Unsubscribe=One-Click"


class _Quiet(WSGIRequestHandler):
    @override
    def log_message(self, format: str, *args: object) -> None:
        """The tests' output is for failures."""


@contextmanager
def _in_wsgiref(engine: Engine) -> Iterator[int]:
    """The port of wsgiref's server, where the pages stand below /w."""
    pages = validator(wsgi(engine))

    def application(environ, start_response):  # type: ignore[no-untyped-def]
        if shift_path_info(environ) == "w":
            return pages(environ, start_response)
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"the host's"]

    server = make_server("127.0.0.1", 0, application, handler_class=_Quiet)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def _in_uvicorn(engine: Engine) -> Iterator[int]:
    """The port of uvicorn, where FastAPI has the pages mounted below /w."""
    app = FastAPI()
    app.mount("/w", asgi(engine))
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", ws="none"))
    thread = Thread(target=server.run, args=[[listening]])
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


@pytest.fixture(params=[_in_wsgiref, _in_uvicorn], ids=["wsgiref", "uvicorn"])
def shop(request: pytest.FixtureRequest) -> Iterator[tuple[Engine, int]]:
    """An engine, and the port of a server that has its pages below /w."""
    serve: Callable[[Engine], AbstractContextManager[int]] = request.param
    with _engine() as engine, serve(engine) as port:
        yield engine, port


@contextmanager
def _engine() -> Iterator[Engine]:
    with Engine.open(
        "memory://",
        rules=RULES,
        clock=FrozenClock(NOON),
        digest_key=b"of-the-test",
        public_url="http://127.0.0.1/w",
    ) as engine:
        yield engine


def _mail(engine: Engine) -> Delivery:
    sent: list[Delivery] = []
    engine.channel("email")(sent.append)
    engine.ingest([purchase(1)])
    engine.run_due()
    (mail,) = sent
    return mail


def _path(engine: Engine) -> str:
    assert engine.links is not None
    return engine.links.unsubscribe(_mail(engine)).removeprefix("http://127.0.0.1")


def _ask(port: int, method: str, path: str, body: str | None = None) -> HTTPResponse:
    with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request(method, path, body, FORM if body is not None else {})
        return connection.getresponse()


def test_a_reader_unsubscribes_on_a_server(shop: tuple[Engine, int]) -> None:
    """The page is shown below its mount, and the form acts."""
    engine, port = shop
    path = _path(engine)
    shown = _ask(port, "GET", path)
    assert (shown.status, shown.getheader("Content-Type")) == (200, "text/html; charset=utf-8")
    head = _ask(port, "HEAD", path)
    assert (head.status, head.getheader("Content-Length")) == (
        200,
        shown.getheader("Content-Length"),
    )
    assert engine.subscriptions(path.rpartition("/")[2]).topics == {"news": True}
    assert _ask(port, "POST", path, ONE_CLICK).status == 200
    assert engine.subscriptions(path.rpartition("/")[2]).topics == {"news": False}


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/w/u/abc", None, 404),
        ("GET", "/w/", None, 404),
        ("GET", "/w/u/%00%ff%2F", None, 404),
        ("DELETE", "/w/u/abc", None, 405),
        ("POST", "/w/u/abc", "x" * 2_000_000, 413),
        ("GET", "/elsewhere", None, 404),
    ],
)
def test_bad_input_is_answered_on_a_server(
    shop: tuple[Engine, int], method: str, path: str, body: str | None, status: int
) -> None:
    """With 4xx; nothing is a traceback."""
    _, port = shop
    try:
        assert _ask(port, method, path, body).status == status
    except (BrokenPipeError, ConnectionResetError):
        assert status == 413  # it answered before all of the body was sent, and closed


def test_a_click_leads_on_from_a_server(shop: tuple[Engine, int]) -> None:
    """A redirect to the signed address."""
    engine, port = shop
    assert engine.links is not None
    link = engine.links.click(_mail(engine), "https://shop.example/socks?a=1")
    answered = _ask(port, "GET", link.removeprefix("http://127.0.0.1"))
    assert (answered.status, answered.getheader("Location")) == (
        302,
        "https://shop.example/socks?a=1",
    )


def test_the_pages_may_be_the_whole_application() -> None:
    """Without a framework, with a lifespan and with websockets that are turned away."""
    with _engine() as engine, TestClient(asgi(engine)) as client:
        path = _path(engine).removeprefix("/w")
        assert client.get(path).status_code == 200
        assert client.post(path, content=ONE_CLICK, headers=FORM).status_code == 200
        with pytest.raises(WebSocketDisconnect), client.websocket_connect("/u/abc"):
            pass


def test_callbacks_go_to_what_the_host_has_for_the_channel() -> None:
    """By POST, with headers, body and the URL as the provider used it; other channels are not known."""
    seen: list[Request] = []

    def take(_: Engine, request: Request) -> Answer:
        seen.append(request)
        return Answer(status=200)

    def fail(engine: Engine, _: Request) -> Answer:
        engine.close()
        engine.report("key", "opened")
        return Answer(status=200)

    app = FastAPI()
    with _engine() as engine:
        app.mount("/w", asgi(engine, callbacks={"e mail": take, "down": fail}))
        client = TestClient(app, base_url="https://shop.example")
        url = "https://shop.example/w/callbacks/e%20mail?key=1"
        posted = client.post(url, content=b"{}", headers={"X-Signature": "abc"})
        assert posted.status_code == 200
        assert client.get("/w/callbacks/e%20mail").status_code == 405
        assert client.post("/w/callbacks/sms").status_code == 404
        assert client.post("/w/callbacks/").status_code in {404, 405}
        assert client.post("/w/callbacks/down").status_code == 503
    (request,) = seen
    assert (request.url, request.body, request.headers["x-signature"]) == (url, b"{}", "abc")
    assert request.query_fields() == [("key", "1")]


@pytest.mark.parametrize("length", ["", "-1", "x", "9" * 5_000, "\u0663"])
def test_a_length_that_is_none_is_no_traceback(length: str) -> None:
    """A server may pass on what a client wrote; a form without a body asks for nothing."""
    with _engine() as engine:
        started: list[str] = []
        environ: dict[str, object] = {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": _path(engine).removeprefix("/w"),
            "CONTENT_LENGTH": length,
            "wsgi.input": BytesIO(),
        }
        body = wsgi(engine)(environ, lambda status, _: started.append(status[:3]))
    assert started in (["400"], ["413"])
    assert b"".join(body)


_DJANGO = """
import sys
from wsgiref.util import shift_path_info
from wsgiref.validate import validator
from django.conf import settings
settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="of-the-test")
import django
django.setup()
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpResponse
from django.urls import path
from whereupon import Engine
from whereupon.web import wsgi
urlpatterns = [path("orders", lambda request: HttpResponse("the shop's"))]
shop, asked = WSGIHandler(), []
with Engine.open("memory://", digest_key=b"k", public_url="https://shop.example/w") as engine:
    pages = validator(wsgi(engine))
    def application(environ, start_response):
        if environ["PATH_INFO"].startswith("/w/"):
            shift_path_info(environ)
            return pages(environ, start_response)
        return shop(environ, start_response)
    from wsgiref.util import setup_testing_defaults
    for place in ("/orders", "/w/u/not-a-link", "/elsewhere"):
        environ = {"PATH_INFO": place, "QUERY_STRING": ""}
        setup_testing_defaults(environ)
        environ["SCRIPT_NAME"] = ""
        result = application(environ, lambda status, headers, *rest: asked.append(status[:3]))
        list(result)
        result.close()
print(asked)
"""


def test_the_pages_stand_beside_django() -> None:
    """Below their mount, and all else is Django's."""
    done = run([sys.executable, "-c", _DJANGO], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr.count("Traceback")) == ("['200', '404', '404']\n", 0)


def test_a_mail_from_a_real_server_leads_to_pages_that_act() -> None:
    """Its header unsubscribes by one POST, its link counts as clicked and its image as opened."""
    html = '<p><a href="https://shop.example/socks">Socks</a></p>'
    step = {"send": "email", "topic": "news", "subject": "News", "html": html}
    settings = {"digest_key": b"of-the-test", "public_url": "http://127.0.0.1/w"}
    clock = FrozenClock(NOON)
    book = book_of(thanks(whereupon=[step]))
    with (
        mail_server() as server,
        Engine.open("memory://", rules=book, clock=clock, **settings) as engine,  # type: ignore[arg-type]
        _in_wsgiref(engine) as port,
    ):
        sender = Email(
            "127.0.0.1",
            server.port,
            sender="Shop <hello@shop.example>",
            security="none",
            track_clicks=True,
            track_opens=True,
        )
        engine.channel("email", sender)
        engine.identify("ada", traits={"email": "ada@example.com"})
        engine.ingest([purchase(1)])
        engine.run_due()
        (mail,) = server.wait_for(1)
        unsubscribe = str(mail.parsed["List-Unsubscribe"]).strip("<>")
        post = str(mail.parsed["List-Unsubscribe-Post"])
        click, image = re.findall(r'"http://127\.0\.0\.1(/w/[co]/[^"]+)"', mail.part("html"))
        assert _ask(port, "GET", click).getheader("Location") == "https://shop.example/socks"
        assert _ask(port, "GET", image).getheader("Content-Type") == "image/gif"
        assert _ask(port, "POST", unsubscribe.removeprefix("http://127.0.0.1"), post).status == 200
        engine.ingest([purchase(2)])
        engine.run_due()
        withheld, sent = engine.deliveries()
    assert (withheld.state, withheld.reason) == (DeliveryState.WITHHELD, "topic")
    assert {"clicked", "opened", "unsubscribed"} <= {each.value for each in sent.reports}
