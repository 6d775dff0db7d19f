"""The pages on the rule language: they are complete, and every example works."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from fixtures.reference import PAGES, Key, as_yaml, keys, shown_on, with_generated_parts
from tests.scenarios.rule_pages import Block, Section, folders_of, sections_of, write_folder

from whereupon.errors import Severity
from whereupon.rules.keys.attributes import TYPE_WORDS
from whereupon.rules.plan.tracking_plan import OWN_ATTRIBUTES
from whereupon.rules.reserved import ACTION_EVENTS
from whereupon.templates import VARIABLE_ROOTS
from whereupon.templates.filters import NAMES
from whereupon.testing.reports import RuleTestReport
from whereupon.testing.runner import run_rule_tests

SOURCE = PAGES.parents[1] / "whereupon"
KEYS = keys()
FILES = sorted(PAGES.glob("*.md"))
SECTIONS = [section for page in FILES for section in sections_of(page)]
CODES = {
    s.heading: s
    for s in SECTIONS
    if s.page == "diagnostics.md" and re.fullmatch(r"[a-z]+(-[a-z0-9]+)*", s.heading)
}


def _shown(key: Key) -> tuple[str, str]:
    return key.name, key.sentence


def _errors(report: RuleTestReport) -> list[str]:
    return [str(d) for d in report.diagnostics if d.severity is Severity.ERROR]


# --- keys and operators ---------------------------------------------------------------------------


@pytest.mark.parametrize("page", FILES, ids=lambda page: page.name)
def test_what_is_made_of_the_forms_is_what_is_committed(page: Path) -> None:
    """`python fixtures/reference.py` would change nothing."""
    text = page.read_text(encoding="utf-8")
    assert with_generated_parts(text, KEYS) == text


def test_every_key_and_operator_is_on_a_page() -> None:
    """A new key of a form is added to a page."""
    shown = {_shown(key) for page in FILES for key in shown_on(page.read_text("utf-8"), KEYS)}
    assert {_shown(key) for key in KEYS} - shown == set()


@pytest.mark.parametrize(
    "key",
    {(key.kind, repr(key.examples)): key for key in KEYS}.values(),
    ids=lambda key: f"{key.form} {key.name}",
)
def test_every_key_has_a_sentence_and_examples_that_are_read(key: Key, tmp_path: Path) -> None:
    """The examples that an editor shows for a key are valid in a file of that kind."""
    assert key.sentence.endswith(".")
    assert key.examples
    for place, example in enumerate(key.examples):
        text = as_yaml(example) + "\n"
        if text.startswith("- "):
            text = f"{next(iter(example))}:\n{text}"
        block = Block("yaml", key.kind, text)
        write_folder(tmp_path / str(place) / "rules", [block, *_texts_of(key)])
        assert _errors(run_rule_tests(tmp_path / str(place))) == []


def _texts_of(key: Key) -> list[Block]:
    """The files that the examples of a key name."""
    if not key.name.endswith("_file"):
        return []
    return [
        Block("html", "", f"<!-- {step[key.name]} -->\n{{}}")
        for example in key.examples
        for step in cast("list[dict[str, str]]", example["whereupon"])
    ]


def _in_code(page: str, heading: str) -> set[str]:
    """The texts in code marks in the prose under a heading."""
    (section,) = (s for s in SECTIONS if (s.page, s.heading) == (page, heading))
    return set(re.findall(r"`([^`]+)`", section.prose))


def test_lists_that_are_written_by_hand_are_complete() -> None:
    """Types, attributes that need not be listed, actions with their events, variables and filters."""
    assert {*TYPE_WORDS, *OWN_ATTRIBUTES} - _in_code("folder.md", "Settings") == {"user_id"}
    assert {event for events in ACTION_EVENTS.values() for event in events} | {"alias"} == {
        *_in_code("guards.md", "Actions")
    }
    assert set(VARIABLE_ROOTS) <= _in_code("steps.md", "Templates")
    assert _in_code("steps.md", "Filters") - {"strftime"} == NAMES


# --- examples -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "section", [s for s in SECTIONS if s.page != "diagnostics.md" and s.blocks], ids=str
)
def test_every_example_is_read_and_its_tests_pass(section: Section, tmp_path: Path) -> None:
    """Every example of a page can be copied."""
    for folder in folders_of(section, tmp_path):
        report = run_rule_tests(folder)
        assert _errors(report) == []
        assert [failure for result in report.results for failure in result.failures] == []


# --- diagnostics ----------------------------------------------------------------------------------


@pytest.mark.parametrize("section", CODES.values(), ids=str)
def test_every_diagnostic_is_reported_for_its_example(section: Section, tmp_path: Path) -> None:
    """As an error or as a warning, as the page says first."""
    stated = re.match(r"\s*\*(Error|Warning|Error or warning)\.\*", section.prose)
    assert stated, section.prose
    folders = folders_of(section, tmp_path)
    found = [d for folder in folders for d in run_rule_tests(folder).diagnostics]
    severities = {str(d.severity) for d in found if d.code == section.heading}
    assert severities == set(stated[1].lower().split(" or ")), [*map(str, found)]


def test_every_code_of_a_diagnostic_is_on_the_page() -> None:
    """A new code gets an entry with an example."""
    assert set(_codes_in_the_source()) - CODES.keys() == set()


def test_no_code_is_on_the_page_that_there_is_not() -> None:
    """A removed code takes its entry along."""
    text = "".join(path.read_text("utf-8") for path in SOURCE.rglob("*.py"))
    assert [code for code in CODES if f'"{code}"' not in text] == []


def _codes_in_the_source() -> Iterator[str]:
    """The diagnostic codes in the source of the packages."""
    for package in ("rules", "conditions", "templates", "testing"):
        for path in (SOURCE / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                for part in () if "contracts" in path.parts else _places_of_codes(node):
                    text = part.value if isinstance(part, ast.Constant) else None
                    if isinstance(text, str) and re.fullmatch(r"[a-z]+(-[a-z0-9]+)+", text):
                        yield text


def _places_of_codes(node: ast.AST) -> list[ast.expr]:
    """The places of codes: a keyword, an argument before a sentence, or a choice."""
    match node:
        case ast.Call(func=ast.Attribute(attr="encode" | "decode")):
            return []  # there it is an encoding
        case ast.Call(args=args, keywords=named):
            by_name = [each.value for each in named if each.arg in ("code", "custom_error_type")]
            return by_name + (args if len(args) > 1 else [])
        case ast.Tuple(elts=[first, _]):
            return [first]
        case ast.IfExp(body=body, orelse=other):
            return [body, other]
        case _:
            return []
