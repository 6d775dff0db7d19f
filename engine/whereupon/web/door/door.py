"""Messages over HTTP: from a request to `Engine.ingest`, and from its result to an answer."""

import re
import zlib

from whereupon.engine import Engine
from whereupon.errors import StoreError
from whereupon.web.door.callers import Verify, caller_of
from whereupon.web.door.options import DoorOptions
from whereupon.web.http import Answer, Request

_TYPES = {
    "i": "identify",
    "t": "track",
    "p": "page",
    "s": "screen",
    "g": "group",
    "a": "alias",
}
_BATCHES = frozenset({"batch", "b", "import"})
_PLACE = re.compile(r"/v1/([a-z]+)")


class Door:
    """Answers the requests of clients that send messages."""

    PATHS = re.compile(r"/v1/")

    def __init__(self, engine: Engine, verify: Verify, options: DoorOptions) -> None:
        self._engine = engine
        self._verify = verify
        self._options = options

    def answer(self, request: Request) -> Answer:
        """Answer a request of a client's, with a JSON object."""
        place = _PLACE.fullmatch(request.path)
        name = "" if place is None else _TYPES.get(place[1], place[1])
        if name not in {*_TYPES.values(), *_BATCHES}:
            return _answer(404, b'{"code": "no-such-path"}')
        body = request.body
        if request.headers.get("content-encoding") == "gzip":
            body = zlib.decompress(body, wbits=31)
        caller = caller_of(request, body, self._verify)
        if caller is None:
            return _answer(401, b'{"code": "unknown-key"}')
        if name not in _BATCHES:
            body = b'{"type": "%s", ' % name.encode() + body.lstrip()[1:]
        try:
            self._engine.ingest([body], source=caller.source.value)
        except StoreError:
            return _answer(503, b'{"code": "store"}', ("Retry-After", "5"))
        return _answer(200, b'{"success": true}')


def _answer(status: int, body: bytes, *headers: tuple[str, str]) -> Answer:
    return Answer(
        status=status, headers=(("Content-Type", "application/json"), *headers), body=body
    )
