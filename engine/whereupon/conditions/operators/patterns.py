r"""The regular expressions of ``matches``, searched by RE2 in linear time.

RE2 has neither look-arounds nor back-references, because no search for them is bounded. A search costs the
size of the text times the size of the compiled pattern; both are bounded. ``\d``, ``\w``, ``\s`` and ``\b``
are of ASCII; ``\pL`` is any letter.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

LONGEST_PATTERN: Final = 1_000
LARGEST_PROGRAM: Final = 10_000
"""The most instructions of a compiled pattern."""
LONGEST_SUBJECT: Final = 32 * 1024
"""The bytes of a text that are searched, as many as a message can hold; fewer for large patterns."""
MOST_STEPS: Final = 50_000_000
"""The most steps of a search: one for each instruction and byte."""
_MEMORY: Final = 256 * 1024
"""The bytes of memory for the compiled pattern and its search together."""

_WAYS_OUT: Final = (
    (
        re.compile(r"\(\?<?[=!]"),
        "it looks ahead or behind; say it with two conditions, one of them below not",
    ),
    (
        re.compile(r"\\[1-9]|\(\?P=|\\k"),
        "it refers back to what a group found; write out what may stand there",
    ),
    (re.compile(r"\\Z"), r"the end of the text is written \z or $"),
    (
        re.compile(r"(?:[*+?]|\{[0-9,]+\})\+|\(\?>"),
        "it is possessive or atomic; take that + or ?> out: no search is slow here",
    ),
    (re.compile(r"\(\?\("), "it asks what a group found; write the cases with |"),
    (re.compile(r"\\[uU]"), r"a character by its number is written \x{20ac}"),
    (re.compile(r"\(\?[a-z]*[aLux]"), "it may have no flags but i, m, s and U, as in (?i)"),
    (re.compile(r"\(\?#"), "it may have no comments"),
)
"""Syntax that RE2 does not have, and what to write instead."""


def pattern_fault(pattern: str) -> str | None:
    """What is wrong with a pattern, as a clause; None if it can be used."""
    if len(pattern) > LONGEST_PATTERN:
        return f"it is longer than {LONGEST_PATTERN} characters"
    if _FAR_TOO_OFTEN.search(pattern):
        return _COUNTS
    fault = _compiled(pattern)[0]
    if fault is None:
        return None
    return next((told for found, told in _WAYS_OUT if found.search(pattern)), fault)


def searching(pattern: str) -> Callable[[str], bool]:
    """The search for a pattern without a fault: whether it is found in a text."""
    _, search, size = _compiled(pattern)
    longest = min(LONGEST_SUBJECT, MOST_STEPS // max(size, 1))

    def is_found(text: str) -> bool:
        subject = text[:longest].encode("utf-8", "surrogatepass")[:longest]
        return search(subject) is not None

    return is_found


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> tuple[str | None, Callable[[bytes], object], int]:
    """What is wrong with a pattern, its search, and its size in instructions."""
    import re2  # noqa: PLC0415 - few rules have patterns

    options = re2.Options()
    options.max_mem, options.log_errors, options.never_capture = _MEMORY, False, True
    try:
        compiled = re2.compile(pattern.encode("utf-8", "surrogatepass"), options)
    except re2.error as error:
        return _told(error), _nothing, 0
    if compiled.programsize > LARGEST_PROGRAM:
        return _TOO_LARGE, _nothing, 0
    return None, compiled.search, compiled.programsize


_COUNTS: Final = "counts, also those within each other, go up to 1000"
_FAR_TOO_OFTEN: Final = re.compile(r"\{[0-9,]*[0-9]{5}[0-9,]*\}")
"""A count so long that RE2 reads it as text."""
_TOO_LARGE: Final = "it is too large when its counts are written out; make them smaller"


def _told(error: Exception) -> str:
    """RE2's message about a pattern, with the limit that it reached."""
    raw = error.args[0] if error.args else ""
    said = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)
    if "repetition size" in said:
        return f"{said}; {_COUNTS}"
    return _TOO_LARGE if "too large" in said else said


def _nothing(_: bytes) -> object:
    return None
