"""Which regular expressions ``matches`` takes: those that cannot keep a search busy for ever.

A repetition of something that can itself match in several ways, such as ``(a+)+``, takes time
exponential in the text; it is refused, as are very long patterns. What remains is polynomial, over
the bounded text that is searched.
"""

import re
from typing import Final

LONGEST_PATTERN: Final = 250
_PIECE = re.compile(
    r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?[:=!<P#i]*|[()|*+?]|\{\d*,?\d*\}|.", re.DOTALL
)
_OPTIONAL = "?"


def pattern_fault(pattern: str) -> str | None:
    """What is wrong with a pattern, as a clause; None when it may be used."""
    if len(pattern) > LONGEST_PATTERN:
        return f"it is longer than {LONGEST_PATTERN} characters"
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        return str(error)
    if _repeats_a_choice(pattern):
        return "it repeats a group that itself repeats or chooses, which can take for ever"
    return None


def _repeats_a_choice(pattern: str) -> bool:
    """Whether a group with a repetition or a choice in it is repeated."""
    open_groups = [False]
    closed = False
    for piece in _PIECE.findall(pattern):
        repeats = piece[0] in "*+" or (piece[0] == "{" and len(piece) > 1)
        if repeats and closed:
            return True
        chooses = repeats or piece in {_OPTIONAL, "|"}
        closed = piece == ")" and open_groups[-1]
        if piece[0] == "(":
            open_groups.append(False)
        elif piece == ")" and len(open_groups) > 1:
            inner = open_groups.pop()
            open_groups[-1] = open_groups[-1] or inner
        elif chooses:
            open_groups[-1] = True
    return False
