"""The JUnit form of a report, as CI systems read it."""

from pathlib import Path
from xml.etree import ElementTree as ET

from whereupon.errors import Diagnostic, Location, Severity
from whereupon.testing import RuleTestReport, RuleTestResult, junit_xml, run_rule_tests

FIXTURES = Path(__file__).parents[3] / "fixtures" / "rule-tests"


def _parsed(report: RuleTestReport) -> ET.Element:
    return ET.fromstring(junit_xml(report))  # noqa: S314 - our own


def _result(*failures: str) -> RuleTestResult:
    return RuleTestResult("cart.test.yaml", "cart", "a < b & \x00", 2, failures, 0.0125)


def test_each_file_is_a_suite_with_its_tests() -> None:
    """Names, lines and counts; the failures' sentences, one a line."""
    root = _parsed(run_rule_tests(FIXTURES / "failing"))
    cart, deletions, coverage = root
    assert (root.get("failures"), root.get("errors")) == ("17", "0")
    assert coverage.get("name") == "coverage"
    assert int(root.get("tests", "0")) == 17 + len(coverage)
    assert (cart.get("tests"), deletions.get("tests")) == ("15", "2")
    case = cart[4]
    assert case.get("name") == "entries and deliveries that nobody expected"
    assert (case.get("classname"), case.get("line")) == ("cart", "24")
    failure = case[0]
    assert len((failure.text or "").splitlines()) == 2
    assert (failure.text or "").startswith(failure.get("message") or "?")


def test_a_passed_test_has_nothing_in_it() -> None:
    """It has its duration; characters that XML cannot hold are replaced."""
    ((case,),) = _parsed(RuleTestReport(results=(_result(),)))
    assert list(case) == []
    assert case.get("time") == "0.013"
    assert case.get("name") == "a < b & \N{REPLACEMENT CHARACTER}"


def test_an_error_of_a_file_is_an_error_of_its_suite() -> None:
    """CI fails for a rule that cannot be read; a warning is left out."""
    place = Location("cart.test.yaml", 3, 5)
    error = Diagnostic("unknown-key", Severity.ERROR, "there is no key 'givn'", place)
    warning = Diagnostic("no-default", Severity.WARNING, "nothing is sent", place)
    root = _parsed(RuleTestReport((error, warning), (_result("it failed"),)))
    (suite,) = root
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("2", "1", "1")
    found = suite[0][0]
    assert (found.tag, found.get("type"), found.text) == ("error", "unknown-key", str(error))


def test_an_empty_report_is_a_document_all_the_same() -> None:
    """A folder without rules has no suites."""
    root = _parsed(RuleTestReport())
    assert (root.tag, list(root), root.get("tests")) == ("testsuites", [], "0")


def test_what_no_test_has_seen_is_skipped_or_fails_if_it_is_required() -> None:
    """With its place, so that a CI system can show it beside the rule."""
    report = run_rule_tests(FIXTURES / "uncovered")
    for required, outcome in ((False, "skipped"), (True, "failure")):
        root = ET.fromstring(junit_xml(report, require_coverage=required))  # noqa: S314 - our own
        (suite,) = root.findall("testsuite[@name='coverage']")
        cases = {(case.get("classname"), case.get("name")): case for case in suite}
        case = cases["silent", "exit: Order Completed: ended"]
        assert (case.get("line"), case[0].tag) == ("8", outcome)
        assert str(case.get("file")).endswith("uncovered/silent.yaml")
        assert len(cases) == len(report.uncovered)
