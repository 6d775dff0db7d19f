"""Which regular expressions ``matches`` takes: those that cannot keep a search busy for ever.

Refused are a repetition of something that can itself match in several ways, such as ``(a+)+``,
which takes time exponential in the text; many repetitions in a row, which take a high power of it;
and very long patterns. What remains searches the bounded text that it is given quickly enough.
"""

import re
from itertools import pairwise
from typing import Final

LONGEST_PATTERN: Final = 250
MOST_REPETITIONS: Final = 8
MOST_REPEATED_DOTS: Final = 2
_PIECE = re.compile(
    r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?[:=!<P#i]*|[()|*+?]|\{\d*,?\d*\}|.", re.DOTALL
)


def pattern_fault(pattern: str) -> str | None:
    """What is wrong with a pattern, as a clause; None when it may be used."""
    if len(pattern) > LONGEST_PATTERN:
        return f"it is longer than {LONGEST_PATTERN} characters"
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        return str(error)
    pieces = _PIECE.findall(pattern)
    if _repeats_a_choice(pieces):
        return "it repeats a group that itself repeats or chooses, which can take for ever"
    if _repeats_too_often(pieces):
        return "it has too many repetitions that can share the same text, which can take for ever"
    return None


def _is_repetition(piece: str) -> bool:
    return piece[0] in "*+" or (piece[0] == "{" and len(piece) > 1)


def _repeats_a_choice(pieces: list[str]) -> bool:
    """Whether a group with a repetition or a choice in it is repeated."""
    open_groups = [False]
    closed = False
    for piece in pieces:
        repeats = _is_repetition(piece)
        if repeats and closed:
            return True
        closed = piece == ")" and open_groups[-1]
        if piece[0] == "(":
            open_groups.append(False)
        elif piece == ")" and len(open_groups) > 1:
            inner = open_groups.pop()
            open_groups[-1] = open_groups[-1] or inner
        elif repeats or piece in {"?", "|"}:
            open_groups[-1] = True
    return False


def _repeats_too_often(pieces: list[str]) -> bool:
    """Whether the same piece is repeated twice in a row, or too much is repeated at all."""
    repeated = [
        (place, pieces[place - 1])
        for place in range(1, len(pieces))
        if _is_repetition(pieces[place])
    ]
    pairs = pairwise(repeated)
    in_a_row = any(two - one == len("a*") and a == b for (one, a), (two, b) in pairs)
    dots = sum(piece == "." for _, piece in repeated)
    return in_a_row or dots > MOST_REPEATED_DOTS or len(repeated) > MOST_REPETITIONS
