"""Where the values of a template stand in its HTML. An escaped value is safe in a text and between quotes only.

A source is read once, from left to right, as if every branch of its Liquid were taken. So a template that builds
a tag out of branches may be refused though it is safe; `raw` says that its author knows better.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NamedTuple

LIQUID: Final = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
"""A variable or a tag of Liquid."""

_WRITES: Final = re.compile(r"\{\{|\{%-?\s*(?:echo|cycle|liquid|render)\b")
_SAFE: Final = re.compile(
    r"""\{\{-?\s*(?:'[^'|]*'|"[^"|]*"|[\d.]+)\s*-?\}\}|\{\{.*\|\s*(?:raw|safe|url_encode)\b""",
    re.DOTALL,
)
"""A literal, or a value that its author vouches for, or that has no special characters."""

_TAG: Final = re.compile(r"<(/?)([a-zA-Z][^\s/>]*+)")
_ATTRIBUTE: Final = re.compile(
    r"""[\s/]*+([^\s/>][^\s/>=]*+)(?:\s*+=\s*+("[^"]*+"?|'[^']*+'?|[^\s>]++))?+"""
)
_TARGETS: Final = frozenset(
    ("href", "src", "action", "formaction", "poster", "background", "cite", "data", "xlink:href")
)
_SCRIPTS: Final = frozenset(("script", "style"))


class Value(NamedTuple):
    """A place where Liquid writes a value that escapes alone do not make safe.

    Attributes:
        start, end: where its Liquid stands in the source.
        fault: why it is refused; None for the start of a link, whose scheme is checked when it is written.
    """

    start: int
    end: int
    fault: str | None


@lru_cache(maxsize=1024)
def unsafe_values(source: str) -> tuple[Value, ...]:
    """Every such place, in order."""
    found = [each for each in LIQUID.finditer(source) if _WRITES.match(each[0])]
    spans = [(each.start(), each.end()) for each in found if not _SAFE.match(each[0])]
    if not spans:
        return ()
    masked = LIQUID.sub(_mask, source)
    faults = sorted(_places(masked))
    values, place = list[Value](), 0
    for start, end in spans:
        while place < len(faults) and faults[place][1] <= start:
            place += 1
        if place < len(faults) and faults[place][0] <= start:
            values += _value(source, start, end, faults[place])
    return tuple(values)


@lru_cache(maxsize=4096)
def guarded(source: str) -> str:
    """The source with the filter `link` behind each value that begins a link."""
    texts: list[str] = []
    done = 0
    for _, end, fault in unsafe_values(source):
        if fault is None:
            close = end - (3 if source[end - 3] == "-" else 2)
            texts += [source[done:close], " | link ", source[close:end]]
            done = end
    return "".join([*texts, source[done:]])


def is_left_open(source: str) -> int | None:
    """Where a tag, a comment or a script begins that the source does not end; None if there is none."""
    html = LIQUID.sub(_mask, source)
    at = 0
    while (at := html.find("<", at)) >= 0:
        begin = at
        end = _end_of_tag(html, at)
        if end is None:
            return begin
        at = end
    return None


def _end_of_tag(html: str, at: int) -> int | None:
    """Behind what begins at a ``<``; None if it does not end."""
    if html.startswith("<!--", at):
        end = html.find("-->", at)
        return None if end < 0 else end
    tag = _TAG.match(html, at)
    if tag is None:
        return at + 1
    at = tag.end()
    while attribute := _ATTRIBUTE.match(html, at):
        at = attribute.end()
    close = re.compile(r"[\s/]*>").match(html, at)
    name = tag[2].lower()
    if close is None or name not in _SCRIPTS or tag[1]:
        return None if close is None else close.end()
    end = _end_of(html, name, at)
    return None if end == len(html) else end


def _mask(liquid: re.Match[str]) -> str:
    """As long as the Liquid: a word for what writes, spaces for what does not."""
    filler = "x" if _WRITES.match(liquid[0]) else " "
    return filler * len(liquid[0])


def _value(source: str, start: int, end: int, place: tuple[int, int, str]) -> Iterator[Value]:
    first, _, kind = place
    if kind != "link":
        yield Value(start, end, kind)
    elif not LIQUID.sub("", source[first:start]).strip():
        is_tag = source.startswith("{%", start)
        yield Value(start, end, "begins a link; write {{ … }} there" if is_tag else None)


def _places(html: str) -> Iterator[tuple[int, int, str]]:
    """Parts of the HTML in which a value needs more than escapes: start, end, and what they are."""
    at = 0
    while (at := html.find("<", at)) >= 0:
        if html.startswith("<!--", at):
            at = _behind(html, "-->", at)
            continue
        tag = _TAG.match(html, at)
        if tag is None:
            at += 1
            continue
        yield tag.start(2), tag.end(2), "is the name of an element; write it out"
        at = tag.end()
        while attribute := _ATTRIBUTE.match(html, at):
            yield from _attribute_places(attribute)
            at = attribute.end()
        name = tag[2].lower()
        if name in _SCRIPTS and not tag[1]:
            end = _end_of(html, name, at)
            if name == "script":
                yield at, end, "stands in a script, where escapes mean nothing; take it out"
            at = end


def _attribute_places(attribute: re.Match[str]) -> Iterator[tuple[int, int, str]]:
    name = attribute[1].lower()
    yield attribute.start(1), attribute.end(1), "is the name of an attribute; write it out"
    value = attribute[2]
    if value is None:
        return
    start, end = attribute.span(2)
    if value[0] not in "\"'":
        yield start, end, 'is a value without quotes; write ="{{ … }}"'
    elif name.startswith("on"):
        yield start, end, "stands in a script, where escapes mean nothing; take it out"
    elif name in _TARGETS:
        yield start + 1, end, "link"


def _end_of(html: str, name: str, start: int) -> int:
    found = re.compile(f"</{name}", re.IGNORECASE).search(html, start)
    return len(html) if found is None else found.start()


def _behind(text: str, mark: str, start: int) -> int:
    found = text.find(mark, start)
    return len(text) if found < 0 else found + len(mark)
