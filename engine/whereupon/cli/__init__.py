"""The command line: ``whereupon COMMAND``, or ``python -m whereupon``.

Each command reads its options, calls the library and prints the result. It decides nothing. The exit status
is 0 for success, 1 for findings, 2 for wrong usage (see `exit_status`). The package needs the extra
``whereupon[cli]``, and only it and `render` import typer and rich.

For others: `main`, and `app` for tests.
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


def _print_version(asked: bool) -> None:
    if asked:
        sys.stdout.write(f"whereupon {version('whereupon')}\n")
        raise typer.Exit


@app.callback()
def _root(
    _: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    pass


def _placeholder() -> None:
    """Stand for a command in the overview; `Commands` replaces it with the command that runs."""


for _name, _heading in HEADINGS.items():
    app.command(_name, rich_help_panel=_heading.panel)(_placeholder)


def main() -> None:
    """Run the command line, and exit with the command's status."""
    signal(SIGTERM, _exit_by_signal)
    app(prog_name="whereupon")


def _exit_by_signal(number: int, _frame: FrameType | None) -> NoReturn:
    """Exit by an exception, so that a replay deletes its temporary store, which is full of personal data."""
    sys.exit(128 + number)
