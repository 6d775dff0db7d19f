"""The pages on the rule language as examples: their blocks as folders of rule files.

A ``yaml`` block of a page is a part of a rule file. Behind ``yaml`` stands the kind of file, which is a
campaign if nothing is said; the rest of the file is `CARRIERS`'. A block whose first line is a comment
with a path is that file, whole; a file that is not YAML begins behind the comment. The blocks under one heading are files of one folder; a block of a kind
that is there already begins another folder. An ``sh`` block is run where the folder ``rules`` lies.
"""

import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

CARRIERS: Final[Mapping[str, Mapping[str, str]]] = {
    "campaign": {
        "campaign": "example",
        "description": "An example.",
        "when": "purchase",
        "reentry": "once",
        "holdout": "0.01",
        "whereupon": "[{send: push, title: Hello}, {split: {name: subject-june, arms: {a: {share: 100}}}}, "
        "{run: score-lead}]",
    },
    "broadcast": {
        "broadcast": "example",
        "description": "An example.",
        "when": "Sale Started",
        "whereupon": "[{send: push, title: Hello}]",
    },
    "segment": {"segment": "example", "description": "An example.", "who": "{plan: pro}"},
    "event": {"event": "example", "description": "An example."},
    "guard": {"guard": "example", "description": "An example.", "actions": "[Delete Person]"},
    "settings": {"settings": "settings"},
    "tests": {"name": "an example", "given": "[]", "expect": "[]"},
}
"""What is beside a part of a file, so that it is a file: each key with its text."""

_SEGMENTS: Final = {"pro-users": "{plan: [pro, team]}", "paying": "{plan: {in: [pro, team]}}"}
"""Segments that every example may name."""
_LISTED: Final = {"campaign": "whereupon", "broadcast": "whereupon", "tests": "given"}
"""The key to which a block belongs that is a list."""
_LANGUAGES: Final = ("yaml", "json", "sh", "html")
_FENCE: Final = re.compile(r"```(\w*) ?(\w*)")
_PATH: Final = re.compile(r"(?:#|<!--) (\S+\.\w+)(?: -->)?\n")
_KEY: Final = re.compile(r"^(\w+):", re.M)


@dataclass(frozen=True)
class Block:
    """A block of a page: its language, the kind of file named behind it, and its text."""

    language: str
    kind: str
    text: str


@dataclass(frozen=True)
class Section:
    """A heading of a page, the prose under it, and its blocks.

    Attributes:
        group: the heading of the second level under which it stands, or which it is.
    """

    page: str
    group: str
    heading: str
    prose: str
    blocks: tuple[Block, ...]

    def __str__(self) -> str:
        return f"{self.page}: {self.heading}"


def sections_of(page: Path) -> list[Section]:
    """Every section of a page, in order; a section ends at the next heading of any level."""
    return [*_sections(page.name, page.read_text(encoding="utf-8").splitlines(keepends=True))]


def _sections(page: str, lines: Sequence[str]) -> Iterator[Section]:
    group, heading, prose, blocks = "", "", "", list[Block]()
    fence, text = None, ""
    for line in lines:
        begins = _FENCE.match(line)
        if fence is not None and begins:
            blocks.append(Block(fence[1], fence[2] or "campaign", text))
            fence = None
        elif fence is not None:
            text += line
        elif begins:
            fence, text = begins, ""
        elif line.startswith("#"):
            yield Section(page, group, heading, prose, tuple(blocks))
            heading, prose, blocks = line.strip("# `\n"), "", []
            group = heading if line.startswith("## ") else group
        else:
            prose += line
    yield Section(page, group, heading, prose, tuple(blocks))


def folders_of(section: Section, place: Path) -> list[Path]:
    """The folders of rule files that a section's blocks make, written below a folder."""
    made: list[Path] = []
    for blocks in _by_folder([b for b in section.blocks if b.language in _LANGUAGES]):
        rules = place / str(len(made)) / "rules"
        write_folder(rules, blocks)
        made.append(rules)
    return made


def _by_folder(blocks: Sequence[Block]) -> list[list[Block]]:
    found: list[list[Block]] = []
    there: set[str] = set()
    for block in blocks:
        path = _PATH.match(block.text)
        name = path[1] if path else block.kind
        if not found or name in there:
            found.append([])
            there = set()
        there.add(name)
        found[-1].append(block)
    return found


def write_folder(rules: Path, blocks: Sequence[Block]) -> None:
    """Write a folder of rule files, and run the commands that come before it is read."""
    for name, who in _SEGMENTS.items():
        _write(rules / f"{name}.yaml", f"segment: {name}\nwho: {who}\n")
    if not any(b.kind not in ("tests", "event", "segment") or _PATH.match(b.text) for b in blocks):
        blocks = [Block("yaml", "campaign", ""), *blocks]
    subject = "example"
    for block in blocks:
        if block.language == "sh":
            subprocess.run(["bash", "-ec", block.text], cwd=rules.parent, check=True)  # noqa: S607
        elif path := _PATH.match(block.text):
            is_yaml = block.language == "yaml"  # else the comment is no part of the file
            _write(rules.parent / path[1], block.text if is_yaml else block.text[path.end() :])
        else:
            text = file_of(block)
            named = re.search(rf"^{block.kind}: ([\w-]+)$", text, re.M)
            stem = f"{subject}.test" if named is None else named[1]
            subject = stem if block.kind in ("campaign", "broadcast", "guard") else subject
            _write(rules / f"{stem}.yaml", text)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def file_of(block: Block) -> str:
    """The whole file that the block is a part of; the block may be empty."""
    text = block.text
    if text.startswith("- "):
        text = f"{_LISTED[block.kind]}:\n{text}"
    keys = _KEY.findall(text)
    if "tests" in keys:
        return text
    rest = {key: value for key, value in CARRIERS[block.kind].items() if key not in keys}
    lines = "".join(f"{key}: {value}\n" for key, value in rest.items()) + text
    if block.kind != "tests":
        return lines
    return "tests:\n  - " + lines.replace("\n", "\n    ").rstrip() + "\n"
