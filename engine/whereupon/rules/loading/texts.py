"""The texts of a rules folder that stand in files of their own: those that a ``KEY_file`` names, and partials.

Nothing outside of the folder is ever read, and no link is followed.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

from whereupon.errors import Diagnostic, Location, Severity
from whereupon.rules.loading.documents import file_error, in_file, read_text
from whereupon.rules.loading.positions import UnreadableTextError
from whereupon.rules.spelling import nearest

_PARTIALS: Final = "partials"
_PARTIAL_SUFFIXES: Final = frozenset((".liquid", ".html"))
_TEXT_SUFFIXES: Final = frozenset((".html", ".htm", ".txt", ".liquid", ".mjml"))
"""The endings of files in which nothing but a text is expected."""
_RULE_SUFFIXES: Final = frozenset((".yaml", ".yml"))


class NoTextError(Exception):
    """A path names no text of the folder.

    Attributes:
        code: of the diagnostic.
        message: one sentence: why, and what to write instead.
    """

    def __init__(self, *, code: str, message: str) -> None:
        self.code, self.message = code, message
        super().__init__(message)


def is_in_partials(path: Path, folder: Path) -> bool:
    """Whether a file of the rules folder stands in its folder of partials."""
    return path.relative_to(folder).parts[0] == _PARTIALS


@dataclass(slots=True)
class Texts:
    """The texts of one folder; each file is read once.

    Attributes:
        files: the visible files of the folder.
        rule_files: those that are rule files.
        partials: the sources of the partials, by name.
        partial_files: their files.
        used: the files that steps name.
        diagnostics: what is wrong with partials as files.
    """

    folder: Path
    files: frozenset[Path] = frozenset()
    rule_files: frozenset[Path] = frozenset()
    partials: dict[str, str] = field(default_factory=dict)
    partial_files: dict[str, str] = field(default_factory=dict)
    used: set[Path] = field(default_factory=set)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    _read: dict[Path, str | UnreadableTextError] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: Path, files: Iterable[Path], rule_files: Iterable[Path]) -> "Texts":
        """The texts of a folder, its partials read."""
        texts = cls(folder, frozenset(files), frozenset(rule_files))
        for path in sorted(texts.files):
            is_text = path.suffix in _PARTIAL_SUFFIXES and path.name.isprintable()
            if is_in_partials(path, folder) and is_text:
                texts._take_partial(path)
        return texts

    def _take_partial(self, path: Path) -> None:
        name = path.relative_to(self.folder / _PARTIALS).with_suffix("").as_posix()
        file = path.as_posix()
        if name in self.partial_files:
            message = f"{self.partial_files[name]} is the partial {name!r} already; rename one"
            self.diagnostics.append(file_error(path, code="duplicate-partial", message=message))
            return
        self.partial_files[name] = file
        try:
            self.partials[name] = self._text(path)
        except NoTextError as error:
            self.diagnostics.append(file_error(path, code=error.code, message=error.message))
        except UnreadableTextError as error:
            self.diagnostics.append(in_file(error.diagnostic, file))

    def named(self, written: str) -> Path:
        """The file that a step names by its path below the folder; raises `NoTextError`."""
        path = self._below(written)
        if path.suffix.lower() in _RULE_SUFFIXES or path in self.rule_files:
            message = f"{written} is a rule file and no text; give the text another ending"
            raise NoTextError(code="text-path", message=message)
        if path not in self.files or not path.is_file():
            known = sorted(
                each.relative_to(self.folder).as_posix() for each in self.files - self.rule_files
            )
            hint = nearest(written, known) or "; write its path from the rules folder on"
            raise NoTextError(code="no-text-file", message=f"there is no file {written}{hint}")
        return path

    def _below(self, written: str) -> Path:
        pure = PurePosixPath(written)
        is_plain = written == pure.as_posix() and "\\" not in written and written.isprintable()
        if not is_plain or pure.is_absolute() or any(part.startswith(".") for part in pure.parts):
            message = (
                "write the path of a text below the rules folder, from there on, such as "
                f"mails/receipt.html; this is {written[:60]!r}"
            )
            raise NoTextError(code="text-path", message=message)
        return self.folder / pure

    def text_of(self, path: Path) -> str:
        """The text in a file that a step names.

        Raises:
            NoTextError: a link is on the way to it.
            UnreadableTextError: with what is wrong in the file, and where.
        """
        self.used.add(path)
        return self._text(path)

    def _text(self, path: Path) -> str:
        parts = path.relative_to(self.folder).parts
        if any(self.folder.joinpath(*parts[:end]).is_symlink() for end in range(1, len(parts) + 1)):
            message = "a text is never read through a link; put the file itself there"
            raise NoTextError(code="text-path", message=message)
        if path not in self._read:
            try:
                self._read[path] = read_text(path)
            except UnreadableTextError as error:
                self._read[path] = error
        known = self._read[path]
        if isinstance(known, UnreadableTextError):
            raise known
        return known

    def unused(self, partials: Iterable[str]) -> Iterator[Diagnostic]:
        """A warning for each text, and each partial, that no rule uses.

        Args:
            partials: the names of those that rules render.
        """
        rendered = {self.partial_files[name] for name in partials if name in self.partial_files}
        faulty = {each.location.file for each in self.diagnostics}
        for path in sorted(self.files - self.rule_files - self.used):
            file = path.as_posix()
            is_text = path.suffix in _TEXT_SUFFIXES and path.name.isprintable()
            if file in rendered | faulty or not is_text or path.is_symlink():
                continue
            thing = "partial" if is_in_partials(path, self.folder) else "text"
            message = f"no rule uses this {thing}; take it out, or name it in a step"
            yield Diagnostic("unused-text", Severity.WARNING, message, Location(file))
