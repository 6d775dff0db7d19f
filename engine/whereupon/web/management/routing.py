"""Routes that let nobody in without a role, that do a repeated request once, and whose every error is a problem."""

import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from traceback import extract_tb
from typing import Annotated, Any, TypeAlias, TypedDict, cast

from fastapi import APIRouter, Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from typing_extensions import override

from whereupon.engine import Engine
from whereupon.errors import WhereuponError
from whereupon.messages.codec import decode, encode
from whereupon.operations.answers import Asked, Use
from whereupon.records import Scope
from whereupon.runtime.log_lines import log_event
from whereupon.web.door.limits import GUESSES, Guesses
from whereupon.web.management.access import Caller, admit
from whereupon.web.management.problems import (
    MEDIA_TYPE,
    Fault,
    ProblemError,
    invalid,
    problem_of,
    refused,
    unforeseen,
)

_LOG = logging.getLogger("whereupon.management")
_Handle: TypeAlias = Callable[[Request], Awaitable[Response]]

ROLE = "x-role"
"""The member of an operation in the OpenAPI document that names the role that it needs."""

ONLY_READS = "x-only-reads"
"""The member of an operation that takes a body and changes nothing."""

IDEMPOTENCY_KEY = "idempotency-key"
MOST_KEY_CHARACTERS = 255


@dataclass(frozen=True, slots=True)
class Desk:
    """What the routes work on.

    Attributes:
        engine: the engine.
        rules: the folder that `reload` reads; None if the host keeps the rules elsewhere.
        guesses: how often each address may show unknown keys.
    """

    engine: Engine
    rules: Path | None = None
    guesses: Guesses = field(default_factory=lambda: Guesses(GUESSES))


async def _desk(request: Request) -> Desk:
    return cast("Desk", request.app.state.desk)


async def _engine(request: Request) -> Engine:
    return (await _desk(request)).engine


async def _caller(request: Request) -> Caller:
    return cast("Caller", request.state.caller)


DeskGiven: TypeAlias = Annotated[Desk, Depends(_desk)]
EngineGiven: TypeAlias = Annotated[Engine, Depends(_engine)]
CallerGiven: TypeAlias = Annotated[Caller, Depends(_caller)]


class Declared(TypedDict):
    """What a route declares besides its path and its models."""

    openapi_extra: dict[str, Any]
    responses: dict[int | str, dict[str, Any]]


def needs(role: Scope, *statuses: int, only_reads: bool = False) -> Declared:
    """What a route declares.

    Args:
        role: the role that it needs.
        statuses: those of problems that only some routes have.
        only_reads: whether it changes nothing, though it takes a body; then no answer is kept.
    """
    large = (413,) if _BAD_BODY in statuses else ()
    return Declared(
        openapi_extra={ROLE: role.value} | ({ONLY_READS: True} if only_reads else {}),
        responses={status: _problem(status) for status in (*statuses, *large, *_ALWAYS)},
    )


_BAD_BODY = 400
_ALWAYS = (401, 403, 422, 429, 500, 503)
_MEANINGS = {
    304: "It has not changed.",
    400: "The body is not JSON.",
    401: "There is no valid management key in `Authorization`.",
    403: "The key has not the role that this needs, or its name may not decide this.",
    404: "There is no such thing.",
    409: "The state of the thing does not allow this; or the same request is under way.",
    412: "The thing is another one than `If-Match` names.",
    413: "The body is too large.",
    422: "The request is not as this document says; or its `Idempotency-Key` was used for another request.",
    429: "Keys that are not known come from this address too often; `Retry-After` says when to try again.",
    500: "The server failed.",
    503: "The store cannot be reached or written now; `Retry-After` says when to try again.",
}


def _problem(status: int) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    declared: dict[str, Any] = {
        "description": _MEANINGS[status],
        "content": {MEDIA_TYPE: {"schema": schema}},
    }
    if status in {429, 503}:  # the statuses with a time
        declared["headers"] = {"Retry-After": {"schema": {"type": "integer"}}}
    return declared


def router(tag: str) -> APIRouter:
    """A router for one kind of thing."""
    return APIRouter(prefix="/api", tags=[tag], route_class=GuardedRoute)


