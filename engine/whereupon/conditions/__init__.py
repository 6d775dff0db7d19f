"""Conditions: the ``where`` and ``who`` of rules, compiled to Python functions.

A condition is parsed once, with all its problems at once, and then asked for each message whether
it holds. It reads a message, the person and, through a `History`, the person's past; it does no
I/O, and no data makes it raise.
"""

from whereupon.conditions.condition import (
    ALWAYS,
    NO_HISTORY,
    Condition,
    Conjunct,
    Failure,
    History,
    Performed,
)
from whereupon.conditions.context import Known
from whereupon.conditions.parser import parse_condition
from whereupon.conditions.schema import condition_shapes
from whereupon.conditions.values import Data, JsonValue

__all__ = [
    "ALWAYS",
    "NO_HISTORY",
    "Condition",
    "Conjunct",
    "Data",
    "Failure",
    "History",
    "JsonValue",
    "Known",
    "Performed",
    "condition_shapes",
    "parse_condition",
]
