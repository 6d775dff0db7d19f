"""The command line: ``whereupon COMMAND``, or ``python -m whereupon``.

Each command reads its options, asks the library and shows the answer; nothing is decided here.
Exit status: 0 done, 1 findings, 2 wrong usage (see `ending`).
"""

import sys
from importlib.metadata import version
from signal import SIGTERM, signal
from types import FrameType
from typing import Annotated, NoReturn

import typer

from whereupon.cli.commands import HEADINGS, Commands

app = typer.Typer(
    name="whereupon",
    help="A campaign-trigger rules engine that a backend embeds.",
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


def _tell_version(asked: bool) -> None:
    if asked:
        sys.stdout.write(f"whereupon {version('whereupon')}\n")
        raise typer.Exit


@app.callback()
def _root(
    _: Annotated[
        bool,
        typer.Option(
            "--version", callback=_tell_version, is_eager=True, help="Say which version this is."
        ),
    ] = False,
) -> None:
    pass


def _heading() -> None:
    """Stands for a command in the overview; `Commands` puts the command in its place."""


for _name, _told in HEADINGS.items():
    app.command(_name, rich_help_panel=_told.panel, help=_told.summary)(_heading)


def main() -> None:
    """Run the command line; it exits with the command's status."""
    signal(SIGTERM, _end)
    app(prog_name="whereupon")


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    """Put away what is in hand first: a replay's store is full of people, and to be thrown away."""
    sys.exit(128 + number)
