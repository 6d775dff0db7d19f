"""A report as JUnit XML, the form that CI systems read: one test suite a file."""

import re
from collections import defaultdict
from collections.abc import Sequence
from xml.etree import ElementTree as ET

from whereupon.errors import Diagnostic, Severity
from whereupon.testing.reports import RuleTestReport, RuleTestResult, Uncovered

_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


COVERAGE = "coverage"
"""The suite of what no test has seen."""


def junit_xml(report: RuleTestReport, *, require_coverage: bool = False) -> str:
    """The report as a JUnit XML document; an error of a file is a test case of that file's suite.

    What no test has seen is a skipped case of the suite ``coverage``.

    Args:
        require_coverage: whether such a case has failed instead.
    """
    suites: dict[str, tuple[list[RuleTestResult], list[Diagnostic]]] = defaultdict(lambda: ([], []))
    for diagnostic in report.diagnostics:
        if diagnostic.severity is Severity.ERROR:
            suites[diagnostic.location.file][1].append(diagnostic)
    for result in report.results:
        suites[result.file][0].append(result)
    root = ET.Element("testsuites")
    for file, (results, errors) in sorted(suites.items()):
        _add_suite(root, file, results, errors)
    if report.uncovered:
        _add_coverage(root, report.uncovered, "failure" if require_coverage else "skipped")
    _total(root)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _add_suite(
    root: ET.Element, file: str, results: list[RuleTestResult], errors: list[Diagnostic]
) -> None:
    failed = sum(bool(result.failures) for result in results)
    suite = ET.SubElement(root, "testsuite", name=_text(file))
    suite.set("tests", str(len(results) + len(errors)))
    suite.set("failures", str(failed))
    suite.set("errors", str(len(errors)))
    suite.set("time", _seconds(sum(result.seconds for result in results)))
    for error in errors:
        case = ET.SubElement(suite, "testcase", name=_text(error.code), classname=_text(file))
        found = ET.SubElement(case, "error", message=_text(error.message), type=_text(error.code))
        found.text = _text(str(error))
    for result in results:
        _add_case(suite, result)


def _add_case(suite: ET.Element, result: RuleTestResult) -> None:
    case = ET.SubElement(suite, "testcase", name=_text(result.name), classname=_text(result.rule))
    case.set("file", _text(result.file))
    case.set("line", str(result.line))
    case.set("time", _seconds(result.seconds))
    if result.failures:
        failure = ET.SubElement(case, "failure", message=_text(result.failures[0]))
        failure.text = _text("\n".join(result.failures))


def _add_coverage(root: ET.Element, uncovered: Sequence[Uncovered], outcome: str) -> None:
    suite = ET.SubElement(root, "testsuite", name=COVERAGE, tests=str(len(uncovered)))
    suite.set("failures", str(len(uncovered) if outcome == "failure" else 0))
    suite.set("skipped", str(len(uncovered) if outcome == "skipped" else 0))
    for each in uncovered:
        name = f"{each.part}: {each.missing}"
        case = ET.SubElement(suite, "testcase", name=_text(name), classname=_text(each.rule))
        if each.location is not None:
            case.set("file", _text(each.location.file))
            case.set("line", str(each.location.line))
        ET.SubElement(case, outcome, message=_text(str(each)))


def _total(root: ET.Element) -> None:
    for name in ("tests", "failures", "errors", "skipped"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f}"


def _text(text: str) -> str:
    """The text without the control characters that XML cannot hold."""
    return _NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", text)
