"""Names that resemble each other: what a misspelt name was meant to be."""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

_SHORT: Final = 4
_LONG: Final = 10
"""From how many letters on one letter may be wrong, and from how many two."""


def nearest(word: str, known: Iterable[str]) -> str:
    """``; did you mean X?`` if a known word resembles this one; else an empty text."""
    near = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""


def resembled(name: str, known: Iterable[str]) -> str | None:
    """The known name of which this one is a misspelling; None if it is a name of its own.

    Case, spaces and signs do not count. Digits must be equal: Step 1 and Step 2 are two names.
    """
    letters, digits = _letters(name), _digits(name)
    best: tuple[int, str] | None = None
    for other in known:
        if _digits(other) != digits:
            continue
        against = _letters(other)
        most = _allowed(letters, against)
        distance = _distance(letters, against, most)
        if distance <= most and (best is None or distance < best[0]):
            best = distance, other
    return None if best is None else best[1]


def _allowed(letters: str, against: str) -> int:
    """How many letters may be wrong: more in a long name, and if the letters are the same."""
    if len(letters) < _SHORT:
        return 0
    return 2 if len(letters) >= _LONG or sorted(letters) == sorted(against) else 1


def _letters(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())


def _digits(name: str) -> list[str]:
    return re.findall(r"\d+", name)


def _distance(one: str, other: str, most: int) -> int:
    """How many letters are wrong, missing, added or swapped; any number above ``most`` if there are more."""
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    last = list(range(len(other) + 1))
    for i, letter in enumerate(one, start=1):
        row = [i]
        for j, against in enumerate(other, start=1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (letter != against))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == against:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, last = last, row
    return last[-1]
