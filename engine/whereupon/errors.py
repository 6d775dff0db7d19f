"""The exceptions of the library, and the diagnostics of rule files.

    WhereuponError
    ├── MessageRejectedError   a message cannot be accepted: code, field, what to send instead
    ├── RulesInvalidError      a rules folder has errors: all its diagnostics
    ├── ConfigInvalidError     the configuration has errors: all its diagnostics
    ├── StoreError             the event store cannot do a call: unknown address, newer schema
    ├── RequestError           a request for an action cannot be approved, cancelled or retried
    ├── OperationError         an operator's call cannot be done as things are: a broadcast, an entry
    ├── ApiKeyError            an API key cannot be made, changed or rotated
    ├── LinkError              the token of a link is not one of ours
    ├── UnknownNameError       there is no rule, person or channel of a name
    └── StreamError            a stream file cannot be read at all

Each keeps its facts as attributes. Codes are kebab-case, and never change. Nothing here does any I/O.
"""

from dataclasses import dataclass
from enum import StrEnum


class WhereuponError(Exception):
    """The base of all errors that the library raises on purpose."""


class MessageRejectedError(WhereuponError):
    """A message cannot be accepted.

    Attributes:
        code: stable and kebab-case, such as ``missing-id``.
        field: the wire name of the wrong field, such as ``userId``.
        reason: one sentence that names the field and says what is accepted.
    """

    def __init__(self, *, code: str, field: str, reason: str) -> None:
        self.code = code
        self.field = field
        self.reason = reason
        super().__init__(f"{code}: {reason}")


class StoreError(WhereuponError):
    """The event store could not do a call, and has changed nothing.

    Attributes:
        code: one of these.
            The store cannot be opened: ``bad-url``, ``unknown-database``, ``unknown-driver``,
            ``missing-extra``, ``no-store``, ``newer-schema``, ``older-schema`` (and it may not be migrated),
            ``no-schema``, ``no-sql`` (a migration cannot be written as SQL).
            The call may be repeated: ``busy`` (others write), ``conflict`` (another process wrote first),
            ``unreachable``, ``full`` (no space), ``read-only``.
            An administrator has to act: ``damaged``, ``no-tables``, ``no-grant``, ``other-key``.
            The caller uses the store wrongly: ``nested-session``, ``no-connection``, ``no-transaction``,
            ``other-schema``, ``bad-text``, ``forked``, ``closed``.
        reason: one sentence. It contains no password.
    """

    def __init__(self, *, code: str, reason: str) -> None:
        self.code = code
        self.reason = reason
        super().__init__(f"{code}: {reason}")


class UnknownNameError(WhereuponError):
    """There is nothing of a name.

    Attributes:
        kind: the kind of thing, such as ``broadcast``.
        name: the unknown name.
        known: the names that exist.
    """

    def __init__(self, *, kind: str, name: str, known: tuple[str, ...] = ()) -> None:
        self.kind = kind
        self.name = name
        self.known = known
        there_are = f"; there are: {', '.join(known)}" if known else ""
        super().__init__(f"there is no {kind} called {name!r}{there_are}")


class RequestError(WhereuponError):
    """A request for an action does not allow a decision: by that person, or in its state.

    Attributes:
        code: stable and kebab-case, such as ``own-request``.
        key: the number of the request; 0 if there is none.
    """

    def __init__(self, *, code: str, key: int, reason: str) -> None:
        self.code = code
        self.key = key
        self.reason = reason
        super().__init__(f"{code}: {reason}")


class OperationError(WhereuponError):
    """A call about a broadcast, an entry or a rule cannot be done as things are; nothing has changed.

    Attributes:
        code: stable and kebab-case, such as ``inactive``.
        name: the rule, run or entry that it is about.
        reason: one sentence that says what stands in the way.
    """

    def __init__(self, *, code: str, name: str, reason: str) -> None:
        self.code = code
        self.name = name
        self.reason = reason
        super().__init__(f"{code}: {reason}")


class ApiKeyError(WhereuponError):
    """An API key cannot be made, changed or rotated.

    Attributes:
        code: stable and kebab-case, such as ``weak-secret``.
        reason: one sentence that says what is accepted. It contains no secret.
    """

    def __init__(self, *, code: str, reason: str) -> None:
        self.code = code
        self.reason = reason
        super().__init__(f"{code}: {reason}")


class LinkError(WhereuponError):
    """The token of a link is not one of ours: it was cut or changed, or signed under another key."""

    def __init__(self) -> None:
        super().__init__(
            "the link is not valid: it was cut or changed, or it was signed under another digest_key"
        )


class StreamError(WhereuponError):
    """A stream file cannot be read at all. A wrong line does not raise it; `BadLine` reports that."""

    def __init__(self, *, path: str, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"{path}: {reason}")


class Severity(StrEnum):
    """The severity of a diagnostic: with an error, the rules are not loaded; with a warning, they are."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, order=True)
class Location:
    """A place in a file; ``line`` and ``column`` count from 1. Line 0 is the whole of what is named."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        if self.line == 0:
            return self.file
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One error or warning about a rule file: what is wrong, where, and what to write instead.

    Attributes:
        location: the file, line and column. The file is empty until the loader has found the place.
        path: keys and positions from the root of the document, from which the loader finds the location.
            It is empty once the location is known, and for a diagnostic about a whole document.
    """

    code: str
    severity: Severity
    message: str
    location: Location = Location("")
    path: tuple[str | int, ...] = ()

    def __str__(self) -> str:
        return f"{self.location}: {self.code} {self.message}"

    @classmethod
    def at(
        cls,
        path: tuple[str | int, ...],
        code: str,
        message: str,
        severity: Severity = Severity.ERROR,
    ) -> "Diagnostic":
        """An error, or a warning, at a path of a document. Its location is not known yet."""
        return cls(code, severity, message, path=path)

    @classmethod
    def warning_at(cls, path: tuple[str | int, ...], code: str, message: str) -> "Diagnostic":
        """A warning at a path of a document. Its location is not known yet."""
        return cls(code, Severity.WARNING, message, path=path)


class RulesInvalidError(WhereuponError):
    """A rules folder has errors; ``diagnostics`` holds all errors and warnings."""

    def __init__(self, *, diagnostics: tuple[Diagnostic, ...]) -> None:
        self.diagnostics = diagnostics
        errors = [d for d in diagnostics if d.severity is Severity.ERROR]
        super().__init__("\n".join([f"{len(errors)} error(s) in the rules:", *map(str, errors)]))


class ConfigInvalidError(WhereuponError):
    """The configuration has errors; ``diagnostics`` holds all of them.

    A location is a place in the file, or the name of an environment variable. No secret is quoted.
    """

    def __init__(self, *, diagnostics: tuple[Diagnostic, ...]) -> None:
        self.diagnostics = diagnostics
        lines = map(str, diagnostics)
        super().__init__("\n".join([f"{len(diagnostics)} error(s) in the configuration:", *lines]))
