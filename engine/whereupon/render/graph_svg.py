"""A rule's tree of steps as a picture: steps below one another, arms side by side, as one SVG text."""

from collections.abc import Iterator, Sequence
from html import escape

from whereupon.insight.rule_graph import GraphArm, GraphStep, People, RuleGraph
from whereupon.render.formatting import clean
from whereupon.render.graph import AGAIN, graph_lines, lost_words, people_words
from whereupon.render.graph_boxes import (
    Block,
    line,
    number,
    pill,
    side_by_side,
    stacked,
    text,
    text_width,
    wrapped,
)
from whereupon.rules.model import END

_BOX, _CHIP, _PAD, _ROW = 244.0, 200.0, 12.0, 17.0
_GAP, _BESIDE, _FORK = 30.0, 26.0, 24.0
_MARGIN, _HEAD = 24.0, 460.0
_WORDS, _SMALL = 13.0, 11.0
_THOUSANDS, _MILLION = 10_000, 1_000_000

_KINDS = {"send": "k1", "wait": "k2", "wait_for": "k2", "branch": "k3", "split": "k3", "exit": "k4"}
_OTHER_KIND = "k5"

_STYLE = (
    ".whereupon-graph{color-scheme:light dark;--p:#fff;--b:#f6f7f9;--e:#c9cfd8;--t:#1b1f24;--m:#5b6470;"
    "--l:#8b95a3;--n:#1b1f24;--nt:#fff;--k1:#2563a8;--k2:#a8690a;--k3:#7a45b8;--k4:#b3372f;--k5:#23784a}"
    "@media(prefers-color-scheme:dark){.whereupon-graph{--p:#14171c;--b:#20252d;--e:#3b4350;--t:#e6e9ee;"
    "--m:#a3adba;--l:#6d7887;--n:#e6e9ee;--nt:#14171c;--k1:#6aa5e3;--k2:#e0a84b;--k3:#b48be6;--k4:#ec8279;"
    "--k5:#6cc492}}"
    ".whereupon-graph text{font:13px 'Helvetica Neue',Helvetica,Arial,'Liberation Sans',sans-serif;"
    "fill:var(--t)}.whereupon-graph .s{font-size:11px;fill:var(--m)}"
    ".whereupon-graph .i{font-size:12px;font-style:italic;fill:var(--m)}"
    ".whereupon-graph .t{font-size:18px;font-weight:600}.whereupon-graph .w{font-weight:600}"
    ".whereupon-graph .p{fill:var(--p)}.whereupon-graph .b{fill:var(--b);stroke:var(--e)}"
    ".whereupon-graph .l{fill:none;stroke:var(--l);stroke-width:1.5}.whereupon-graph .h{fill:var(--l)}"
    ".whereupon-graph .n{fill:var(--n)}.whereupon-graph .c{fill:var(--p);stroke:var(--l)}"
    ".whereupon-graph .nt{font-size:11px;font-weight:600;text-anchor:middle;fill:var(--nt)}"
    ".whereupon-graph .ct,.whereupon-graph .a{font-size:11px;text-anchor:middle}"
    ".whereupon-graph .a{font-size:12px}"
) + "".join(f".whereupon-graph .k{n}{{fill:var(--k{n})}}" for n in range(1, 6))


def graph_svg(graph: RuleGraph) -> str:
    """The rule as one SVG text that needs nothing from elsewhere; the same graph gives the same bytes.

    It is light or dark as the viewer's system is. A long text is cut; a pointer that rests on its box shows the whole.
    """
    steps = [_step(step) for step in graph.steps]
    journey = stacked([*steps, *_end(graph, steps)], _GAP)
    width = max(journey.width, _HEAD)
    head = _head(graph, width)
    axis = max(journey.axis, 0) + (width - journey.width) / 2
    top = head.height + _GAP
    foot = _foot(graph, width)
    height = top + journey.height + foot.height + 2 * _MARGIN
    start = line(axis, head.height, axis, top - 5)
    start += f'<path class="h" d="M{number(axis - 4)} {number(top - 6)}h8l-4 6z"/>'
    body = head.svg + start + journey.at(axis - journey.axis, top)
    body += foot.at(0, top + journey.height)
    size = f"{number(width + 2 * _MARGIN)} {number(height)}"
    wide, high = size.split()
    spoken = escape("\n".join(graph_lines(graph)))
    name = escape(clean(graph.rule))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="whereupon-graph" width="{wide}" height="{high}" '
        f'viewBox="0 0 {size}" role="img" aria-labelledby="{name}-title {name}-desc">'
        f'<title id="{name}-title">The steps of {name}</title><desc id="{name}-desc">{spoken}</desc>'
        f'<style>{_STYLE}</style><rect class="p" width="{wide}" height="{high}"/>'
        f'<g transform="translate({number(_MARGIN)} {number(_MARGIN)})">{body}</g></svg>\n'
    )


# --- above and below the steps ----------------------------------------------------------------------


