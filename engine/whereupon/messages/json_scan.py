"""Scanning JSON text without reading it: how deep it nests, whether a number overflows, where its parts are."""

import re
from collections.abc import Iterator

from whereupon.messages.codec import JsonError, decode_leniently
from whereupon.messages.repairs import MAX_NESTING

_FLAT = bytes.maketrans(b"123456789E", b"000000000e")
_LONG_NUMBER = b"0" * 309
_LOOK_BACK = 64
"""Bytes before an exponent in which a number begins, or else is looked at slowly."""
_BEFORE_NUMBERS = (b":", b",", b"[", b" ", b"\n", b"\r", b"\t", b"")

# A string, which may be cut off, or a sign; no way of matching it can be tried twice.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.?+)*+"?+|[][{},]', re.DOTALL)
_STRING = re.compile(rb'"(?:[^"\\]++|\\.?+)*+"?+', re.DOTALL)
_MEMBER = re.compile(rb'\s*+("(?:[^"\\]++|\\.)*+")\s*+:(.*+)', re.DOTALL)


def may_overflow(text: bytes) -> bool:
    """Whether a number in it may be beyond the doubles (``1e400``), which no reader tells by itself."""
    flat = text.translate(_FLAT, b"+")
    place = flat.find(b"0e000")
    while place >= 0:
        before = flat[max(0, place - _LOOK_BACK) : place].rstrip(b"0.-")
        if before[-1:] in _BEFORE_NUMBERS:
            return True
        place = flat.find(b"0e000", place + 1)
    return _LONG_NUMBER in flat


def is_deep(text: bytes) -> bool:
    """Whether a text nests more objects and lists than `MAX_NESTING`."""
    if _openings(text) <= MAX_NESTING:
        return False
    depth = 0
    for sign in _STRING.sub(b"", text):
        if sign in b"[{":
            depth += 1
            if depth > MAX_NESTING:
                return True
        elif sign in b"]}":
            depth -= 1
    return False


def _openings(text: bytes) -> int:
    """How many objects and lists begin at most; leaving out is ten times as fast as counting."""
    return 2 * len(text) - len(text.replace(b"{", b"")) - len(text.replace(b"[", b""))


def pieces(text: bytes) -> dict[str, bytes] | None:
    """The members of a ``batch`` body, unread; None where it cannot be told to be one."""
    if text[:1] != b"{":
        return None
    pieces = {}
    try:
        for part in parts(text):
            found = _MEMBER.fullmatch(part)
            if found is None:
                return None
            pieces[str(decode_leniently(found[1]))] = found[2].strip()
    except JsonError:
        return None
    return pieces if pieces.get("batch", b"")[:1] == b"[" else None


def parts(text: bytes) -> Iterator[bytes]:
    """What stands between the commas of a list or an object, unread; raises `JsonError` if it has no end."""
    depth = begun = 0
    for token in _TOKEN.finditer(text):
        place = token.start()
        sign = text[place]
        if sign in b"[{":
            depth += 1
            begun = token.end() if depth == 1 else begun
        elif sign in b"]}":
            depth -= 1
            if depth == 0:
                last = text[begun:place].strip()
                if last:
                    yield last
                if text[token.end() :].strip():
                    break
                return
        elif sign in b"," and depth == 1:
            yield text[begun:place].strip()
            begun = token.end()
    message = "it has no end, or goes on behind it"
    raise JsonError(message)
