"""The site as an application of WSGI (PEP 3333) or ASGI (version 3), to be mounted anywhere.

Each reads a body of at most `http.MOST_BYTES`. The ASGI application calls the engine in a thread, since a call may
wait for the store.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from http import HTTPStatus
from typing import IO, Any, TypeAlias, cast
from urllib.parse import quote, unquote

from whereupon.engine import Engine
from whereupon.web.door.options import DEFAULT, DoorOptions
from whereupon.web.http import MOST_BYTES, Answer, Request
from whereupon.web.page_options import PageOptions
from whereupon.web.site import NO_CALLBACKS, Callback, Site

StartResponse: TypeAlias = Callable[[str, list[tuple[str, str]]], object]
WsgiApp: TypeAlias = Callable[[Mapping[str, object], StartResponse], Iterable[bytes]]
Event: TypeAlias = MutableMapping[str, Any]  # as servers and frameworks spell it in their types
Receive: TypeAlias = Callable[[], Awaitable[Event]]
Send: TypeAlias = Callable[[Event], Awaitable[None]]
AsgiApp: TypeAlias = Callable[[Event, Receive, Send], Awaitable[None]]

_SAFE = "/:@!$&'()*+,;=-._~"
_DIGITS = 18
"""So many digits of a length are read; that much is too large anyway."""
_TEXT = ("Content-Type", "text/plain; charset=utf-8")
_TOO_LARGE = Answer(status=413, body=b"The body is too large.")


def wsgi(
    engine: Engine,
    *,
    pages: PageOptions | None = None,
    callbacks: Mapping[str, Callback] = NO_CALLBACKS,
    door: DoorOptions | None = DEFAULT,
) -> WsgiApp:
    """The site of an engine as a WSGI application; for the arguments see `Site`."""
    site = Site(engine, pages=pages, callbacks=callbacks, door=door)

    def application(environ: Mapping[str, object], start_response: StartResponse) -> list[bytes]:
        request = _wsgi_request(environ)
        answered = _TOO_LARGE if request is None else site.answer(request)
        body = _body(answered, str(environ["REQUEST_METHOD"]))
        status = f"{answered.status} {HTTPStatus(answered.status).phrase}"
        start_response(status, list(_headers(answered)))
        return [body]

    return application


def _wsgi_request(environ: Mapping[str, object]) -> Request | None:
    """The request; None if its body is too large."""

    def text(name: str) -> str:
        return str(environ.get(name, ""))

    length = text("CONTENT_LENGTH").strip()
    size = int(length[:_DIGITS]) if length.isascii() and length.isdigit() else 0
    if length == "" and environ.get("wsgi.input_terminated"):  # chunked
        size = MOST_BYTES + 1
    elif size > MOST_BYTES:
        return None
    body = cast("IO[bytes]", environ["wsgi.input"]).read(size) if size else b""
    headers = {
        name[5:].replace("_", "-").lower(): str(value)
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    host = headers.get("host") or text("SERVER_NAME")
    mount = quote(text("SCRIPT_NAME").encode("latin-1", "replace"), safe=_SAFE)
    quoted = quote(text("PATH_INFO").encode("latin-1", "replace"), safe=_SAFE) or "/"
    if len(body) > MOST_BYTES:
        return None
    return Request(
        method=text("REQUEST_METHOD").upper(),
        path=_raw_path(text("REQUEST_URI") or text("RAW_URI"), mount, quoted),
        query=text("QUERY_STRING"),
        headers={**headers, "content-type": text("CONTENT_TYPE")},
        body=body,
        origin=f"{text('wsgi.url_scheme') or 'http'}://{host}{mount}",
    )


def asgi(
    engine: Engine,
    *,
    pages: PageOptions | None = None,
    callbacks: Mapping[str, Callback] = NO_CALLBACKS,
    door: DoorOptions | None = DEFAULT,
) -> AsgiApp:
    """The site of an engine as an ASGI application; for the arguments see `Site`."""
    site = Site(engine, pages=pages, callbacks=callbacks, door=door)

    async def application(scope: Event, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1000})
            return
        body = await _read_body(receive)
        if body is None:
            return
        if len(body) > MOST_BYTES:
            answered = _TOO_LARGE
        else:
            request = _asgi_request(scope, body)
            answered = await asyncio.to_thread(site.answer, request)
        await _respond(answered, scope["method"], send)

    return application


async def _live(receive: Receive, send: Send) -> None:
    """Nothing has to be started or stopped: the engine is the host's."""
    while True:
        event = await receive()
        await send({"type": f"{event['type']}.complete"})
        if event["type"] == "lifespan.shutdown":
            return


async def _read_body(receive: Receive) -> bytes | None:
    """The body, or of one that is too large a little more than may be; None if the client has gone."""
    body = bytearray()
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            return None
        body += event.get("body", b"")
        if len(body) > MOST_BYTES or not event.get("more_body", False):
            return bytes(body)


def _asgi_request(scope: Event, body: bytes) -> Request:
    headers: dict[str, str] = {}
    for raw_name, raw in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    mount = str(scope.get("root_path", "")).rstrip("/")
    path = str(scope["path"])
    if mount and (path == mount or path.startswith(f"{mount}/")):  # some servers leave it in
        path = path[len(mount) :]
    host = headers.get("host") or str((scope.get("server") or ("localhost",))[0])
    quoted, sent = quote(path, safe=_SAFE, errors="replace") or "/", scope.get("raw_path") or b""
    quoted_mount = quote(mount, safe=_SAFE, errors="replace")
    return Request(
        method=str(scope["method"]).upper(),
        path=_raw_path(sent.decode("latin-1"), quoted_mount, quoted),
        query=scope.get("query_string", b"").decode("latin-1"),
        headers=headers,
        body=body,
        origin=f"{scope.get('scheme', 'http')}://{host}{quoted_mount}",
    )


def _raw_path(sent: str, mount: str, quoted: str) -> str:
    """The path below the mount as the client sent it, where the server tells; else quoted anew.

    A server that decodes paths loses the difference between a slash and ``%2F``. What it tells is taken only if it
    is the same path.
    """
    path = sent.partition("?")[0]
    for start in (mount, ""):
        below = path[len(start) :] or "/"
        if path.startswith(start) and unquote(below) == unquote(quoted):
            return below
    return quoted


async def _respond(answered: Answer, method: str, send: Send) -> None:
    headers = [(n.lower().encode(), v.encode("latin-1")) for n, v in _headers(answered)]
    await send({"type": "http.response.start", "status": answered.status, "headers": headers})
    await send({"type": "http.response.body", "body": _body(answered, method)})


def _headers(answered: Answer) -> tuple[tuple[str, str], ...]:
    kind = () if any(name == "Content-Type" for name, _ in answered.headers) else (_TEXT,)
    return (*answered.headers, *kind, ("Content-Length", str(len(answered.body))))


def _body(answered: Answer, method: str) -> bytes:
    return b"" if method.upper() == "HEAD" else answered.body