def _head(graph: RuleGraph, width: float) -> Block:
    """The rule's name, what it is for, and what stands above its steps."""
    inner = min(width, 720) - 2 * _PAD
    rows = [text(clean(graph.rule), _PAD, 28, "t")]
    rows.append(text(f"{graph.kind}, version {graph.version[:12]}", _PAD, 46, "s"))
    y = 50.0
    for part in wrapped(graph.description, _WORDS, inner, 3) if graph.description else ():
        y += _ROW
        rows.append(text(part, _PAD, y, ""))
    y += 6
    for name, words in graph.about:
        for i, part in enumerate(wrapped(words, _WORDS, inner - 76, 4)):
            y += _ROW
            rows.append(text(name, _PAD, y, "w") if i == 0 else "")
            rows.append(text(part, _PAD + 76, y, ""))
    y += _PAD
    ground = f'<rect class="b" width="{number(width)}" height="{number(y)}" rx="8"/>'
    return Block(width, y, width / 2, ground + "".join(rows))


def _foot(graph: RuleGraph, width: float) -> Block:
    """People at steps that this version lacks."""
    rows, y = list[str](), 0.0
    if graph.lost:
        y = 2 * _ROW
        rows.append(text("At steps that this version lacks:", 0, y, "w"))
    for each in graph.lost:
        y += _ROW
        rows.extend(text(part, 0, y, "") for part in wrapped(lost_words(each), _WORDS, width, 1))
    return Block(width, y, 0, "".join(rows))


def _end(graph: RuleGraph, steps: Sequence[Block]) -> Iterator[Block]:
    """Where the rule is over, unless nobody comes there; those stand here who wait behind the last step."""
    if any(graph.at_end) or not any(step.ends for step in steps):
        yield Block(80, 18, 40, pill(END, 40, 9, "c") + _badge(graph.at_end, 84, 9, "start"))


# --- steps ------------------------------------------------------------------------------------------


def _step(step: GraphStep) -> Block:
    box = _box(step)
    if not step.arms:
        return box
    drawn = [_arm(arm) for arm in step.arms]
    if step.condition is not None:
        drawn.append(_chip("left out for others"))
    arms = side_by_side(drawn, _BESIDE, _FORK)
    axis = max(arms.axis, box.axis)
    right = max(arms.width - arms.axis, box.width - box.axis)
    svg = box.at(axis - box.axis, 0) + arms.at(axis - arms.axis, box.height)
    return Block(axis + right, box.height + arms.height, axis, svg, arms.ends)


def _box(step: GraphStep) -> Block:
    """A step: its address and kind, its words, its condition, and who stands there."""
    inner = _BOX - 2 * _PAD - 4
    rows = [(f"{clean(step.address)} · {step.kind}", "s")]
    rows += [(part, "") for part in wrapped(step.words, _WORDS, inner, 3)]
    if step.condition is not None:
        rows += [(p, "i") for p in wrapped(f"only if {step.condition}", 12, inner, 2)]
    height = len(rows) * _ROW + _PAD
    kind = _KINDS.get(step.kind, _OTHER_KIND)
    said = "".join(
        text(part, _PAD + 4, _ROW * (i + 1) + 1, style) for i, (part, style) in enumerate(rows)
    )
    svg = (
        f"<g><title>{escape(clean(_whole(step)))}</title>"
        f'<rect class="b" width="{number(_BOX)}" height="{number(height)}" rx="6"/>'
        f'<rect class="{kind}" width="4" height="{number(height)}" rx="2"/>{said}'
        f"{_badge(step.people, _BOX - 6, -5, 'end')}</g>"
    )
    return Block(_BOX, height, _BOX / 2, svg, step.ends and not step.arms)


def _whole(step: GraphStep) -> str:
    parts = [f"{step.address}: {step.words}"]
    parts += [f"only if {step.condition}"] if step.condition is not None else []
    parts += [people_words(step.people)] if any(step.people) else []
    return "; ".join(parts)


def _badge(people: People, x: float, y: float, anchor: str) -> str:
    """How many people stand here, on the edge of a box; a pointer that rests on the box shows the exact numbers."""
    said = ((people.here, "here"), (people.paused, "paused"), (people.elsewhere, "in others"))
    words = ", ".join(f"{_brief(count)} {what}" for count, what in said if count)
    half = (text_width(words, _SMALL) + 16) / 2
    return pill(words, x - half if anchor == "end" else x + half, y, "n") if words else ""


def _brief(count: int) -> str:
    if count < _THOUSANDS:
        return f"{count:,}"
    return f"{count / 1e6:.1f} M" if count >= _MILLION else f"{count // 1_000} k"


def _arm(arm: GraphArm) -> Block:
    """Who takes the arm, and its steps."""
    blocks = [_chip(arm.words), *map(_step, arm.steps)]
    if arm.again:
        blocks.append(_chip(f"\N{CLOCKWISE OPEN CIRCLE ARROW} {AGAIN}"))
    return stacked(blocks, _GAP - 10)


def _chip(words: str) -> Block:
    lines = wrapped(words, 12, _CHIP - 16, 3)
    height = len(lines) * 15 + 8.0
    said = "".join(text(part, _CHIP / 2, 15 * (i + 1) + 1, "a") for i, part in enumerate(lines))
    ground = f'<rect class="c" width="{number(_CHIP)}" height="{number(height)}" rx="9"/>'
    whole = f"<title>{escape(clean(words))}</title>"
    return Block(_CHIP, height, _CHIP / 2, f"<g>{whole}{ground}{said}</g>")
