"""`whereupon lint`, `test`, `schema` and the help, as users meet them."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from tests.paths import ROOT
from tests.scenarios.commands import whereupon

from whereupon.cli.commands import HEADINGS, command, summary_of

COMMANDS = ("replay", "import", "init", "lint", "test", "schema", "explain", "deliveries", "retry")

GOOD = """\
campaign: thanks
description: Thank people who buy.
when: purchase
where: {price: {gt: 20}}
reentry: once
whereupon:
  - send: push
    title: Thanks
"""
TESTS = """\
tests:
  - name: a purchase is thanked
    given:
      - {track: purchase, user: ada, properties: {price: 30}}
    expect:
      - {entered: ada}
      - {delivery: push, to: ada}
"""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """A folder with one good rule and its passing test."""
    (tmp_path / "thanks.yaml").write_text(GOOD)
    (tmp_path / "thanks.test.yaml").write_text(TESTS)
    return tmp_path


# --- lint -----------------------------------------------------------------------------------------


def test_good_rules_have_no_diagnostics(rules: Path) -> None:
    """Nothing on stdout, the count on stderr, exit status 0."""
    linted = whereupon("lint", rules)
    assert (linted.status, linted.stdout) == (0, "")
    assert "0 errors, 0 warnings" in linted.stderr


def test_every_diagnostic_is_a_line_that_editors_can_follow(rules: Path) -> None:
    """file:line:column: code message, for rules and tests; errors make the exit status 1."""
    (rules / "broken.yaml").write_text("campaign: broken\nwhen: purchase\nwhoops: 1\n")
    (rules / "lost.test.yaml").write_text("tests: 1\n")
    linted = whereupon("lint", rules)
    assert linted.status == 1
    lines = linted.stdout.splitlines()
    assert all(re.match(r"\S+\.yaml:\d+:\d+: [a-z-]+ \S", line) for line in lines)
    assert any("broken.yaml:3:1: unknown-key" in line for line in lines)
    assert any("lost.test.yaml:" in line for line in lines)


def test_a_warning_is_marked_and_fails_nothing(rules: Path) -> None:
    """A likely mistake that is allowed is marked as a warning."""
    (rules / "thanks.yaml").write_text(GOOD.replace("description: Thank people who buy.\n", ""))
    linted = whereupon("lint", rules)
    assert linted.status == 0
    assert re.search(r"thanks\.yaml:1:1: no-description .* \(warning\)$", linted.stdout, re.M)


def test_with_strict_a_warning_fails(rules: Path) -> None:
    """For teams that want a complete tracking plan."""
    (rules / "thanks.yaml").write_text(GOOD.replace("description: Thank people who buy.\n", ""))
    assert whereupon("lint", rules).status == 0
    assert whereupon("lint", rules, "--strict").status == 1


def test_diagnostics_as_json_have_their_parts_apart(rules: Path) -> None:
    """One object for each diagnostic, then the counts."""
    (rules / "broken.yaml").write_text("campaign: broken\nwhen: purchase\nwhoops: 1\n")
    linted = whereupon("lint", rules, "--json")
    assert linted.status == 1
    assert linted.stderr == ""
    diagnostic, *_, summary = linted.records
    assert list(diagnostic) == ["kind", "file", "line", "column", "code", "severity", "message"]
    assert list(summary) == ["kind", "errors", "warnings"]


def test_the_rules_that_ship_are_clean() -> None:
    """The worked examples have no warning."""
    assert whereupon("lint", "--strict").status == 0


# --- test -----------------------------------------------------------------------------------------


def test_passing_tests_succeed_and_show_what_they_never_tried(rules: Path) -> None:
    """Exit status 0, the count, and what no test covers, unless that is switched off."""
    output = whereupon("test", rules)
    assert output.status == 0
    assert "1 passed, 0 failed" in output.stdout
    assert re.search(r"^not covered: \S+/thanks\.yaml:\d+: thanks: ", output.stdout, re.M)
    assert "not covered" not in whereupon("test", rules, "--no-coverage").stdout


def test_with_require_coverage_what_no_test_has_seen_fails(rules: Path, tmp_path: Path) -> None:
    """Exit status 1 for CI; in the JUnit report it has failed, and without the option it is skipped."""
    junit = tmp_path / "junit.xml"
    assert whereupon("test", rules, "--junit", junit).status == 0
    (suite,) = ET.parse(junit).getroot().findall("testsuite[@name='coverage']")  # noqa: S314 - our own
    assert suite.get("skipped") == suite.get("tests") != "0"
    required = whereupon("test", rules, "--junit", junit, "--require-coverage", "--no-coverage")
    assert required.status == 1
    assert "not covered: " in required.stdout
    (suite,) = ET.parse(junit).getroot().findall("testsuite[@name='coverage']")  # noqa: S314 - our own
    assert suite.get("failures") == suite.get("tests")


def test_a_failing_test_is_named_with_its_line_and_its_reasons(rules: Path, tmp_path: Path) -> None:
    """Exit status 1; the JUnit report has the same text."""
    (rules / "thanks.test.yaml").write_text(TESTS.replace("price: 30", "price: 3"))
    junit = tmp_path / "out" / "junit.xml"
    junit.parent.mkdir()
    output = whereupon("test", rules, "--junit", junit)
    assert output.status == 1
    assert "thanks.test.yaml:2: failed: thanks: a purchase is thanked" in output.stdout
    assert "0 passed, 1 failed" in output.stdout
    assert ET.parse(junit).getroot().get("failures") == "1"  # noqa: S314 - our own output


def test_results_as_json_have_their_parts_apart(rules: Path) -> None:
    """One object for each test, what is not covered, then the counts."""
    output = whereupon("test", rules, "--json")
    assert [list(each) for each in output.of_kind("test")] == [
        ["kind", "file", "line", "rule", "name", "outcome", "failures", "seconds"]
    ]
    assert list(output.of_kind("uncovered")[0]) == [
        *("kind", "rule", "part", "missing"),
        *("address", "file", "line"),
    ]
    assert list(output.records[-1]) == ["kind", "tests", "passed", "failed", "uncovered"]


def test_a_report_that_cannot_be_written_is_wrong_usage(rules: Path) -> None:
    """Exit status 2, one line on stderr."""
    ended = whereupon("test", rules, "--junit", rules / "no" / "such" / "folder.xml")
    assert ended.status == 2
    assert "cannot be written" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("command", ["lint", "test"])
def test_a_folder_that_is_not_there_is_wrong_usage(command: str) -> None:
    """Exit status 2, the reason on stderr."""
    ended = whereupon(command, "no-such-folder")
    assert (ended.status, ended.stdout) == (2, "")
    assert "no-such-folder" in ended.stderr


# --- schema and help --------------------------------------------------------------------------------


def test_the_schema_is_a_json_schema() -> None:
    """Standard output is the whole schema."""
    schema = json.loads(whereupon("schema").stdout)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    """The list of commands has a sentence for it, and its own help lists its options."""
    listed = whereupon("--help", columns=120)
    assert re.search(rf"{command} +[A-Z]\w+ .+", listed.stdout)
    output = whereupon(command, "--help", columns=120)
    assert output.status == 0
    assert len(output.stdout.splitlines()) > 5


@pytest.mark.parametrize("name", HEADINGS)
def test_the_overview_has_the_first_line_of_each_command_s_help(name: str) -> None:
    """It reads the line from the source of the command, and imports no command."""
    assert command(name).help.splitlines()[0] == summary_of(name) != ""
    assert summary_of(name) in whereupon("--help", columns=200).stdout


def test_every_command_is_named_in_the_readme() -> None:
    """The README names all commands."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f"whereupon {name}" not in readme] == []


def test_an_unknown_command_is_wrong_usage() -> None:
    """Exit status 2."""
    assert whereupon("teatime").status == 2
