"""Every way in which a request is refused: one table, and the forms in which the clients read it.

All have ``code`` and ``message``; ``error`` is what Ruby's client logs, and ``meta.error`` is the only form that
Customer.io's client for Node shows. A client gives up on 400 and 401, and sends again on 429 and 503. 413 is not used:
Segment's client for Swift keeps a batch that gets it, and sends it for ever.
"""

from dataclasses import dataclass

from whereupon.messages.codec import encode
from whereupon.messages.size_limits import MAX_BATCH_BYTES, MAX_TEXT_BYTES
from whereupon.records.api_keys import ApiKey
from whereupon.web.http import Counted

SOON = 2
"""Seconds after which a client may send again, where nothing better is known."""


def said(code: str, message: str) -> dict[str, object]:
    """The members of an error, in each form that a client shows."""
    return {"code": code, "message": message, "error": message, "meta": {"error": message}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why a request is refused.

    Attributes:
        code: kebab-case, and for ever.
        message: one sentence; it quotes neither a key nor content.
        retry_after: seconds after which to send again; None if the same request will be refused again.
    """

    status: int
    code: str
    message: str
    retry_after: int | None = None

    def members(self) -> dict[str, object]:
        """The members of the answer's JSON object."""
        return said(self.code, self.message)

    def headers(self) -> tuple[tuple[str, str], ...]:
        """The headers that belong to it."""
        if self.retry_after is None:
            return ()
        return (("Retry-After", str(self.retry_after)),)


BODY_TOO_LARGE = Problem(
    status=400,
    code="body-too-large",
    message=f"the body has more than {MAX_TEXT_BYTES} bytes, unpacked; "
    f"send at most {MAX_BATCH_BYTES} bytes of messages in a request",
)
UNKNOWN_ENCODING = Problem(
    status=400,
    code="unknown-encoding",
    message="the Content-Encoding is not known here; send gzip, deflate, or none",
)
BAD_ENCODING = Problem(
    status=400,
    code="bad-encoding",
    message="the body cannot be unpacked: it is damaged, cut off, or encoded otherwise than its Content-Encoding says",
)
EMPTY_BODY = Problem(
    status=400,
    code="empty-body",
    message="the body is empty; send a JSON object, with its length if the server does not take chunks",
)
MISSING_BATCH = Problem(
    status=400,
    code="missing-batch",
    message='the body has no list "batch"; send {"batch": [...]}',
)
MISSING_KEY = Problem(
    status=401,
    code="missing-key",
    message="there is no write key; send it as the user of Basic authentication",
)
UNKNOWN_KEY = Problem(
    status=401,
    code="unknown-key",
    message="the key is not known here",
)
EXPIRED_KEY = Problem(status=401, code="expired-key", message="the key has expired")
REVOKED_KEY = Problem(status=401, code="revoked-key", message="the key was revoked")
REPLACED_SECRET = Problem(
    status=401,
    code="replaced-secret",
    message="the key has a new secret, and the time for this one is over",
)
WRONG_KIND_OF_KEY = Problem(
    status=401,
    code="wrong-kind-of-key",
    message="a key of this kind does not open this address",
)
MISSING_SCOPE = Problem(
    status=401,
    code="missing-scope",
    message="the key lacks the scope that this address asks for",
)
WRONG_ORIGIN = Problem(
    status=401,
    code="wrong-origin",
    message="pages of this origin may not use the key; add the origin to the key",
)
NO_SUCH_PATH = Problem(status=404, code="no-such-path", message="there is nothing at this path")
WRONG_METHOD = Problem(
    status=405, code="wrong-method", message="this path does not take this method"
)
OVER_LIMIT = Problem(
    status=429,
    code="over-limit",
    message="more was sent under the key than its limit allows; send again later",
    retry_after=SOON,
)
TOO_MANY_GUESSES = Problem(
    status=429,
    code="too-many-guesses",
    message="keys that are not known here come from your address too often; check the key, and send again later",
    retry_after=SOON,
)
FAILED = Problem(
    status=500,
    code="failed",
    message="the service failed; its operator finds the cause in the log",
)
STORE_AWAY = Problem(
    status=503,
    code="store-away",
    message="nothing can be stored at the moment; send again later",
    retry_after=SOON,
)

PROBLEMS = (
    *(BODY_TOO_LARGE, UNKNOWN_ENCODING, BAD_ENCODING, EMPTY_BODY, MISSING_BATCH),
    *(MISSING_KEY, UNKNOWN_KEY, EXPIRED_KEY, REVOKED_KEY, REPLACED_SECRET),
    *(WRONG_KIND_OF_KEY, MISSING_SCOPE, WRONG_ORIGIN),
    *(NO_SUCH_PATH, WRONG_METHOD, OVER_LIMIT, TOO_MANY_GUESSES, FAILED, STORE_AWAY),
)
"""Every problem of a whole request. The codes of single messages are those of `Engine.ingest`."""


class ProblemError(Exception):
    """Carries a problem to where it is answered, and the key that asked, if there is one."""

    def __init__(self, problem: Problem, key: ApiKey | None = None) -> None:
        self.problem = problem
        self.key = key
        super().__init__(problem.code)

    @property
    def counted(self) -> Counted:
        """What a server counts of the answer."""
        code, key = self.problem.code, self.key
        if key is None:
            return Counted(refused=code)
        return Counted(key_id=key.id, key_kind=key.kind.value, refused=code)


def as_json(members: dict[str, object]) -> bytes:
    """The body of an answer."""
    return encode(members)
