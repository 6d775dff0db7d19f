"""Statistics as a table for people, as JSON objects, and as a funnel in SVG."""

from collections.abc import Iterator
from dataclasses import asdict
from html import escape

from whereupon.messages.times import format_instant
from whereupon.operations.statistics import RuleStatistics, Statistics
from whereupon.records import DeliveryFigures
from whereupon.render.conversions import bars, conversion_lines, conversions_object, says_something
from whereupon.render.formatting import clean
from whereupon.render.records import JsonObject

_COLUMNS = (
    *("sent", "delivered", "opened", "clicked", "converted", "bounced", "complained"),
    *("unsubscribed", "withheld", "dead", "pending", "held", "paused"),
)
_RATED = frozenset(_COLUMNS[1:8])
_FUNNEL = ("sent", "delivered", "opened", "clicked", "converted")


def statistics_lines(found: Statistics) -> Iterator[str]:
    """A table: a row for each rule, and below it one for each channel if there are several."""
    if not found.rules:
        yield "Nobody has entered a rule."
        return
    rows: list[tuple[str, ...]] = [("rule", "entered", *_COLUMNS)]
    for each in found.rules:
        rows.append((clean(each.rule), str(each.entered), *_cells(each.total)))
        if len(each.channels) > 1:
            rows += ((f"  {clean(n)}", "", *_cells(f)) for n, f in each.channels.items())
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *others in rows:
        cells = (text.rjust(width) for text, width in zip(others, widths[1:], strict=True))
        yield "  ".join((first.ljust(widths[0]), *cells)).rstrip()
    for each in found.rules:
        yield from _limits(each)
    for each in found.rules:
        if says_something(each.conversions):
            yield ""
            yield from conversion_lines(each.rule, each.conversions)
    yield from _notes(found)


def _limits(each: RuleStatistics) -> Iterator[str]:
    """What was held back, and what waits, each by why; nothing if nothing was."""
    for what, counts in (("held back", each.held_back), ("waiting to be sent", each.waiting)):
        if counts:
            said = (f"{count} {_WHY.get(why, clean(why))}" for why, count in counts.items())
            yield f"{clean(each.rule)}: {what}: {', '.join(said)}"


_WHY = {"quiet": "in quiet hours", "cap": "over a cap", "topic": "opted out of the topic"}


def _cells(figures: DeliveryFigures) -> Iterator[str]:
    for name in _COLUMNS:
        count, rate = getattr(figures, name), figures.rate(name) if name in _RATED else None
        yield f"{count}" if not count or rate is None else f"{count} ({rate:.1%})"


def _notes(found: Statistics) -> Iterator[str]:
    for what, kept in (
        ("entries", found.entries_kept_since),
        ("deliveries", found.deliveries_kept_since),
    ):
        if kept is not None and (found.since is None or found.since < kept):
            yield f"Of {what} before {format_instant(kept)} some were pruned and are not counted."


def statistics_objects(found: Statistics) -> Iterator[JsonObject]:
    """One object for each rule."""
    kept = {
        name: None if at is None else format_instant(at)
        for name, at in (
            ("since", found.since),
            ("until", found.until),
            ("entries_kept_since", found.entries_kept_since),
            ("deliveries_kept_since", found.deliveries_kept_since),
        )
    }
    for each in found.rules:
        channels = {name: _object(figures) for name, figures in each.channels.items()}
        head = {"kind": "stats", "rule": each.rule, "entered": each.entered}
        told = conversions_object(each.conversions) if says_something(each.conversions) else None
        limits = {"held_back": dict(each.held_back), "waiting": dict(each.waiting)}
        yield {**head, **_object(each.total), **limits, "channels": channels, "goal": told, **kept}


def _object(figures: DeliveryFigures) -> JsonObject:
    rates = {name: figures.rate(name) for name in _COLUMNS if name in _RATED}
    rounded = {name: None if rate is None else round(rate, 4) for name, rate in rates.items()}
    return {**asdict(figures), "rates": rounded}


# --- a picture ------------------------------------------------------------------------------------

_ROW, _BAR, _LEFT, _WIDTH = 28, 18, 110, 720
_STYLE = (
    ":root{color-scheme:light dark}"
    "text{font:13px system-ui,sans-serif;fill:#1b1f24}"
    ".rule{font-weight:600}.bar{fill:#2563a8}"
    "@media(prefers-color-scheme:dark){text{fill:#e6e9ee}.bar{fill:#6aa5e3}}"
)


def statistics_svg(found: Statistics) -> str:
    """A funnel for each rule, as one SVG text without anything from elsewhere."""
    parts, top = list[str](), 10
    for each in found.rules:
        parts.append(_funnel(each, top))
        top += _ROW * (len(_FUNNEL) + 2) + 12
        if says_something(each.conversions):
            drawn, height = bars(each.conversions, top, row=_ROW, left=_LEFT + 60, width=300)
            parts.append(drawn)
            top += height + 12
    spoken = "; ".join(
        f"{each.rule}: " + ", ".join(f"{count} {name}" for name, count in _steps(each))
        for each in found.rules
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {top}" role="img" '
        f'aria-labelledby="title desc"><title id="title">From entered to converted</title>'
        f'<desc id="desc">{escape(clean(spoken)) or "Nobody has entered a rule."}</desc>'
        f"<style>{_STYLE}</style>{''.join(parts)}</svg>\n"
    )


def _steps(each: RuleStatistics) -> list[tuple[str, int]]:
    total = each.total
    return [("entered", each.entered), *((name, getattr(total, name)) for name in _FUNNEL)]


def _funnel(each: RuleStatistics, top: int) -> str:
    steps = _steps(each)
    most = max(1, *(count for _, count in steps))
    parts = [f'<text class="rule" x="8" y="{top + 16}">{escape(clean(each.rule))}</text>']
    for number, (name, count) in enumerate(steps, 1):
        y, width = top + number * _ROW, count / most * (_WIDTH - _LEFT - 90)
        parts.append(
            f'<text x="8" y="{y + 14}">{name}</text>'
            f'<rect class="bar" x="{_LEFT}" y="{y}" width="{width:.1f}" height="{_BAR}" rx="2"/>'
            f'<text x="{_LEFT + width + 8:.1f}" y="{y + 14}">{count}</text>'
        )
    return "".join(parts)
