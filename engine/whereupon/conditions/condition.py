"""A compiled condition, and what it may ask about a person's past.

A condition is a conjunction: it holds if each of its conjuncts holds. Conjuncts are kept apart, so that
the first one that fails can be named, with the values that it saw.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import chain
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from whereupon.conditions.paths import follow, parts_of
from whereupon.conditions.predicate import Predicate
from whereupon.conditions.same import Same
from whereupon.conditions.values import UNDEFINED, Data, JsonValue
from whereupon.messages.structs import Frozen


class History(Protocol):
    """What a condition may ask about a person's past. It is loaded before a batch is decided."""

    def count(self, performed: "Performed") -> int | None:
        """The number of the person's messages that ``performed`` asks for.

        None if they are tied to the triggering message (``same``) and that gives no key.
        """
        ...


Evaluator: TypeAlias = Callable[[JsonValue, History], JsonValue]
"""Compiled logic: from the data and the person's history to a value."""

Holds: TypeAlias = Callable[[Data, History], bool]
"""A compiled condition: whether it holds for this data and this history. Nothing is raised."""

_WHOLE: Final = frozenset(("properties", "context", "person"))


@dataclass(frozen=True, slots=True)
class Performed:
    """A question to a person's history: how often an event happened.

    Attributes:
        event: the name of the track messages that count.
        where: a condition over the properties of each of them; None for no condition.
        within: how far back from the message's timestamp they count; None for no limit.
        least: the smallest count that satisfies.
        most: the largest count that satisfies; None for no limit. ``never`` is at most 0.
        same: what ties each of them to the triggering message; None for nothing.
    """

    event: str
    where: "Condition | None" = None
    within: timedelta | None = None
    least: int = 1
    most: int | None = None
    same: Same | None = None

    def allows(self, count: int | None) -> bool:
        """Whether this many satisfy the question; None (see `History.count`) does not."""
        if count is None:
            return False
        return count >= self.least and (self.most is None or count <= self.most)


class Failure(Frozen, frozen=True):
    """The conjunct that failed.

    Attributes:
        text: the conjunct in words, such as ``price is greater than 20``.
        values: what it saw: the value of each variable, None if it was missing; and the count of
            each question to the history, as ``performed EVENT``.
    """

    text: str
    values: dict[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Conjunct:
    """One of the conditions that must all hold. Rules that demand the same share it.

    Attributes:
        test: whether it holds.
        text: the same in words, such as ``price is greater than 20``.
        logic: its JSONLogic, additions (``@…``) included; None if only the test may be used.
        predicate: what it demands of one attribute, if it is nothing but that.
        variables: absolute dotted paths that it reads, in order (see `Condition.variables`).
        performed: what it asks of the history.
        segments: the names of the segments that it refers to, directly or through another.
        is_brief: whether its logic is far from the limits of `validation.too_large`.
    """

    test: Holds = field(compare=False)
    text: str
    logic: JsonValue = field(hash=False)
    predicate: Predicate | None = None
    variables: tuple[str, ...] = ()
    performed: tuple[Performed, ...] = ()
    segments: frozenset[str] = frozenset()
    is_brief: bool = False

    @property
    def meaning(self) -> JsonValue:
        """Its JSONLogic, even where only the test may be used."""
        return self.logic

    def seen(self, data: Data, history: History) -> dict[str, JsonValue]:
        """The values that the test depends on."""
        seen = {name: _value_at(data, name) for name in self.variables if name not in _WHOLE}
        for ask in self.performed:
            seen[f"performed {ask.event}"] = history.count(ask)
        return seen

    def failure(self, data: Data, history: History) -> Failure:
        """The conjunct, which does not hold, with the values that it saw."""
        return Failure(self.text, self.seen(data, history))


def _not_compiled(data: Data, history: History) -> bool:
    raise NotImplementedError


@dataclass(frozen=True, slots=True, eq=False)
class Condition:
    """A condition. Two conditions are equal if their logic is the same JSON text.

    Attributes:
        performed: every question to the history, nested ones too.
        compile_: makes `holds` of the conjuncts, if that is not given.
        holds: whether every conjunct holds, for a message's data and a person's history. Never
            raises, whatever JSON the data is.
        text: the JSON text of the logic.
    """

    conjuncts: tuple[Conjunct, ...]
    performed: tuple[Performed, ...] = field(repr=False)
    compile_: Callable[[Sequence[Conjunct]], Holds] = field(repr=False)
    holds: Holds = field(repr=False, default=_not_compiled)
    text: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.holds is _not_compiled:
            object.__delattr__(self, "holds")

    @property
    def logic(self) -> JsonValue:
        """Its JSONLogic, additions (``@…``) included."""
        return conjunction(self.conjuncts)

    @property
    def variables(self) -> frozenset[str]:
        """Absolute dotted paths that it reads, such as ``properties.price``.

        Logic that computes a path, or takes the whole data, reads all roots.
        """
        return frozenset(chain.from_iterable(each.variables for each in self.conjuncts))

    @property
    def segments(self) -> frozenset[str]:
        """The names of the segments that it refers to, directly or through another."""
        return frozenset(chain.from_iterable(each.segments for each in self.conjuncts))

    def failing(self, data: Data, history: History) -> Failure | None:
        """The first conjunct that does not hold, as a failure; None if the condition holds."""
        conjunct = self.failing_conjunct(data, history)
        return None if conjunct is None else conjunct.failure(data, history)

    def failing_conjunct(self, data: Data, history: History) -> Conjunct | None:
        """The first conjunct that does not hold; None if the condition holds."""
        for each in self.conjuncts:  # a generator would double the cost
            if not each.test(data, history):
                return each
        return None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Condition):
            return NotImplemented
        return (self.text, self.segments) == (other.text, other.segments)

    def __hash__(self) -> int:
        return hash(self.text)

    if not TYPE_CHECKING:  # or the type checker would accept every misspelt attribute

        def __getattr__(self, name: str) -> object:
            """Make `holds` or `text` at its first use: most conditions of a large folder are never used."""
            if name == "holds":
                made = self.compile_(self.conjuncts)
            elif name == "text":
                made = json.dumps(self.logic)
            else:
                raise AttributeError(name)
            object.__setattr__(self, name, made)
            return made


def conjunction(conjuncts: Sequence[Conjunct]) -> JsonValue:
    """The logic of several conjuncts that must all hold; of none, true."""
    logics = [conjunct.logic for conjunct in conjuncts]
    if not logics:
        return True
    return logics[0] if len(logics) == 1 else {"and": logics}


@dataclass(frozen=True, slots=True)
class _NoHistory:
    def count(self, performed: Performed) -> int | None:
        return 0 if performed.same is None else None


NO_HISTORY: Final[History] = _NoHistory()
"""The history of a person without messages."""


def in_turn(conjuncts: Sequence[Conjunct]) -> Holds:
    """A test of all conjuncts that evaluates one after another."""
    tests = tuple(conjunct.test for conjunct in conjuncts)

    def holds(data: Data, history: History) -> bool:
        for test in tests:  # noqa: SIM110 - a generator would double the cost
            if not test(data, history):
                return False
        return True

    return holds


ALWAYS: Final = Condition(conjuncts=(), performed=(), compile_=in_turn)
"""The condition that always holds, such as an absent ``where`` or ``who``."""


def _value_at(data: Data, path: str) -> JsonValue:
    values: JsonValue = data  # type: ignore[assignment]  # a mapping is read as an object is
    value = follow(values, parts_of(path), None)
    return None if value is UNDEFINED else value
