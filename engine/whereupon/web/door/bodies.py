"""Bodies of requests, unpacked: gzip and deflate within a bound, as clients and proxies send them (RFC 9110, 8.4.1).

A hundred kilobytes of gzip may unpack to a hundred megabytes, so a body is unpacked only until it is too large.
"""

import zlib

from whereupon.messages.envelope import trimmed
from whereupon.messages.size_limits import MAX_TEXT_BYTES
from whereupon.web.door.problems import BAD_ENCODING, BODY_TOO_LARGE, UNKNOWN_ENCODING, ProblemError
from whereupon.web.http import Request

_GZIP = frozenset({"gzip", "x-gzip"})
_MAGIC = b"\x1f\x8b"
_MOST_MEMBERS = 100
"""Members of one gzip body (RFC 1952, 2.2). The clients make one; each further one costs a copy of the rest."""


def body_of(request: Request) -> bytes:
    """The body of a request without its encoding and the spaces around it; raises `ProblemError`."""
    if request.is_too_large:
        raise ProblemError(BODY_TOO_LARGE)
    body = _decoded(request.body, request.headers.get("content-encoding", "").strip().lower())
    if len(body) > MAX_TEXT_BYTES:
        raise ProblemError(BODY_TOO_LARGE)
    return trimmed(body)


def _decoded(body: bytes, encoding: str) -> bytes:
    if encoding in {"", "identity"}:
        if body[:2] == _MAGIC:
            raise ProblemError(BAD_ENCODING)
        return body
    if encoding in _GZIP:
        return _gunzipped(body)
    if encoding == "deflate":
        return _inflated(body)
    raise ProblemError(UNKNOWN_ENCODING)


def _gunzipped(body: bytes) -> bytes:
    whole = bytearray()
    for _ in range(_MOST_MEMBERS):
        text, body = _unpacked(body, zlib.MAX_WBITS | 16, MAX_TEXT_BYTES - len(whole))
        whole += text
        if not body.strip(b"\0"):  # some writers fill the last block with zeros
            return bytes(whole)
    raise ProblemError(BAD_ENCODING)


def _inflated(body: bytes) -> bytes:
    """The data of ``deflate``: with the frame of zlib, or, as some clients send it, without."""
    is_framed = (
        len(body) > 1 and body[0] & 0x0F == zlib.DEFLATED and (body[0] << 8 | body[1]) % 31 == 0
    )
    text, rest = _unpacked(body, zlib.MAX_WBITS if is_framed else -zlib.MAX_WBITS, MAX_TEXT_BYTES)
    if rest:
        raise ProblemError(BAD_ENCODING)
    return text


def _unpacked(body: bytes, wbits: int, most: int) -> tuple[bytes, bytes]:
    """What one stream holds, at most so many bytes, and what follows it; raises `ProblemError`."""
    stream = zlib.decompressobj(wbits)
    try:
        text = stream.decompress(body, most + 1)
    except zlib.error as error:
        raise ProblemError(BAD_ENCODING) from error
    if len(text) > most:
        raise ProblemError(BODY_TOO_LARGE)
    if not stream.eof:
        raise ProblemError(BAD_ENCODING)
    return text, stream.unused_data
