"""Running rule tests: what passes, what fails with which sentence, and what no test covers."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from whereupon.errors import Severity
from whereupon.testing import RuleTestReport, run_rule_tests

ROOT = Path(__file__).parents[3]
FIXTURES = ROOT / "fixtures" / "rule-tests"
SILENT = "tests:\n  - {name: silence, given: [], expect: []}\n"


def _lines(text_file: str) -> list[str]:
    return (FIXTURES / text_file).read_text(encoding="utf-8").splitlines()


def _timeless(report: RuleTestReport) -> RuleTestReport:
    return replace(report, results=tuple(replace(r, seconds=0.0) for r in report.results))


def test_the_rules_that_ship_pass_their_tests() -> None:
    """Every rule and guard of the worked example passes, without an error."""
    report = run_rule_tests(ROOT / "rules")
    assert [(r.name, r.failures) for r in report.results if r.failures] == []
    assert report.passed


def test_every_condition_of_the_rules_that_ship_is_seen_true_and_false() -> None:
    """Each rule also has a case that enters and one that does not."""
    assert [str(uncovered) for uncovered in run_rule_tests(ROOT / "rules").uncovered] == []


def test_every_kind_of_message_and_expectation_can_be_met() -> None:
    """In YAML and JSON; other rules, other guards and unexpected skips are not reported."""
    report = run_rule_tests(FIXTURES / "passing")
    assert [result.failures for result in report.results] == [()] * 12
    assert {result.rule for result in report.results} == {"cart", "deletions", "monday"}
    assert report.uncovered == ()
    assert report.passed


def test_every_failure_is_a_sentence() -> None:
    """What was expected, what happened, and why an expected entry did not happen."""
    report = run_rule_tests(FIXTURES / "failing")
    lines = [
        f"{Path(result.file).name}:{result.line}: {failure}"
        for result in report.results
        for failure in result.failures
    ]
    assert lines == _lines("failing/failures.txt")
    assert all(result.failures for result in report.results)
    assert not report.passed


def test_everything_wrong_with_test_files_is_located() -> None:
    """All errors in one run, with what to write instead; none of the tests in these files is run."""
    folder = FIXTURES / "broken-tests"
    report = run_rule_tests(folder)
    lines = [
        str(d).removeprefix(f"{folder.as_posix()}/")
        for d in report.diagnostics
        if d.severity is Severity.ERROR
    ]
    assert lines == _lines("broken-tests/diagnostics.txt")
    assert report.results == ()
    assert report.uncovered == ()
    assert not report.passed


def test_with_an_error_in_a_rule_nothing_is_run() -> None:
    """Half a rulebook would give wrong answers; the test files are still read."""
    report = run_rule_tests(FIXTURES / "broken-rules")
    assert [d.code for d in report.diagnostics] == ["bad-duration", "no-default", "unknown-key"]
    assert report.results == ()
    assert not report.passed


def test_a_broadcast_that_the_host_calls_up_can_be_tested() -> None:
    """`trigger:` has the key and the properties that the host would pass."""
    results = run_rule_tests(FIXTURES / "called-up").results
    assert [result.failures for result in results] == [
        (),
        (),
        ("trigger at +5m: there is no broadcast for `api` called 'olds'; there are: news",),
    ]


def test_a_broken_test_file_does_not_keep_others_from_running(tmp_path: Path) -> None:
    """Its own tests wait until it is corrected."""
    folder = shutil.copytree(FIXTURES / "passing", tmp_path / "rules")
    (folder / "cart.test.yaml").write_text("tests: [{}]\n")
    report = run_rule_tests(folder)
    assert {result.rule for result in report.results} == {"deletions", "monday"}
    assert report.uncovered == ()
    assert not report.passed


def test_what_no_test_has_tried_is_reported_and_is_no_failure() -> None:
    """Rules and guards without tests, cases that are missing, and conditions seen one way only."""
    report = run_rule_tests(FIXTURES / "uncovered")
    folder = f"{(FIXTURES / 'uncovered').as_posix()}/"
    lines = [str(each).removeprefix(folder) for each in report.uncovered]
    assert lines == _lines("uncovered/uncovered.txt")
    assert report.passed


def test_a_condition_counts_as_tried_only_where_it_was_reached() -> None:
    """In the rule without an entry, `who` stands behind a `where` that failed: it was not evaluated."""
    report = run_rule_tests(FIXTURES / "uncovered")
    parts = [(u.part, u.missing) for u in report.uncovered if u.rule == "silent"]
    assert ("where: price is at least 15", "false") not in parts
    assert ("who: not (vip is true)", "true") in parts
    assert ("who: not (vip is true)", "false") in parts


def test_the_files_of_one_rule_count_together(tmp_path: Path) -> None:
    """A rule may have its tests in several files; each part needs to be covered by one of them."""
    shutil.copy(FIXTURES / "passing" / "cart.yaml", tmp_path)
    tests = (FIXTURES / "passing" / "cart.test.yaml").read_text().split("  - name: ")
    (tmp_path / "more").mkdir()
    for place, half in ((tmp_path, tests[1:4]), (tmp_path / "more", tests[4:])):
        text = "  - name: ".join(["tests:\n", *half])
        (place / "cart.test.yaml").write_text(text)
    report = run_rule_tests(tmp_path)
    assert len({result.file for result in report.results}) == 2
    assert report.passed
    assert report.uncovered == ()


def test_running_again_gives_the_same() -> None:
    """The clock is frozen and the store thrown away: only the seconds differ."""
    first, second = (run_rule_tests(FIXTURES / "failing") for _ in range(2))
    assert _timeless(first) == _timeless(second)
    assert all(result.seconds > 0 for result in first.results)


def test_a_folder_that_is_not_there_is_one_diagnostic(tmp_path: Path) -> None:
    """Nothing is raised."""
    report = run_rule_tests(tmp_path / "nowhere")
    assert [d.code for d in report.diagnostics] == ["no-folder"]
    assert not report.passed


def test_tests_may_lie_in_any_folder_below_but_not_in_hidden_ones(tmp_path: Path) -> None:
    """As for rule files."""
    for name in ("shop", ".draft"):
        folder = tmp_path / name
        folder.mkdir()
        shutil.copy(FIXTURES / "failing" / "cart.yaml", folder)
        (folder / "cart.test.yaml").write_text(SILENT)
    report = run_rule_tests(tmp_path)
    assert [result.file for result in report.results] == [f"{tmp_path}/shop/cart.test.yaml"]


@pytest.mark.parametrize("kind", ["segment: cart\nwho: {vip: true}", "event: cart"])
def test_only_rules_and_guards_have_tests(tmp_path: Path, kind: str) -> None:
    """A segment is tested through the rules that use it; an event file has no behaviour."""
    (tmp_path / "cart.yaml").write_text(f"{kind}\ndescription: One.\n")
    (tmp_path / "cart.test.yaml").write_text(SILENT)
    report = run_rule_tests(tmp_path)
    assert [d.code for d in report.diagnostics] == ["test-without-rule"]
