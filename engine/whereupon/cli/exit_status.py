"""How a command ends: its exit status, and errors of ours as one clear line instead of a traceback.

0: done. 1: findings (lint errors, failed tests, nobody known by that name). 2: wrong usage.
"""

import os
import sys
from collections.abc import Callable
from functools import wraps
from io import TextIOWrapper
from pathlib import Path
from typing import NoReturn, ParamSpec

import typer

from whereupon.errors import Diagnostic, RulesInvalidError, Severity, WhereuponError

FINDINGS = 1
WRONG_USAGE = 2
INTERRUPTED = 130

P = ParamSpec("P")


def settles(command: Callable[P, None]) -> Callable[P, None]:
    """Let a command raise what it likes of ours; a reader that goes away (``| head``) ends it."""

    @wraps(command)
    def settled(*args: P.args, **kwargs: P.kwargs) -> None:
        _open_what_is_closed()
        _write_what_can_be()
        try:
            command(*args, **kwargs)
            sys.stdout.flush()
        except RulesInvalidError as error:
            for diagnostic in error.diagnostics:
                say(as_line(diagnostic))
            raise typer.Exit(FINDINGS) from error
        except WhereuponError as error:
            fail(str(error))
        except BrokenPipeError:
            drop_output()
            raise typer.Exit from None
        except OSError as error:
            drop_output()
            fail(error.strerror or str(error))

    return settled


def as_line(diagnostic: Diagnostic) -> str:
    """``file:line:column: code message``, a warning marked as one."""
    mark = " (warning)" if diagnostic.severity is Severity.WARNING else ""
    return f"{diagnostic}{mark}"


def say(line: str) -> None:
    """One line for people, beside the output proper."""
    typer.echo(line, err=True)


def fail(line: str, status: int = WRONG_USAGE) -> NoReturn:
    """End with one line of what is wrong."""
    say(f"whereupon: {line}")
    raise typer.Exit(status)


def _open_what_is_closed() -> None:
    """What a caller has closed (``>&-``) is written to nobody; Python has no stream for it at all."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            nowhere = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - for as long as we run
            setattr(sys, name, nowhere)


def _write_what_can_be() -> None:
    """Where the locale has no letter for a mark or a name, a question mark stands for it."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


def drop_output() -> None:
    """Give what is still buffered to nobody, so that the interpreter's last flush finds no fault."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