class GuardedRoute(APIRoute):
    """A route that needs a role."""

    @override
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        declared = self.openapi_extra or {}
        role, is_write = (
            Scope(declared[ROLE]),
            self.methods != {"GET"} and ONLY_READS not in declared,
        )

        taken = frozenset(each.alias for each in self.dependant.query_params)

        async def guarded(request: Request) -> Response:
            try:
                desk = await _desk(request)
                request.state.caller = await admit(request, desk.engine.keys, role, desk.guesses)
                _check_query(request, taken)
                if is_write and IDEMPOTENCY_KEY in request.headers:
                    return await _once(request, desk.engine, handle)
                return await handle(request)
            except ProblemError as error:
                return error.as_response()
            except RequestValidationError as error:
                return invalid(error).as_response()
            except HTTPException as error:
                return refused(error).as_response()
            except WhereuponError as error:
                return problem_of(error).as_response()
            except Exception as error:  # noqa: BLE001 - a fault of ours is an answer, too, and a record
                _log_failure(self.name, error)
                return unforeseen().as_response()

        return guarded


def _check_query(request: Request, taken: frozenset[str]) -> None:
    """Refuse a parameter that the call does not have: a filter with another name would be none, unnoticed.

    Raises:
        ProblemError: 422.
    """
    unknown = sorted({name for name in request.query_params if name not in taken})
    if not unknown:
        return
    named = f"this call takes {', '.join(sorted(taken))}" if taken else "this call takes none"
    detail = f"there is no parameter {unknown[0]!r} here; {named}"
    faults = [
        Fault(place="query", name=name, code="unknown-parameter", detail=named) for name in unknown
    ]
    raise ProblemError(status=422, code="invalid-request", detail=detail, errors=faults)


def _log_failure(operation: str, error: Exception) -> None:
    """Log what failed and where, without what the error says: it may quote personal data."""
    frames = extract_tb(error.__traceback__)
    last = next((each for each in reversed(frames) if "whereupon" in each.filename), frames[-1])
    log_event(
        _LOG,
        logging.ERROR,
        "call-failed",
        operation=operation,
        error=type(error).__name__,
        place=f"{Path(last.filename).name}:{last.lineno}",
    )


# --- requests that are sent twice -------------------------------------------------------------------


async def _once(request: Request, engine: Engine, handle: _Handle) -> Response:
    """Do a request that carries an idempotency key, unless it was done before."""
    asked = await _asked(request, engine)
    use = await run_in_threadpool(engine.answers.begin, asked)
    match use:
        case Use.NEW:
            return await _first(engine, asked, handle, request)
        case Use.BUSY:
            detail = "the same request is under way; ask again for its answer"
            raise ProblemError(
                status=409, code="request-under-way", detail=detail, headers={"Retry-After": "1"}
            )
        case Use.OTHER:
            detail = "this Idempotency-Key was used for another request; choose a fresh one"
            raise ProblemError(status=422, code="key-of-another-request", detail=detail)
        case _:
            return _again(use)


async def _asked(request: Request, engine: Engine) -> Asked:
    key = request.headers[IDEMPOTENCY_KEY]
    if not 1 <= len(key) <= MOST_KEY_CHARACTERS:
        detail = f"Idempotency-Key has 1 to {MOST_KEY_CHARACTERS} characters"
        raise ProblemError(status=422, code="bad-idempotency-key", detail=detail)
    caller = await _caller(request)
    name = (caller.key, request.method, request.scope["path"], key)
    content = b"?".join((request.scope.get("query_string", b""), await request.body()))
    return engine.answers.asked(name, content)


async def _first(engine: Engine, asked: Asked, handle: _Handle, request: Request) -> Response:
    kept = None
    try:
        response = await handle(request)
        kept = _kept(response)
        return response
    finally:
        await run_in_threadpool(engine.answers.finish, asked, kept)


_KEPT_HEADERS = ("location", "etag")
SECRET = "secret"  # noqa: S105 - the name of a member
"""The member of an answer that is shown once, and not kept."""


def _kept(response: Response) -> str | None:
    """An answer as it is kept: one that says that something was done, without secrets."""
    if response.status_code >= 300:  # noqa: PLR2004 - what is not done
        return None
    body = decode(bytes(response.body) or b"null")
    if isinstance(body, dict) and SECRET in body:
        body[SECRET] = None
    headers = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
    said = {"status": response.status_code, "headers": headers, "body": body}
    return encode(said).decode()


def _again(kept: str) -> Response:
    answer = cast("dict[str, Any]", decode(kept))
    return Response(
        encode(answer["body"]),
        status_code=answer["status"],
        headers={**answer["headers"], "Idempotency-Replayed": "true"},
        media_type="application/json",
    )
