"""Answers as the bytes of HTTP, so that each is one packet where it can be: two would be two calls of the system."""

from collections.abc import Iterable
from http import HTTPStatus

from whereupon.web.http import Answer

_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode("ascii")
    for status in HTTPStatus
}
_KIND = "content-type"


def reply(
    answer: Answer, method: str, *, keep_alive: bool, more: Iterable[tuple[bytes, bytes]] = ()
) -> bytes:
    """The whole answer.

    Args:
        method: of the request; for HEAD the body is left out.
        keep_alive: whether the connection stays open.
        more: headers that every answer has.

    Raises:
        ValueError: a header has a line break in it, or is no Latin-1.
    """
    lines = [_LINES.get(answer.status) or b"HTTP/1.1 %d \r\n" % answer.status]
    lines += [b"%s: %s\r\n" % each for each in more]
    has_kind = False
    for name, value in answer.headers:
        if "\r" in value or "\n" in value or "\0" in value:
            message = f"the header {name} has a line break"
            raise ValueError(message)
        has_kind = has_kind or name.lower() == _KIND
        lines.append(f"{name.lower()}: {value}\r\n".encode("latin-1"))
    if not has_kind:
        lines.append(b"content-type: text/plain; charset=utf-8\r\n")
    if not keep_alive:
        lines.append(b"connection: close\r\n")
    lines.append(b"content-length: %d\r\n\r\n" % len(answer.body))
    if method != "HEAD":
        lines.append(answer.body)
    return b"".join(lines)
