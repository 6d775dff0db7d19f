"""From what servers say of a request to the request that the site answers."""

import asyncio
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from threading import Event, current_thread
from typing import Any

import pytest
from httpx2 import ASGITransport, AsyncClient
from tests.door import CLIENT
from typing_extensions import override

from whereupon import Engine
from whereupon.web import Answer, Request, asgi, wsgi
from whereupon.web.adapters import MOST_FORGOTTEN, asgi_application, wsgi_application
from whereupon.web.http import MOST_BYTES


class _Site:
    """Keeps the request, and says nothing."""

    def __init__(self) -> None:
        self.requests: list[Request] = []

    def answer(self, request: Request) -> Answer:
        """The answer to any request."""
        self.requests.append(request)
        return Answer(status=200, headers=(("X-A", "1"), ("X-A", "2")), body=b"{}")


def over_wsgi(method: str = "GET", body: Any = b"", /, **environ: Any) -> tuple[Request, bytes]:
    """The request that a WSGI server's environment makes, and the body of the answer."""
    site, started = _Site(), list[object]()
    whole = {"REQUEST_METHOD": method, "wsgi.input": BytesIO(body), "wsgi.url_scheme": "https"}
    whole |= {"SERVER_NAME": "127.0.0.1", "PATH_INFO": "/", **environ}
    said = wsgi_application(site.answer)(whole, lambda *args: started.append(args))
    assert started == [("200 OK", [*_ANSWERED])]
    return site.requests[0], b"".join(said)


_ANSWERED = (
    ("X-A", "1"),
    ("X-A", "2"),
    ("Content-Type", "text/plain; charset=utf-8"),
    ("Content-Length", "2"),
)


def _run(answering: Awaitable[None]) -> None:
    async def whole() -> None:
        await answering

    asyncio.run(whole())


def over_asgi(
    method: str = "GET", steps: tuple[bytes, ...] = (b"",), **scope: Any
) -> tuple[Request | None, bytes]:
    """The request that an ASGI server's scope and events make, and the body of the answer."""
    site, sent = _Site(), list[Any]()
    events = [{"type": "http.request", "body": step, "more_body": True} for step in steps] + [
        {"type": "http.request", "body": b"", "more_body": False}
    ]

    async def receive() -> Any:
        return events.pop(0)

    async def send(event: Any) -> None:
        sent.append(event)

    async def respond(request: Request) -> Answer:
        return site.answer(request)

    whole = {"type": "http", "method": method, "path": "/", "headers": [], "scheme": "https"}
    _run(asgi_application(respond)({**whole, **scope}, receive, send))
    request = site.requests[0] if site.requests else None
    return request, sent[-1]["body"] if sent else b""


SHOP = "/api/v1/customers/ada%40x%20%2B1%2F%C3%A4"
DECODED = "/api/v1/customers/ada@x +1/\u00e4"
AGAIN = "/api/v1/customers/ada@x%20+1/%C3%A4"


@pytest.mark.parametrize(
    ("mount", "sent", "path"),
    [
        ("", SHOP, SHOP),
        ("/w", f"/w{SHOP}", SHOP),
        ("/w", SHOP, SHOP),
        ("/a/b", f"/a/b{SHOP}?x=%2F", SHOP),
        ("/a b", f"/a%20b{SHOP}", SHOP),
        ("/\u00fc", f"/%C3%BC{SHOP}", SHOP),
        ("", f"https://shop.example{SHOP}?x", SHOP),
        ("", "", AGAIN),
        ("", "/rewritten/elsewhere", AGAIN),
        ("/w", "/v/other", AGAIN),
        ("", "*", AGAIN),
    ],
)
def test_the_path_is_the_one_that_the_client_sent(mount: str, sent: str, path: str) -> None:
    """Below the mount, with ``%2F``; quoted anew where the server does not say, or the host has changed it."""
    latin = DECODED.encode().decode("latin-1")
    script = mount.encode().decode("latin-1")
    for name in ("REQUEST_URI", "RAW_URI"):
        request, _ = over_wsgi(PATH_INFO=latin, SCRIPT_NAME=script, **{name: sent})
        assert request.path == path
    for whole in (DECODED, mount + DECODED):
        asked, _ = over_asgi(path=whole, root_path=mount, raw_path=sent.partition("?")[0].encode())
        assert asked is not None
        assert asked.path == path


def test_the_origin_is_that_of_the_client() -> None:
    """Scheme, host and mount; the server's name where there is no header."""
    request, _ = over_wsgi(HTTP_HOST="shop.example:8443", SCRIPT_NAME="/w")
    assert request.origin == "https://shop.example:8443/w"
    asked, _ = over_asgi(headers=[(b"host", b"shop.example:8443")], root_path="/w")
    assert asked is not None
    assert asked.origin == "https://shop.example:8443/w"
    assert over_wsgi()[0].origin == "https://127.0.0.1"


def test_headers_are_told_by_lower_case_names() -> None:
    """Several of one name with commas between, and bytes that are not ASCII as Latin-1."""
    asked, _ = over_asgi(headers=[(b"x-key", b"a"), (b"x-key", b"\xe4"), (b"content-type", b"b")])
    assert asked is not None
    assert asked.headers == {"x-key": "a, \u00e4", "content-type": "b"}
    request, _ = over_wsgi(HTTP_X_KEY="a, \u00e4", CONTENT_TYPE="b")
    assert request.headers == {"x-key": "a, \u00e4", "content-type": "b"}


