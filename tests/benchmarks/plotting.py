"""A plot of two logarithmic axes, as SVG text."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP, _RIGHT = 720, 400, 80, 50, 20, 140
_COLOURS = ("#0b6e4f", "#c0392b", "#2c3e80", "#8e6c00", "#6c3483", "#117a8b", "#555555")


@dataclass(frozen=True, slots=True)
class Line:
    """A name, and points of two positive numbers."""

    name: str
    points: Sequence[tuple[float, float]]


def plot(lines: Sequence[Line], *, x: str, y: str) -> str:
    """The SVG document."""
    xs = _decades(each for line in lines for each, _ in line.points)
    ys = _decades(each for line in lines for _, each in line.points)

    def across(value: float) -> float:
        share = (math.log10(value) - xs[0]) / (xs[-1] - xs[0])
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def up(value: float) -> float:
        share = (math.log10(value) - ys[0]) / (ys[-1] - ys[0])
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _BOTTOM - _TOP)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}">',
        "<style>text { font: 12px sans-serif }</style>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
    ]
    right, floor = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    for power in xs:
        at = across(10**power)
        parts.append(_rule(at, _TOP, at, floor))
        parts.append(_words(at, floor + 18, f"{10**power:,}", "middle"))
    for power in ys:
        at = up(10**power)
        parts.append(_rule(_LEFT, at, right, at))
        parts.append(_words(_LEFT - 8, at + 4, f"{10**power:,}", "end"))
    parts.append(_words((_LEFT + right) / 2, _HEIGHT - 10, x, "middle"))
    parts.append(_words(_LEFT, _TOP - 6, y, "start"))
    for line, colour in zip(lines, _COLOURS, strict=False):
        points = " ".join(f"{across(a):.1f},{up(b):.1f}" for a, b in line.points)
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
        )
        last = line.points[-1]
        label = _words(across(last[0]) + 8, up(last[1]) + 4, line.name, "start", colour)
        parts.append(label)
    return "\n".join([*parts, "</svg>\n"])


def _decades(values: Iterator[float]) -> list[int]:
    """The powers of ten that enclose the values."""
    logs = [math.log10(value) for value in values]
    first, last = math.floor(min(logs)), math.ceil(max(logs))
    return list(range(first, max(last, first + 1) + 1))


def _rule(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#dddddd"/>'


def _words(x: float, y: float, text: str, anchor: str, colour: str = "#222222") -> str:
    words = escape(text)
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{words}</text>'
