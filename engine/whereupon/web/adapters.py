"""The site as an application of WSGI (PEP 3333) or ASGI (version 3), to be mounted anywhere.

Each keeps a body of at most `http.MOST_BYTES`. Of a larger one it reads and forgets some more, since a client that may
not send its body to the end gets no answer, and sends again. The ASGI application calls the engine in a thread, since
a call may wait for the store.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any, TypeAlias, cast
from urllib.parse import quote, unquote

from whereupon.engine import Engine
from whereupon.runtime.forks import ForkAware, watch_forks
from whereupon.web.door.options import DEFAULT, DoorOptions
from whereupon.web.http import MOST_BYTES, Answer, Request
from whereupon.web.management import PATHS
from whereupon.web.page_options import PageOptions
from whereupon.web.site import NO_CALLBACKS, Callback, Site

StartResponse: TypeAlias = Callable[[str, list[tuple[str, str]]], object]
WsgiApp: TypeAlias = Callable[[Mapping[str, object], StartResponse], Iterable[bytes]]
Event: TypeAlias = MutableMapping[str, Any]  # as servers and frameworks spell it in their types
Receive: TypeAlias = Callable[[], Awaitable[Event]]
Send: TypeAlias = Callable[[Event], Awaitable[None]]
AsgiApp: TypeAlias = Callable[[Event, Receive, Send], Awaitable[None]]
Respond: TypeAlias = Callable[[Request], Awaitable[Answer]]
"""Answers a request whose body is there, without holding up the event loop."""

MOST_FORGOTTEN = 16 * MOST_BYTES
"""The most bytes of a body that are read; of a larger one the client sees its connection closed."""

_SAFE = "/:@!$&'()*+,;=-._~"
_HOST = re.compile(r"\A[A-Za-z]+://[^/]*+")
"""What stands before the path in the absolute form of a target (RFC 9112, 3.2.2)."""
_THREADS = 8
"""How many requests an ASGI application has answered at once; each may wait for the store."""
_DIGITS = 18
"""So many digits of a length are read; that much is too large anyway."""
_STEP = 1 << 16
_TEXT = ("Content-Type", "text/plain; charset=utf-8")


# --- WSGI -------------------------------------------------------------------------------------------


def wsgi(
    engine: Engine,
    *,
    pages: PageOptions | None = None,
    callbacks: Mapping[str, Callback] = NO_CALLBACKS,
    door: DoorOptions | None = DEFAULT,
) -> WsgiApp:
    """The site of an engine as a WSGI application; for the arguments see `Site`."""
    return wsgi_application(Site(engine, pages=pages, callbacks=callbacks, door=door).answer)


def wsgi_application(respond: Callable[[Request], Answer]) -> WsgiApp:
    """A WSGI application that answers whole requests."""

    def application(environ: Mapping[str, object], start_response: StartResponse) -> list[bytes]:
        request = _wsgi_request(environ)
        answered = respond(request)
        status = f"{answered.status} {HTTPStatus(answered.status).phrase}"
        start_response(status, list(_headers(answered)))
        return [_body(answered, request.method)]

    return application


def _wsgi_request(environ: Mapping[str, object]) -> Request:
    def text(name: str) -> str:
        return str(environ.get(name, ""))

    body = _wsgi_body(environ)
    headers = {
        name[5:].replace("_", "-").lower(): str(value)
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    host = headers.get("host") or text("SERVER_NAME")
    mount = quote(text("SCRIPT_NAME").encode("latin-1", "replace"), safe=_SAFE)
    path = quote(text("PATH_INFO").encode("latin-1", "replace"), safe=_SAFE) or "/"
    return Request(
        method=text("REQUEST_METHOD").upper(),
        path=_raw_path(text("REQUEST_URI") or text("RAW_URI"), mount, path),
        query=text("QUERY_STRING"),
        headers={**headers, "content-type": text("CONTENT_TYPE")},
        body=b"" if body is None else body,
        origin=f"{text('wsgi.url_scheme') or 'http'}://{host}{mount}",
        address=text("REMOTE_ADDR"),
        is_too_large=body is None,
    )


def _wsgi_body(environ: Mapping[str, object]) -> bytes | None:
    """The body; None if it is too large. One without a length ends where the server says so."""
    length = str(environ.get("CONTENT_LENGTH", "")).strip()
    size = int(length[:_DIGITS]) if length.isascii() and length.isdigit() else 0
    if length == "" and environ.get("wsgi.input_terminated"):  # chunked
        size = MOST_FORGOTTEN
    if size > MOST_FORGOTTEN:
        return None
    stream, body, left = cast("IO[bytes]", environ["wsgi.input"]), bytearray(), size
    while left and (step := stream.read(min(left, _STEP))):
        left -= len(step)
        if len(body) <= MOST_BYTES:
            body += step
    return bytes(body) if len(body) <= MOST_BYTES else None


# --- ASGI -------------------------------------------------------------------------------------------


def asgi(
    engine: Engine,
    *,
    pages: PageOptions | None = None,
    callbacks: Mapping[str, Callback] = NO_CALLBACKS,
    door: DoorOptions | None = DEFAULT,
    management: bool = False,
    rules: Path | None = None,
) -> AsgiApp:
    """The site of an engine as an ASGI application; for the other arguments see `Site`.

    Args:
        management: whether the management API is answered, too. It needs the extra ``api``.
        rules: the folder that a call of that API to reload reads again; None if there is none.

    Raises:
        ImportError: the extra is not installed.
    """
    site = Site(engine, pages=pages, callbacks=callbacks, door=door)

    whole = asgi_application(_Threads(site.answer).respond)
    return with_management(whole, engine, rules=rules) if management else whole


class _Threads(ForkAware):
    """Answers requests in threads. Those of the event loop are the host's, which looks addresses up in them."""

    def __init__(self, answer: Callable[[Request], Answer]) -> None:
        self._answer = answer
        self.after_fork_in_child()
        watch_forks(self)

    def after_fork_in_child(self) -> None:
        """Begin threads anew; those of the parent are not here."""
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="whereupon-site")

    async def respond(self, request: Request) -> Answer:
        """The answer; a span of the host's stays the current one."""
        run, loop = copy_context().run, asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, run, self._answer, request)


