"""Mentions: the values and the events that a condition names as it is written, each with its place.

The linter compares them with the tracking plan. Nothing is compiled and nothing is refused: a value that
is not a condition mentions nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from whereupon.conditions.item_tests import ITEM_TESTS
from whereupon.conditions.items import is_outside, outside_of
from whereupon.conditions.jsonlogic.expressions import fixed_path, is_call, operands_of
from whereupon.conditions.jsonlogic.standard import COMPARISONS, LOOPS, READERS, TYPED
from whereupon.conditions.operators import OPERATORS
from whereupon.conditions.paths import parts_of
from whereupon.conditions.scalars import reads_as_number
from whereupon.conditions.values import JsonValue

Path: TypeAlias = tuple[str | int, ...]
Names: TypeAlias = tuple[str, ...]
Root: TypeAlias = Literal["properties", "person"]


@dataclass(frozen=True, slots=True)
class ValueMention:
    """A value that a condition reads.

    Attributes:
        path: the place of the mention.
        name: the path of the value, root first; inside an item of a list, from the item on, and empty
            for the item itself.
        event: the event whose properties are meant; None for the message that is evaluated.
        items: the path of the list whose item has the value, with ``*`` for an item of an outer list;
            empty if that path is computed, and None outside of items.
        operator: the operator (`eq` and so on) of a comparison with a fixed value, or the test of a
            list; else empty.
        expected: that value.
    """

    path: Path
    name: tuple[str, ...]
    event: str | None = None
    items: tuple[str, ...] | None = None
    operator: str = ""
    expected: JsonValue = None


@dataclass(frozen=True, slots=True)
class EventMention:
    """An event that a condition asks a person's history for, and the place of its name."""

    path: Path
    event: str


@dataclass(frozen=True, slots=True)
class SameMention:
    """A `same` as it is written, the place of it, and the event whose messages it compares."""

    path: Path
    same: JsonValue
    event: str


Mention: TypeAlias = ValueMention | EventMention | SameMention


def mentions_of(
    raw: JsonValue, path: Path, root: Root, event: str | None = None, items: Names | None = None
) -> Iterator[Mention]:
    """The mentions of a condition in the short form, in the order of its text.

    Args:
        raw: the condition.
        path: its place.
        root: what the paths of the short form start from.
        event: the event whose properties are meant; None for the message that is evaluated.
        items: the path of the list whose item the condition is about; None outside of items.
    """
    for key, value in raw.items() if isinstance(raw, dict) else ():
        here = (*path, key)
        match key:
            case "all" | "any":
                for place, item in enumerate(value if isinstance(value, list) else ()):
                    yield from mentions_of(item, (*here, place), root, event, items)
            case "not":
                yield from mentions_of(value, here, root, event, items)
            case "logic":
                yield from _of_logic(value, here, event, items)
            case "performed" if root == "person":
                yield from _of_performed(value, here)
            case "segment" if root == "person":
                continue
            case _:
                mention = _named(key, here, root, event, items)
                itself = items is not None and (key in OPERATORS or key in ITEM_TESTS)
                yield from _of_field(
                    mention, {key: value} if itself else value, root, itself=itself
                )


def _of_performed(raw: JsonValue, path: Path) -> Iterator[Mention]:
    event = raw.get("event") if isinstance(raw, dict) else None
    if isinstance(raw, dict) and isinstance(event, str):
        yield EventMention((*path, "event"), event)
        yield from mentions_of(raw.get("where"), (*path, "where"), "properties", event)
        if "same" in raw:
            yield SameMention((*path, "same"), raw["same"], event)


def _named(
    name: str, path: Path, root: Root, event: str | None, items: Names | None
) -> ValueMention:
    """The value that a name of the short form means."""
    if items is None:
        return ValueMention(path, (root, *parts_of(name)), event)
    if is_outside(name):
        return ValueMention(path, parts_of(outside_of(name)), event)
    return ValueMention(path, parts_of(name), event, items)


def _of_field(
    mention: ValueMention, expected: JsonValue, root: Root, *, itself: bool
) -> Iterator[Mention]:
    if itself:  # the name is an operator, and the value is the item
        mention = replace(mention, path=mention.path[:-1], name=())
    if not isinstance(expected, dict):
        expected = {"in" if isinstance(expected, list) else "eq": expected}
    for operator, value in expected.items():
        if operator in ITEM_TESTS:
            yield replace(mention, operator=operator)
            yield from _of_items(mention, value, (*mention.path, operator), root)
        elif mention.items is not None and is_outside(value):
            yield mention
            yield ValueMention(mention.path, parts_of(outside_of(value)), mention.event)
        else:
            yield replace(mention, operator=operator, expected=value)


def _of_items(mention: ValueMention, raw: JsonValue, path: Path, root: Root) -> Iterator[Mention]:
    """What a condition on the items of the value mentions."""
    within = () if mention.items is None else (*mention.items, "*")
    if not isinstance(raw, dict):
        raw = {"in" if isinstance(raw, list) else "eq": raw}
    yield from mentions_of(raw, path, root, mention.event, (*within, *mention.name))


