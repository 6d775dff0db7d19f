"""A rules folder as a rulebook: every file below it, and every diagnostic at once."""

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast

from pydantic import JsonValue

from whereupon.conditions.clocks import Clock
from whereupon.conditions.item_tests import ITEM_TESTS
from whereupon.errors import Diagnostic, Location, RulesInvalidError, Severity
from whereupon.messages.codec import object_text, read_object
from whereupon.rules.files import FILES, RuleFile
from whereupon.rules.files.guard import lint_guard
from whereupon.rules.files.rule import PARTIALS
from whereupon.rules.loading.chains import Chains
from whereupon.rules.loading.documents import file_error, load_document, may_have_key
from whereupon.rules.loading.lint import lint
from whereupon.rules.loading.placing import is_rule_file, json_texts, load_placed
from whereupon.rules.loading.texts import Texts, is_in_partials
from whereupon.rules.loading.time_lint import both_sides, may_have_sides
from whereupon.rules.model import EventPlan, FolderSettings, Guard, Rule, Rulebook, Segment
from whereupon.rules.plan.plan_checker import PlanChecker
from whereupon.rules.plan.tracking_plan import TrackingPlan
from whereupon.rules.reader import read_rule_file
from whereupon.rules.rule_reader import InternPool
from whereupon.rules.steps.raw_steps import FILE_ENDING

_SUFFIXES = frozenset({".yaml", ".json"})
_SETTINGS = "settings"
_MISSPELT = {".yml": ".yaml", ".yaml": ".yaml", ".json": ".json"}
"""The right suffix for each that resembles one, in small letters."""


@dataclass(frozen=True, slots=True)
class Folder:
    """What a rules folder says, and what is wrong with it.

    Attributes:
        book: what its files say, without the files that have errors.
        diagnostics: errors and warnings, in the order of files and lines.
        plan: the tracking plan that the names in its files are checked against.
        files: by the id that a file's name gives, the file of each rule, guard or segment in the book.
        refused: likewise, each rule file that is not in the book since it has an error.
        has_settings_refused: whether the settings file is one of them.
    """

    book: Rulebook
    diagnostics: tuple[Diagnostic, ...]
    plan: TrackingPlan = field(default_factory=TrackingPlan)
    files: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    has_settings_refused: bool = False


def load_rules(
    folder: Path, *, secrets: Collection[str] | None = None
) -> tuple[Rulebook, tuple[Diagnostic, ...]]:
    """Read every rule file below a folder: see `read_folder`."""
    found = read_folder(folder, secrets=secrets)
    return found.book, found.diagnostics


def read_folder(folder: Path, *, secrets: Collection[str] | None = None) -> Folder:
    """Read every rule file below a folder; files with errors are not in the book.

    Test files (``*.test.yaml``), hidden files and other kinds of file are skipped. Nothing is raised.

    Args:
        folder: where the files are.
        secrets: the names of all secrets that the host has; None if they are not known.
    """
    if not folder.is_dir():
        message = "there is no such folder; give the one that holds the rule files"
        return Folder(Rulebook(), (file_error(folder, code="no-folder", message=message),))
    paths, texts, found = _files_of(folder)
    segments, pool, clock = _raw_segments(paths), InternPool(), _clock(paths)
    files = [_File.from_path(path, segments, pool, texts, clock) for path in paths]
    diagnostics = [*found, *_duplicates(files)]
    wrong = {d.location.file for d in diagnostics if d.severity is Severity.ERROR}
    values = [value for file in files if (value := file.meant) is not None]
    plan = _plan(files, secrets)
    known = {value.id: value for value in values if isinstance(value, Segment)}
    chains = Chains([value for value in values if isinstance(value, Rule)], known)
    for file in files:
        of_file = [*file.diagnostics]
        of_file += file.located(_lint(file.meant, known, chains))
        of_file += file.checked(plan)
        if any(each.severity is Severity.ERROR for each in of_file):
            wrong.add(file.name)  # also for an error in a text that it names
        diagnostics += of_file
    diagnostics += _first_both_sides(files)
    if not wrong:  # else what a file names, or a text renders, may not be known
        diagnostics += texts.unused(_partials_of(values))
    refused = [file for file in files if file.name in wrong]
    sound = [file for file in files if file.value and file.name not in wrong]
    return Folder(
        book=_book([file.value for file in sound if file.value]),
        diagnostics=tuple(sorted(set(diagnostics), key=_order)),
        plan=plan,
        files={file.path.stem: file.name for file in sound},
        refused={file.path.stem: file.name for file in refused},
        has_settings_refused=any(file.is_of_settings for file in refused),
    )


