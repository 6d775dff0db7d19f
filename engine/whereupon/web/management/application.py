"""The management API as an ASGI application, for hosts and for `whereupon serve`.

It answers what is below ``/api/`` (see `PATHS`), wherever the application is mounted. Paths are matched as the client
sent them, so an id may hold a slash, written ``%2F``. Engine calls may wait for the store, so they run in threads.
"""

from collections.abc import Callable, Sequence
from functools import cache, partial
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from whereupon.engine import Engine
from whereupon.web.management import (
    api_keys,
    audit,
    broadcasts,
    deliveries,
    entries,
    people,
    requests,
    rules,
    statistics,
    status,
    suppression,
)
from whereupon.web.management.openapi import describe
from whereupon.web.management.problems import ProblemError, refused
from whereupon.web.management.routing import Desk

MOST_BYTES: Final = 16 << 20
"""The largest body, in bytes: a rules folder to lint."""

_SAFE = "/:@!$&'()*+,;=-._~"
_JSON = (b"content-type", b"application/json")
"""What every body is taken for; curl says that it sends a form."""
_HEADERS = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))
_RESOURCES = (
    rules,
    people,
    deliveries,
    entries,
    broadcasts,
    requests,
    audit,
    statistics,
    status,
    suppression,
    api_keys,
)


def management_app(engine: Engine, *, rules: Path | None = None) -> ASGIApp:
    """The management API of an engine.

    Args:
        rules: the folder that a call to reload reads again; None if the host keeps the rules elsewhere.
    """
    app = FastAPI(
        title="whereupon",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
        exception_handlers={HTTPException: _refused},
    )
    app.state.desk = Desk(engine, rules)
    for resource in _RESOURCES:
        app.include_router(resource.routes)
    app.add_route("/api/openapi.json", _described(app), methods=["GET"], include_in_schema=False)
    return _guarded(app)


def path_templates() -> Sequence[str]:
    """The paths of the API with their parameters in braces, by which a server counts requests."""
    found = (route for resource in _RESOURCES for route in resource.routes.routes)
    return [route.path for route in found if isinstance(route, APIRoute)]


def _described(app: FastAPI) -> Callable[[Request], Response]:
    """The OpenAPI document; it holds no data, so everybody may read it.

    To make it takes most of a second, so it is made when it is first asked for.
    """
    document = cache(partial(describe, app))

    def answer(_: Request) -> Response:
        return Response(document(), media_type="application/json")

    return answer


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - it is registered for no other
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        error.headers = {"Allow": ", ".join(_methods(request.scope["path"]))}
    return refused(error).as_response()


def _methods(path: str) -> list[str]:
    """The methods of a path: those of its very words, or else those of the paths with a variable that it fits."""
    every = [each for resource in _RESOURCES for each in resource.routes.routes]
    routes = [each for each in every if isinstance(each, APIRoute)]
    meant = [each for each in routes if each.path == path] or [
        each for each in routes if each.path_regex.match(path)
    ]
    return sorted({method for each in meant for method in each.methods or ()})


def _guarded(app: ASGIApp) -> ASGIApp:
    """The application, with raw paths, and with headers that every answer has."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *_HEADERS]}
            await send(message)

        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        body = await _body(receive)
        if body is None:
            return
        headers = [*(each for each in scope["headers"] if each[0] != _JSON[0]), _JSON]
        below = {**scope, "path": raw_path(scope), "root_path": "", "headers": headers}
        if len(body) > MOST_BYTES:
            await _TOO_LARGE.as_response()(below, receive, sending)
        else:
            await app(below, _replayed(body, receive), sending)

    return application


_TOO_LARGE = ProblemError(
    status=413, code="too-large", detail=f"a body has at most {MOST_BYTES} bytes"
)


async def _body(receive: Receive) -> bytes | None:
    """The body, or of one that is too large a little more than may be; None if the client has gone."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if len(body) > MOST_BYTES or not message.get("more_body", False):
            return bytes(body)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """What receives a body that was read, and then what follows it."""
    left: list[Message] = [{"type": "http.request", "body": body}]

    async def receiving() -> Message:
        return left.pop() if left else await receive()

    return receiving


def raw_path(scope: Scope) -> str:
    """The path below the mount as the client sent it, where the server tells; else quoted anew."""
    mount = str(scope.get("root_path", "")).rstrip("/")
    sent = (scope.get("raw_path") or b"").decode("latin-1").partition("?")[0]
    path = sent or quote(str(scope["path"]), safe=_SAFE, errors="replace")
    start = quote(mount, safe=_SAFE, errors="replace")
    return path[len(start) :] if start and path.startswith(f"{start}/") else path
