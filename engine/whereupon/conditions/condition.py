"""A compiled condition, and what it may ask about a person's past.

A condition is a conjunction: it holds when each of its conjuncts does. Conjuncts are kept apart, so
that the first that fails can be named, with the values that it saw.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Protocol, TypeAlias

from whereupon.conditions.values import UNDEFINED, Data, JsonValue
from whereupon.conditions.variables import follow


class History(Protocol):
    """What a condition may ask about a person's past. The store answers, before the fold."""

    def count(self, performed: "Performed") -> int:
        """How many of the person's messages ``performed`` counts: its event, where and within."""
        ...


Evaluator: TypeAlias = Callable[[JsonValue, History], JsonValue]
"""Compiled logic: the data and the person's history go in, a value comes out, nothing is raised."""

Holds: TypeAlias = Callable[[Data, History], bool]
"""A compiled condition: whether it holds for this data and this history. Nothing is raised."""


@dataclass(frozen=True, slots=True)
class Performed:
    """A question to a person's history: how often an event happened.

    Attributes:
        event: the name of the track messages that count.
        where: what must hold for each of them, over its own properties; None for no condition.
        within: how far back from the message's timestamp they count; None for ever.
        least: the smallest count that satisfies.
        most: the largest count that satisfies; None for no limit. ``never`` is at most 0.
    """

    event: str
    where: "Condition | None" = None
    within: timedelta | None = None
    least: int = 1
    most: int | None = None

    def allows(self, count: int) -> bool:
        """Whether this many satisfy the question."""
        return count >= self.least and (self.most is None or count <= self.most)


@dataclass(frozen=True, slots=True)
class Failure:
    """The conjunct that failed.

    Attributes:
        text: the conjunct in words, such as ``price is greater than 20``.
        values: what it saw: each variable's value, None where it was missing; for a question to the
            history also its count, as ``performed EVENT``.
    """

    text: str
    values: dict[str, JsonValue]


class Deferred:
    """An evaluator that is compiled when it is called for the first time, as few are."""

    __slots__ = ("_compile", "_evaluator")

    def __init__(self, compile_: Callable[[], Evaluator]) -> None:
        self._compile = compile_
        self._evaluator: Evaluator | None = None

    def __call__(self, data: JsonValue, history: History) -> JsonValue:
        """What the evaluator gives."""
        evaluator = self._evaluator
        if evaluator is None:
            evaluator = self._evaluator = self._compile()
        return evaluator(data, history)


@dataclass(frozen=True, slots=True)
class Conjunct:
    """One of the conditions that must all hold.

    Attributes:
        logic: its JSONLogic; None where nothing but the test is to say whether it holds.
        text: its words.
        variables, performed: what it reads, and what it asks of the history.
    """

    test: Evaluator
    text: str
    logic: JsonValue = field(compare=False)
    variables: tuple[str, ...] = ()
    performed: tuple[Performed, ...] = ()

    def seen(self, data: Data, history: History) -> dict[str, JsonValue]:
        """The values that the test depends on."""
        seen = {name: _value_at(data, name) for name in self.variables}
        counts = {f"performed {ask.event}": history.count(ask) for ask in self.performed}
        return {**seen, **counts}


@dataclass(frozen=True, slots=True)
class Condition:
    """A compiled condition; two are equal when their logic is the same JSON text.

    Attributes:
        logic: the JSONLogic that it compiled to, own operators (``@…``) included.
        variables: absolute dotted paths that it reads, such as ``properties.price``. Logic that
            computes a path, or takes the whole data, reads all six roots.
        performed: every question to the history, nested ones too.
        segments: the names of the segments that it refers to, directly or through another.
        holds: whether every conjunct holds, for a message's data and a person's history. Never
            raises, whatever JSON the data is.
    """

    logic: JsonValue = field(compare=False)
    variables: frozenset[str]
    performed: tuple[Performed, ...]
    segments: frozenset[str]
    text: str = field(repr=False)
    conjuncts: tuple[Conjunct, ...] = field(repr=False, compare=False)
    holds: Holds = field(repr=False, compare=False)

    def failing(self, data: Data, history: History) -> Failure | None:
        """The first conjunct that does not hold; None when the condition holds."""
        values: JsonValue = data  # type: ignore[assignment]  # a mapping is read as an object is
        for conjunct in self.conjuncts:
            if not conjunct.test(values, history):
                return Failure(conjunct.text, conjunct.seen(data, history))
        return None


@dataclass(frozen=True, slots=True)
class _NoHistory:
    def count(self, performed: Performed) -> int:  # noqa: ARG002 - the port's signature
        return 0


NO_HISTORY: Final[History] = _NoHistory()
"""The history of somebody who never did anything."""


def in_turn(conjuncts: Sequence[Conjunct]) -> Holds:
    """What says of conjuncts that all of them hold, by trying one after another."""
    tests = tuple(conjunct.test for conjunct in conjuncts)

    def holds(data: Data, history: History) -> bool:
        values: JsonValue = data  # type: ignore[assignment]  # a mapping is read as an object is
        for test in tests:  # noqa: SIM110 - a generator would double the cost
            if not test(values, history):
                return False
        return True

    return holds


ALWAYS: Final = Condition(
    logic=True,
    variables=frozenset(),
    performed=(),
    segments=frozenset(),
    text="true",
    conjuncts=(),
    holds=in_turn(()),
)
"""The condition that always holds: what an absent ``where`` or ``who`` is."""


def _value_at(data: Data, path: str) -> JsonValue:
    values: JsonValue = data  # type: ignore[assignment]  # a mapping is read as an object is
    value = follow(values, tuple(path.split(".")), None)
    return None if value is UNDEFINED else value
