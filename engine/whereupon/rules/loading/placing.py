"""Texts of files, put into the steps that name them (``html_file: mails/receipt.html``).

It is done before a rule is read. So a text is checked as if it stood in the rule, and the stored version of the
rule has it.
"""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import JsonValue

from whereupon.errors import Diagnostic
from whereupon.rules.files import FILES
from whereupon.rules.loading.documents import in_file, load_document
from whereupon.rules.loading.json_text import read_json
from whereupon.rules.loading.positions import Path as DataPath
from whereupon.rules.loading.positions import Positions, TextFile, UnreadableTextError
from whereupon.rules.loading.texts import NoTextError, Texts
from whereupon.rules.steps.raw_steps import FILE_ENDING, ContentMapping, content_mappings


@dataclass(slots=True)
class Placed:
    """A document with the texts of files in it.

    Attributes:
        data: the content, as if every text stood in it.
        positions: the places of its parts, those in the files too.
        located: what is wrong with the text of the document, and with the files.
        at_keys: what is wrong with the keys that name files; not located yet.
        failed: the paths of the values that a file should have given.
    """

    data: JsonValue
    positions: Positions
    located: list[Diagnostic]
    at_keys: list[Diagnostic] = field(default_factory=list)
    failed: list[DataPath] = field(default_factory=list)


def load_placed(path: Path, texts: Texts) -> Placed:
    """Read a rule file, and put the texts into it that it names."""
    data, positions, found = load_document(path)
    placed = Placed(data, positions, [*found])
    files: dict[DataPath, TextFile] = {}
    if any(each.files() for each in content_mappings(data)):
        placed.data = deepcopy(data)
        for each in [*content_mappings(placed.data)]:
            files |= _place(each, texts, placed)
    if files or texts.partial_files:
        placed.positions = replace(positions, files=files, partials=texts.partial_files)
    return placed


def json_texts(path: Path, folder: Path) -> Iterator[Path]:
    """The JSON files that a rule file names as texts; those are no rule files."""
    for each in content_mappings(load_document(path)[0]):
        written = each.content.get(f"json{FILE_ENDING}")
        if isinstance(written, str) and written.endswith(".json"):
            yield folder / written


def is_rule_file(path: Path) -> bool:
    """Whether a JSON file says that it is a rule file, by an id that is its name."""
    data, _, _ = load_document(path)
    return isinstance(data, dict) and any(data.get(kind) == path.stem for kind in FILES)


def _place(mapping: ContentMapping, texts: Texts, placed: Placed) -> dict[DataPath, TextFile]:
    """Put the texts of one mapping in place of the keys that name them."""
    targets, written = mapping.files(), dict(mapping.content)
    mapping.content.clear()
    files: dict[DataPath, TextFile] = {}
    for key, value in written.items():
        target = targets.get(key, key)
        at = (*mapping.path, key)
        if target == key:
            mapping.content[key] = value
        elif target in written:
            message = f"write {target} or {key}, and take the other out"
            placed.at_keys.append(Diagnostic.at(at, "unsupported-key", message))
        else:
            path = (*mapping.path, target)
            text = _text_file(value, texts, placed, at=at, is_json=target == "json")
            mapping.content[target] = "" if text is None else text.data
            if text is None:
                placed.failed.append(path)
            else:
                files[path] = TextFile(key, text.file, text.positions)
    return files


@dataclass(frozen=True, slots=True)
class _Text:
    """What a file says: its text, or the value that it is in JSON with the places of its parts."""

    data: JsonValue
    file: str
    positions: Positions | None = None


def _text_file(
    written: JsonValue, texts: Texts, placed: Placed, *, at: DataPath, is_json: bool
) -> _Text | None:
    """What stands in the file that is named; None, and a diagnostic, if nothing does."""
    if not isinstance(written, str):
        message = "write the path of a text, such as mails/receipt.html"
        placed.at_keys.append(Diagnostic.at(at, "wrong-type", message))
        return None
    file = (texts.folder / written).as_posix()
    try:
        text = texts.text_of(texts.named(written))
        if not is_json:
            return _Text(text, file)
        document = read_json(text)
    except NoTextError as error:
        placed.at_keys.append(Diagnostic.at(at, error.code, error.message))
        return None
    except UnreadableTextError as error:
        placed.located.append(in_file(error.diagnostic, file))
        return None
    placed.located += [in_file(each, file) for each in document.diagnostics]
    return _Text(document.data, file, document.positions)
