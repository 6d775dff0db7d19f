"""A door below a path of a host's own site, as a WSGI application: the Python clients find it by their one option."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.util import shift_path_info

import pytest
from tests.clients.expected import stored_in
from tests.clients.python_clients import ALL, PythonClient
from typing_extensions import override

from whereupon import Engine
from whereupon.web import wsgi


class _Quiet(WSGIRequestHandler):
    @override
    def log_message(self, format: str, *args: object) -> None:
        """The tests' output is for failures."""


@contextmanager
def _mounted(engine: Engine) -> Iterator[str]:
    """The URL of the path below which the door stands; all else is the host's."""
    door = wsgi(engine)

    def application(environ, start_response):  # type: ignore[no-untyped-def]
        if shift_path_info(environ) == "shop" and shift_path_info(environ) == "events":
            return door(environ, start_response)
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"the host's"]

    with make_server("127.0.0.1", 0, application, handler_class=_Quiet) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/shop/events"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.filterwarnings("ignore:datetime.datetime.utc")  # the clients', from Python 3.12 on
@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("sdk", ALL, ids=lambda sdk: sdk.distribution)
def test_a_door_below_a_path_is_found(sdk: PythonClient, slash: str) -> None:
    """The clients add their own path to the host, and take a slash at its end away."""
    errors: list[object] = []
    with Engine.open("memory://") as engine, _mounted(engine) as url:
        key = engine.keys.create("backend", kind="server").secret
        told = lambda error, _: errors.append(error)  # noqa: E731
        with sdk.client(key, url + slash, on_error=told) as client:
            client.track(user_id="ada", event="played_game", message_id="game-1")
        assert errors == []
        assert {*stored_in(engine)} == {"game-1"}
