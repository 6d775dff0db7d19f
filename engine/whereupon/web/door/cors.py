"""Cross-origin requests (CORS): the headers that let the pages of a shop send to the door of another host.

A page's origin is echoed, since the door has neither cookies nor sessions: a key decides, which may name origins. A
preflight has no key, so it is answered for every origin.
"""

import re

from whereupon.web.http import Answer, Request

ALLOWED = (
    "authorization",
    "content-type",
    "content-encoding",
    "x-retry-count",
    "anonymousid",
    "sentat",
    "x-write-key",
    "x-strict-mode",
    "rsa-retry-attempt",  # RudderStack's, with what it sends again
    "rsa-retry-reason",
    "rsa-since-first-attempt",
    "rsa-since-last-attempt",
    "rsa-recovered",
)
"""The headers that pages may send: those that the clients of browsers do send, and the door's own."""

_SECONDS = "86400"
"""How long a browser may keep the answer to a preflight; each browser has its own, lower bound."""
_ORIGIN = re.compile(r"[!-~]{1,300}")
_EVERY = (("Vary", "Origin"), ("Access-Control-Expose-Headers", "Retry-After"))


def cors_headers(request: Request) -> tuple[tuple[str, str], ...]:
    """The headers of every answer. Credentials are allowed since RudderStack's beacon sends the page's cookies."""
    origin = request.headers.get("origin")
    if not origin or _ORIGIN.fullmatch(origin) is None:
        return _EVERY
    allowed = (
        ("Access-Control-Allow-Origin", origin),
        ("Access-Control-Allow-Credentials", "true"),
    )
    return (*_EVERY, *allowed)


def preflight(request: Request, methods: str, more: tuple[str, ...]) -> Answer:
    """The answer to a preflight, with a status and a body that every browser and client takes.

    Args:
        methods: that the path takes.
        more: headers that pages may send, beside `ALLOWED`.
    """
    own = (
        ("Content-Type", "application/json"),
        ("Access-Control-Allow-Methods", methods),
        ("Access-Control-Allow-Headers", ", ".join((*ALLOWED, *more))),
        ("Access-Control-Max-Age", _SECONDS),
    )
    return Answer(status=200, headers=(*own, *cors_headers(request)), body=b"{}")
