"""Blocks of a drawing: boxes of text that stack below one another or stand side by side, as SVG.

A block is drawn from its own corner, so that a block within another is moved there as a whole. Nothing but
the text decides how wide it is taken to be, so the same rule always gives the same bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from unicodedata import combining, east_asian_width

from whereupon.render.formatting import clean

_NARROW = frozenset(
    "iljtfrI.,:;'`|!()[]{}/\\- \N{LEFT DOUBLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK}"
)
_BROAD = frozenset("mwMW@%\N{EM DASH}\N{HORIZONTAL ELLIPSIS}")
_SAFETY = 1.06
CUT = "\N{HORIZONTAL ELLIPSIS}"


@dataclass(frozen=True, slots=True)
class Block:
    """Something drawn.

    Attributes:
        axis: where, from the left, the line comes in above and goes on below.
        svg: drawn from (0, 0) on.
        ends: whether no line goes on below.
    """

    width: float
    height: float
    axis: float
    svg: str
    ends: bool = False

    def at(self, x: float, y: float) -> str:
        """The block, moved."""
        return f'<g transform="translate({number(x)} {number(y)})">{self.svg}</g>'


def number(value: float) -> str:
    """A coordinate, to a tenth."""
    return f"{value:.1f}".removesuffix(".0")


def text_width(text: str, size: float) -> float:
    """About how wide a text is in a common sans-serif, and rather more than less."""
    return sum(map(_letter_width, text)) * size * _SAFETY


def _letter_width(letter: str) -> float:
    if combining(letter):
        return 0
    if east_asian_width(letter) in "WF":
        return 1
    if letter in _NARROW:
        return 0.34
    if letter in _BROAD:
        return 0.92
    return 0.7 if letter.isupper() else 0.56


def wrapped(text: str, size: float, width: float, most: int) -> list[str]:
    """A text in at most so many lines of a width; what does not fit is cut."""
    lines = [""]
    for word in clean(text).split():
        longer = f"{lines[-1]} {word}".strip()
        if not lines[-1] or text_width(longer, size) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    cut = lines[:most]
    if len(lines) > most:
        cut[-1] += CUT
    return [_shortened(line, size, width) for line in cut]


def _shortened(line: str, size: float, width: float) -> str:
    if text_width(line, size) <= width:
        return line
    short = line.removesuffix(CUT)
    while short and text_width(short + CUT, size) > width:
        short = short[:-1]
    return short.rstrip() + CUT


def text(words: str, x: float, y: float, style: str) -> str:
    """One line of text."""
    return f'<text class="{style}" x="{number(x)}" y="{number(y)}">{escape(words)}</text>'


def line(x1: float, y1: float, x2: float, y2: float) -> str:
    """A line from one point to another, along one axis; nothing between a point and itself."""
    if (x1, y1) == (x2, y2):
        return ""
    return f'<path class="l" d="M{number(x1)} {number(y1)}L{number(x2)} {number(y2)}"/>'


def arrow(x: float, y1: float, y2: float) -> str:
    """A line down with a head."""
    head = f'<path class="h" d="M{number(x - 4)} {number(y2 - 6)}h8l-4 6z"/>'
    return line(x, y1, x, y2 - 5) + head


def pill(words: str, x: float, y: float, style: str, size: float = 11) -> str:
    """A text on a rounded ground, about a point."""
    width = text_width(words, size) + 16
    ground = (
        f'<rect class="{style}" x="{number(x - width / 2)}" y="{number(y - 9)}" '
        f'width="{number(width)}" height="18" rx="9"/>'
    )
    return ground + text(words, x, y + 4, f"{style}t")


def stacked(blocks: Sequence[Block], gap: float) -> Block:
    """Blocks below one another, on one axis, each joined to the next by an arrow."""
    if not blocks:
        return Block(0, 0, 0, "")
    axis = max(block.axis for block in blocks)
    right = max(block.width - block.axis for block in blocks)
    parts, y = list[str](), 0.0
    for i, block in enumerate(blocks):
        if i:
            if not blocks[i - 1].ends:
                parts.append(arrow(axis, y, y + gap))
            y += gap
        parts.append(block.at(axis - block.axis, y))
        y += block.height
    ends = any(block.ends for block in blocks)
    return Block(axis + right, y, axis, "".join(parts), ends)


def side_by_side(blocks: Sequence[Block], gap: float, fork: float) -> Block:
    """Blocks beside one another: a line forks into them above, and those that go on are joined below."""
    axes, x = list[float](), 0.0
    for block in blocks:
        axes.append(x + block.axis)
        x += block.width + gap
    width, axis = x - gap, (axes[0] + axes[-1]) / 2
    bottom = fork + max(block.height for block in blocks)
    parts = [line(axis, 0, axis, fork / 2), line(axes[0], fork / 2, axes[-1], fork / 2)]
    for block, at in zip(blocks, axes, strict=True):
        parts += [line(at, fork / 2, at, fork), block.at(at - block.axis, fork)]
        if not block.ends:
            parts.append(line(at, fork + block.height, at, bottom + fork / 2))
    going = [at for block, at in zip(blocks, axes, strict=True) if not block.ends]
    if not going:
        return Block(width, bottom, axis, "".join(parts), ends=True)
    joined = bottom + fork / 2
    parts.append(line(min(*going, axis), joined, max(*going, axis), joined))
    return Block(width, joined, axis, "".join(parts))
