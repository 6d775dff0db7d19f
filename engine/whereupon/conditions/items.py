"""``any_item``, ``all_items`` and ``no_item``: what the items of a list satisfy.

Inside, paths start at the item, and ``$.person.plan`` reaches outside of it. What is not a list satisfies none
of the three. An empty list has no item that satisfies anything, and none that does not.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, tzinfo
from typing import Final, TypeAlias
from zoneinfo import ZoneInfo

from whereupon.conditions.condition import Conjunct, conjunction
from whereupon.conditions.conjuncts import conjunct_of
from whereupon.conditions.item_tests import OUTER, ItemTest
from whereupon.conditions.jsonlogic.expressions import is_call, operands_of
from whereupon.conditions.operators import OPERATORS, Operand
from whereupon.conditions.parse_context import ParseContext
from whereupon.conditions.paths import parts_of
from whereupon.conditions.sentence import all_words
from whereupon.conditions.validation import Fault, Path
from whereupon.conditions.values import ROOTS, JsonValue

OUTSIDE: Final = "$."
"""How a path begins that reaches outside of an item."""

Read: TypeAlias = Callable[[JsonValue, Path, ParseContext], list[Conjunct]]


NOT_OUTSIDE: Final = frozenset(
    {"exists", "matches", "between", "within"}
    | {row.name for row in OPERATORS.values() if row.operand.of_person}
)
"""The operators that compare with what is written alone."""


def list_conjunct(
    name: str, test: ItemTest, conjuncts: list[Conjunct], variable: JsonValue, read: str | None
) -> Conjunct:
    """The conjunct of a list, given those of one item.

    Args:
        variable: the logic that reads the list.
        read: the absolute path of the list; None inside of an item.
    """
    inner = (path for each in conjuncts for path in each.variables)
    return conjunct_of(
        {test.operator: [variable, conjunction(conjuncts)]},
        f"{label(name)} {test.words} {all_words([each.text for each in conjuncts])}",
        variables=inner if read is None else (read, *inner),
    )


def read_items(raw: JsonValue, path: Path, context: ParseContext, *, read: Read) -> list[Conjunct]:
    """The conjuncts of one item; a value or a list stands for an item that is that, or one of these."""
    inner = replace(context, root="item", history_allowed=False)
    if isinstance(raw, dict):
        return read(raw, path, inner)
    before = len(inner.diagnostics)
    conjuncts = read({"in" if isinstance(raw, list) else "eq": raw}, path, inner)
    for place, found in enumerate(inner.diagnostics[before:], before):
        inner.diagnostics[place] = replace(found, path=path)  # no operator is written
    return conjuncts


# --- outside of the item ------------------------------------------------------------------------------


def is_outside(value: JsonValue) -> bool:
    """Whether a text is a path that reaches outside of an item."""
    return isinstance(value, str) and value.strip().startswith(OUTSIDE)


def outside_of(text: JsonValue) -> str:
    """The absolute path that reaches outside."""
    return str(text).strip().removeprefix(OUTSIDE)


def outside_fault(text: str) -> Fault | None:
    """What is wrong with a path that reaches outside."""
    root, *rest = parts_of(outside_of(text))
    is_whole = root in {"event", "type", "timestamp"}
    if root in ROOTS and is_whole is not bool(rest) and "" not in rest:
        return None
    return (
        "looks-outside",
        "outside of the item there are $.event, $.properties.…, $.context.… and $.person.…; write one of these",
    )


def with_outside(fault: Fault, value: JsonValue) -> Fault:
    """The fault of a value inside of an item; a path can be compared with there."""
    code, message = fault
    if code != "path-as-value" or not isinstance(value, str):
        return fault
    told = message.partition(";")[0]
    return code, f"{told}; for what is outside of the item write {OUTSIDE}{value.strip()[:60]}"


def label(name: str) -> str:
    """The name of a value in a sentence; the item itself has none."""
    return outside_of(name) or "it"


def outer(path: str, operand: Operand | None = None, zone: str = "UTC") -> JsonValue:
    """The logic that reads a path outside, as an operand on a clock if the operand is a date."""
    on_clock = operand is not None and operand.on_clock is not None and zone != "UTC"
    return {OUTER: [path, None, zone]} if on_clock else {OUTER: [path]}


def outer_zone(operand: JsonValue) -> tzinfo:
    """The timezone of dates without an offset that are compared with what such logic reads; else UTC."""
    read = operand.get(OUTER) if isinstance(operand, dict) else None
    _, _, name, *_ = (*read, None, None, None) if isinstance(read, list) else (None, None, None)
    return UTC if name is None else ZoneInfo(str(name))


def with_outer(logic: JsonValue) -> JsonValue:
    """The logic with ``{"@outer": …}`` for each ``var`` that reaches outside."""
    if isinstance(logic, list):
        return [with_outer(item) for item in logic]
    if not isinstance(logic, dict) or not is_call(logic):
        return logic
    name, operands = operands_of(logic)
    if name == "var" and operands and is_outside(operands[0]):
        return {OUTER: [outside_of(operands[0]), *map(with_outer, operands[1:2])]}
    return {name: with_outer(logic[name])}


def outer_paths(logic: JsonValue) -> Iterator[str]:
    """The absolute paths that logic with `with_outer` reads."""
    if isinstance(logic, list):
        for item in logic:
            yield from outer_paths(item)
    elif isinstance(logic, dict) and is_call(logic):
        name, operands = operands_of(logic)
        if name == OUTER:
            yield str(operands[0])
        yield from outer_paths(operands)


def misplaced_outside(logic: JsonValue, path: Path) -> Iterator[tuple[Path, Fault]]:
    """Each path that reaches outside and is not where ``var`` reads it, or has a fault."""
    if isinstance(logic, list):
        for place, item in enumerate(logic):
            yield from misplaced_outside(item, (*path, place))
    elif isinstance(logic, dict) and is_call(logic):
        name, operands = operands_of(logic)
        here = (*path, name)
        if name == "var" and operands and is_outside(operands[0]):
            fault = outside_fault(str(operands[0]))
            if fault is not None:
                yield here, fault
        elif name in {"missing", "missing_some"} and "$." in repr(operands):
            text = 'missing looks into the item alone; write {"!": [{"var": "$.person.plan"}]}'
            yield here, ("looks-outside", text)
        else:
            yield from misplaced_outside(logic[name], here)
