"""Whether the line and the headers of a request are such that there is one way to read them."""

import re
from collections.abc import Sequence

from httptools import HttpRequestParser

from whereupon.web.serving.limits import Limits
from whereupon.web.serving.refusals import Refusal

_VERSIONS = {"1.0", "1.1"}
_HOST = re.compile(rb"[^\x00-\x20/?#@\\]*")


def fault_of_head(
    parser: HttpRequestParser, headers: Sequence[tuple[bytes, bytes]], size: int, limits: Limits
) -> Refusal | None:
    """Why a request is refused for its head; None if it is not. What the parser refuses does not come here.

    Args:
        size: bytes of the target and the headers.
    """
    if size > limits.header_bytes or len(headers) > limits.headers:
        return Refusal.LARGE_HEADERS
    version = parser.get_http_version()
    hosts, is_host = 0, True
    for name, value in headers:
        if name == b"host":
            hosts += 1
            is_host = _HOST.fullmatch(value) is not None
    has_host = hosts == 1 or (not hosts and version == "1.0")  # RFC 9112, section 3.2
    is_right = has_host and version in _VERSIONS and parser.get_method() != b"CONNECT"
    return None if is_right and is_host else Refusal.MALFORMED
