"""Conditions: the `where` and `who` of rules, compiled to closures that read a message and its person."""

from whereupon.conditions.parsing import parse_logic
from whereupon.conditions.values import JsonValue

__all__ = ["JsonValue", "parse_logic"]
