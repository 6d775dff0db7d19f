"""The door in real servers and frameworks: wsgiref, Werkzeug below Flask, gunicorn, uvicorn below FastAPI, Django."""

import gzip
import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.util import shift_path_info
from wsgiref.validate import validator

import pytest
import uvicorn
from fastapi import FastAPI
from flask import Flask
from tests.door import ORIGIN, SERVER, basic, make_keys, stored_in
from typing_extensions import override
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.serving import WSGIRequestHandler as WerkzeugHandler
from werkzeug.serving import make_server as make_werkzeug

from whereupon import Engine
from whereupon.web import asgi, wsgi

MESSAGE = {"type": "track", "event": "purchase", "userId": "ada"}
BATCH = json.dumps({"batch": [MESSAGE]}).encode()
AUTH = {"Authorization": basic(SERVER)}
LARGE = 3_000_000


class _Quiet(WSGIRequestHandler):
    @override
    def log_message(self, format: str, *args: object) -> None:
        """The tests' output is for failures."""


class _QuietWerkzeug(WerkzeugHandler):
    protocol_version = "HTTP/1.1"

    @override
    def log(self, type: str, message: str, *args: object) -> None:
        """Likewise."""


@contextmanager
def _in_wsgiref(engine: Engine) -> Iterator[int]:
    site = validator(wsgi(engine))

    def application(environ, start_response):  # type: ignore[no-untyped-def]
        assert shift_path_info(environ) == "w"
        return site(environ, start_response)

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
def _in_flask(engine: Engine) -> Iterator[int]:
    flask = Flask(__name__)
    flask.wsgi_app = DispatcherMiddleware(flask.wsgi_app, {"/w": wsgi(engine)})  # type: ignore[method-assign]
    server = make_werkzeug("127.0.0.1", 0, flask, threaded=True, request_handler=_QuietWerkzeug)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def _in_fastapi(engine: Engine) -> Iterator[int]:
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


_GUNICORN = """
import os
from whereupon import Engine
from whereupon.web import wsgi
site = wsgi(Engine.open(os.environ["STORE"]))
def application(environ, start_response):
    assert environ["PATH_INFO"].startswith("/w/")
    environ["SCRIPT_NAME"], environ["PATH_INFO"] = "/w", environ["PATH_INFO"][2:]
    return site(environ, start_response)
"""
_DJANGO = """
from django.conf import settings
settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="of-the-test")
import django
django.setup()
from django.core.handlers.wsgi import WSGIHandler
urlpatterns = []
shop, here = WSGIHandler(), application
def application(environ, start_response):
    mounted = environ["PATH_INFO"].startswith("/w/")
    return (here if mounted else shop)(environ, start_response)
"""


@contextmanager
def _in_gunicorn(store: str, folder: Path, code: str) -> Iterator[int]:
    """Gunicorn with a process of its own, on a socket that it inherits."""
    (folder / "host.py").write_text(code)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        number = listening.fileno()
        options = ["-b", f"fd://{number}", "--threads", "2", "--no-control-socket"]
        command = [sys.executable, "-m", "gunicorn", *options, "host:application"]
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={"STORE": store, "PYTHONPATH": str(folder)},
            pass_fds=[number],
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield listening.getsockname()[1]
        finally:
            process.terminate()
            _, log = process.communicate(timeout=60)
    assert "Traceback" not in log, log


