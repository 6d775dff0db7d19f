"""Conversions of a rule: a table for people, a JSON object, and bars for the picture."""

from collections.abc import Iterator
from html import escape

from whereupon.operations.conversions import Conversions
from whereupon.operations.intervals import Difference
from whereupon.records import EntryFigures
from whereupon.render.formatting import clean, counted
from whereupon.render.records import JsonObject

_HEAD = ("entered", "sent", "converted", "difference (95 % interval)")
_EVERYBODY, _HOLDOUT = "everybody", "holdout"


def says_something(found: Conversions) -> bool:
    """Whether there is anything to say: a goal, a holdout, or an arm."""
    return found.has_goal or found.holdout is not None or bool(found.splits)


def conversion_lines(rule: str, found: Conversions) -> Iterator[str]:
    """A table: everybody who entered, each arm of each split, and the holdout."""
    rows: list[tuple[str, ...]] = [(f"{clean(rule)}, by goal", *_HEAD)]
    rows += [_row(name, figures, told) for name, figures, told in _groups(found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *others in rows:
        cells = (text.rjust(width) for text, width in zip(others, widths[1:], strict=True))
        yield "  ".join((first.ljust(widths[0]), *cells)).rstrip()
    still = found.entries.open + (0 if found.holdout is None else found.holdout.open)
    if still:
        yield f"  {counted(still, 'entry', 'entries')} may still convert."
    if any(told is not None and told.is_small for _, _, told in _groups(found)):
        yield "  * Few people: one more or less who converts changes the picture."


def _groups(found: Conversions) -> Iterator[tuple[str, EntryFigures, Difference | None]]:
    yield _EVERYBODY, found.entries, found.difference
    for split, arms in found.splits.items():
        for each in arms:
            yield f"{clean(split)}={clean(each.arm)}", each.entries, each.difference
    if found.holdout is not None:
        yield _HOLDOUT, found.holdout, None


def _row(name: str, figures: EntryFigures, told: Difference | None) -> tuple[str, ...]:
    counts = (f"{figures.entered:,}", _with_rate(figures, "sent"), _with_rate(figures, "converted"))
    return (f"  {name}", *counts, "" if told is None else in_points(told))


def _with_rate(figures: EntryFigures, name: str) -> str:
    count, rate = getattr(figures, name), figures.rate(name)
    return f"{count:,}" if not count or rate is None else f"{count:,} ({rate:.1%})"


def in_points(told: Difference) -> str:
    """A difference and its interval in points of a hundred; a star says that there are few people."""
    value, low, high = (f"{each * 100:+.1f}" for each in (told.value, told.low, told.high))
    return f"{value} points ({low} to {high}){' *' if told.is_small else ''}"


def conversions_object(found: Conversions) -> JsonObject:
    """Everybody who entered, the holdout, and each arm, with rates and differences."""
    return {
        **_object(found.entries, found.difference),
        "holdout": None if found.holdout is None else _object(found.holdout, None),
        "splits": {
            split: {each.arm: _object(each.entries, each.difference) for each in arms}
            for split, arms in found.splits.items()
        },
    }


def _object(figures: EntryFigures, told: Difference | None) -> JsonObject:
    rates = {name: figures.rate(name) for name in ("sent", "converted")}
    return {
        "entered": figures.entered,
        "sent": figures.sent,
        "converted": figures.converted,
        "open": figures.open,
        "rates": {name: None if rate is None else round(rate, 4) for name, rate in rates.items()},
        "difference": None if told is None else difference_object(told),
    }


def difference_object(told: Difference) -> JsonObject:
    """A difference of two shares, in parts of one."""
    return {
        "value": round(told.value, 4),
        "low": round(told.low, 4),
        "high": round(told.high, 4),
        "few": told.is_small,
    }


# --- a picture ------------------------------------------------------------------------------------


def bars(found: Conversions, top: int, *, row: int, left: int, width: int) -> tuple[str, int]:
    """A bar for the share that converted of each group, as SVG; and how high they are together.

    Args:
        top, row, left, width: where they begin, how high a row is, where bars begin, how long the longest is.
    """
    groups = list(_groups(found))
    most = max((figures.rate("converted") or 0 for _, figures, _ in groups), default=0) or 1
    parts = list[str]()
    for number, (name, figures, _) in enumerate(groups):
        y, rate = top + number * row, figures.rate("converted") or 0
        length = rate / most * width
        said = f"{figures.converted:,} of {figures.entered:,} converted ({rate:.1%})"
        parts.append(
            f'<text x="8" y="{y + 14}">{escape(name)}</text>'
            f'<rect class="bar" x="{left}" y="{y}" width="{length:.1f}" height="18" rx="2"/>'
            f'<text x="{left + length + 8:.1f}" y="{y + 14}">{said}</text>'
        )
    return "".join(parts), len(groups) * row