def test_bytes_of_a_path_that_are_no_text_stay() -> None:
    """As they were sent, or quoted again."""
    assert over_wsgi(PATH_INFO="/\xff/\0")[0].path == "/%FF/%00"
    assert over_wsgi(PATH_INFO="/\xff", REQUEST_URI="/%ff")[0].path == "/%ff"
    asked, _ = over_asgi(path="/\ufffd", raw_path=b"/%ff")
    assert asked is not None
    assert asked.path == "/%ff"


@pytest.mark.parametrize("method", ["HEAD", "head"])
def test_a_head_has_no_body(method: str) -> None:
    """But the length of what a GET has."""
    assert over_wsgi(method)[1] == b""
    assert over_asgi(method)[1] == b""
    assert over_wsgi()[1] == over_asgi()[1] == b"{}"


def test_a_body_without_a_length_is_read_to_its_end() -> None:
    """Where the server of WSGI says that there is one; ASGI always has one."""
    request, _ = over_wsgi("POST", b"chunks", **{"wsgi.input_terminated": True})
    assert request.body == b"chunks"
    asked, _ = over_asgi("POST", (b"chu", b"", b"nks"))
    assert asked is not None
    assert asked.body == b"chunks"
    assert over_wsgi("POST", b"of the next request")[0].body == b""


@pytest.mark.parametrize("length", ["-1", "x", "\u0663", "1.5"])
def test_a_length_that_is_none_is_no_body(length: str) -> None:
    """A server may pass on what a client wrote."""
    assert over_wsgi("POST", b"x", CONTENT_LENGTH=length)[0].body == b""


def test_a_body_that_is_too_large_is_read_and_forgotten() -> None:
    """The client has to get to the end of its body, or it sees no answer."""
    large = b"x" * (MOST_BYTES + 1)
    stream = BytesIO(large)
    request, _ = over_wsgi("POST", CONTENT_LENGTH=str(len(large)), **{"wsgi.input": stream})
    assert (request.is_too_large, request.body, stream.tell()) == (True, b"", len(large))
    asked, _ = over_asgi(
        "POST", tuple(large[start : start + 65_536] for start in range(0, len(large), 65_536))
    )
    assert asked is not None
    assert (asked.is_too_large, asked.body) == (True, b"")
    full, _ = over_wsgi("POST", large[1:], CONTENT_LENGTH=str(MOST_BYTES))
    assert (full.is_too_large, len(full.body)) == (False, MOST_BYTES)


def test_there_is_an_end_to_what_is_read() -> None:
    """What is beyond it is not read at all."""
    stream = BytesIO(b"x" * 100)
    request, _ = over_wsgi("POST", CONTENT_LENGTH=str(MOST_FORGOTTEN + 1), **{"wsgi.input": stream})
    assert (request.is_too_large, stream.tell()) == (True, 0)
    endless, _ = over_wsgi("POST", CONTENT_LENGTH="9" * 5_000, **{"wsgi.input": stream})
    assert endless.is_too_large


def test_a_client_that_has_gone_gets_no_answer() -> None:
    """And its request is not answered to nobody."""
    events = [
        {"type": "http.request", "body": b"{", "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent = []

    async def receive() -> Any:
        return events.pop(0)

    async def send(event: Any) -> None:
        sent.append(event)

    async def respond(request: Request) -> Answer:
        raise AssertionError(request)

    scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
    _run(asgi_application(respond)(scope, receive, send))
    assert sent == []


def test_settings_are_those_of_the_host_that_the_browser_used() -> None:
    """Through both adapters, below a mount."""
    started: list[object] = []
    environ: dict[str, object] = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "/w",
        "PATH_INFO": f"/v1/projects/{CLIENT}/settings",
        "HTTP_HOST": "shop.example",
        "wsgi.url_scheme": "https",
        "wsgi.input": BytesIO(),
    }
    with Engine.open("memory://") as engine:
        body = b"".join(wsgi(engine)(environ, lambda *args: started.append(args)))
        assert asgi(engine) is not None
    assert b'"apiHost":"shop.example/w/v1","protocol":"https"' in body


def test_a_host_whose_threads_are_all_busy_is_answered() -> None:
    """And where ours wait for the store, the host still has its own: it looks addresses up in them."""
    begun, ended, named = Event(), Event(), list[str]()

    def wait() -> None:
        begun.set()
        ended.wait(60)

    class _Named(Engine):
        @override
        def ingest(self, *args: Any, **more: Any) -> Any:
            named.append(current_thread().name)
            return super().ingest(*args, **more)

    async def ask() -> int:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        busy = loop.run_in_executor(None, wait)
        async with AsyncClient(
            transport=ASGITransport(asgi(engine)), base_url="http://x"
        ) as client:
            answer = await client.post(
                "/v1/track", content=b'{"event":"x","userId":"ada"}', auth=(key, "")
            )
        assert begun.wait(60)
        ended.set()
        await busy
        return answer.status_code

    with _Named.open("memory://") as engine:
        key = engine.keys.create("shop", kind="server").secret
        assert asyncio.run(ask()) == 200
    assert named[0].startswith("whereupon-site")
