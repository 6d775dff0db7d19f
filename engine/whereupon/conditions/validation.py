"""Faults of a condition that are found before it is compiled, each with its place and what to write.

There are limits of size; faults of JSONLogic; and values that look as if they were filled in. An
unknown operator is an error. Too many or too few operands are a warning, because the reference takes
both; so is a comparison that holds for a missing value. A condition compares with what is written: a
template (``{{ … }}``) or the path of another value (``person.budget``) in it would be compared as a
text, and never be equal.
"""

import math
import re
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Final, TypeAlias

from whereupon.conditions.jsonlogic.coercion import EXACT, as_double
from whereupon.conditions.jsonlogic.expressions import (
    is_call,
    operands_of,
    required,
    satisfied_by_null,
)
from whereupon.conditions.jsonlogic.standard import COMPARISONS, LOOPS, READERS, STANDARD
from whereupon.conditions.values import JsonValue
from whereupon.errors import Diagnostic

Path: TypeAlias = tuple[str | int, ...]

DEEPEST = 100
"""The deepest nesting of objects and lists; an operator takes two levels."""
LARGEST = 20_000
"""The most values of a condition, with the segments that it refers to written out."""

_BRIEF_COUNT, _BRIEF_DEPTH = 100, 10

_MEANT = {"eq": "==", "ne": "!=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<=", "not": "!"}


def too_large(value: JsonValue, path: Path) -> Diagnostic | None:
    """The first fault of size: too deep, too many values, or a number that JSON does not have.

    It is a loop, so that any depth is safe.
    """
    if _is_small(value):
        return None
    waiting, count = [(value, path)], 0
    while waiting:
        item, place = waiting.pop()
        count += 1
        if len(place) - len(path) > DEEPEST:
            text = f"this is nested more than {DEEPEST} deep; split it, or use a segment"
            return Diagnostic.at(path, "too-deep", text)
        if count > LARGEST:
            text = f"this has more than {LARGEST} values, segments included; split it into rules"
            return Diagnostic.at(path, "too-large", text)
        if isinstance(item, int | float) and not math.isfinite(as_double(item)):
            return Diagnostic.at(
                place, "bad-number", "this is not a number of JSON; write one below 1e308"
            )
        if isinstance(item, dict | list):
            inner = item.items() if isinstance(item, dict) else enumerate(item)
            waiting.extend((each, (*place, key)) for key, each in inner)
    return None


def _is_small(value: JsonValue) -> bool:
    """Whether there is no fault of size, as in nearly every condition: level by level, without paths."""
    level, count, depth = [value], 0, 0
    while level and depth <= DEEPEST:
        inner: list[JsonValue] = []
        for item in level:
            if isinstance(item, dict):
                inner += item.values()
            elif isinstance(item, list):
                inner += item
            elif isinstance(item, int | float) and not -EXACT < item < EXACT:
                return False
        count, depth, level = count + len(level), depth + 1, inner
        if count > LARGEST:
            return False
    return not level


def is_brief(value: JsonValue) -> bool:
    """Whether a value has at most 100 values and 10 levels: far from too large."""
    level, count = [value], 0
    for _ in range(_BRIEF_DEPTH):
        count += len(level)
        if count > _BRIEF_COUNT:
            return False
        inner: list[JsonValue] = []
        for item in level:
            if isinstance(item, dict):
                inner += item.values()
            elif isinstance(item, list):
                inner += item
        if not inner:
            return True
        level = inner
    return False


def logic_diagnostics(logic: JsonValue, path: Path) -> Iterator[Diagnostic]:
    """Every diagnostic of the logic, in the order of its text."""
    yield from _diagnostics(logic, path, frozenset())


