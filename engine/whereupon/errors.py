"""What can go wrong, as types that keep the facts, and as located findings in rule files.

    WhereuponError
    ├── MessageRejectedError   a message cannot be accepted: code, field, what to send instead
    ├── RulesInvalidError      a rules folder has errors: every diagnostic of it
    ├── StoreError             the event store refuses: unknown address, newer schema
    ├── RequestError           a request for an action that cannot be approved, cancelled, tried again
    ├── UnknownNameError       a rule, person or channel that nobody registered
    └── StreamError            a stream file that cannot be read at all

Codes are kebab-case and for ever. Nothing here does any I/O.
"""

from dataclasses import dataclass
from enum import StrEnum


class WhereuponError(Exception):
    """The root of every error that this library raises on purpose."""


class MessageRejectedError(WhereuponError):
    """A message cannot be accepted.

    Attributes:
        code: stable and kebab-case, such as ``missing-id``.
        field: the wire name of the field at fault, such as ``userId``.
        reason: one sentence that names the field and says what is accepted.
    """

    def __init__(self, *, code: str, field: str, reason: str) -> None:
        self.code = code
        self.field = field
        self.reason = reason
        super().__init__(f"{code}: {reason}")


class StoreError(WhereuponError):
    """The event store cannot do what it was asked, and of that has done nothing.

    Attributes:
        code: where it is: ``bad-url``, ``unknown-database``, ``unknown-driver``, ``missing-extra``,
            ``no-store``, ``newer-schema``, ``older-schema`` (and may not be migrated), ``no-schema``,
            ``no-sql`` (a migration cannot be written down); what passes, so that the same call may be made
            again: ``busy`` (others write), ``conflict`` (somebody was first), ``unreachable``, ``full`` (no
            room), ``read-only``; what needs somebody: ``damaged``, ``no-tables``, ``no-grant``,
            ``other-key``; how it is used: ``nested-session``, ``no-connection``, ``no-transaction``,
            ``other-schema``, ``bad-text``, ``forked``, ``closed``.
        reason: one sentence; no password is in it.
    """

    def __init__(self, *, code: str, reason: str) -> None:
        self.code = code
        self.reason = reason
        super().__init__(f"{code}: {reason}")


class UnknownNameError(WhereuponError):
    """Something was asked for by a name that nobody registered.

    Attributes:
        kind: what was looked for, such as ``broadcast``.
        name: the name that was given.
        known: the names that there are.
    """

    def __init__(self, *, kind: str, name: str, known: tuple[str, ...] = ()) -> None:
        self.kind = kind
        self.name = name
        self.known = known
        there_are = f"; there are: {', '.join(known)}" if known else ""
        super().__init__(f"there is no {kind} called {name!r}{there_are}")


class RequestError(WhereuponError):
    """A request for an action is not to be had that way: by that person, or in that state.

    Attributes:
        code: stable and kebab-case, such as ``own-request``.
        key: the request's number; 0 where it is about none.
    """

    def __init__(self, *, code: str, key: int, reason: str) -> None:
        self.code = code
        self.key = key
        self.reason = reason
        super().__init__(f"{code}: {reason}")


class StreamError(WhereuponError):
    """A stream file cannot be read at all (a bad *line* is reported, not raised)."""

    def __init__(self, *, path: str, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"{path}: {reason}")


class Severity(StrEnum):
    """How bad a finding is: an error keeps the rules from loading, a warning does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, order=True)
class Location:
    """A place in a file: ``line`` and ``column`` count from 1."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding in a rule file: what is wrong, where, and what to write instead.

    Attributes:
        location: the file, the line and the column; without a file until the loader knows the place.
        path: keys and positions from the document's root, by which the loader finds the location.
            Empty once the location is known, and for a finding about a document as a whole.
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
    """A rules folder has errors; ``diagnostics`` holds all of them, warnings too."""

    def __init__(self, *, diagnostics: tuple[Diagnostic, ...]) -> None:
        self.diagnostics = diagnostics
        errors = [d for d in diagnostics if d.severity is Severity.ERROR]
        super().__init__("\n".join([f"{len(errors)} error(s) in the rules:", *map(str, errors)]))
