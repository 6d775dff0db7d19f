"""Values of a condition that look as if they were filled in, and are not.

A condition compares with what is written. A template (``{{ … }}``) in it, or the path of another
value (``person.budget``), would be compared as a text, and never be met.
"""

import re
from collections.abc import Iterator
from typing import Final, TypeAlias

from whereupon.conditions.operators import is_call
from whereupon.conditions.reading import operands_of
from whereupon.conditions.values import JsonValue
from whereupon.errors import Problem

Path: TypeAlias = tuple[str | int, ...]
Fault: TypeAlias = tuple[str, str]
"""A code and a sentence."""

TEMPLATE_PATTERN: Final = r"\{\{|\{%"
PATH_PATTERN: Final = r"^\s*(properties|person|event|context|customer)\.\S"

_TEMPLATE: Final = re.compile(TEMPLATE_PATTERN)
_PATH: Final = re.compile(PATH_PATTERN)
_ROOT_OF: Final = {"event": "properties", "customer": "person"}
_PATHS: Final = ("var", "missing", "missing_some")
"""The operators whose operands are paths."""


def placeholder_fault(value: JsonValue) -> Fault | None:
    """What is wrong with an expected value, or with an item of a list of them, as a code and a sentence."""
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
    root, _, rest = text.partition(".")
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


def literal_problems(logic: JsonValue, path: Path) -> Iterator[Problem]:
    """Every fixed text of raw logic that looks as if it were filled in, with its place."""
    if isinstance(logic, list):
        for position, item in enumerate(logic):
            yield from literal_problems(item, (*path, position))
    elif isinstance(logic, str):
        fault = placeholder_fault(logic)
        if fault is not None:
            yield Problem(path, *fault)
    elif isinstance(logic, dict) and is_call(logic):
        name, operands = operands_of(logic)
        if name in _PATHS:
            return
        listed = isinstance(logic[name], list)
        for position, operand in enumerate(operands):
            yield from literal_problems(
                operand, (*path, name, position) if listed else (*path, name)
            )
