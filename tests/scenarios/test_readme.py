"""The README is executed: its Python runs and prints what it says, its commands answer as shown."""

import contextlib
import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
ELISION = "…"
POSTGRES = "postgresql://shop@localhost/shop"


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, what stands behind it on the fence's line, and its text."""

    language: str
    note: str
    text: str


BLOCKS = [
    Block(language, note.strip(), text)
    for language, note, text in re.findall(r"^```(\w*)(.*?)\n(.*?)^```$", README, re.M | re.S)
]


def _examples() -> Iterator[tuple[str, str]]:
    """Each Python block with the output that is shown behind it."""
    for place, block in enumerate(BLOCKS):
        if block.language == "python":
            behind = BLOCKS[place + 1]
            yield block.text, behind.text if behind.language == "" else ""


@pytest.mark.parametrize(("code", "output"), list(_examples()))
def test_the_readmes_python_prints_what_it_says(
    code: str,
    output: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    """Each example runs on its own, in an empty folder with the rules beside it.

    Where it names a PostgreSQL server, that is the tests' own.
    """
    if POSTGRES in code:
        code = code.replace(POSTGRES, request.getfixturevalue("postgres"))
    (tmp_path / "rules").symlink_to(ROOT / "rules", target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), {})  # noqa: S102 - our own README
    for line in output.splitlines():
        assert line in printed.getvalue().splitlines()


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        tuple(block.text.removeprefix("$ ").split("\n", 1))
        for block in BLOCKS
        if block.language == "console"
    ],
)
def test_the_readmes_commands_answer_as_shown(command: str, expected: str) -> None:
    """Line for line; a line of dots stands for lines left out."""
    shown = _without_seconds(_run(command)).splitlines()
    for line in _without_seconds(expected).splitlines():
        if line != ELISION:
            assert line in shown


def _without_seconds(text: str) -> str:
    return re.sub(r"in \d+\.\d s", "in a moment", text)


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.note.startswith("file=")])
def test_the_readmes_files_are_the_files(block: Block) -> None:
    """What is shown as a file is that file, whole."""
    assert (ROOT / block.note.removeprefix("file=")).read_text() == block.text


def test_the_first_example_is_short() -> None:
    """At most twelve lines: somebody who has never seen it reads it at a glance."""
    first = next(block for block in BLOCKS if block.language == "python")
    assert len([line for line in first.text.splitlines() if line.strip()]) <= 12


def _run(command: str) -> str:
    arguments = command.split()
    assert arguments[0] == "whereupon"
    environment = {**os.environ, "COLUMNS": "100", "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    return done.stdout + done.stderr
