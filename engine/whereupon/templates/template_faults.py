"""Faults of a template that are found when a rule is read, beyond those that Liquid's parser finds.

A filter with arguments that it does not take, or with literal arguments that always fail, would otherwise
withhold every message.
"""

import re
from collections.abc import Iterator
from typing import Final

from liquid import BoundTemplate
from liquid.builtin.expressions import Filter
from liquid.builtin.expressions.primitive import Literal
from liquid.exceptions import LiquidError

from whereupon.templates.filters import call_fault
from whereupon.templates.sandbox import Context, Object
from whereupon.templates.syntax import filters_of, searched_ranges_of

LONGEST_SOURCE: Final = 200_000
MOST_MARKUP: Final = 5_000
"""The most tags and variables of a template."""

_ALWAYS_FAILS: Final = "this fails with every value, because of its arguments"
_PYTHONS: Final = re.compile(r"__\w+__|'\w+' object|positional argument")
"""Messages of Python that do not help the author of a template."""
_OPENED: Final = re.compile(r"\{\{|\{%")
_NOW: Final = "2026-01-31T09:00:00Z"
_PROBES: Final[tuple[object, ...]] = (_NOW, "a,b", 1, 1.5, ["a"], [{"a": 1}], Object(a=1))
"""Values that a filter is tried on: every filter accepts at least one of them."""


def source_fault(source: str) -> str | None:
    """Why a text is not parsed: it is too large, or its markup is never closed, which parses slowly."""
    if len(source) > LONGEST_SOURCE:
        return f"a template has at most {LONGEST_SOURCE:,} characters"
    if sum(1 for _ in _OPENED.finditer(source)) > MOST_MARKUP:
        return f"a template has at most {MOST_MARKUP:,} tags and variables"
    behind = max(source.rfind("}}"), source.rfind("%}")) + 1
    left_open = [found.start() for found in _OPENED.finditer(source, behind)]
    if len(left_open) > 1:
        return f"line {line_at(source, left_open[0])}: this is never closed"
    return None


def faults_of(source: str, template: BoundTemplate) -> Iterator[str]:
    """Every fault of the filters and ranges of a template, with its line."""
    context = Context(template, globals=Object(now=_NOW))
    for call in filters_of(template):
        fault = call_fault(call, template.env.filters) or _certain_failure(call, context)
        if fault is not None:
            yield f"line {line_at(source, call.token.start_index)}: {fault}"
    for searched in searched_ranges_of(template):
        fault = "a range is not searched; compare with its ends: x >= 1 and x <= 5"
        yield f"line {line_at(source, searched.token.start_index)}: {fault}"


def line_at(source: str, place: int) -> int:
    """The line of a position in a template."""
    return source.count("\n", 0, place) + 1


def _certain_failure(call: Filter, context: Context) -> str | None:
    """The error of a filter whose arguments are literal, and fail with every value."""
    if not all(isinstance(each.value, Literal) for each in call.args):
        return None
    failures = [_failure(call, probe, context) for probe in _PROBES]
    return None if None in failures else failures[0]


def _failure(call: Filter, value: object, context: Context) -> str | None:
    try:
        call.evaluate(value, context)
    except LiquidError as error:
        message = str(error.args[0]).removeprefix(f"{call.name}: ")
        return f"{call.name}: {_ALWAYS_FAILS if _PYTHONS.search(message) else message}"
    except Exception:  # noqa: BLE001 - Liquid's filters raise anything for a value of another type
        return None
    return None
