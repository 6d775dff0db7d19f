"""Rewriting the links of an HTML text, and nothing else of it.

The parser of the standard library says where each start tag stands; only the values of ``href`` and the place of the
image are replaced. All other bytes of the text stay as they are, conditional comments and faults included.
"""

import re
from collections.abc import Callable
from html import escape, unescape
from html.parser import HTMLParser

from typing_extensions import override

_LINKED = frozenset({"a", "area"})
_ASIDE = "data-no-track"
_ATTRIBUTE = re.compile(
    r"""[\s/]*(?P<name>[^\s/>=][^\s/>=]*)(?:\s*=\s*(?P<value>"[^"]*"|'[^']*'|[^\s>"']+))?"""
)


def rewritten(html: str, own: str, click: Callable[[str], str] | None, image: str | None) -> str:
    """An HTML text with other links, and with an image at its end.

    Args:
        own: links that begin with it stay as they are.
        click: makes the link that stands for an ``http`` or ``https`` URL; None to leave all links. If it raises
            `ValueError`, that link stays.
        image: the image's address; None for no image.
    """
    parser = _Places(html)
    parser.feed(html)
    parser.close()
    parts, done = [], 0
    for start, end, url in parser.links if click else ():
        if (link := _link(url, own, click)) is not None:
            parts += [html[done:start], f'"{escape(link)}"']
            done = end
    place = len(html) if parser.body_end is None else parser.body_end
    if image is not None:
        parts += [html[done:place], _image(image)]
        done = place
    return "".join([*parts, html[done:]])


def _link(url: str, own: str, click: Callable[[str], str] | None) -> str | None:
    """What stands for a link; None if it stays."""
    if click is None or url == own or url.startswith((f"{own}/", f"{own}?", f"{own}#")):
        return None
    try:
        return click(url)
    except ValueError:
        return None


def _image(address: str) -> str:
    return f'<img src="{escape(address)}" width="1" height="1" alt="" style="border:0">'


class _Places(HTMLParser):
    """Finds the values of ``href`` in a text, and the end of its body."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=False)
        self.links: list[tuple[int, int, str]] = []
        self.body_end: int | None = None
        self._lines = [0, *(match.end() for match in re.finditer("\n", html))]

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = {name for name, _ in attrs}
        if tag not in _LINKED or _ASIDE in names or "href" not in names:
            return
        raw = self.get_starttag_text() or ""
        for match in _ATTRIBUTE.finditer(raw, len(tag) + 1):
            if match["name"].lower() == "href" and match["value"]:
                start, end = match.span("value")
                at = self._position()
                url = unescape(match["value"].strip("\"'")).strip()
                self.links.append((at + start, at + end, url))
                return  # of two, a browser takes the first

    @override
    def handle_endtag(self, tag: str) -> None:
        if tag == "body":
            self.body_end = self._position()

    def _position(self) -> int:
        line, column = self.getpos()
        return self._lines[line - 1] + column
