"""``whereupon lint``, ``test`` and ``schema``: what is wrong with rules before they go live."""

import json
import sys
from typing import Annotated

import typer

from whereupon.cli.exit_status import FINDINGS, as_line, say, settles
from whereupon.cli.options import RULES, AsJson, RulesArgument
from whereupon.errors import Diagnostic, Severity
from whereupon.render.formatting import clean, counted
from whereupon.render.records import JsonLines, diagnostic_object
from whereupon.rules.reader import json_schema


@settles
def lint_command(
    folder: RulesArgument = RULES,
    as_json: AsJson = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Also exit with status 1 when there is a warning.")
    ] = False,
) -> None:
    """Check every rule file and every test file of a folder: all findings at once.

    One finding a line, file:line:column: code message. Exit status 1 when one of them is an error; with --strict, when there is any.
    """
    from whereupon.testing.runner import run_rule_tests  # noqa: PLC0415 - no other command needs it

    report = run_rule_tests(folder)
    diagnostics = sorted(set(report.diagnostics), key=_place)
    errors = sum(diagnostic.severity is Severity.ERROR for diagnostic in diagnostics)
    warnings = len(diagnostics) - errors
    if as_json:
        out = JsonLines(sys.stdout.buffer)
        for diagnostic in diagnostics:
            out.write(diagnostic_object(diagnostic))
        out.summarize({"errors": errors, "warnings": warnings})
    else:
        for diagnostic in diagnostics:
            sys.stdout.write(f"{clean(as_line(diagnostic))}\n")
        say(f"{folder}: {counted(errors, 'error')}, {counted(warnings, 'warning')}")
    if errors or (strict and warnings):
        raise typer.Exit(FINDINGS)


def _place(diagnostic: Diagnostic) -> tuple[object, ...]:
    place = diagnostic.location
    return (place.file, place.line, place.column, diagnostic.code, diagnostic.message)


@settles
def schema_command() -> None:
    """Print the JSON Schema of rule files, for editors to complete and check them by."""
    sys.stdout.write(json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n")
