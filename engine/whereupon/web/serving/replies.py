"""Answers as the bytes of HTTP, so that each is one packet where it can be: two would be two calls of the system."""

import logging
from collections.abc import Iterable, Iterator
from functools import lru_cache
from http import HTTPStatus

from whereupon.runtime.log_lines import log_event
from whereupon.web.http import Answer
from whereupon.web.serving.refusals import problem

_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode("ascii")
    for status in HTTPStatus
}
_KIND = "content-type"
_LOG = logging.getLogger("whereupon.web")
_FAILED = problem(500, "internal-error", "The answer could not be written.")


def reply(
    answer: Answer, method: str, *, keep_alive: bool, more: Iterable[tuple[bytes, bytes]] = ()
) -> bytes:
    """The whole answer; or 500, if HTTP cannot hold its headers: they have a line break, or are no Latin-1.

    Args:
        method: of the request; for HEAD the body is left out.
        keep_alive: whether the connection stays open.
        more: headers that every answer has.
    """
    try:
        headers = _block(answer.headers)
    except ValueError:
        log_event(_LOG, logging.ERROR, "answer-failed", status=answer.status)
        answer, headers = _FAILED, b""
    lines = [_LINES.get(answer.status) or b"HTTP/1.1 %d \r\n" % answer.status]
    lines += [b"%s: %s\r\n" % each for each in more]
    lines.append(headers)
    if not keep_alive:
        lines.append(b"connection: close\r\n")
    lines.append(b"content-length: %d\r\n\r\n" % len(answer.body))
    if method != "HEAD":
        lines.append(answer.body)
    return b"".join(lines)


@lru_cache(maxsize=256)  # most answers have the headers of one before
def _block(headers: tuple[tuple[str, str], ...]) -> bytes:
    return b"".join(_lines(headers))


def _lines(headers: Iterable[tuple[str, str]]) -> Iterator[bytes]:
    """The lines of headers, with a kind of content."""
    has_kind = False
    for name, value in headers:
        if "\r" in value or "\n" in value or "\0" in value:
            message = f"the header {name} has a line break"
            raise ValueError(message)
        has_kind = has_kind or name.lower() == _KIND
        yield f"{name.lower()}: {value}\r\n".encode("latin-1")
    if not has_kind:
        yield b"content-type: text/plain; charset=utf-8\r\n"
