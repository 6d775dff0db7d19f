"""Closures for what conditions consist of most: a variable at a fixed path beside a fixed value.

They answer for the usual types and hand every other value to the general rule, so that they differ
from it in nothing but speed.
"""

import operator as operators
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

import whereupon.conditions.jsonlogic.coercion as coercion
from whereupon.conditions.paths import follow, parts_of
from whereupon.conditions.scope import Closure, Scope
from whereupon.conditions.values import UNDEFINED, JsonValue

_Quick: TypeAlias = Callable[[float, float], bool]
_General: TypeAlias = Callable[[JsonValue, JsonValue], bool]


def reader(path: str) -> Closure:
    """``var`` at a fixed path: the first two objects directly, anything else by the general rule."""
    parts = parts_of(path)
    if len(parts) != 2:  # noqa: PLR2004 - the paths of the short form

        def read(data: JsonValue, scope: Scope) -> JsonValue:  # noqa: ARG001 - a Closure
            return follow(data, parts, None)

        return read
    root, name = parts

    def read_directly(data: JsonValue, scope: Scope) -> JsonValue:  # noqa: ARG001 - a Closure
        if type(data) is dict:
            inner = data.get(root)
            if type(inner) is dict:
                return inner.get(name)
        return follow(data, parts, None)

    return read_directly


def shortcut(
    operator: str, path: str, operand: str | float, *, required: bool = False
) -> Closure | None:
    """The closure for ``{operator: [{"var": path}, operand]}``, where there is one.

    Where the variable is ``required``, null satisfies nothing: this is then the closure for that
    comparison and ``{"!=": [variable, null]}``, which reads the variable once. The closures read
    for themselves, since a call costs as much as the rest of them.
    """
    parts = parts_of(path)
    if len(parts) != 2:  # noqa: PLR2004 - the paths of the short form
        return None
    root, name = parts
    if isinstance(operand, str):
        equal = _EQUALITY.get(operator)
        return (
            None
            if equal is None
            else _beside_text(root, name, operand, wanted=equal, required=required)
        )
    pair = _COMPARISONS.get(operator)
    return None if pair is None else _beside_number(root, name, operand, pair, required=required)


def presence(read: Closure, *, wanted: bool) -> Closure:
    """``{"!=": [variable, null]}``, and the opposite."""

    def test(data: JsonValue, scope: Scope) -> JsonValue:
        value = read(data, scope)
        return (value is not None and value is not UNDEFINED) is wanted

    return test


def _beside_text(root: str, name: str, operand: str, *, wanted: bool, required: bool) -> Closure:
    def test(data: JsonValue, scope: Scope) -> JsonValue:
        if type(data) is dict and type(inner := data.get(root)) is dict:
            value = inner.get(name)
        else:
            value = follow(data, (root, name), None)
        if type(value) is str:
            return (value == operand) is wanted
        if required and (value is None or value is UNDEFINED):
            return False
        scope.weigh(value)
        return coercion.loosely_equal(value, operand) is wanted

    return test


def _beside_number(
    root: str, name: str, operand: float, pair: tuple[_Quick, _General], *, required: bool
) -> Closure:
    quick, general = pair

    def test(data: JsonValue, scope: Scope) -> JsonValue:
        if type(data) is dict and type(inner := data.get(root)) is dict:
            value = inner.get(name)
        else:
            value = follow(data, (root, name), None)
        if type(value) is int or type(value) is float:
            return quick(value, operand)
        if required and (value is None or value is UNDEFINED):
            return False
        scope.weigh(value)
        return general(value, operand)

    return test


def _unequal(left: JsonValue, right: JsonValue) -> bool:
    return not coercion.loosely_equal(left, right)


def _greater(left: JsonValue, right: JsonValue) -> bool:
    return coercion.is_less(right, left)


def _at_least(left: JsonValue, right: JsonValue) -> bool:
    return coercion.is_at_most(right, left)


_EQUALITY: Final[Mapping[str, bool]] = MappingProxyType({"==": True, "!=": False})
_COMPARISONS: Final[Mapping[str, tuple[_Quick, _General]]] = MappingProxyType(
    {
        "==": (operators.eq, coercion.loosely_equal),
        "!=": (operators.ne, _unequal),
        ">": (operators.gt, _greater),
        ">=": (operators.ge, _at_least),
        "<": (operators.lt, coercion.is_less),
        "<=": (operators.le, coercion.is_at_most),
    }
)
