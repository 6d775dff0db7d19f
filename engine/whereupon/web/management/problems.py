"""Errors as problem details (RFC 9457): which error of the library is which status, in one table.

A problem has the type ``about:blank``, so its title is the status' phrase; what happened is said by its ``code``, which
is the library's own and never changes, and by ``detail``, which is for people.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import TypeAlias

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, JsonValue
from starlette.exceptions import HTTPException

from whereupon.errors import (
    ApiKeyError,
    ConfigInvalidError,
    Diagnostic,
    LinkError,
    MessageRejectedError,
    OperationError,
    RequestError,
    RulesInvalidError,
    StoreError,
    StreamError,
    UnknownNameError,
    WhereuponError,
)

MEDIA_TYPE = "application/problem+json"

_FORBIDDEN = frozenset({"not-allowed", "own-request"})
_REPEATABLE: Mapping[str, int] = {"busy": 1, "conflict": 1, "unreachable": 5}
"""Codes of the store with which a call may be repeated soon, and after how many seconds."""
_LATER = 60


class Fault(BaseModel):
    """One thing that is wrong with a request.

    Attributes:
        place: ``body``, ``query``, ``path`` or ``header``.
        pointer: in a body, the JSON pointer of the value (RFC 6901), as a fragment.
        name: in any other place, the parameter's.
    """

    place: str = Field(examples=["body"])
    pointer: str | None = Field(default=None, examples=["#/channel"])
    name: str | None = Field(default=None, examples=["limit"])
    code: str = Field(examples=["missing"])
    detail: str = Field(examples=["Field required"])


class DiagnosticForm(BaseModel):
    """What is wrong with a rule file, as ``whereupon lint --json`` says it."""

    file: str = Field(examples=["sock-thanks.yaml"])
    line: int = Field(examples=[3])
    column: int = Field(examples=[1])
    code: str = Field(examples=["unknown-key"])
    severity: str = Field(examples=["error"])
    message: str = Field(examples=["there is no key wen here; did you mean when?"])


def diagnostic_form(diagnostic: Diagnostic) -> DiagnosticForm:
    """A diagnostic as the API says it."""
    place = diagnostic.location
    return DiagnosticForm(
        file=place.file,
        line=place.line,
        column=place.column,
        code=diagnostic.code,
        severity=diagnostic.severity.value,
        message=diagnostic.message,
    )


class Problem(BaseModel):
    """Problem details (RFC 9457).

    Attributes:
        code: what happened, kebab-case, for programs.
        detail: what happened, for people.
        errors: each thing that is wrong with the request.
        diagnostics: what is wrong with rule files.
    """

    type: str = Field(default="about:blank", examples=["about:blank"])
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    code: str = Field(examples=["unknown-person"])
    detail: str = Field(examples=["there is no person called 'ada'"])
    errors: list[Fault] | None = None
    diagnostics: list[DiagnosticForm] | None = None


class ProblemError(Exception):
    """A request is refused; it carries the whole answer.

    Args:
        headers: of the answer.
    """

    def __init__(
        self,
        *,
        status: int,
        code: str,
        detail: str,
        errors: Iterable[Fault] = (),
        diagnostics: Iterable[Diagnostic] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.problem = Problem(
            title=HTTPStatus(status).phrase,
            status=status,
            code=code,
            detail=detail,
            errors=list(errors) or None,
            diagnostics=list(map(diagnostic_form, diagnostics)) or None,
        )
        self.headers = dict(headers or {})
        super().__init__(f"{status} {code}: {detail}")

    def as_response(self) -> JSONResponse:
        """The answer."""
        return JSONResponse(
            self.problem.model_dump(mode="json", exclude_none=True),
            status_code=self.problem.status,
            headers=self.headers,
            media_type=MEDIA_TYPE,
        )


# --- errors of the library --------------------------------------------------------------------------


def _unknown_name(error: UnknownNameError) -> ProblemError:
    code = "-".join(error.kind.replace("`", "").lower().split())
    return ProblemError(status=404, code=f"unknown-{code}", detail=str(error))


def _request(error: RequestError) -> ProblemError:
    status = 403 if error.code in _FORBIDDEN else 409
    return ProblemError(status=status, code=error.code, detail=error.reason)


def _operation(error: OperationError) -> ProblemError:
    return ProblemError(status=409, code=error.code, detail=error.reason)


def _api_key(error: ApiKeyError) -> ProblemError:
    status = 422 if error.code.startswith(("bad-", "weak-")) else 409
    return ProblemError(status=status, code=error.code, detail=error.reason)


def _store(error: StoreError) -> ProblemError:
    if error.code == "bad-text":  # a name that no database can hold, so nothing has it
        return ProblemError(status=404, code=error.code, detail=error.reason)
    seconds = _REPEATABLE.get(error.code, _LATER)
    headers = {"Retry-After": str(seconds)}
    return ProblemError(status=503, code=error.code, detail=error.reason, headers=headers)


def _rejected(error: MessageRejectedError) -> ProblemError:
    fault = Fault(place="body", pointer=f"#/{error.field}", code=error.code, detail=error.reason)
    return ProblemError(status=422, code=error.code, detail=error.reason, errors=[fault])


def _rules(error: RulesInvalidError) -> ProblemError:
    detail = "the rules folder has errors; the rules in use stay as they are"
    return ProblemError(
        status=409, code="rules-invalid", detail=detail, diagnostics=error.diagnostics
    )


def _config(error: ConfigInvalidError) -> ProblemError:
    return ProblemError(
        status=503, code="config-invalid", detail=str(error), headers={"Retry-After": str(_LATER)}
    )


def _link(error: LinkError) -> ProblemError:
    return ProblemError(status=404, code="unknown-link", detail=str(error))


def _stream(error: StreamError) -> ProblemError:
    return ProblemError(status=422, code="unreadable-stream", detail=error.reason)


_Make: TypeAlias = Callable[..., ProblemError]

PROBLEMS: Mapping[type[WhereuponError], _Make] = {
    UnknownNameError: _unknown_name,
    RequestError: _request,
    OperationError: _operation,
    ApiKeyError: _api_key,
    StoreError: _store,
    MessageRejectedError: _rejected,
    RulesInvalidError: _rules,
    ConfigInvalidError: _config,
    LinkError: _link,
    StreamError: _stream,
}
"""What makes a problem of each error of the library."""


def problem_of(error: WhereuponError) -> ProblemError:
    """The problem that an error of the library is; 409 for one that a caller adds to the family."""
    for kind in type(error).__mro__:
        if kind in PROBLEMS:
            return PROBLEMS[kind](error)
    return ProblemError(status=409, code="refused", detail=str(error))


# --- errors of requests -----------------------------------------------------------------------------

_UNREADABLE = "json_invalid"


def invalid(error: RequestValidationError) -> ProblemError:
    """A request that is not as the OpenAPI document says: 400 if its body is not JSON, else 422."""
    faults = [_fault(each, error.body) for each in error.errors()]
    if any(each.code == "json-invalid" for each in faults):
        return ProblemError(
            status=400, code="bad-json", detail="the body is not JSON", errors=faults
        )
    detail = "; ".join(f"{_named(each)}: {each.detail}" for each in faults)
    return ProblemError(status=422, code="invalid-request", detail=detail, errors=faults)


def _named(fault: Fault) -> str:
    return fault.pointer or fault.name or fault.place


def _fault(said: Mapping[str, object], body: object) -> Fault:
    place, *path = said["loc"] if isinstance(said["loc"], tuple) else ("body",)
    code = str(said["type"]).replace("_", "-")
    if place == "body":
        parts = [] if said["type"] == _UNREADABLE else _sent(path, body)
        pointer = "#" + "".join(f"/{_escaped(str(part))}" for part in parts)
        return Fault(place="body", pointer=pointer, code=code, detail=str(said["msg"]))
    name = str(path[0]) if path else ""
    return Fault(place=str(place), name=name, code=code, detail=str(said["msg"]))


def _sent(path: Sequence[object], body: object) -> list[object]:
    """A path in a body, without the names of the kinds of bodies that pydantic puts into it."""
    parts: list[object] = []
    for part in path:
        is_kind = isinstance(body, Mapping) and part not in body and part != path[-1]
        if is_kind:
            continue
        parts.append(part)
        if isinstance(body, Mapping):
            body = body.get(part)
        elif isinstance(body, Sequence) and isinstance(part, int) and part < len(body):
            body = body[part]
    return parts


def _escaped(part: str) -> str:
    """A part of a JSON pointer (RFC 6901, section 3)."""
    return part.replace("~", "~0").replace("/", "~1")


_CODES: Mapping[int, str] = {
    400: "bad-request",
    404: "unknown-path",
    405: "unknown-method",
    413: "too-large",
    415: "unknown-media-type",
}


def refused(error: HTTPException) -> ProblemError:
    """What the framework refuses by itself: an unknown path or method, a body that is too large."""
    code = _CODES.get(error.status_code, "refused")
    detail: JsonValue = error.detail or HTTPStatus(error.status_code).phrase
    return ProblemError(
        status=error.status_code, code=code, detail=str(detail), headers=error.headers
    )


UNFORESEEN = "the server failed on this request; its log says more"


def unforeseen() -> ProblemError:
    """A fault of the library itself."""
    return ProblemError(status=500, code="failed", detail=UNFORESEEN)
