"""The code generator: it compiles the tests of a condition to one Python function.

A function is written as source text. Paths, constants and operators are bound to it as cells and never
become text, so conditions that differ only in them have one shape: the text is compiled once, and they
share its code. A test that the source does not cover is bound as a closure of `compiler`. If Python
raises (the data has no object at its root, or a text is ordered beside a number), the closures evaluate
the whole. The answers are the same either way.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Final, cast

import whereupon.conditions.jsonlogic.coercion as coercion
from whereupon.conditions.condition import Evaluator, Holds, Performed
from whereupon.conditions.jsonlogic.coercion import is_plain, is_truthy
from whereupon.conditions.jsonlogic.expressions import fixed_path, is_call, operands_of
from whereupon.conditions.jsonlogic.standard import COMPARISONS
from whereupon.conditions.operators import ADDITIONS, Addition
from whereupon.conditions.paths import follow, parts_of
from whereupon.conditions.performed import PERFORMED
from whereupon.conditions.scope import SpentError
from whereupon.conditions.values import JsonValue

MOST_CELLS: Final = 200
"""The most cells of one function; a larger condition is left to the closures."""
DEEPEST: Final = 12
"""The deepest nesting of ``all``, ``any`` and ``not`` in source; anything deeper becomes a closure."""
_SHAPES: Final = 2_048
_ORDERS: Final = frozenset(name for name, each in COMPARISONS.items() if each.is_order)
_BUILTINS: Final = {
    each.__name__: each
    for each in (type, bool, int, float, str, AttributeError, LookupError, TypeError, SpentError)
}


class TooLarge(Exception):  # noqa: N818 - a signal to leave the condition to the closures
    """The function would have more than `MOST_CELLS` cells."""


def generate(
    tests: Sequence[JsonValue],
    *,
    general: Holds,
    closure: Callable[[JsonValue], Evaluator],
    questions: Mapping[str, Performed],
) -> Holds:
    """Make the function that says whether all the tests hold.

    Args:
        tests: the logic of each test, in the order of evaluation.
        general: says the same for data of any form.
        closure: compiles the logic of a test that the source does not cover.
        questions: what ``@performed`` asks, by the JSON text of the question.
    """
    writer = _Writer(general, closure, questions)
    try:
        for place, logic in enumerate(tests, 1):
            writer.test(logic, is_last=place == len(tests))
    except TooLarge:
        return general
    return writer.function()


@lru_cache(maxsize=_SHAPES)
def _shape(source: str) -> Callable[..., Holds]:
    """Compile a shape to the function that binds cells to it."""
    names: dict[str, object] = {"__builtins__": _BUILTINS}
    exec(compile(source, "<condition>", "exec"), names)  # noqa: S102 - made of this module's texts alone
    return cast("Callable[..., Holds]", names["bind"])


class _Writer:
    """Writes one function, test by test."""

    def __init__(
        self,
        general: Holds,
        closure: Callable[[JsonValue], Evaluator],
        questions: Mapping[str, Performed],
    ) -> None:
        self._closure = closure
        self._questions = questions
        self._lines: list[str] = []
        self._cells: list[object] = []
        self._bound: dict[int, str] = {}
        self._roots: dict[str, str] = {}
        self._values: dict[str, str] = {}
        self._general = self._cell(general)

    def function(self) -> Holds:
        """The function, with its cells."""
        cells = ", ".join(f"c{place}" for place in range(len(self._cells)))
        body = "".join(f"   {line}\n" for line in self._lines)
        source = (
            f"def bind({cells}):\n"
            " def holds(data, history):\n"
            "  try:\n"
            f"{body}"
            "  except (AttributeError, LookupError, TypeError):\n"
            f"   return {self._general}(data, history)\n"
            "  except SpentError:\n"
            "   return False\n"
            " return holds\n"
        )
        return _shape(source)(*self._cells)

    def test(self, logic: JsonValue, *, is_last: bool) -> None:
        """Add a test that must hold."""
        expression = self._truth(logic, DEEPEST)
        self._lines.append(
            f"return {expression}" if is_last else f"if not {expression}: return False"
        )

    def _cell(self, value: object) -> str:
        """Bind a value to the function, and give its name."""
        if len(self._cells) >= MOST_CELLS:
            raise TooLarge
        self._cells.append(value)
        return f"c{len(self._cells) - 1}"

    def _operator(self, function: Callable[..., object]) -> str:
        """Bind a function of ours once, and give its name."""
        known = self._bound.get(id(function))
        if known is None:
            known = self._bound[id(function)] = self._cell(function)
        return known

    # --- reading --------------------------------------------------------------------------------

    def _value(self, path: str) -> str:
        """The name of the value at a path; it is read before the first test that needs it."""
        known = self._values.get(path)
        if known is not None:
            return known
        name = self._values[path] = f"v{len(self._values)}"
        root, *rest = parts_of(path)
        if not rest:
            self._lines.append(f"{name} = data.get({self._cell(root)})")
            return name
        read = f"{self._root(root)}.get({self._cell(rest[0])})"
        self._lines.append(f"{name} = {read}")
        if len(rest) > 1:
            below = f"{self._operator(follow)}({name}, {self._cell(tuple(rest[1:]))}, None)"
            self._lines.append(f"{name} = {below}")
        return name

    def _root(self, root: str) -> str:
        """The name of an object at the root of the data; reading raises if there is none."""
        known = self._roots.get(root)
        if known is None:
            known = self._roots[root] = f"r{len(self._roots)}"
            self._lines.append(f"{known} = data[{self._cell(root)}]")
        return known

    # --- tests ----------------------------------------------------------------------------------

    def _truth(self, logic: JsonValue, depth: int) -> str:
        """A Python expression with the truth of the logic."""
        if not isinstance(logic, dict) or not is_call(logic) or depth == 0:
            return self._other(logic)
        name, operands = operands_of(logic)
        if name in {"and", "or"} and operands:
            inner = [self._truth(operand, depth - 1) for operand in operands]
            return "(" + f" {name} ".join(inner) + ")"
        if name == "!" and len(operands) == 1:
            return f"(not {self._truth(operands[0], depth - 1)})"
        if name == PERFORMED:
            return self._asked(operands)
        if len(operands) == 2:  # noqa: PLR2004 - a comparison
            path = fixed_path(operands[0])
            beside = None if path is None else self._beside(name, path, operands[1])
            return beside or self._other(logic)
        return self._other(logic)

    def _beside(self, operator: str, path: str, fixed: JsonValue) -> str | None:
        """A variable beside a fixed value or another variable; None if the source does not cover it."""
        if operator in ADDITIONS:
            return self._added(ADDITIONS[operator], path, fixed)
        if operator == "in" and isinstance(fixed, list):
            return self._among(self._value(path), fixed)
        if isinstance(fixed, dict | list):
            return self._both(operator, path, fixed)
        if operator in {"==", "!="}:
            equal = self._equal(self._value(path), fixed)
            return f"(not {equal})" if operator == "!=" else equal
        if operator in _ORDERS and isinstance(fixed, int | float) and is_plain(fixed):
            return self._ordered(operator, self._value(path), fixed)
        return None

    def _equal(self, value: str, fixed: str | float | None) -> str:
        """Loose equality: Python's, and JavaScript's for the types that JavaScript converts."""
        if fixed is None:
            return f"({value} is None)"
        constant, loosely = self._cell(fixed), self._operator(coercion.loosely_equal)
        if isinstance(fixed, bool):
            return f"({value} is {constant} or type({value}) is not bool and {loosely}({value}, {constant}))"
        if isinstance(fixed, str):
            return f"({value} == {constant} or type({value}) is not str and {loosely}({value}, {constant}))"
        if not is_plain(fixed):
            return f"{loosely}({value}, {constant})"
        number = f"type({value}) is not int and type({value}) is not float"
        return f"({value} == {constant} or {number} and {loosely}({value}, {constant}))"

    def _ordered(self, operator: str, value: str, fixed: float) -> str:
        """Order: Python's between numbers. Python raises for anything else, so that closures answer."""
        null = COMPARISONS[operator].holds(None, fixed)
        return f"({value} {operator} {self._cell(fixed)} if {value} is not None else {null})"

    def _added(self, addition: Addition, path: str, operand: JsonValue) -> str | None:
        """An addition; it does not hold for a missing value."""
        if addition.test is None:
            return None
        value = self._value(path)
        source = addition.source and addition.source(operand, value, self._cell)
        return source or f"({value} is not None and {self._cell(addition.test(operand))}({value}))"

    def _among(self, value: str, options: list[JsonValue]) -> str | None:
        """``in`` beside texts: strictly equal to one of them, as in the standard."""
        if not all(isinstance(option, str) for option in options):
            return None
        return f"({value} in {self._cell(frozenset(map(str, options)))})"

    def _both(self, operator: str, path: str, other: JsonValue) -> str | None:
        """Two variables."""
        second = fixed_path(other)
        if second is None or operator not in COMPARISONS:
            return None
        left, right = self._value(path), self._value(second)
        return f"{self._operator(COMPARISONS[operator].holds)}({left}, {right})"

    def _asked(self, operands: list[JsonValue]) -> str:
        asked = self._cell(self._questions[json.dumps(operands[0])])
        return f"{asked}.allows(history.count({asked}))"

    def _other(self, logic: JsonValue) -> str:
        """Logic that the source does not cover."""
        closure = f"{self._cell(self._closure(logic))}(data, history)"
        return f"{self._operator(is_truthy)}({closure})"
