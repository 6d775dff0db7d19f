"""What is wrong with a template before it is ever rendered, beyond what Liquid's own parser says.

A filter that is called with what it does not take, or that can only fail with what is written out for it,
would hold everybody's message back when it is sent.
"""

import re
from collections.abc import Iterator
from typing import Final

from liquid import BoundTemplate
from liquid.builtin.expressions import Filter
from liquid.builtin.expressions.primitive import Literal
from liquid.exceptions import LiquidError

from whereupon.templates.expressions import filters_of, searched_ranges_of
from whereupon.templates.filters import call_fault
from whereupon.templates.sandbox import Context, Object

LONGEST_SOURCE: Final = 200_000
MOST_MARKUP: Final = 5_000
"""A template has at most so many characters, and so many tags and variables."""

_NOT_SO: Final = "this can only fail, with what is written here"
_PYTHONS: Final = re.compile(r"__\w+__|'\w+' object|positional argument")
"""Sentences that say nothing to who wrote the template."""
_OPENED: Final = re.compile(r"\{\{|\{%")
_NOW: Final = "2026-01-31T09:00:00Z"
_PROBES: Final[tuple[object, ...]] = (_NOW, "a,b", 1, 1.5, ["a"], [{"a": 1}], Object(a=1))
"""What a filter is tried on: whatever it is for, one of these is such a value."""


def source_fault(source: str) -> str | None:
    """Why a text is not even parsed: its size, or markup that nothing closes, which would take long."""
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
    """What is wrong with what a template calls, each with its line."""
    context = Context(template, globals=Object(now=_NOW))
    for call in filters_of(template):
        fault = call_fault(call, template.env.filters) or _certain_failure(call, context)
        if fault is not None:
            yield f"line {line_at(source, call.token.start_index)}: {fault}"
    for searched in searched_ranges_of(template):
        fault = "a range is not searched; compare with its ends: x >= 1 and x <= 5"
        yield f"line {line_at(source, searched.token.start_index)}: {fault}"


def line_at(source: str, place: int) -> int:
    """The line that a place of a template is on."""
    return source.count("\n", 0, place) + 1


def _certain_failure(call: Filter, context: Context) -> str | None:
    """What the filter says of its arguments, where they are written out and nothing goes with them."""
    if not call.args or not all(isinstance(each.value, Literal) for each in call.args):
        return None
    told = [_failure(call, probe, context) for probe in _PROBES]
    return None if None in told else told[0]


def _failure(call: Filter, value: object, context: Context) -> str | None:
    try:
        call.evaluate(value, context)
    except LiquidError as error:
        said = str(error.args[0]).removeprefix(f"{call.name}: ")
        return f"{call.name}: {_NOT_SO if _PYTHONS.search(said) else said}"
    except Exception:  # noqa: BLE001 - somebody else's program, tried on what it may not be for
        return None
    return None
