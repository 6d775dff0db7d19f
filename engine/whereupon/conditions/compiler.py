"""From a JSONLogic expression to nested closures, which evaluate it as the reference does.

`codegen` compiles most conditions to source, and leaves to the closures what its source does not cover.
A closure takes the data and the scope of an evaluation, and gives a value. It looks nothing up by name
while it runs. In a loop over a list, the item takes the data's place.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias, TypeVar, cast

from whereupon.conditions.condition import Evaluator, Performed
from whereupon.conditions.item_loops import item_test, outer_value, tested_beside, weight_of
from whereupon.conditions.item_tests import ITEM_OPERATORS, OUTER
from whereupon.conditions.jsonlogic.coercion import is_truthy
from whereupon.conditions.jsonlogic.standard import (
    COMPARISONS,
    MANY,
    ONE,
    STANDARD,
    THREE,
    TWO,
    Many,
    One,
    Three,
    Two,
)
from whereupon.conditions.jsonlogic.tree import (
    OBJECT,
    Call,
    Node,
    object_of,
    parse_tree,
    registry_of,
)
from whereupon.conditions.operators import ADDITIONS, Addition
from whereupon.conditions.operators.dates import instant_of
from whereupon.conditions.paths import follow, look_up, missing, missing_some, parts_of
from whereupon.conditions.performed import PERFORMED
from whereupon.conditions.scope import Closure, Scope, scoped
from whereupon.conditions.values import UNDEFINED, JsonValue

Builder: TypeAlias = Callable[[list[Closure]], Closure]

_OURS: Final = frozenset((OBJECT, PERFORMED, *ADDITIONS, *ITEM_OPERATORS, OUTER))
_REGISTRY: Final = registry_of((*STANDARD, *_OURS))
_Values = TypeVar("_Values", tuple[JsonValue, JsonValue], tuple[JsonValue, ...], list[JsonValue])


def evaluator_of(logic: JsonValue, *, questions: Mapping[str, Performed]) -> Evaluator:
    """The evaluator of an expression.

    Args:
        logic: its operators are standard, or additions of this library.
        questions: what ``@performed`` asks, by the JSON text of the question.

    Returns:
        An evaluator that raises `SpentError` if it would take too much work.
    """
    return scoped(_compiled(parse_tree(logic, registry=_REGISTRY), questions))


def _compiled(node: Node, questions: Mapping[str, Performed]) -> Closure:
    if isinstance(node, list):
        return _listed([_compiled(item, questions) for item in node])
    if not isinstance(node, Call):
        return constant(cast("JsonValue", node))
    if node.operator in _OURS:
        return _of_ours(node, questions)
    path = _fixed_path(node)
    if path is not None:
        return _read(path)
    return _comparison(node) or _general(
        node.operator, [_compiled(operand, questions) for operand in node.operands]
    )


def _of_ours(call: Call, questions: Mapping[str, Performed]) -> Closure:
    """The closure of an operator that the standard does not have."""
    if call.operator == OBJECT:
        return constant(object_of(call))
    if call.operator == PERFORMED:
        return _counted(questions[_question(call)])
    if call.operator in ITEM_OPERATORS:
        items, each = (_compiled(operand, questions) for operand in call.operands)
        return item_test(call.operator, items, each, 1 + weight_of(call.operands[1]))
    if call.operator == OUTER:
        return outer_value(call, _default(call, questions))
    return _addition(call, questions)


def _fixed_path(node: Node) -> str | None:
    """The path of a ``var`` that is written out and has no default."""
    if not isinstance(node, Call) or node.operator != "var" or len(node.operands) != 1:
        return None
    path = node.operands[0]
    return path if isinstance(path, str) and path else None


def _question(call: Call) -> str:
    """The JSON text of what ``@performed`` asks, as the tree has quoted it."""
    quoted = call.operands[0]
    return str(quoted.operands[0]) if isinstance(quoted, Call) else ""


def _read(path: str) -> Closure:
    parts = parts_of(path)
    return lambda data, scope: follow(data, parts, None)  # noqa: ARG005 - a Closure


def _counted(performed: Performed) -> Closure:
    """``@performed``: whether the history counts as many as the question allows."""
    return lambda data, scope: performed.allows(scope.history.count(performed))  # noqa: ARG005 - a Closure


# --- a variable beside a fixed value --------------------------------------------------------------


def _comparison(call: Call) -> Closure | None:
    """The closure of a variable beside a fixed value, which costs no work but to read the value."""
    path = _fixed_path(call.operands[0]) if len(call.operands) == 2 else None  # noqa: PLR2004 - two sides
    if path is None:
        return None
    operand = cast("JsonValue", call.operands[1])
    comparison = COMPARISONS.get(call.operator)
    if comparison is None or not isinstance(operand, str | int | float | None):
        return None
    return None if comparison.mirrored is None else _beside(comparison.holds, _read(path), operand)


def _addition(call: Call, questions: Mapping[str, Performed]) -> Closure:
    """An addition: its operand is fixed, or stands outside of an item."""
    addition, read = ADDITIONS[call.operator], _compiled(call.operands[0], questions)
    operand = call.operands[1]
    if isinstance(operand, Call) and operand.operator == OUTER:
        zone = str(operand.operands[2]) if len(operand.operands) > 2 else None  # noqa: PLR2004 - the third
        return tested_beside(addition, read, _compiled(operand, questions), zone)
    return _added(addition, read, cast("JsonValue", operand))


def _default(call: Call, questions: Mapping[str, Performed]) -> Closure:
    """What takes the place of a missing value outside of an item."""
    return _compiled(call.operands[1], questions) if len(call.operands) > 1 else constant(None)


def _added(addition: Addition, read: Closure, operand: JsonValue) -> Closure:
    if addition.timed_test is not None:
        timed_test = addition.timed_test(operand)

        def holds_in_time(data: JsonValue, scope: Scope) -> JsonValue:
            timestamp = instant_of(follow(scope.root, ("timestamp",), None))
            return timestamp is not None and timed_test(read(data, scope), timestamp, scope.root)

        return holds_in_time
    assert addition.test is not None  # noqa: S101 - it has one of the two
    test = addition.test(operand)

    def holds(data: JsonValue, scope: Scope) -> JsonValue:
        value = read(data, scope)
        return value is not None and test(value)

    return holds


def _beside(apply: Two, read: Closure, operand: JsonValue) -> Closure:
    def evaluate(data: JsonValue, scope: Scope) -> JsonValue:
        value = read(data, scope)
        if type(value) is not str or type(operand) is not str:
            scope.weigh(value)
        return apply(value, operand)

    return evaluate


# --- operators whose operands are all evaluated ---------------------------------------------------


def _general(name: str, operands: list[Closure]) -> Closure:
    if name in _CONTROL:
        return _CONTROL[name](operands)
    lacking = constant(UNDEFINED)
    first, second, third, *_ = (*operands, lacking, lacking, lacking)
    if name in ONE:
        return _one(ONE[name], first)
    if name in TWO:
        return _two(TWO[name], first, second)
    if name in THREE:
        return _three(THREE[name], first, second, third)
    if name in MANY:
        return _many(MANY[name], operands)
    return _reading(name, operands)


def _one(apply: One, first: Closure) -> Closure:
    def evaluate(data: JsonValue, scope: Scope) -> JsonValue:
        scope.spend(1)
        return apply(first(data, scope))

    return evaluate


def _two(apply: Two, first: Closure, second: Closure) -> Closure:
    def evaluate(data: JsonValue, scope: Scope) -> JsonValue:
        return apply(*_weighed((first(data, scope), second(data, scope)), scope))

    return evaluate


def _three(apply: Three, first: Closure, second: Closure, third: Closure) -> Closure:
    def evaluate(data: JsonValue, scope: Scope) -> JsonValue:
        values = (first(data, scope), second(data, scope), third(data, scope))
        return apply(*_weighed(values, scope))

    return evaluate


def _many(apply: Many, operands: list[Closure]) -> Closure:
    def evaluate(data: JsonValue, scope: Scope) -> JsonValue:
        return apply(_weighed([operand(data, scope) for operand in operands], scope))

    return evaluate


def _weighed(values: _Values, scope: Scope) -> _Values:
    """The operands, whose sizes are counted before they are used."""
    scope.spend(1 + len(values))
    for value in values:
        scope.weigh(value)
    return values


def _listed(items: list[Closure]) -> Closure:
    """A list in a rule becomes a new list at each evaluation, equal to no other, as in JavaScript."""

    def evaluate(data: JsonValue, scope: Scope) -> JsonValue:
        scope.spend(len(items))
        return [item(data, scope) for item in items]

    return evaluate


def _reading(name: str, operands: list[Closure]) -> Closure:
    """``var``, ``missing`` and ``missing_some``, which read the data itself."""

    def evaluate(data: JsonValue, scope: Scope) -> JsonValue:
        values = _weighed([operand(data, scope) for operand in operands], scope)
        if name == "missing":
            return list(missing(data, values))
        first, second, *_ = (*values, UNDEFINED, UNDEFINED)
        read = look_up if name == "var" else missing_some
        return read(data, first, second)

    return evaluate


# --- operators that decide what to evaluate -------------------------------------------------------


def constant(value: JsonValue) -> Closure:
    """A closure that gives this value."""

    def give(data: JsonValue, scope: Scope) -> JsonValue:  # noqa: ARG001 - a Closure
        return value

    return give


def _choice(operands: list[Closure]) -> Closure:
    """``if``: pairs of a condition and a value, then the value for else; null without one."""
    pairs = tuple(zip(operands[0::2], operands[1::2], strict=False))
    otherwise = operands[-1] if len(operands) % 2 else constant(None)

    def choose(data: JsonValue, scope: Scope) -> JsonValue:
        for condition, value in pairs:
            if is_truthy(condition(data, scope)):
                return value(data, scope)
        return otherwise(data, scope)

    return choose


def _conjunction(operands: list[Closure]) -> Closure:
    """``and``: the first value that is false, else the last one; undefined without operands."""

    def evaluate(data: JsonValue, scope: Scope) -> JsonValue:
        value = UNDEFINED
        for operand in operands:
            value = operand(data, scope)
            if value is not True and not is_truthy(value):
                return value
        return value

    return evaluate


def _disjunction(operands: list[Closure]) -> Closure:
    """``or``: the first value that is true, else the last one; undefined without operands."""

    def evaluate(data: JsonValue, scope: Scope) -> JsonValue:
        value = UNDEFINED
        for operand in operands:
            value = operand(data, scope)
            if value is True or is_truthy(value):
                return value
        return value

    return evaluate


def _mapped(operands: list[Closure]) -> Closure:
    source, each = _loop(operands)

    def evaluate(data: JsonValue, scope: Scope) -> JsonValue:
        items = _items(source(data, scope), scope)
        return [each(item, scope) for item in items]

    return evaluate


def _filtered(operands: list[Closure]) -> Closure:
    source, each = _loop(operands)

    def evaluate(data: JsonValue, scope: Scope) -> JsonValue:
        items = _items(source(data, scope), scope)
        return [item for item in items if is_truthy(each(item, scope))]

    return evaluate


def _reduced(operands: list[Closure]) -> Closure:
    source, each = _loop(operands)
    initial = operands[2] if len(operands) > 2 else constant(None)  # noqa: PLR2004 - the third

    def evaluate(data: JsonValue, scope: Scope) -> JsonValue:
        items = _items(source(data, scope), scope)
        result = initial(data, scope)
        for item in items:
            result = each({"current": item, "accumulator": result}, scope)
        return result

    return evaluate


def _all(operands: list[Closure]) -> Closure:
    """``all``: false for an empty list, unlike Python's."""
    source, each = _loop(operands)

    def evaluate(data: JsonValue, scope: Scope) -> JsonValue:
        items = _items(source(data, scope), scope)
        return bool(items) and all(is_truthy(each(item, scope)) for item in items)

    return evaluate


def _some(operands: list[Closure]) -> Closure:
    source, each = _loop(operands)

    def evaluate(data: JsonValue, scope: Scope) -> JsonValue:
        items = _items(source(data, scope), scope)
        return any(is_truthy(each(item, scope)) for item in items)

    return evaluate


def _none(operands: list[Closure]) -> Closure:
    some = _some(operands)

    def evaluate(data: JsonValue, scope: Scope) -> JsonValue:
        return not some(data, scope)

    return evaluate


def _items(value: JsonValue, scope: Scope) -> list[JsonValue]:
    """The items of a loop; none if the value is not a list."""
    if not isinstance(value, list):
        return []
    scope.spend(len(value))
    return value


def _loop(operands: list[Closure]) -> tuple[Closure, Closure]:
    source, each, *_ = (*operands, constant(UNDEFINED), constant(UNDEFINED))
    return source, each


_CONTROL: Final[Mapping[str, Builder]] = MappingProxyType(
    {
        "if": _choice,
        "?:": _choice,
        "and": _conjunction,
        "or": _disjunction,
        "map": _mapped,
        "filter": _filtered,
        "reduce": _reduced,
        "all": _all,
        "some": _some,
        "none": _none,
    }
)
