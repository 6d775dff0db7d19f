"""The door for messages: which call a request is, and its answer, which is always a JSON object.

Every client that is known needs exactly 200 for what went well, and an object as the body, of errors too. Nothing is
redirected, and a slash at the end of a path changes nothing.
"""

import logging
import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from whereupon.engine import Engine
from whereupon.errors import StoreError
from whereupon.messages.model import MessageType
from whereupon.records.api_keys import Scope
from whereupon.runtime.log_lines import log_event
from whereupon.web.door.bodies import body_of
from whereupon.web.door.callers import SENDERS, Callers, credentials_of
from whereupon.web.door.cors import cors_headers, preflight
from whereupon.web.door.intake import BATCH, Intake, is_never, said_of
from whereupon.web.door.options import DoorOptions
from whereupon.web.door.problems import (
    FAILED,
    MISSING_KEY,
    NO_SUCH_PATH,
    STORE_AWAY,
    WRONG_METHOD,
    ProblemError,
    as_json,
)
from whereupon.web.door.scripts import Scripts
from whereupon.web.door.settings import place_of, project_settings, source_config
from whereupon.web.http import Answer, Counted, Request

_LOG = logging.getLogger("whereupon.web")

_JSON = (("Content-Type", "application/json"), ("X-Content-Type-Options", "nosniff"))
_UNKEPT = (*_JSON, ("Cache-Control", "no-store"))
_KEPT = (*_JSON, ("Cache-Control", "private, max-age=60"))
_SCRIPT = (
    ("Content-Type", "text/javascript; charset=utf-8"),
    ("X-Content-Type-Options", "nosniff"),
    ("Cache-Control", "public, max-age=3600"),
)
_SUCCESS = b'{"success":true}'
_POST, _GET = "POST, OPTIONS", "GET, HEAD, OPTIONS"

Headers: TypeAlias = tuple[tuple[str, str], ...]
Act: TypeAlias = Callable[["Door", Request, str], Answer]


class _Call(NamedTuple):
    """What answers a path.

    Attributes:
        about: the type of message, `BATCH`, or the key in the path, as it was sent.
    """

    methods: str
    act: Act
    about: str = BATCH


class Door:
    """Answers the requests of clients that send messages.

    Args:
        callers: find who asks.
        is_shared: see `Intake`.

    Raises:
        ValueError: an option names a folder that has no scripts.
    """

    PATHS = re.compile(
        r"/v1/|/api/s/|/sourceConfig(?:/|\Z)|/beacon/|/analytics\.js/|/analytics-next/"
    )

    def __init__(
        self,
        engine: Engine,
        callers: Callers,
        options: DoorOptions,
        is_shared: Callable[[], bool] = is_never,
    ) -> None:
        self._engine = engine
        self._callers = callers
        self._intake = Intake(engine, callers, is_shared)
        self._options = options
        self._scripts = Scripts(options)

    def answer(self, request: Request) -> Answer:
        """Answer a request; whatever comes in, the answer is 200 or a problem of the table, never an exception."""
        try:
            return self._answer(request)
        except ProblemError as error:
            return self._refused(request, error)
        except StoreError as error:
            log_event(_LOG, logging.WARNING, "door-store-away", code=error.code)
            return self._refused(request, ProblemError(STORE_AWAY))
        except Exception as error:  # noqa: BLE001 - a client that gets no answer sends for ever
            log_event(_LOG, logging.ERROR, "door-failed", raised=_without_text(error))
            return self._refused(request, ProblemError(FAILED))

    def not_found(self, request: Request) -> Answer:
        """Answer a request for a path that nothing has."""
        if request.method == "OPTIONS":
            return preflight(request, _POST, self._options.allowed_headers)
        return self._refused(request, ProblemError(NO_SUCH_PATH))

    def _answer(self, request: Request) -> Answer:
        call = _call_of(request.path)
        if call is None:
            return self.not_found(request)
        if request.method == "OPTIONS":
            return preflight(request, call.methods, self._options.allowed_headers)
        if request.method not in call.methods.split(", "):
            return self._refused(request, ProblemError(WRONG_METHOD), ("Allow", call.methods))
        return call.act(self, request, call.about)

    def _refused(self, request: Request, error: ProblemError, *more: tuple[str, str]) -> Answer:
        problem, counted = error.problem, error.counted
        log_event(
            _LOG,
            logging.INFO,
            "door-refused",
            status=problem.status,
            code=problem.code,
            key_kind=counted.key_kind or None,
        )
        headers = (*_UNKEPT, *problem.headers(), *more, *cors_headers(request))
        body = as_json(problem.members())
        return Answer(status=problem.status, headers=headers, body=body, counted=counted)

    # --- calls ------------------------------------------------------------------------------------

    def messages(self, request: Request, type_: str) -> Answer:
        """Take messages."""
        body = body_of(request)
        caller = self._callers.find(request, body, scope=Scope.MESSAGES, kinds=SENDERS)
        taken = self._intake.take(caller, body, type_)
        headers, key = (*_UNKEPT, *cors_headers(request)), caller.key
        if not taken.result.rejected:
            return _success(headers, key.id, str(key.kind), taken.over)
        counts = taken.rejected
        status, members = said_of(taken, strict=_is_strict(request))
        log_event(
            _LOG,
            logging.INFO,
            "door-rejected",
            status=status,
            key_kind=key.kind.value,
            accepted=taken.accepted,
            rejected=counts.total(),
            codes=",".join(f"{code}={count}" for code, count in sorted(counts.items())),
        )
        counted = Counted(
            key_id=key.id, key_kind=key.kind.value, rejected=counts, over_limit=taken.over
        )
        return Answer(status=status, headers=headers, body=as_json(members), counted=counted)

    def measures(self, request: Request, _: str) -> Answer:
        """Acknowledge figures that a browser's client sends about itself; they are not kept."""
        body_of(request)
        return Answer(status=200, headers=(*_UNKEPT, *cors_headers(request)), body=_SUCCESS)

    def project(self, request: Request, key: str) -> Answer:
        """The settings of Segment's and Customer.io's clients. Nobody is asked for a key, which the path has."""
        place = place_of(self._engine, self._options, request)
        return self._settings(request, project_settings(place, key))

    def source(self, request: Request, _: str) -> Answer:
        """The settings of RudderStack's client."""
        credentials = credentials_of(request)
        if credentials is None:
            raise ProblemError(MISSING_KEY)
        return self._settings(request, source_config(credentials.secret))

    def _settings(self, request: Request, members: dict[str, object]) -> Answer:
        headers = (*_KEPT, *cors_headers(request))
        return Answer(status=200, headers=headers, body=as_json(members))

    def script(self, request: Request, path: str) -> Answer:
        """A script of a client."""
        script = self._scripts.find(path)
        if script is None:
            raise ProblemError(NO_SUCH_PATH)
        return Answer(status=200, headers=(*_SCRIPT, *cors_headers(request)), body=script)


