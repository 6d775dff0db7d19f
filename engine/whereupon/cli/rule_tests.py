"""``whereupon test``: the tests of rules."""

import sys
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from whereupon.cli.exit_status import FINDINGS, as_line, exits_with_status, fail
from whereupon.cli.options import RULES, AsJson, RulesArgument
from whereupon.render.formatting import clean, counted
from whereupon.render.records import JsonLines, diagnostic_object, result_object, uncovered_object
from whereupon.testing.reports import RuleTestReport

JUnitFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", dir_okay=False, help="Write the results to this file, as JUnit XML."
    ),
]
WithCoverage: TypeAlias = Annotated[
    bool,
    typer.Option(help="Also list what no test has seen of each rule."),
]
RequireCoverage: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--require-coverage", help="Exit with status 1 also if a test has not seen all of a rule."
    ),
]


@exits_with_status
def run_tests_command(
    folder: RulesArgument = RULES,
    junit: JUnitFile = None,
    as_json: AsJson = False,
    coverage: WithCoverage = True,
    require_coverage: RequireCoverage = False,
) -> None:
    """Run every *.test.yaml of a folder through the real engine, on a frozen clock.

    The exit status is 1 if a test fails or a file has an error; with --require-coverage, also if there is
    a condition, step, arm, wait, exit, window or bound that no test has seen.
    """
    from whereupon.testing.runner import run_rule_tests  # noqa: PLC0415 - no other command needs it

    report = run_rule_tests(folder)
    if junit is not None:
        _write_junit(report, junit, require_coverage=require_coverage)
    shown = coverage or require_coverage
    if as_json:
        _write_json(report, coverage=shown)
    else:
        _write_text(report, coverage=shown)
    if not report.passed or (require_coverage and report.uncovered):
        raise typer.Exit(FINDINGS)


def _write_junit(report: RuleTestReport, path: Path, *, require_coverage: bool) -> None:
    from whereupon.testing.junit import junit_xml  # noqa: PLC0415 - few runs need it

    try:
        text = junit_xml(report, require_coverage=require_coverage)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        fail(f"{path} cannot be written: {error.strerror}")


def _write_json(report: RuleTestReport, *, coverage: bool) -> None:
    out = JsonLines(sys.stdout.buffer)
    for diagnostic in report.diagnostics:
        out.write(diagnostic_object(diagnostic))
    for result in report.results:
        out.write(result_object(result))
    for uncovered in report.uncovered if coverage else ():
        out.write(uncovered_object(uncovered))
    out.summarize(_counts(report))


def _counts(report: RuleTestReport) -> dict[str, int]:
    failed = sum(bool(result.failures) for result in report.results)
    return {
        "tests": len(report.results),
        "passed": len(report.results) - failed,
        "failed": failed,
        "uncovered": len(report.uncovered),
    }


def _write_text(report: RuleTestReport, *, coverage: bool) -> None:
    for diagnostic in report.diagnostics:
        _print_line(as_line(diagnostic))
    for result in report.results:
        if result.failures:
            _print_line(f"{result.file}:{result.line}: failed: {result.rule}: {result.name}")
            for failure in result.failures:
                _print_line(f"    {failure}")
    for uncovered in report.uncovered if coverage else ():
        _print_line(f"not covered: {uncovered}")
    counts = _counts(report)
    seconds = sum(result.seconds for result in report.results)
    rules = len({result.rule for result in report.results})
    _print_line(
        f"{counted(counts['tests'], 'test')} of {counted(rules, 'rule')} in {seconds:.1f} s: "
        f"{counts['passed']:,} passed, {counts['failed']:,} failed"
    )


def _print_line(text: str) -> None:
    sys.stdout.write(f"{clean(text)}\n")
