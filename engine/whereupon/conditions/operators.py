"""The operators of JSONLogic by name, and which values are calls of one."""

from whereupon.conditions.values import JsonValue

STANDARD = (
    *("var", "missing", "missing_some", "if", "?:", "and", "or", "!", "!!", "==", "===", "!="),
    *(
        "!==",
        ">",
        ">=",
        "<",
        "<=",
        "max",
        "min",
        "+",
        "-",
        "*",
        "/",
        "%",
        "map",
        "reduce",
        "filter",
    ),
    *("all", "none", "some", "merge", "in", "cat", "substr", "log"),
)
"""The operators of the reference implementation."""


def is_call(logic: JsonValue) -> bool:
    """Whether the reference would take this value for an operator: an object of exactly one key."""
    return isinstance(logic, dict) and len(logic) == 1
