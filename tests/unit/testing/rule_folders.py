"""Small rules folders for tests of rule tests."""

from pathlib import Path
from textwrap import dedent, indent

from whereupon.testing import RuleTestReport, run_rule_tests


def write(folder: Path, **files: str) -> Path:
    """Write rule files and test files; ``cart_test`` is ``cart.test.yaml``, and any other ``_`` is a hyphen."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        stem = name.removesuffix("_test").replace("_", "-")
        ending = ".test.yaml" if name.endswith("_test") else ".yaml"
        (folder / f"{stem}{ending}").write_text(dedent(text).lstrip("\n"), encoding="utf-8")
    return folder


def file_of(given: str, expect: str, **more: str) -> str:
    """A file of one test; the items are lines of YAML, and ``more`` are keys of the test."""
    keys = "".join(f"    {key}: {value}\n" for key, value in more.items())
    return f"tests:\n  - name: one\n{keys}    given:{_items(given)}\n    expect:{_items(expect)}\n"


def _items(lines: str) -> str:
    return f"\n{indent(dedent(lines).strip(), '      ')}" if lines.strip() else " []"


def run(folder: Path, **files: str) -> RuleTestReport:
    """Run the tests of a folder with these files."""
    return run_rule_tests(write(folder, **files))


def failures(folder: Path, **files: str) -> list[str]:
    """The failures of these tests, in order; every file is sound."""
    report = run(folder, **files)
    assert [str(each) for each in report.diagnostics if each.severity == "error"] == []
    return [failure for result in report.results for failure in result.failures]
