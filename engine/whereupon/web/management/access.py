"""Who may do what: a bearer token is the secret of a management key, whose scopes are roles.

Access is decided before anything is read or looked up, and by the route alone. So an answer never tells a caller about
things that the caller may not read.
"""

from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from whereupon.operations.api_keys import Keys
from whereupon.records import KeyKind, Scope
from whereupon.web.door.limits import Guesses
from whereupon.web.management.problems import ProblemError


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls.

    Attributes:
        key: the id of the key.
        name: the key's name; what is decided is decided under it.
    """

    key: str
    name: str


async def admit(request: Request, keys: Keys, role: Scope, guesses: Guesses) -> Caller:
    """The caller of a request, who has the role.

    Raises:
        ProblemError: 401 without a good management key (RFC 6750, section 3), 429 to an address that shows
            unknown ones too often, 403 without the role.
    """
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        said = "send Authorization: Bearer with the secret of a management key"
        raise _unknown(said, "")
    key = await run_in_threadpool(keys.verify, secret.strip())
    if key is None:
        _slow_down(request, guesses)
    if key is None or key.kind is not KeyKind.MANAGEMENT:
        said = "this is no secret of a management key, or the key has expired or is revoked"
        raise _unknown(said, ' error="invalid_token"')
    if not key.allows(role):
        said = f"this needs the role {role}; the key has {', '.join(sorted(key.scopes))}"
        raise ProblemError(status=403, code="missing-role", detail=said)
    return Caller(key.id, key.name)


def _slow_down(request: Request, guesses: Guesses) -> None:
    wait = guesses.note(request.client.host) if request.client and request.client.host else 0
    if wait:
        said = "keys that are not known here come from your address too often; check the key"
        headers = {"Retry-After": str(wait)}
        raise ProblemError(status=429, code="too-many-guesses", detail=said, headers=headers)


def _unknown(detail: str, more: str) -> ProblemError:
    challenge = f'Bearer realm="whereupon"{"," if more else ""}{more}'
    headers = {"WWW-Authenticate": challenge}
    return ProblemError(status=401, code="unknown-key", detail=detail, headers=headers)
