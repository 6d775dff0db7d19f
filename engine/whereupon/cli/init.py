"""``whereupon init``: a rules folder to begin with, that lints and whose tests pass."""

import json
import sys
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated

import typer

from whereupon.cli.exit_status import fail, settles
from whereupon.cli.options import RULES
from whereupon.rules.reader import json_schema

_STARTER = "starter"
_SCHEMA = ".schema.json"
"""Hidden, so that it is not read as a rule file; the first line of each file leads editors to it."""

_NEXT = """
  whereupon lint {folder}    checks every file: all findings at once
  whereupon test {folder}    runs order-thanks.test.yaml on a frozen clock

Editors that know YAML complete the files by {folder}/{schema}; start yours with the line
# yaml-language-server: $schema={schema}   (whereupon schema > {folder}/{schema} makes it anew)
"""


@settles
def init_command(
    folder: Annotated[
        Path, typer.Argument(metavar="[DIR]", file_okay=False, help="The rules folder to make.")
    ] = RULES,
) -> None:
    """Make a rules folder to begin with: a rule, its test, two events, the settings, and the schema.

    The folder is new or empty: nothing is ever overwritten.
    """
    if folder.is_dir() and any(folder.iterdir()):
        fail(
            f"{folder} has files in it already, and none is overwritten; name a folder that is new"
        )
    for name, content in sorted(_starter()):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(content)
        sys.stdout.write(f"made {path}\n")
    sys.stdout.write(_NEXT.format(folder=folder, schema=_SCHEMA))


def _starter() -> list[tuple[str, str]]:
    """The files to make, each by its path in the folder, with what is in it."""
    schema = json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
    return [(_SCHEMA, schema), *_files_below(files("whereupon.cli") / _STARTER, "")]


def _files_below(folder: Traversable, path: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for each in folder.iterdir():
        if each.is_dir():
            found += _files_below(each, f"{path}{each.name}/")
        elif each.name.endswith(".yaml"):
            found.append((path + each.name, each.read_text(encoding="utf-8")))
    return found