class Host(NamedTuple):
    """A server that has the site below /w, and what it is able to do."""

    port: int
    engine: Engine
    knows_raw_paths: bool = True
    takes_chunks: bool = True

    def ask(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers by lower-case names, and body."""
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            connection.request(method, path, body, said, encode_chunked=not isinstance(body, bytes))
            answer = connection.getresponse()
            told = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, told, answer.read()


_IN_PROCESS: dict[str, tuple[Callable[[Engine], AbstractContextManager[int]], dict[str, bool]]] = {
    "wsgiref": (_in_wsgiref, {"knows_raw_paths": False, "takes_chunks": False}),
    "flask": (_in_flask, {}),
    "fastapi": (_in_fastapi, {}),
}


@pytest.fixture(scope="module", params=[*_IN_PROCESS, "gunicorn", "django"])
def host(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Host]:
    """Each server, with an engine whose store the test can see."""
    folder = tmp_path_factory.mktemp("host")
    store = f"sqlite:///{folder / 'shop.db'}"
    with Engine.open(store) as engine:
        make_keys(engine)
        if request.param in _IN_PROCESS:
            serve, able = _IN_PROCESS[request.param]
            with serve(engine) as port:
                yield Host(port, engine, **able)
        else:
            code = _GUNICORN + (_DJANGO if request.param == "django" else "")
            with _in_gunicorn(store, folder, code) as port:
                yield Host(port, engine)


def test_messages_get_in_on_a_server(host: Host) -> None:
    """Below the mount, and what is acknowledged is stored."""
    before = len(stored_in(host.engine))
    status, headers, body = host.ask("POST", "/w/v1/batch", BATCH, **AUTH, Origin=ORIGIN)
    assert (status, json.loads(body)) == (200, {"success": True})
    assert headers["access-control-allow-origin"] == ORIGIN
    assert headers["content-type"] == "application/json"
    assert len(stored_in(host.engine)) == before + 1


def test_a_body_in_chunks_gets_in_on_a_server(host: Host) -> None:
    """As Kotlin's clients send it, packed and without a length."""
    packed = gzip.compress(BATCH)
    chunks = iter([packed[:10], packed[10:]])
    encoding = {"Transfer-Encoding": "chunked", "Content-Encoding": "gzip"}
    if not host.takes_chunks:
        pytest.skip("wsgiref takes no chunks")
    status, _, body = host.ask("POST", "/w/v1/b", chunks, **AUTH, **encoding)
    assert (status, json.loads(body)) == (200, {"success": True})


@pytest.mark.parametrize("in_chunks", [False, True])
def test_a_body_that_is_too_large_is_400_on_a_server(host: Host, in_chunks: bool) -> None:
    """The client gets to the end of its body, and then sees the answer."""
    if in_chunks and not host.takes_chunks:
        pytest.skip("wsgiref takes no chunks")
    if in_chunks:
        chunks = (b" " * 65_536 for _ in range(LARGE // 65_536))
        said = host.ask("POST", "/w/v1/batch", chunks, **AUTH, Transfer_Encoding="chunked")
    else:
        said = host.ask("POST", "/w/v1/batch", b" " * LARGE, **AUTH)
    assert (said[0], json.loads(said[2])["code"]) == (400, "body-too-large")


def test_a_preflight_is_answered_on_a_server(host: Host) -> None:
    """By the site, not by the server or the framework."""
    asking = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    status, headers, body = host.ask("OPTIONS", "/w/v1/t", **asking)
    assert (status, body) == (200, b"{}")
    assert "x-retry-count" in headers["access-control-allow-headers"]


def test_a_refusal_is_json_on_a_server(host: Host) -> None:
    """Whatever the path and the method."""
    for method, path, wanted in (
        ("POST", "/w/v1/batch", 401),
        ("GET", "/w/v1/batch", 405),
        ("POST", "/w/v1/nothing", 404),
        ("POST", "/w/nothing/at/all", 404),
    ):
        status, headers, body = host.ask(method, path, BATCH if method == "POST" else None)
        assert (status, headers["content-type"]) == (wanted, "application/json")
        assert json.loads(body)["message"]


def test_settings_name_the_host_and_the_mount_of_a_server(host: Host) -> None:
    """A key with a slash in it is found in the raw path; HEAD has the length alone."""
    key, quoted = ("a/b", "a%2Fb") if host.knows_raw_paths else ("a b", "a%20b")
    path = f"/w/v1/projects/{quoted}/settings"
    status, headers, body = host.ask("GET", path)
    segment = json.loads(body)["integrations"]["Segment.io"]
    assert (status, segment["apiKey"]) == (200, key)
    assert segment["apiHost"] == f"127.0.0.1:{host.port}/w/v1"
    assert segment["protocol"] == "http"
    status, told, nothing = host.ask("HEAD", path)
    assert (status, told["content-length"], nothing) == (200, headers["content-length"], b"")