def _first_both_sides(files: Sequence["_File"]) -> list[Diagnostic]:
    """What is said, once a folder, of a date that may lie on either side of now."""
    for file in files:
        if file.value is not None and may_have_sides(file.value):
            found = both_sides(cast("Mapping[str, JsonValue]", file.data_of(file.value)))
            if found is not None:
                return [*file.located([found])]
    return []


def _partials_of(values: Sequence[RuleFile]) -> set[str]:
    """The names of the partials that the rules render."""
    partials = (value.source.get(PARTIALS) for value in values if isinstance(value, Rule))
    return {name for each in partials if isinstance(each, Mapping) for name in each}


def _plan(files: Sequence["_File"], secrets: Collection[str] | None) -> TrackingPlan:
    """What the files describe. Of an event file with an error only the event's name counts."""
    broken = [value for file in files if isinstance(value := file.rest, EventPlan)]
    events: dict[str, Mapping[str, JsonValue]] = {value.name: {} for value in broken}
    events |= {e.name: e.properties for f in files if isinstance(e := f.value, EventPlan)}
    found = (value for file in files if isinstance(value := file.value, FolderSettings))
    settings = next(found, FolderSettings())
    listed = settings.secrets
    if secrets is not None:
        listed = tuple(name for name in secrets if listed is None or name in listed)
    names = (settings.channels, settings.functions, listed)
    return TrackingPlan(events, settings.attributes, *names)


def _lint(
    value: RuleFile | None, known: Mapping[str, Segment], chains: Chains
) -> Iterable[Diagnostic]:
    match value:
        case Rule():
            return (*lint(value, known), *chains.diagnostics(value))
        case Guard():
            return lint_guard(value)
        case _:
            return ()


def open_rules(folder: Path, *, secrets: Collection[str] | None = None) -> Rulebook:
    """Read a rules folder; raises `RulesInvalidError` with every diagnostic when one is an error."""
    book, diagnostics = load_rules(folder, secrets=secrets)
    if any(d.severity is Severity.ERROR for d in diagnostics):
        raise RulesInvalidError(diagnostics=diagnostics)
    return book


