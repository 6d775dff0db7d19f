"""Places in the texts of a template: which text, line and column."""

from typing import NamedTuple, TypeAlias

VariablePath: TypeAlias = tuple[str | int, ...]
"""The root of a variable and its keys; a key that another variable gives is ``*``."""


class Place(NamedTuple):
    """A place in a text, or in one of its partials; line and column count from 1.

    Attributes:
        partial: the name of the partial; empty for the text itself.
    """

    partial: str = ""
    line: int = 1
    column: int = 1


def line_and_column(source: str, index: int) -> tuple[int, int]:
    """The line and column of a position in a source."""
    return source.count("\n", 0, index) + 1, index - source.rfind("\n", 0, index)
