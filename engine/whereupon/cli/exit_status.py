"""The exit status of a command, and errors of the library as one line instead of a traceback.

0: success. 1: findings (errors of lint, failed tests, an unknown person). 2: wrong usage.
"""

import os
import sys
from collections.abc import Callable
from functools import wraps
from io import TextIOWrapper
from pathlib import Path
from typing import NoReturn, ParamSpec

import typer

from whereupon.errors import (
    ConfigInvalidError,
    Diagnostic,
    RulesInvalidError,
    Severity,
    WhereuponError,
)

FINDINGS = 1
WRONG_USAGE = 2
INTERRUPTED = 130

P = ParamSpec("P")


def exits_with_status(command: Callable[P, None]) -> Callable[P, None]:
    """Turn the errors of a command into its exit status; success if the reader goes away (``| head``)."""

    @wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        _open_closed_streams()
        _replace_unencodable()
        try:
            command(*args, **kwargs)
            sys.stdout.flush()
        except (RulesInvalidError, ConfigInvalidError) as error:
            for diagnostic in error.diagnostics:
                print_to_stderr(as_line(diagnostic))
            status = FINDINGS if isinstance(error, RulesInvalidError) else WRONG_USAGE
            raise typer.Exit(status) from error
        except WhereuponError as error:
            fail(str(error))
        except BrokenPipeError:
            drop_output()
            raise typer.Exit from None
        except OSError as error:
            drop_output()
            fail(error.strerror or str(error))

    return wrapped


def as_line(diagnostic: Diagnostic) -> str:
    """``file:line:column: code message``, with a mark if it is a warning."""
    mark = " (warning)" if diagnostic.severity is Severity.WARNING else ""
    return f"{diagnostic}{mark}"


def print_to_stderr(line: str) -> None:
    """Print one line for people, apart from the output of the command."""
    typer.echo(line, err=True)


def fail(line: str, status: int = WRONG_USAGE) -> NoReturn:
    """Print one line that says what is wrong, and exit."""
    print_to_stderr(f"whereupon: {line}")
    raise typer.Exit(status)


def _open_closed_streams() -> None:
    """Open a stream that the caller has closed (``>&-``) on the null device; Python sets it to None."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            null = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - open until the process ends
            setattr(sys, name, null)


def _replace_unencodable() -> None:
    """Print a question mark for a character that the locale's encoding lacks."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


def drop_output() -> None:
    """Send buffered output to the null device, so that the interpreter's last flush does not fail."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