@dataclass(frozen=True, slots=True)
class _File:
    """One file, its value, and what is wrong with it.

    The text of a file and the places in it are not kept, since they would be most of the memory of a large
    folder. A file with further diagnostics is read again to locate them.
    """

    path: Path
    texts: Texts
    value: RuleFile | None
    diagnostics: tuple[Diagnostic, ...]
    rest: RuleFile | None = None
    errors_at: tuple[tuple[str | int, ...], ...] = ()

    @property
    def name(self) -> str:
        return self.path.as_posix()

    @property
    def meant(self) -> RuleFile | None:
        """The value, or what can be made of a file with an error."""
        return self.value or self.rest

    @property
    def is_of_settings(self) -> bool:
        """Whether it is the settings file; one that cannot be read at all has only its name."""
        if self.meant is None:
            return self.path.stem == _SETTINGS
        return isinstance(self.meant, FolderSettings)

    @classmethod
    def from_path(
        cls,
        path: Path,
        segments: Mapping[str, JsonValue],
        pool: InternPool,
        texts: Texts,
        clock: Clock | None,
    ) -> "_File":
        placed = load_placed(path, texts)
        if () not in placed.positions.values:
            return cls(path, texts, None, tuple(placed.located))
        reading = read_rule_file(
            placed.data,
            stem=path.stem,
            segments=segments,
            pool=pool,
            partials=texts.partials,
            clock=clock,
        )
        found = (*placed.at_keys, *reading.diagnostics)
        located = (placed.positions.locate(each, path.as_posix()) for each in found)
        is_broken = any(
            each.severity is Severity.ERROR for each in (*placed.located, *placed.at_keys)
        )
        value = None if is_broken else reading.file
        rest = reading.rest if value is None else None
        errors = (each.path for each in found if each.severity is Severity.ERROR and each.path)
        return cls(path, texts, value, (*placed.located, *located), rest, (*errors, *placed.failed))

    def located(self, diagnostics: Iterable[Diagnostic]) -> Iterator[Diagnostic]:
        """The diagnostics with their places, without those of a part that has an error already."""
        diagnostics = tuple(each for each in diagnostics if not self._has_error(each.path))
        if diagnostics:
            positions = load_placed(self.path, self.texts).positions
            yield from (positions.locate(diagnostic, self.name) for diagnostic in diagnostics)

    def checked(self, plan: TrackingPlan) -> Iterator[Diagnostic]:
        """What is wrong with the names in it, in view of the plan."""
        value = self.meant
        if value is None or isinstance(value, EventPlan):
            return
        if plan.is_empty and isinstance(value, Rule):
            text = object_text(value.source)
            if not any(f'"{key}"' in text for key in _LOOKING_INTO_LISTS):
                return
        yield from self.located(check_names(self.data_of(value), plan))

    def _has_error(self, path: tuple[str | int, ...]) -> bool:
        """Whether that part of the file has an error, or is within a part that has one."""
        return path != () and any(path[: len(part)] == part[: len(path)] for part in self.errors_at)

    def data_of(self, value: RuleFile) -> JsonValue:
        """What is written in the file."""
        match value:
            case Rule():
                return dict(read_object(value.source))
            case Segment():
                return {"segment": value.id, "who": value.source}
            case _:
                return load_document(self.path)[0]


_LOOKING_INTO_LISTS: Final = ("logic", *ITEM_TESTS)
"""The keys of conditions in which a name may be wrong without any plan."""


def check_names(source: JsonValue, plan: TrackingPlan) -> Iterator[Diagnostic]:
    """What is wrong with the names in a file's content, in view of the plan."""
    kind = next((key for key in FILES if isinstance(source, dict) and key in source), None)
    if isinstance(source, dict) and kind is not None:
        yield from FILES[kind].check(source, PlanChecker(plan))


# --- files ----------------------------------------------------------------------------------------


def _files_of(folder: Path) -> tuple[list[Path], Texts, list[Diagnostic]]:
    """The rule files and the texts of a folder, and what is wrong with its files as such."""
    found: list[Diagnostic] = []
    files = sorted(_visible_files(folder, found))
    paths = _rule_paths(files, folder, found)
    naming = (path for path in paths if may_have_key(path, f"json{FILE_ENDING}"))
    named = {text for path in naming for text in json_texts(path, folder)}
    beside = {path for path in named.intersection(paths) if not is_rule_file(path)}
    paths = [path for path in paths if path not in beside]
    texts = Texts.of(folder, files, paths)
    return paths, texts, [*found, *texts.diagnostics]


def _rule_paths(files: Sequence[Path], folder: Path, found: list[Diagnostic]) -> list[Path]:
    """The files that may be rule files, in their order."""
    home = folder.resolve()
    paths: list[Path] = []
    for path in files:
        if path.suffix.lower() in _MISSPELT and not has_plain_name(path, folder):
            shown = "".join(char if char.isprintable() else "�" for char in path.as_posix())
            message = "this name holds a control character, or is not UTF-8; rename it"
            found.append(file_error(Path(shown), code="file-name", message=message))
        elif not _leads_inside(path, home):
            message = "this link leads out of the rules folder; put the file itself here"
            found.append(file_error(path, code="link-outside", message=message))
        elif is_in_partials(path, folder):
            continue
        elif path.suffix not in _SUFFIXES and path.suffix.lower() in _MISSPELT:
            message = f"rename this to {path.stem}{_MISSPELT[path.suffix.lower()]}"
            found.append(file_error(path, code="extension", message=message))
        elif path.is_symlink() and not path.exists():
            message = "this link leads nowhere; put the file itself here, or take the link out"
            found.append(file_error(path, code="unreadable", message=message))
        elif path.is_file() and path.suffix in _SUFFIXES and not path.stem.endswith(".test"):
            paths.append(path)
    return paths