def did_you_mean(name: str, known: tuple[str, ...]) -> str:
    """The nearest known name as a question, or all of them."""
    close = get_close_matches(name, known, n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else f"there are: {' '.join(known)}"


def _diagnostics(logic: JsonValue, path: Path, present: frozenset[str]) -> Iterator[Diagnostic]:
    if isinstance(logic, list):
        for position, item in enumerate(logic):
            yield from _diagnostics(item, (*path, position), present)
        return
    if not isinstance(logic, dict) or not is_call(logic):
        return
    name, operands = operands_of(logic)
    yield from _of_call(name, operands, (*path, name), present)
    if name == "and":
        present |= {each for operand in operands for each in required(operand)}
    if name in LOOPS:
        present = frozenset()
    listed = isinstance(logic[name], list)
    for position, operand in enumerate(operands):
        inner = (*path, name, position) if listed else (*path, name)
        yield from _diagnostics(operand, inner, present)


def _of_call(
    name: str, operands: list[JsonValue], path: Path, present: frozenset[str]
) -> Iterator[Diagnostic]:
    if name not in STANDARD:
        hint = f"write {_MEANT[name]!r}" if name in _MEANT else did_you_mean(name, tuple(STANDARD))
        text = f"there is no operator {name!r} in JSONLogic; {hint}"
        yield Diagnostic.at(path, "unknown-operator", text)
        return
    fewest, most = STANDARD[name]
    if len(operands) < fewest or (most is not None and len(operands) > most):
        wanted = f"{fewest} or more" if most is None else f"{fewest} to {most}"
        wanted = f"{fewest}" if fewest == most else wanted
        text = f"{name!r} takes {wanted} operands, and has {len(operands)} here"
        yield Diagnostic.warning_at(path, "wrong-arity", text)
    trapped = satisfied_by_null(name, operands)
    is_order = name in COMPARISONS and COMPARISONS[name].is_order
    if is_order and trapped is not None and trapped not in present:
        text = (
            f"this holds when {trapped} is missing, because null counts as 0; compare it in the "
            f'short form, or put {{"!=": [{{"var": "{trapped}"}}, null]}} beside it in an "and"'
        )
        yield Diagnostic.warning_at(path, "null-comparison-trap", text)


Fault: TypeAlias = tuple[str, str]
"""A code and a sentence."""

TEMPLATE_PATTERN: Final = r"\{\{|\{%"
PATH_PATTERN: Final = r"^\s*(\$\.)?(properties|person|event|context|customer)\.\S"

_TEMPLATE: Final = re.compile(TEMPLATE_PATTERN)
_PATH: Final = re.compile(PATH_PATTERN)
_ROOT_OF: Final = {"event": "properties", "customer": "person"}


def placeholder_fault(value: JsonValue) -> Fault | None:
    """What is wrong with an operand, or with an item of a list, as a code and a sentence."""
    if isinstance(value, list):
        return next((fault for item in value if (fault := placeholder_fault(item))), None)
    if not isinstance(value, str):
        return None
    if _TEMPLATE.search(value):
        text = (
            "a condition takes no template: this is compared as it is written; to compare two "
            'values, write logic: {"==": [{"var": "properties.price"}, {"var": "person.budget"}]}'
        )
        return "template-in-condition", text
    return _path_fault(value.strip()) if _PATH.match(value) else None


def _path_fault(text: str) -> Fault:
    root, _, rest = text.removeprefix("$.").partition(".")
    path = f"{_ROOT_OF.get(root, root)}.{rest}"
    message = (
        f"this is compared with the text {text[:60]!r}, not with what stands there; to compare two "
        f'values, write logic: {{"==": [{{"var": "…"}}, {{"var": "{path[:60]}"}}]}}'
    )
    return "path-as-value", message


def template_in_name(name: str) -> Fault | None:
    """What is wrong with the name of a value that is a template."""
    if not _TEMPLATE.search(name):
        return None
    text = (
        "a condition takes no template: write the bare name of the value, such as price: {gt: 20}"
    )
    return "template-in-condition", text


def literal_diagnostics(logic: JsonValue, path: Path) -> Iterator[Diagnostic]:
    """A diagnostic for every fixed text of the logic that looks as if it were filled in."""
    if isinstance(logic, list):
        for position, item in enumerate(logic):
            yield from literal_diagnostics(item, (*path, position))
    elif isinstance(logic, str):
        fault = placeholder_fault(logic)
        if fault is not None:
            yield Diagnostic.at(path, *fault)
    elif isinstance(logic, dict) and is_call(logic):
        name, operands = operands_of(logic)
        if name in READERS:
            return
        listed = isinstance(logic[name], list)
        for position, operand in enumerate(operands):
            yield from literal_diagnostics(
                operand, (*path, name, position) if listed else (*path, name)
            )
