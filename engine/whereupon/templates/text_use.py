"""The use of a text of a message, by the name of its field: a plain text, markup, or one line.

`subject`, `title`, senders, recipients and headers are one line each. A line break from the data would
begin another header.
"""

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Final


class Use(StrEnum):
    """The use of a text."""

    TEXT = "text"
    MARKUP = "markup"
    LINE = "line"
    MARKUP_LINE = "markup-line"


MARKUPS: Final = (Use.MARKUP, Use.MARKUP_LINE)
"""The uses in which data are escaped."""
LINES: Final = (Use.LINE, Use.MARKUP_LINE)
"""The uses that have no line breaks."""

_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_ENDS_A_LINE: Final = ("subject", "title")
_LINES: Final = frozenset(("to", "cc", "bcc", "from", "sender", "recipient", "recipients"))
_BEGINS_A_LINE: Final = frozenset(("from", "reply", "sender"))
_HEADERS: Final = frozenset(("header", "headers"))
_BREAKS: Final = re.compile("[\0\n\v\f\r\x1c-\x1e\x85\u2028\u2029]+")


def use_of(path: Sequence[str]) -> Use:
    """The use of the text at the end of these keys; a text below a key has the use of the key."""
    names = [name.lower() for name in path]
    is_markup = any(name.endswith("html") for name in names)
    if any(map(_is_line, path)):
        return Use.MARKUP_LINE if is_markup else Use.LINE
    return Use.MARKUP if is_markup else Use.TEXT


def one_line(text: str) -> str:
    """The text with a space in place of its line breaks, and without space at its ends."""
    if text.isprintable():  # so are nearly all, and line breaks are not
        return text
    return _BREAKS.sub(" ", text).strip() if _BREAKS.search(text) else text


def _is_line(name: str) -> bool:
    words = [word.lower() for word in _WORD.findall(name)]
    if not words or name.lower().endswith("html"):
        return False
    is_address = words[-1] in _LINES or words[0] in _BEGINS_A_LINE
    return is_address or name.lower().endswith(_ENDS_A_LINE) or not _HEADERS.isdisjoint(words)
