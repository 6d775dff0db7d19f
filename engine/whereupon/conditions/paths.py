r"""Paths: ``address.city`` is the key ``city`` within ``address``.

A dot that belongs to a name is written with a backslash before it: ``utm\.source``. Backslashes before a
dot are written twice where they are meant themselves; anywhere else a backslash stands for itself.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

_PIECE: Final = re.compile(r"([^.\\]*)(\\*)(\.?)")
_BEFORE_DOT: Final = re.compile(r"(\\*)\.")
_KNOWN: Final = 200
"""The parts of longer paths, which data may have made, are not kept."""
_AT_END: Final = re.compile(r"\\+\Z")


def parts_of(path: str) -> tuple[str, ...]:
    """The names that a path is made of, outermost first."""
    if "\\" not in path:
        return tuple(path.split("."))
    return _known_parts(path) if len(path) <= _KNOWN else _parts_of(path)


@lru_cache(maxsize=1024)
def _known_parts(path: str) -> tuple[str, ...]:
    return _parts_of(path)


def _parts_of(path: str) -> tuple[str, ...]:
    parts = [""]
    for text, backslashes, dot in _PIECE.findall(path):
        parts[-1] += text + backslashes[: len(backslashes) // 2 if dot else None]
        if dot and len(backslashes) % 2:
            parts[-1] += dot
        elif dot:
            parts.append("")
    return tuple(parts)


def root_of(path: str) -> str:
    """The first name of a path."""
    return parts_of(path)[0]


def path_of(parts: Iterable[str]) -> str:
    """The path of these names."""
    *above, last = parts
    return ".".join([*(_AT_END.sub(r"\g<0>\g<0>", written(name)) for name in above), written(last)])


def written(name: str) -> str:
    """A name as it is written at the end of a path."""
    return _BEFORE_DOT.sub(r"\1\1\\.", name)
