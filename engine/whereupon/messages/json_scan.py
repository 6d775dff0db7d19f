"""Scanning JSON text without making Python objects: nesting, numbers that overflow, elements, one text."""

import re
from collections.abc import Iterator

from whereupon.messages.codec import JsonError, decode_leniently
from whereupon.messages.repairs import MAX_NESTING

_FLAT = bytes.maketrans(b"123456789E", b"000000000e")
_LONG_NUMBER = b"0" * 200
"""So many digits overflow with an exponent of two digits, and 309 without one."""
_LOOK_BACK = 64
"""Bytes before an exponent within which an ordinary number begins."""
_BEFORE_NUMBERS = (b":", b",", b"[", b" ", b"\n", b"\r", b"\t", b"")

# A string, which may lack its end, or a sign. The quantifiers are possessive, so matching takes linear time.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.?+)*+"?+|[][{},]', re.DOTALL)
_STRING = re.compile(rb'"(?:[^"\\]++|\\.?+)*+"?+', re.DOTALL)
_MEMBER = re.compile(rb'\s*+("(?:[^"\\]++|\\.)*+")\s*+:(.*+)', re.DOTALL)


def may_overflow(text: bytes) -> bool:
    """Whether a number may be beyond the range of doubles (``1e400``), which msgspec does not report."""
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
    """How many objects and lists begin in a text, at most; `replace` is ten times as fast as `count`."""
    return 2 * len(text) - len(text.replace(b"{", b"")) - len(text.replace(b"[", b""))


def sole_text(text: str, name: str) -> str | None:
    """The text that stands under a name, if nothing else stands under it anywhere; None if that is not sure.

    Args:
        text: valid JSON. It is split, as other calls take longer, and those of bytes longer still.
        name: in its quotes.
    """
    parts = text.split(name)
    if len(parts) != 2 or "\\" in text:  # noqa: PLR2004 - what stands before it, and behind it
        return None
    behind = parts[1].split('"', 2)
    return behind[1] if behind[0] == ":" else None


def batch_members(text: bytes) -> dict[str, bytes] | None:
    """The members of a ``batch`` body as text; None if the text is not recognised as such a body."""
    members = object_members(text)
    return members if members is not None and members.get("batch", b"")[:1] == b"[" else None


def object_members(text: bytes) -> dict[str, bytes] | None:
    """The members of an object as text; None if the text is not recognised as one."""
    if text[:1] != b"{":
        return None
    members = {}
    try:
        for element in elements(text):
            found = _MEMBER.fullmatch(element)
            if found is None:
                return None
            members[str(decode_leniently(found[1]))] = found[2].strip()
    except JsonError:
        return None
    return members


def elements(text: bytes) -> Iterator[bytes]:
    """The elements of a list or the members of an object, as text.

    Raises:
        JsonError: the list or object has no end, or something follows its end.
    """
    depth = start = 0
    for token in _TOKEN.finditer(text):
        place = token.start()
        sign = text[place]
        if sign in b"[{":
            depth += 1
            start = token.end() if depth == 1 else start
        elif sign in b"]}":
            depth -= 1
            if depth == 0:
                last = text[start:place].strip()
                if last:
                    yield last
                if text[token.end() :].strip():
                    break
                return
        elif sign in b"," and depth == 1:
            yield text[start:place].strip()
            start = token.end()
    message = "it has no end, or something follows its end"
    raise JsonError(message)