def with_management(site: AsgiApp, engine: Engine, *, rules: Path | None = None) -> AsgiApp:
    """An application that answers the management API of an engine, and leaves the rest to another one.

    Raises:
        ImportError: the extra ``api`` is not installed.
    """
    try:
        from whereupon.web.management.application import management_app  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        message = "the management API needs the extra api: pip install 'whereupon[api]'"
        raise ImportError(message) from error
    api = management_app(engine, rules=rules)

    async def application(scope: Event, receive: Receive, send: Send) -> None:
        is_call = scope["type"] == "http" and PATHS.match(asgi_request(scope, b"").path)
        await (api if is_call else site)(scope, receive, send)

    return application


def asgi_application(respond: Respond) -> AsgiApp:
    """An ASGI application that answers whole requests."""

    async def application(scope: Event, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1000})
        elif (body := await _asgi_body(receive)) is not None:
            request = asgi_request(scope, body)
            await send_answer(await respond(request), request.method, send)

    return application


async def _live(receive: Receive, send: Send) -> None:
    """Nothing has to be started or stopped: the engine is the host's."""
    while True:
        event = await receive()
        await send({"type": f"{event['type']}.complete"})
        if event["type"] == "lifespan.shutdown":
            return


async def _asgi_body(receive: Receive) -> bytes | None:
    """The body, or of one that is too large more than may be; None if the client has gone."""
    body, size = bytearray(), 0
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            return None
        step = event.get("body", b"")
        size += len(step)
        if len(body) <= MOST_BYTES:
            body += step
        if size > MOST_FORGOTTEN or not event.get("more_body", False):
            return bytes(body)


def asgi_request(scope: Event, body: bytes) -> Request:
    """The request of a connection scope of ASGI, with its body; one of more than `MOST_BYTES` is left out."""
    headers = _asgi_headers(scope["headers"])
    mount = str(scope.get("root_path", "")).rstrip("/")
    whole = path = str(scope["path"])
    if mount and (path == mount or path.startswith(f"{mount}/")):  # some servers leave it in
        path = path[len(mount) :]
    sent = (scope.get("raw_path") or b"").decode("latin-1")
    quoted_mount = quote(mount, safe=_SAFE, errors="replace") if mount else ""
    if sent != whole or not path:  # something in it is encoded, or it is not told
        path = _raw_path(sent, quoted_mount, quote(path, safe=_SAFE, errors="replace") or "/")
    host = headers.get("host") or str((scope.get("server") or ("localhost",))[0])
    is_too_large = len(body) > MOST_BYTES
    return Request(
        method=str(scope["method"]).upper(),
        path=path,
        query=scope.get("query_string", b"").decode("latin-1"),
        headers=headers,
        body=b"" if is_too_large else body,
        origin=f"{scope.get('scheme', 'http')}://{host}{quoted_mount}",
        address=str((scope.get("client") or ("",))[0]),
        is_too_large=is_too_large,
    )


def _asgi_headers(raw: Collection[tuple[bytes, bytes]]) -> dict[str, str]:
    """The headers by name; ASGI has the names in lower case."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in raw}
    if len(headers) == len(raw):
        return headers
    headers = {}
    for raw_name, raw_value in raw:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


async def send_answer(answered: Answer, method: str, send: Send) -> None:
    """Send an answer to a request with that method."""
    headers = [(n.lower().encode(), v.encode("latin-1")) for n, v in _headers(answered)]
    await send({"type": "http.response.start", "status": answered.status, "headers": headers})
    await send({"type": "http.response.body", "body": _body(answered, method)})


# --- both -------------------------------------------------------------------------------------------


def _raw_path(sent: str, mount: str, quoted: str) -> str:
    """The path below the mount as the client sent it, where the server tells; else quoted anew.

    A server that decodes paths loses the difference between a slash and ``%2F``. What it tells is taken only if it
    is the same path, with the mount or without: a host may have led the request elsewhere.
    """
    path = _HOST.sub("", sent.partition("?")[0])
    place, wanted, mounted = 0, unquote(quoted), unquote(mount)
    for _ in range(mount.count("/") + 1):
        below = path[place:] or "/"
        if unquote(below) == wanted and unquote(path[:place]) in {"", mounted}:
            return below
        place = path.find("/", place + 1)
        if place < 0:
            break
    return quoted


def _headers(answered: Answer) -> tuple[tuple[str, str], ...]:
    kind = () if any(name == "Content-Type" for name, _ in answered.headers) else (_TEXT,)
    return (*answered.headers, *kind, ("Content-Length", str(len(answered.body))))


def _body(answered: Answer, method: str) -> bytes:
    return b"" if method.upper() == "HEAD" else answered.body
