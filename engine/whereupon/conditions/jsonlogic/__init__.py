"""The JSONLogic standard, with the results of its reference implementation (``json-logic-js``).

It holds JavaScript's conversions between JSON values, the standard operators as functions of values, and
the structure of an expression. It evaluates nothing by itself: `conditions.compiler` does. It knows
nothing of rules, persons or the operators that this library adds.
"""