def has_plain_name(path: Path, folder: Path) -> bool:
    """Whether the name of a file below the folder can be printed in one line."""
    return str(path).removeprefix(str(folder)).isprintable()


def _leads_inside(path: Path, home: Path) -> bool:
    try:
        return path.resolve().is_relative_to(home)
    except (OSError, RuntimeError):  # a link to itself: which of the two depends on the Python
        return False


def _visible_files(folder: Path, found: list[Diagnostic]) -> Iterator[Path]:
    """Every file, and every link to a folder. Links are not followed."""

    def unreadable(error: OSError) -> None:
        message = f"this folder cannot be read: {error.strerror}"
        found.append(file_error(Path(error.filename), code="unreadable", message=message))

    for root, folders, files in os.walk(folder, onerror=unreadable):
        folders[:] = [name for name in folders if not name.startswith(".")]
        links = [name for name in folders if Path(root, name).is_symlink()]
        yield from (Path(root, name) for name in (*files, *links) if not name.startswith("."))


def _raw_segments(paths: Sequence[Path]) -> dict[str, JsonValue]:
    """The raw condition of every segment, for the rules that refer to them."""
    segments: dict[str, JsonValue] = {}
    for path in paths:
        if may_have_key(path, "segment"):
            data, _, _ = load_document(path)
            if isinstance(data, dict) and isinstance(name := data.get("segment"), str):
                segments.setdefault(name, data.get("who"))
    return segments


def _clock(paths: Sequence[Path]) -> Clock | None:
    """The clock of people that the settings name, which the conditions of all files go by."""
    for path in paths:
        if path.stem == _SETTINGS and may_have_key(path, "timezone"):
            data, _, _ = load_document(path)
            if isinstance(data, dict):
                reading = read_rule_file(
                    {"settings": _SETTINGS, "timezone": data.get("timezone")},
                    stem=_SETTINGS,
                    segments={},
                )
                if isinstance(reading.file, FolderSettings):
                    return reading.file.timezone
    return None


# --- the book -------------------------------------------------------------------------------------


def _duplicates(files: Sequence[_File]) -> Iterator[Diagnostic]:
    """An id, or an event's name, that an earlier file of the same kind has taken."""
    first: dict[tuple[type[RuleFile], str], str] = {}
    for file in files:
        value = file.value
        if value is None:
            continue
        name = value.name if isinstance(value, EventPlan) else value.id
        taken_by = first.setdefault((type(value), name), file.name)
        if taken_by != file.name:
            what = "name" if isinstance(value, EventPlan) else "id"
            message = f"{name} is already in {taken_by}; give one of them another {what}"
            if isinstance(value, FolderSettings):
                message = f"a folder has one settings file, and {taken_by} is one; join the two"
            yield from file.located([Diagnostic.at((), "duplicate-id", message)])


def _book(files: Sequence[RuleFile]) -> Rulebook:
    return Rulebook(
        rules=tuple(file for file in files if isinstance(file, Rule)),
        segments={file.id: file for file in files if isinstance(file, Segment)},
        guards=tuple(file for file in files if isinstance(file, Guard)),
        events=tuple(file for file in files if isinstance(file, EventPlan)),
        settings=next(
            (file for file in files if isinstance(file, FolderSettings)), FolderSettings()
        ),
    )


def _order(diagnostic: Diagnostic) -> tuple[Location, str, str]:
    return (diagnostic.location, diagnostic.code, diagnostic.message)