@lru_cache(maxsize=256)  # most answers are those of one before
def _success(headers: Headers, key_id: str, key_kind: str, over: int) -> Answer:
    counted = Counted(key_id=key_id, key_kind=key_kind, over_limit=over)
    return Answer(status=200, headers=headers, body=_SUCCESS, counted=counted)


# --- paths ----------------------------------------------------------------------------------------


def _of_messages() -> dict[str, _Call]:
    places = dict.fromkeys(
        (
            "/v1/batch",
            "/v1/b",
            "/v1/import",
            "/beacon/v1/batch",
            "/api/s/batch",
            "/api/s/s2s/batch",
        ),
        BATCH,
    )
    for type_ in MessageType:
        for start in ("/v1/", "/api/s/", "/api/s/s2s/"):
            places[f"{start}{type_.value}"] = type_.value
        places[f"/v1/{type_.value[0]}"] = type_.value
    return {path: _Call(_POST, Door.messages, about) for path, about in places.items()}


_CALLS = {
    **_of_messages(),
    "/v1/m": _Call(_POST, Door.measures),
    "/sourceConfig": _Call(_GET, Door.source),
}
_PROJECT = re.compile(r"/v1/projects/([^/]+)/settings")
_SCRIPTS = re.compile(r"/analytics\.js/.+|/analytics-next/.+|/v1/analytics-js/.+")


def _call_of(path: str) -> _Call | None:
    call = _CALLS.get(path) or _CALLS.get(path.removesuffix("/"))
    if call is not None:
        return call
    project = _PROJECT.fullmatch(path.removesuffix("/"))
    if project is not None:
        return _Call(_GET, Door.project, project[1])
    return _Call(_GET, Door.script, path) if _SCRIPTS.fullmatch(path) else None


def _without_text(error: Exception) -> Exception:
    """The kind of an error and where it was raised; its text may quote what was sent."""
    return RuntimeError(type(error).__name__).with_traceback(error.__traceback__)


def _is_strict(request: Request) -> bool:
    """Whether the client asks for 400 where a message is bad, as it may ask Customer.io's hosted service."""
    return request.headers.get("x-strict-mode", "").strip().lower() in {"1", "true"}
