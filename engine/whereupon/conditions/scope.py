"""The scope of one evaluation: the person's history, and the work that is left.

Work is counted, never timed: one unit for each operator and item, for every `LETTERS` characters, and for
every part of a list that is read or made. So no logic and no data can keep a machine busy or fill its
memory, and every machine gives the same answer. Logic that would take more has no value, and does not hold.
"""

from collections.abc import Callable
from typing import Final, TypeAlias

from whereupon.conditions.condition import Evaluator, History
from whereupon.conditions.values import JsonValue

MOST_WORK: Final = 200_000
LETTERS: Final = 16


class SpentError(Exception):
    """The evaluation would take more work than it may."""


class Scope:
    """The scope of one evaluation.

    Attributes:
        root: the data as a whole, which is read inside of a list, too.
    """

    __slots__ = ("_left", "history", "root")

    def __init__(self, history: History, root: JsonValue) -> None:
        self.history = history
        self.root = root
        self._left = MOST_WORK

    def spend(self, work: int) -> None:
        """Count work before it is done; raises `SpentError` if there is too much."""
        self._left -= work
        if self._left < 0:
            raise SpentError

    def weigh(self, value: JsonValue) -> None:
        """Count a value before it is read as a whole, however deep it is."""
        if type(value) is str:
            self.spend(len(value) // LETTERS)
        elif type(value) is list:
            waiting: list[JsonValue] = [value]
            while waiting:
                item = waiting.pop()
                if isinstance(item, list):
                    self.spend(len(item))
                    waiting.extend(item)
                elif isinstance(item, str):
                    self.spend(len(item) // LETTERS)


Closure: TypeAlias = Callable[[JsonValue, Scope], JsonValue]
"""Compiled logic, within the scope of an evaluation."""


def scoped(evaluate: Closure) -> Evaluator:
    """The evaluator of a closure: each call has a new scope, and raises `SpentError` if that is spent."""
    return lambda data, history: evaluate(data, Scope(history, data))


def bounded(evaluate: Evaluator) -> Evaluator:
    """The same evaluator, with null instead of `SpentError`."""

    def within_bounds(data: JsonValue, history: History) -> JsonValue:
        try:
            return evaluate(data, history)
        except SpentError:
            return None

    return within_bounds
