"""Encoded bodies: unpacked within a bound, and refused clearly where they cannot be."""

import gzip
import json
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from tests.door import DoorOfTest, opened_door

from whereupon.messages.size_limits import MAX_TEXT_BYTES
from whereupon.web.door.problems import BAD_ENCODING, BODY_TOO_LARGE, UNKNOWN_ENCODING

MESSAGE = {"type": "track", "event": "purchase", "userId": "ada"}
BODY = json.dumps({"batch": [MESSAGE]}).encode()
_packed = partial(gzip.compress, mtime=0)  # the same in every process, for the names of tests
GZIP = _packed(BODY)


@pytest.fixture
def door() -> Iterator[DoorOfTest]:
    """An empty engine's."""
    with opened_door() as door:
        yield door


def _raw_deflate(body: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(body) + stream.flush()


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", GZIP),
        ("GZIP", GZIP),
        (" gzip ", GZIP),
        ("x-gzip", GZIP),
        ("gzip", _packed(BODY[:20]) + _packed(b"") + _packed(BODY[20:])),
        ("gzip", GZIP + b"\0" * 512),
        ("deflate", zlib.compress(BODY)),
        ("deflate", _raw_deflate(BODY)),
        ("identity", BODY),
        ("", BODY),
        ("", b"\xef\xbb\xbf" + BODY + b"\n"),
    ],
    ids=[
        *("gzip", "upper case", "spaces", "x-gzip", "members", "filled up", "zlib", "raw deflate"),
        *("identity", "none", "byte order mark"),
    ],
)
def test_an_encoded_body_is_the_same_as_a_plain_one(
    door: DoorOfTest, encoding: str, body: bytes
) -> None:
    """As clients and proxies encode it."""
    assert door.post("/v1/batch", body, content_encoding=encoding) == (200, {"success": True})
    assert [each.name for each in door.stored()] == ["purchase"]


@pytest.mark.parametrize(
    ("encoding", "body", "problem"),
    [
        ("gzip", b"", BAD_ENCODING),
        ("gzip", BODY, BAD_ENCODING),
        ("gzip", GZIP[:-1], BAD_ENCODING),
        ("gzip", GZIP[:12], BAD_ENCODING),
        ("gzip", GZIP + b"x", BAD_ENCODING),
        ("gzip", GZIP + GZIP[:9], BAD_ENCODING),
        ("gzip", GZIP[:-5] + b"\0" + GZIP[-4:], BAD_ENCODING),
        ("gzip", zlib.compress(BODY), BAD_ENCODING),
        ("gzip", _packed(b"") * 5_000, BAD_ENCODING),
        ("deflate", BODY, BAD_ENCODING),
        ("deflate", zlib.compress(BODY)[:-1], BAD_ENCODING),
        ("deflate", zlib.compress(BODY) + b"x", BAD_ENCODING),
        ("deflate", GZIP, BAD_ENCODING),
        ("", GZIP, BAD_ENCODING),
        ("identity", GZIP, BAD_ENCODING),
        ("br", BODY, UNKNOWN_ENCODING),
        ("zstd", BODY, UNKNOWN_ENCODING),
        ("gzip, gzip", _packed(GZIP), UNKNOWN_ENCODING),
        ("gzip\0", GZIP, UNKNOWN_ENCODING),
        ("", b" " * (MAX_TEXT_BYTES + 1), BODY_TOO_LARGE),
        ("gzip", _packed(b" " * (MAX_TEXT_BYTES + 1)), BODY_TOO_LARGE),
        ("gzip", _packed(b" " * MAX_TEXT_BYTES) + _packed(b" "), BODY_TOO_LARGE),
        ("deflate", zlib.compress(b" " * (MAX_TEXT_BYTES + 1)), BODY_TOO_LARGE),
    ],
)
def test_what_cannot_be_unpacked_is_400(
    door: DoorOfTest, encoding: str, body: bytes, problem: object
) -> None:
    """Damaged, cut off, with something behind its end, of another encoding than it says, or too large."""
    status, said = door.post("/v1/batch", body, content_encoding=encoding)
    assert (status, said["code"]) == (400, getattr(problem, "code", None))
    assert door.stored() == []


@pytest.mark.parametrize("pack", [_packed, zlib.compress, _raw_deflate])
def test_a_bomb_is_not_unpacked(door: DoorOfTest, pack: Callable[[bytes], bytes]) -> None:
    """A hundred kilobytes that would be a hundred megabytes take no more memory than a large body."""
    bomb = pack(b" " * 100_000_000)
    encoding = "gzip" if pack is _packed else "deflate"
    tracemalloc.start()
    try:
        status, said = door.post("/v1/batch", bomb, content_encoding=encoding)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (status, said["code"]) == (400, "body-too-large")
    assert peak < 8 * MAX_TEXT_BYTES


def test_a_body_at_the_limit_is_taken(door: DoorOfTest) -> None:
    """Spaces count for the body, but not for the messages."""
    body = BODY[:-1] + b" " * (MAX_TEXT_BYTES - len(BODY)) + b"}"
    assert len(body) == MAX_TEXT_BYTES
    assert door.post("/v1/batch", body)[0] == 200
    assert door.post("/v1/batch", _packed(body), content_encoding="gzip")[0] == 200
