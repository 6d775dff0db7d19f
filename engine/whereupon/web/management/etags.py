"""Entity tags of rules (RFC 9110, sections 8.8.3 and 13.1): what has not changed is not sent again, nor replaced unseen."""

from collections.abc import Iterable
from dataclasses import replace
from hashlib import blake2b

from fastapi import Request, Response

from whereupon.rules.model import Guard, Rulebook
from whereupon.web.management.problems import ProblemError


def quoted(tag: str) -> str:
    """A strong entity tag."""
    return f'"{tag}"'


def tag_of(book: Rulebook) -> str:
    """The entity tag of a rulebook: it changes with every rule, segment and guard file."""
    return tag_of_texts(
        [
            *(rule.digest for rule in book.rules),
            *(f"{each.id} {each.source}" for each in book.segments.values()),
            *(f"{guard.id} {_said(guard)}" for guard in book.guards),
            *(f"{event.name} {event.properties}" for event in book.events),
            repr(book.settings),
        ]
    )


def _said(guard: Guard) -> str:
    """What a guard file says, without compiled conditions, whose `repr` differs from process to process."""
    protected = [each.text for each in guard.protect]
    return f"{protected} {replace(guard, protect=())}"


def tag_of_texts(texts: Iterable[str]) -> str:
    """The entity tag of something that these texts say."""
    return quoted(blake2b("\0".join(texts).encode(), digest_size=8).hexdigest())


def unchanged(request: Request, tag: str) -> Response | None:
    """The answer 304, if the caller has this already (``If-None-Match``)."""
    if not _is_named(request.headers.get("if-none-match"), tag):
        return None
    return Response(status_code=304, headers={"ETag": tag})


def check_same(request: Request, tag: str) -> None:
    """Refuse to replace something else than the caller means (``If-Match``).

    Raises:
        ProblemError: 412.
    """
    said = request.headers.get("if-match")
    if said is not None and not _is_named(said, tag):
        detail = "it has changed since you read it: read it again"
        raise ProblemError(status=412, code="changed", detail=detail, headers={"ETag": tag})


def _is_named(said: str | None, tag: str) -> bool:
    named = [each.strip().removeprefix("W/") for each in (said or "").split(",")]
    return "*" in named or tag in named
