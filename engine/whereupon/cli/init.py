"""``whereupon init``: a first rules folder, which has no errors and whose tests pass, and a configuration."""

import json
import sys
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated

import typer

from whereupon.cli.exit_status import exits_with_status, fail
from whereupon.cli.options import RULES
from whereupon.config.config import FILE
from whereupon.rules.reader import json_schema
from whereupon.testing.schema import schema_of_tests

_STARTER = "starter"
_SCHEMA = ".schema.json"
"""A hidden file, so that it is not read as a rule. The first line of each rule file names it for editors."""
_TESTS_SCHEMA = ".tests.schema.json"
"""Likewise for test files."""

_NEXT = """
  whereupon lint {folder}    checks every file, and prints all errors and warnings
  whereupon test {folder}    runs order-thanks.test.yaml on a frozen clock
  whereupon run     does due work, by whereupon.toml; whereupon doctor says what is amiss

Editors that know YAML complete the files with {folder}/{schema}. Begin your files with the line
# yaml-language-server: $schema={schema}   (whereupon schema > {folder}/{schema} writes it again)
and test files with the same line of {tests_schema} (whereupon schema --tests --rules {folder})
"""


@exits_with_status
def init_command(
    folder: Annotated[
        Path, typer.Argument(metavar="[DIR]", file_okay=False, help="The rules folder to create.")
    ] = RULES,
) -> None:
    """Create a first rules folder: a rule, its test, two events, the settings, the schema; and whereupon.toml.

    The folder must be new or empty, since no file is overwritten. The configuration stands beside it.
    """
    if folder.is_dir() and any(folder.iterdir()):
        fail(f"{folder} has files already, and none is overwritten; name a new folder")
    for name, content in sorted(_starter()):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(content)
        sys.stdout.write(f"created {path}\n")
    _write_configuration(folder)
    sys.stdout.write(_NEXT.format(folder=folder, schema=_SCHEMA, tests_schema=_TESTS_SCHEMA))


def _write_configuration(folder: Path) -> None:
    """Write a configuration beside the folder, unless there is one."""
    path = folder.parent / FILE
    if path.exists():
        sys.stdout.write(f"kept {path}; name the folder in it: rules = {json.dumps(folder.name)}\n")
        return
    text = (files("whereupon.cli") / _STARTER / FILE).read_text(encoding="utf-8")
    rules = json.dumps(folder.resolve().name, ensure_ascii=False)[1:-1]
    path.write_text(text.replace("{rules}", rules), encoding="utf-8")
    sys.stdout.write(f"created {path}\n")


def _starter() -> list[tuple[str, str]]:
    """The path of each file in the folder, and its text."""
    schemas = {_SCHEMA: json_schema(), _TESTS_SCHEMA: schema_of_tests()}
    texts = {
        name: json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        for name, schema in schemas.items()
    }
    return [*texts.items(), *_files_below(files("whereupon.cli") / _STARTER, "")]


def _files_below(folder: Traversable, path: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for each in folder.iterdir():
        if each.is_dir():
            found += _files_below(each, f"{path}{each.name}/")
        elif each.name.endswith(".yaml"):
            found.append((path + each.name, each.read_text(encoding="utf-8")))
    return found
