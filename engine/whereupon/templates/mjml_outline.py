"""The outline of MJML: which elements are open, and what stands between them. It finds what the compiler lets pass."""

import re
from difflib import get_close_matches
from html.parser import HTMLParser
from typing import Final

from typing_extensions import override

from whereupon.templates.html_places import LIQUID

_DEEPEST: Final = 100
"""How deep elements may be nested: the compiler uses the stack of the process for each level."""

_CONTAINERS: Final = frozenset(
    (
        *("mjml", "mj-head", "mj-body", "mj-wrapper", "mj-section", "mj-group", "mj-column"),
        *("mj-hero", "mj-navbar", "mj-social", "mj-accordion", "mj-accordion-element"),
        *("mj-carousel", "mj-attributes", "mj-html-attributes", "mj-selector"),
    )
)
"""Elements that hold elements, and no text."""

_ELEMENTS: Final = _CONTAINERS | frozenset(
    (
        *("mj-accordion-text", "mj-accordion-title", "mj-all", "mj-breakpoint", "mj-button"),
        *("mj-carousel-image", "mj-class", "mj-divider", "mj-font", "mj-html-attribute"),
        *("mj-image", "mj-navbar-link", "mj-preview", "mj-raw", "mj-social-element"),
        *("mj-spacer", "mj-style", "mj-table", "mj-text", "mj-title"),
    )
)
_VOID: Final = frozenset(
    (
        *("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source"),
        *("track", "wbr"),
    )
)


class Outline(HTMLParser):
    """The elements of one source.

    Attributes:
        faults: what is wrong, each with its line, the first one first.
        warnings: what is likely a mistake, each with its line.
    """

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=False)
        self._source = source
        self._starts = [0, *(found.end() for found in re.finditer("\n", source))]
        self._open: list[tuple[str, int]] = []
        self._depth = 0
        self._faults: list[tuple[int, str]] = []
        self._between: dict[int, str] = {}
        self._has_root = False
        self.feed(LIQUID.sub(lambda found: re.sub(r"[^\n]", "x", found[0]), source))
        self.close()
        self._faults += ((line, f"<{name}> is never closed") for name, line in self._open)
        found = (f"line {line}: {said}" for line, said in sorted(self._faults))
        unrooted = ["this is not MJML, which begins with <mjml> and ends with </mjml>"]
        self.faults = [*found] if self._has_root else unrooted
        self.warnings = tuple(f"line {line}: {said}" for line, said in self._between.items())

    @override
    def handle_starttag(self, tag: str, attrs: object) -> None:
        """Open an element."""
        self._check(tag)
        if tag in _VOID:
            return
        self._depth += 1
        if self._depth == _DEEPEST:
            self._fault(f"elements are nested more than {_DEEPEST} deep")
        if _is_mjml(tag):
            self._open.append((tag, self.getpos()[0]))

    @override
    def handle_startendtag(self, tag: str, attrs: object) -> None:
        """An element without content."""
        self._check(tag)

    @override
    def handle_endtag(self, tag: str) -> None:
        """Close an element, and those in it that are still open."""
        self._depth = max(self._depth - 1, 0)
        if not _is_mjml(tag):
            return
        if tag not in (name for name, _ in self._open):
            self._fault(f"</{tag}> closes nothing")
            return
        while (opened := self._open.pop())[0] != tag:
            self._fault(f"</{tag}> comes before the end of <{opened[0]}> of line {opened[1]}")

    @override
    def handle_data(self, data: str) -> None:
        """Text, which may be Liquid."""
        if not self._open or self._open[-1][0] not in _CONTAINERS or not data.strip():
            return
        line, column = self.getpos()
        start = self._starts[line - 1] + column
        line += data.count("\n", 0, len(data) - len(data.lstrip()))
        if LIQUID.search(self._source[start : start + len(data)]):
            said = "Liquid between elements is wrapped: <mj-raw>{% … %}</mj-raw>"
        else:
            said = "text between elements is put into one, such as <mj-text>"
        self._between.setdefault(line, f"in <{self._open[-1][0]}> {said}")

    def _check(self, tag: str) -> None:
        self._has_root = self._has_root or tag == "mjml"
        written = (self.get_starttag_text() or "")[1 : len(tag) + 1]
        if tag == "mj-include":
            self._fault("a rule holds its whole mail: put here what mj-include would bring")
        elif _is_mjml(tag) and (tag not in _ELEMENTS or written != tag):
            near = get_close_matches(tag, _ELEMENTS, n=1)
            hint = f"; did you mean <{near[0]}>?" if near else ""
            self._fault(f"there is no element <{written}>{hint}")

    def _fault(self, said: str) -> None:
        self._faults.append((self.getpos()[0], said))


def _is_mjml(tag: str) -> bool:
    return tag == "mjml" or tag.startswith("mj-")
