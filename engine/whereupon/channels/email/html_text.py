"""The text of an HTML mail: for its part of plain text, where a rule gives none.

Links keep their addresses, the cells of a row stand beside each other, lists have their marks. Scripts, styles
and what is hidden are left out. It is no browser: it reads only the HTML that mails have.
"""

import re
from collections import Counter
from html.parser import HTMLParser
from typing import Final

from typing_extensions import override

_LEFT_OUT: Final = frozenset(
    (
        "head",
        "title",
        "style",
        "script",
        "template",
        "svg",
        "object",
        "iframe",
        "select",
        "textarea",
    )
)
_VOID: Final = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr")
)
_APART: Final = frozenset(
    ("p", "h1", "h2", "h3", "h4", "h5", "h6", "table", "ul", "ol", "dl", "blockquote", "pre", "hr")
)
_ON_A_LINE: Final = frozenset(
    (
        *("div", "tr", "li", "dt", "dd", "section", "article", "header", "footer", "main", "nav"),
        *("address", "figure", "figcaption", "center", "body", "form", "fieldset", "caption"),
    )
)
_CELLS: Final = frozenset(("td", "th"))
_LISTS: Final = frozenset(("ul", "ol"))
_SPACES: Final = re.compile(r"[ \t\r\n\f]+")
_INVISIBLE: Final = dict.fromkeys(map(ord, "\u00ad\u034f\u200b\u200c\u200d\u2007\ufeff"))
_HIDDEN: Final = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden|mso-hide\s*:\s*all")


def text_of(html: str) -> str:
    """The text of an HTML document, its paragraphs separated by an empty line."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.text


class _Reader(HTMLParser):
    """Collects the text while the document is read."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._written: list[str] = []
        self._open: list[tuple[str, bool]] = []  # each element, and whether it is left out
        self._names: Counter[str] = Counter()  # of the open elements
        self._lists: list[int | None] = []  # the next number of each list; None for bullets
        self._links: list[tuple[str, int]] = []  # the address, and where its text begins
        self._breaks = 2  # line ends that stand at the end of what is written
        self._space = False  # a space is due before the next word
        self._cells = 0  # of the row

    @property
    def text(self) -> str:
        """What was read."""
        whole = "".join(self._written).translate(_INVISIBLE).replace("\xa0", " ")
        lines = [line.rstrip() for line in whole.split("\n")]
        return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n") + "\n"

    @property
    def _is_left_out(self) -> bool:
        return bool(self._open) and self._open[-1][1]

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if tag not in _VOID:
            hidden = "hidden" in said or _HIDDEN.search(said.get("style", "").lower()) is not None
            self._open.append((tag, self._is_left_out or hidden or tag in _LEFT_OUT))
            self._names[tag] += 1
        if self._is_left_out:
            return
        self._break_at(tag)
        if tag == "br":
            self._end_line()
        elif tag == "a":
            self._links.append((said.get("href", "").strip(), len(self._written)))
        elif tag == "img":
            self._say(said.get("alt", ""))
        else:
            self._begin(tag)

    def _begin(self, tag: str) -> None:
        if tag in _LISTS:
            self._lists.append(1 if tag == "ol" else None)
        elif tag == "li":
            self._mark()
        elif tag == "tr":
            self._cells = 0
        elif tag in _CELLS:
            self._cells += 1
            if self._cells > 1 and not self._breaks:
                self._write(" | ")
        elif tag == "hr":
            self._write("---")
            self._make_breaks(2)

    @override
    def handle_endtag(self, tag: str) -> None:
        if not self._names[tag]:
            return
        was_left_out, name = self._is_left_out, ""
        while name != tag:
            name, _ = self._open.pop()
            self._names[name] -= 1
        if was_left_out:
            return
        if tag == "a" and self._links:
            self._end_link(*self._links.pop())
        elif tag in _LISTS and self._lists:
            self._lists.pop()
        self._break_at(tag)

    @override
    def handle_data(self, data: str) -> None:
        if self._is_left_out:
            return
        if self._names["pre"]:
            self._write(data)
            self._breaks = len(data) - len(data.rstrip("\n"))
            return
        self._say(data)

    def _say(self, data: str) -> None:
        words = _SPACES.sub(" ", data)
        if not words.strip(" "):
            self._space = self._space or bool(words)
            return
        if (self._space or words[0] == " ") and not self._breaks:
            self._write(" ")
        self._write(words.strip(" "))
        self._space = words[-1] == " "

    def _break_at(self, tag: str) -> None:
        if tag in _APART and not (tag in _LISTS and len(self._lists) > 0):
            self._make_breaks(2)
        elif tag in _ON_A_LINE or tag in _LISTS:
            self._make_breaks(1)

    def _make_breaks(self, number: int) -> None:
        """Make sure that so many line ends stand here."""
        if self._breaks < number:
            self._written.append("\n" * (number - self._breaks))
            self._breaks = number
        self._space = False

    def _end_line(self) -> None:
        self._written.append("\n")
        self._breaks, self._space = self._breaks + 1, False

    def _mark(self) -> None:
        """Begin an item of a list."""
        number = self._lists[-1] if self._lists else None
        if number is not None:
            self._lists[-1] = number + 1
        mark = "- " if number is None else f"{number}. "
        self._written.append("  " * max(0, len(self._lists) - 1) + mark)
        self._breaks = 2  # what comes first in an item does not begin a new line

    def _end_link(self, address: str, began: int) -> None:
        shown = "".join(self._written[began:]).strip()
        if not address or address[0] == "#" or address.lower().startswith("javascript:"):
            return
        plain = address.removeprefix("mailto:").removeprefix("tel:")
        if shown in {plain, address}:
            return
        space = "" if self._breaks else " "
        self._write(f"{space}({plain})" if shown else plain)

    def _write(self, text: str) -> None:
        if text:
            self._written.append(text)
            self._breaks = 0
