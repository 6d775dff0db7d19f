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

from whereupon.engine import Engine

pytestmark = pytest.mark.slow  # nearly each starts the command as a process


ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
ELISION = "…"
NIGHT = "night"
"""Console blocks that are followed in order, on one store that somebody was asked to be deleted from."""
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
        if block.language == "console" and block.note != NIGHT
    ],
)
def test_the_readmes_commands_answer_as_shown(command: str, expected: str) -> None:
    """Line for line; a line of dots stands for lines left out."""
    shown = _without_seconds(_run(command)).splitlines()
    for line in _without_seconds(expected).splitlines():
        if line != ELISION:
            assert line in shown


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a shop's store and its rules."""
    monkeypatch.setenv("WHEREUPON_DIGEST_KEY", "secret")
    (tmp_path / "rules").symlink_to(ROOT / "rules", target_is_directory=True)
    url = f"sqlite:///{tmp_path}/shop.db"
    with Engine.open(url, rules=ROOT / "rules", digest_key=b"secret") as engine:
        engine.identify("ada", anonymous_id="anon-1", traits={"first_name": "Ada"})
        engine.track("purchase", user_id="ada", properties={"price": 5})
        engine.identify("lin")
        engine.identify("boss", traits={"staff": True})
        engine.track("Delete Person", user_id="ada", source="client")
    return tmp_path


@pytest.mark.slow
def test_the_person_on_call_can_follow_the_readme_at_night(shop: Path) -> None:
    """Command for command, on a store of its own: the same answers, but for numbers and times."""
    listed = _run("whereupon requests list --store sqlite:///shop.db", shop)
    number = listed.split(maxsplit=1)[0]
    for block in BLOCKS:
        if block.note != NIGHT:
            continue
        for step in block.text.removeprefix("$ ").split("\n$ "):
            command, expected = step.split("\n", 1)
            shown = _run(command.replace(" 305 ", f" {number} "), shop)
            assert _anonymous(shown) == _anonymous(expected), command


def _anonymous(text: str) -> list[str]:
    """Lines without the numbers, times and hashes that are others each time."""
    bare = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", text)
    bare = re.sub(r"\b[0-9a-f]{12,64}\b", "HASH", bare)
    bare = re.sub(r"^\d+(?=  \w+  )|(?<=request )\d+", "N", bare, flags=re.M)
    return bare.rstrip().splitlines()


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


def _run(command: str, folder: Path = ROOT) -> str:
    arguments = command.split()
    assert arguments[0] == "whereupon"
    environment = {**os.environ, "COLUMNS": "100", "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    return done.stdout + done.stderr
