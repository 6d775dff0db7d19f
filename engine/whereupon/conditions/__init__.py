"""Conditions: the ``where`` and ``who`` of rules, compiled to Python functions.

A condition is parsed once, with all its diagnostics, and evaluated for each message. It reads a message,
the person and the person's past (`History`). It does no I/O, asks no store, and no data makes it raise.

Others use the names below, and from the modules: `paths`, `values` and `scalars`; `predicate`, for a rule
index; `prefilter` and `pushdown`, for stores; `operators`, `mentions` and `analysis`, for lint.
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
from whereupon.conditions.parse_context import ConjunctPool
from whereupon.conditions.parser import parse_condition
from whereupon.conditions.schema import condition_schemas
from whereupon.conditions.values import Data, JsonValue

__all__ = [
    "ALWAYS",
    "NO_HISTORY",
    "Condition",
    "Conjunct",
    "ConjunctPool",
    "Data",
    "Failure",
    "History",
    "JsonValue",
    "Performed",
    "condition_schemas",
    "parse_condition",
]
