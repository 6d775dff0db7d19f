"""The operators of the short form, one row each.

A row holds everything that is particular to its operator: what it takes, what it means as JSONLogic and
in English, its JSON Schema, its test, and how the rule index, a store's prefilter, the generated code and
the tracking plan use it. No other module has a list of operators. A new operator is a row in the module
of its kind, and a test.

Others use `OPERATORS`, by the name in rule files; `ADDITIONS`, by the name in JSONLogic; and `PlanCheck`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from whereupon.conditions.operators import dates, equality, order, relative, text
from whereupon.conditions.operators.operands import Operand
from whereupon.conditions.operators.operator import Addition, Operator, PlanCheck

OPERATORS: Final[Mapping[str, Operator]] = MappingProxyType(
    {
        row.name: row
        for row in (*equality.ROWS, *order.ROWS, *text.ROWS, *dates.ROWS, *relative.ROWS)
    }
)
ADDITIONS: Final[Mapping[str, Addition]] = MappingProxyType(
    {row.addition.name: row.addition for row in OPERATORS.values() if row.addition is not None}
)

__all__ = ["ADDITIONS", "OPERATORS", "Addition", "Operand", "Operator", "PlanCheck"]