# --- raw logic --------------------------------------------------------------------------------------


def _of_logic(
    logic: JsonValue, path: Path, event: str | None, items: tuple[str, ...] | None
) -> Iterator[ValueMention]:
    if isinstance(logic, list):
        for place, item in enumerate(logic):
            yield from _of_logic(item, (*path, place), event, items)
    if not isinstance(logic, dict) or not is_call(logic):
        return
    name, operands = operands_of(logic)
    here = (*path, name)
    places = [(*here, i) for i in range(len(operands))] if isinstance(logic[name], list) else [here]
    compared = _compared(name, operands, places, event, items)
    if compared is not None:
        yield compared
    elif name in READERS:
        yield from _of_paths(operands, places, event, items)
    else:
        for place, (operand, inner) in enumerate(zip(operands, places, strict=True)):
            within = items
            if name in LOOPS and place == 1:
                within = _list_of(fixed_path(operands[0]) or "", items)
            yield from _of_logic(operand, inner, event, within)


def _of_paths(
    operands: list[JsonValue],
    places: list[Path],
    event: str | None,
    items: tuple[str, ...] | None,
) -> Iterator[ValueMention]:
    for operand, place in zip(operands, places, strict=True):
        if isinstance(operand, str):
            yield _read(operand, place, event, items)
        elif isinstance(operand, list):
            inner = [(*place, i) for i in range(len(operand))]
            yield from _of_paths(operand, inner, event, items)
        else:
            yield from _of_logic(operand, place, event, items)


def _read(path: str, place: Path, event: str | None, items: Names | None) -> ValueMention:
    """The value that ``var`` reads."""
    if items is not None and is_outside(path):
        return ValueMention(place, parts_of(outside_of(path)), event)
    return ValueMention(place, parts_of(path), event, items)


def _list_of(path: str, items: Names | None) -> Names:
    """The path of a list that a loop goes through."""
    if items is None:
        return parts_of(path)
    return parts_of(outside_of(path)) if is_outside(path) else (*items, "*", *parts_of(path))


def _compared(
    name: str,
    operands: list[JsonValue],
    places: list[Path],
    event: str | None,
    items: tuple[str, ...] | None,
) -> ValueMention | None:
    """A variable beside one fixed value, either way round."""
    comparison = COMPARISONS.get(name)
    if comparison is None or len(operands) != 2:  # noqa: PLR2004 - a comparison
        return None
    paths = [fixed_path(operand) for operand in operands]
    for one, other in ((0, 1), (1, 0)):
        path, fixed = paths[one], operands[other]
        mirrored = name if one == 0 else comparison.mirrored
        if path is None or isinstance(fixed, dict) or mirrored is None:
            continue
        operator = COMPARISONS[mirrored].short_form
        read = _read(path, (*places[one], "var"), event, items)
        return replace(read, operator=operator, expected=fixed)
    return None


# --- types ------------------------------------------------------------------------------------------


def type_mismatches(
    raw: JsonValue, path: Path, schema: dict[str, JsonValue]
) -> Iterator[tuple[Path, str]]:
    """The calls in a condition's ``logic:`` whose operands have types that never fit, and why.

    Args:
        raw: the condition in the short form.
        path: its place.
        schema: the JSON Schema of the data. A value without a type there may be anything.
    """
    for key, value in raw.items() if isinstance(raw, dict) else ():
        here = (*path, key)
        if key == "logic":
            yield from _mismatches(value, here, schema)
        elif key == "not":
            yield from type_mismatches(value, here, schema)
        elif key in {"all", "any"} and isinstance(value, list):
            for place, item in enumerate(value):
                yield from type_mismatches(item, (*here, place), schema)


def _mismatches(
    logic: JsonValue, path: Path, schema: dict[str, JsonValue]
) -> Iterator[tuple[Path, str]]:
    from whereupon.conditions.jsonlogic.tree import type_fault  # noqa: PLC0415 - most rules have no logic

    if isinstance(logic, list):
        for place, item in enumerate(logic):
            yield from _mismatches(item, (*path, place), schema)
    elif isinstance(logic, dict) and is_call(logic):
        ((name, operands),) = logic.items()
        if name in LOOPS:  # whose second operand has data of its own
            operands = operands[:1] if isinstance(operands, list) else operands
        fault = type_fault(_with_numbers(logic), schema) if name in TYPED else None
        if fault is not None:
            yield (*path, name), fault
        yield from _mismatches(operands, (*path, name), schema)


def _with_numbers(logic: JsonValue) -> JsonValue:
    """The logic with a number for each text that reads as one, because the standard converts it.

    A list becomes a list of one number: only its type counts.
    """
    if isinstance(logic, list):
        return [0]
    if isinstance(logic, dict) and is_call(logic):
        name, operands = operands_of(logic)
        return logic if name == "var" else {name: [_with_numbers(each) for each in operands]}
    return 0 if isinstance(logic, str) and reads_as_number(logic) else logic
