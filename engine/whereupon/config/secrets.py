"""Values that stand elsewhere: ``{env = "SMTP_PASSWORD"}`` and ``{file = "/run/secrets/password"}``.

They are read when they are needed. What was read so is a secret, and `masked` takes it out of every sentence.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath

from whereupon.config.environment import VariableText
from whereupon.config.toml_places import Path
from whereupon.errors import Diagnostic

NO_SECRET = "no-secret"  # noqa: S105 - a code
TABLE = "secrets"
"""The table of the secrets that `webhook` steps may ask for."""
_FORMS = ("env", "file")
_SECRET = re.compile(r"(^|_)(pass|password|passwd|secrets?|tokens?|key|keys|auth|urls)$", re.I)
_LOGIN = re.compile(r"://[^/\s@:]*:[^/\s@]+@|://hooks\.slack\.com/|^\s*\{.*private_key", re.S)
"""A password in a URL, a URL that is a secret itself, or the file of an account."""


@dataclass(slots=True)
class SecretReader:
    """Reads referenced values, and remembers them so that they can be masked.

    Args:
        environ: the environment.
        folder: where the paths of files begin.
    """

    environ: Mapping[str, str]
    folder: FilePath
    faults: list[Diagnostic] = field(default_factory=list)
    _known: set[str] = field(default_factory=set, repr=False)

    def read(self, value: object, path: Path) -> object:
        """The value with each reference replaced by what it leads to; None for one that leads nowhere."""
        if is_reference(value):
            assert isinstance(value, dict)  # noqa: S101 - a reference is one
            ((form, name),) = value.items()
            return self._referenced(form, name, path)
        if isinstance(value, dict):
            return {key: self.read(inner, (*path, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.read(inner, (*path, place)) for place, inner in enumerate(value)]
        if isinstance(value, str) and is_secret(path, value):
            self._known.add(value)
        return value

    def masked(self, sentence: str) -> str:
        """The sentence without any secret that was read."""
        for secret in sorted(self._known, key=len, reverse=True):
            sentence = sentence.replace(secret, "…").replace(repr(secret)[1:-1], "…")
        return sentence

    def _referenced(self, form: str, name: object, path: Path) -> object:
        if not isinstance(name, str) or not name:
            self._report(path, f"write {{{form} = …}} with a name in quotes")
            return None
        text = self.environ.get(name) if form == "env" else self._file(name, path)
        if not text and form == "env":
            self._report(path, f"the environment variable {name} is not set")
        if not text:
            return None
        self._known |= {text, *text.splitlines(), *text.split(",")} - {""}
        return VariableText(text) if form == "env" else text

    def _file(self, name: str, path: Path) -> str | None:
        try:
            text = (self.folder / name).expanduser().read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            self._report(path, f"the file {name} cannot be read: {why}")
            return None
        if not text:
            self._report(path, f"the file {name} is empty")
        return text

    def _report(self, path: Path, message: str) -> None:
        self.faults.append(Diagnostic.at(path, NO_SECRET, message))


def is_reference(value: object) -> bool:
    """Whether it is a table of one key, ``env`` or ``file``."""
    return isinstance(value, dict) and len(value) == 1 and next(iter(value)) in _FORMS


def is_secret(path: Path, value: str) -> bool:
    """Whether a value looks like a secret: by the name of its key, or as a URL with a password."""
    names = [part for part in path if isinstance(part, str)]
    if names[:1] == [TABLE]:
        return True
    return bool(names and _SECRET.search(names[-1])) or _LOGIN.search(value) is not None


def written_secrets(value: object, path: Path = ()) -> Iterator[Path]:
    """The paths of secrets that stand in clear."""
    if isinstance(value, dict) and not is_reference(value):
        for key, inner in value.items():
            yield from written_secrets(inner, (*path, key))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from written_secrets(inner, (*path, place))
    elif isinstance(value, str) and not isinstance(value, VariableText) and is_secret(path, value):
        yield path
