"""Initialisers of dataclasses with many fields, of which nearly all begin empty."""

from collections.abc import Callable
from dataclasses import MISSING, Field, fields
from typing import Any, TypeVar

T = TypeVar("T")

_DISPLAYS: dict[object, str] = {list: "[]", dict: "{}", set: "set()"}


def quick_init(kind: type[T]) -> type[T]:
    """Give a dataclass an initialiser that makes its fields as they begin, and then sets those that are given.

    That of `dataclasses` asks of each field whether it is given, and calls something to make it. For one small batch,
    whose objects have a hundred fields, that costs more than deciding it. Fields that begin with a value are given by
    keyword.
    """
    required = [each for each in fields(kind) if _is_required(each)]  # type: ignore[arg-type]  # it is a dataclass
    names = [each.name for each in required]
    begun = [each for each in fields(kind) if each not in required]  # type: ignore[arg-type]
    makers = {f"_{each.name}": each.default_factory for each in begun}
    values = {f"_{each.name}": each.default for each in begun}
    lines = [f"self.{name} = {name}" for name in names]
    lines += [f"self.{each.name} = {_begins(each)}" for each in begun]
    head = f"def __init__({', '.join(['self', *names, '**given'])}):"
    text = "\n    ".join([head, *lines, "if given: _set(self, given)"])
    known = frozenset(each.name for each in begun)

    def set_given(made: T, given: dict[str, object]) -> None:
        if unknown := given.keys() - known:
            message = f"{kind.__name__} has no field {min(unknown)!r}"
            raise TypeError(message)
        for name, value in given.items():
            setattr(made, name, value)

    scope: dict[str, Any] = {"_set": set_given}
    scope |= {name: make for name, make in makers.items() if make is not MISSING}
    scope |= {name: value for name, value in values.items() if value is not MISSING}
    exec(text, scope)  # noqa: S102 - of the names of fields, as dataclasses does
    made: Callable[..., None] = scope["__init__"]
    made.__qualname__ = f"{kind.__qualname__}.__init__"
    kind.__init__ = made  # type: ignore[method-assign]
    return kind


def _is_required(each: "Field[Any]") -> bool:
    return each.default is MISSING and each.default_factory is MISSING


def _begins(each: "Field[Any]") -> str:
    """The expression of what a field begins with."""
    if each.default_factory is MISSING:
        return f"_{each.name}"
    return _DISPLAYS.get(each.default_factory, f"_{each.name}()")
