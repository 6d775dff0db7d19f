"""Printing of results on standard output, as lines for people or as JSON Lines."""

import sys
from collections.abc import Iterable, Mapping

from whereupon.render.records import JsonLines


def print_lines(lines: Iterable[str]) -> None:
    """Print each text on a line of its own."""
    sys.stdout.writelines(f"{line}\n" for line in lines)


def print_objects(*objects: Mapping[str, object]) -> None:
    """Print each object as a line of JSON."""
    out = JsonLines(sys.stdout.buffer)
    for each in objects:
        out.write(each)
