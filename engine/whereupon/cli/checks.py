"""``whereupon lint`` and ``schema``: checks of rules before they are used."""

import json
import sys
from pathlib import Path
from typing import Annotated, TypeAlias

import typer
from pydantic import JsonValue

from whereupon.cli.configured import secrets_beside
from whereupon.cli.exit_status import FINDINGS, as_line, exits_with_status, print_to_stderr
from whereupon.cli.options import RULES, AsJson, RulesArgument, RulesIfAny
from whereupon.cli.printing import print_lines, print_objects
from whereupon.errors import Diagnostic, Severity
from whereupon.render.formatting import clean, counted
from whereupon.render.records import diagnostic_object
from whereupon.rules.loading import read_folder
from whereupon.rules.reader import json_schema

Strict: TypeAlias = Annotated[
    bool, typer.Option("--strict", help="Exit with status 1 also if there is a warning.")
]
OfTests: TypeAlias = Annotated[
    bool, typer.Option("--tests", help="The schema of test files instead.")
]


@exits_with_status
def lint_command(
    ctx: typer.Context,
    folder: RulesArgument = RULES,
    as_json: AsJson = False,
    strict: Strict = False,
) -> None:
    """Check all rule files and test files of a folder, and print every error and warning.

    Each line is file:line:column: code message. The exit status is 1 if there is an error; with --strict,
    also if there is a warning. Secrets of webhooks are those of whereupon.toml, if it has any.
    """
    from whereupon.testing.runner import check_test_files  # noqa: PLC0415 - few commands need it

    found = check_test_files(folder, secrets=secrets_beside(ctx, folder))
    diagnostics = sorted(set(found), key=_place)
    errors = sum(diagnostic.severity is Severity.ERROR for diagnostic in diagnostics)
    warnings = len(diagnostics) - errors
    if as_json:
        print_objects(*map(diagnostic_object, diagnostics))
        print_objects({"kind": "summary", "errors": errors, "warnings": warnings})
    else:
        print_lines(clean(as_line(diagnostic)) for diagnostic in diagnostics)
        print_to_stderr(f"{folder}: {counted(errors, 'error')}, {counted(warnings, 'warning')}")
    if errors or (strict and warnings):
        raise typer.Exit(FINDINGS)


def _place(diagnostic: Diagnostic) -> tuple[object, ...]:
    place = diagnostic.location
    return (place.file, place.line, place.column, diagnostic.code, diagnostic.message)


@exits_with_status
def schema_command(of_tests: OfTests = False, folder: RulesIfAny = None) -> None:
    """Print the JSON Schema of rule files, or of test files, with which editors complete and check them.

    That of test files also completes the events, rules, attributes and channels of the rules folder.
    """
    schema = _schema_of_tests(folder) if of_tests else json_schema()
    sys.stdout.write(json.dumps(schema, indent=2, ensure_ascii=False) + "\n")


def _schema_of_tests(folder: Path | None) -> dict[str, JsonValue]:
    from whereupon.testing.schema import schema_of_tests  # noqa: PLC0415 - few commands need it

    if folder is None:
        return schema_of_tests()
    read = read_folder(folder)
    return schema_of_tests(read.plan, [rule.id for rule in read.book.rules])
