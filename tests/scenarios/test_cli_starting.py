"""The first minutes: the version, a new rules folder, and commands without one."""

from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from tests.scenarios.commands import STREAMS, whereupon

from whereupon.messages.codec import decode
from whereupon.rules.loading import load_document

SHOPPING = STREAMS / "anonymous-shopping.jsonl"


def test_the_version_is_printed() -> None:
    """One line, for bug reports."""
    output = whereupon("--version")
    assert (output.status, output.stderr) == (0, "")
    assert output.stdout.startswith("whereupon 0.")


def test_a_new_folder_lints_without_diagnostics_and_its_tests_pass(tmp_path: Path) -> None:
    """It has a rule with its test, events and settings; the tests cover everything."""
    made = whereupon("init", folder=tmp_path)
    assert made.status == 0
    files = {path.relative_to(tmp_path / "rules").as_posix() for path in tmp_path.rglob("*.yaml")}
    assert all(f"rules/{name}" in made.stdout for name in files)
    assert {"settings.yaml", "order-thanks.yaml", "order-thanks.test.yaml"} < files
    assert any(name.startswith("events/") for name in files)
    linted = whereupon("lint", "--strict", folder=tmp_path)
    assert (linted.status, linted.stdout) == (0, "")
    tested = whereupon("test", folder=tmp_path)
    assert tested.status == 0
    assert "0 failed" in tested.stdout
    assert "not covered" not in tested.stdout


def test_editors_are_led_from_each_file_to_the_schema(tmp_path: Path) -> None:
    """The first line names an existing schema, which the file satisfies."""
    folder = tmp_path / "shop" / "rules"
    assert whereupon("init", folder).status == 0
    for path in folder.rglob("*.yaml"):
        if not path.stem.endswith(".test"):
            first = path.read_text().splitlines()[0]
            named = path.parent / first.removeprefix("# yaml-language-server: $schema=")
            schema = decode(named.read_bytes())
            assert isinstance(schema, dict)
            Draft202012Validator(schema).validate(load_document(path)[0])


@pytest.mark.parametrize("name", ["mine.yaml", ".hidden"])
def test_nothing_is_ever_overwritten(name: str, tmp_path: Path) -> None:
    """A folder that is not empty stays as it is; exit status 2."""
    (tmp_path / name).write_text("mine")
    refused = whereupon("init", tmp_path)
    assert refused.status == 2
    assert "none is overwritten" in refused.stderr
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"


def test_a_store_is_asked_without_a_rules_folder(tmp_path: Path) -> None:
    """The decisions hold their reasons; the folder may be on another machine."""
    store = f"sqlite:///{tmp_path}/shop.db"
    assert whereupon("import", SHOPPING, "--store", store).status == 0
    asked = ("explain", "mia", "abandoned-cart", "--store", store)
    with_rules = whereupon(*asked)
    without = whereupon(*asked, folder=tmp_path)
    assert (without.status, without.stderr) == (0, "")
    assert len(without.stdout.splitlines()) == len(with_rules.stdout.splitlines()) > 0
    identity = whereupon("identity", "mia", "--store", store, folder=tmp_path)
    assert (identity.status, identity.stderr) == (0, "")
    assert identity.stdout.startswith("mia is known as mia.")


def test_a_replay_needs_rules_and_says_so(tmp_path: Path) -> None:
    """There is nothing to decide by."""
    (tmp_path / "empty.jsonl").write_text("")
    for asked in (("explain", "mia", "x"), ("identity", "mia")):
        output = whereupon(*asked, "--stream", "empty.jsonl", folder=tmp_path)
        assert output.status == 2
        assert "--rules" in output.stderr


def test_a_rules_folder_that_is_named_and_not_there_is_wrong_usage(tmp_path: Path) -> None:
    """Only the default folder may be missing."""
    store = f"sqlite:///{tmp_path}/shop.db"
    output = whereupon("explain", "mia", "x", "--store", store, "--rules", tmp_path / "nowhere")
    assert output.status == 2
