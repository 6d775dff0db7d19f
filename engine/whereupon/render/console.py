"""Lines of a timeline on a terminal or in a file: days, times, hanging indents, wide characters."""

import os
from collections.abc import Sequence
from datetime import date, datetime
from typing import TextIO

from rich.console import Console, RenderableType
from rich.text import Text

from whereupon.render.formatting import day_of
from whereupon.render.phrases import Phrase

_FILE_WIDTH = 100
_AT = 7
"""The column of a paragraph's title; the marks of its phrases are two columns further right."""


def console_on(out: TextIO) -> Console:
    """A console that does not interpret markup in texts; a file has 100 columns and no colours."""
    if not out.isatty():
        width = os.environ.get("COLUMNS", "")
        return Console(
            file=out,
            width=int(width) if width.isdigit() and int(width) else _FILE_WIDTH,
            no_color=True,
            force_terminal=False,
            markup=False,
            highlight=False,
            emoji=False,
        )
    return Console(file=out, markup=False, highlight=False, emoji=False)


def show(console: Console, renderable: RenderableType) -> None:
    """Print a table or a paragraph without spaces at the ends of lines."""
    with console.capture() as captured:
        console.print(renderable)
    for line in captured.get().splitlines():
        console.file.write(f"{line.rstrip()}\n")


class TimelinePrinter:
    """Writes paragraphs, with a heading for each day."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._day: date | None = None

    def print_paragraph(self, at: datetime | None, title: Text, phrases: Sequence[Phrase]) -> None:
        """Write one paragraph: the time and the title, then its phrases."""
        if at is not None and at.date() != self._day:
            self._day = at.date()
            self.print_text(0, "", Text(""))
            self.print_text(0, "", Text(day_of(at), "bold underline"))
        self.print_text(_AT, f"{at:%H:%M}" if at is not None else "", title)
        for phrase in phrases:
            self.print_text(_AT + 4, " " * (_AT + 2) + phrase.mark, phrase.text, phrase.style)

    def print_text(self, indent: int, lead: str, text: Text, style: str = "") -> None:
        """Write one text, wrapped at the same indent."""
        width = max(self.console.width - indent, 20)
        parts = [text] if text.cell_len <= width else text.wrap(self.console, width)
        for number, part in enumerate(parts):
            part.rstrip()
            start = (lead if number == 0 else "").ljust(indent)
            whole = Text.assemble((start, style), part)
            if style == "dim":
                whole.stylize("dim")
            self.console.print(whole, no_wrap=True, overflow="ignore", crop=False)
