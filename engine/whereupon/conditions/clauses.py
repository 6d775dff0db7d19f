"""A clause: one condition that a rule file states, on its way from YAML to a compiled conjunct."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from whereupon.conditions.condition import Performed
from whereupon.conditions.spelling import Path
from whereupon.conditions.values import JsonValue
from whereupon.errors import Problem, Severity


@dataclass(frozen=True, slots=True)
class Clause:
    """One condition as JSONLogic and as words, with what it asks of the history and the segments."""

    logic: JsonValue
    text: str
    performed: tuple[Performed, ...] = ()
    segments: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Setting:
    """Where a condition stands: what it may refer to, and who takes note of its problems.

    Attributes:
        root: what the short form's paths start from.
        segments: the raw ``who`` of each segment, by name.
        history_allowed: whether ``segment`` and ``performed`` may be used.
        trail: the segments that are being read, outermost first.
        read: the clauses of each segment that was read, or why it cannot be used.
        problems: everything found so far.
    """

    root: Literal["properties", "person"]
    segments: Mapping[str, JsonValue]
    history_allowed: bool
    trail: tuple[str, ...] = ()
    read: dict[str, "tuple[Clause, ...] | Problem"] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def report(self, path: Path, code: str, message: str) -> None:
        """Take note of an error."""
        self.problems.append(Problem(path, code, message))

    def warn(self, path: Path, code: str, message: str) -> None:
        """Take note of something that loads, and is probably not meant."""
        self.problems.append(Problem(path, code, message, Severity.WARNING))


def conjunction(clauses: Iterable[Clause]) -> JsonValue:
    """The logic of several clauses that must all hold; of none, true."""
    logics = [clause.logic for clause in clauses]
    if not logics:
        return True
    return logics[0] if len(logics) == 1 else {"and": logics}


def combined(logic: JsonValue, text: str, parts: Iterable[Clause]) -> Clause:
    """A clause made of others: it asks what they ask."""
    parts = tuple(parts)
    performed = dict.fromkeys(ask for part in parts for ask in part.performed)
    segments = frozenset[str]().union(*(part.segments for part in parts))
    return Clause(logic, text, tuple(performed), segments)
