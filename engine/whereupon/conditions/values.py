"""The values that conditions are about: any JSON, and JavaScript's ``undefined`` beside it.

The reference implementation has ``undefined`` for an operand that was left out. It exists only during an
evaluation; no result that leaves this package contains it.
"""

from collections.abc import Mapping
from typing import Final, TypeAlias, cast

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"
"""What JSON can hold, as Python's decoders give it."""

Data: TypeAlias = Mapping[str, JsonValue]
"""What a condition reads: event, properties, context, person, timestamp and type of a message."""

ROOTS: Final = ("event", "properties", "context", "person", "timestamp", "type")
RESULTS: Final = "run"
"""The root of what functions returned, in the conditions of steps."""
OF_THE_PERSON: Final = frozenset({"person", "timestamp"})
"""The roots that are there without a message."""


class _Undefined:
    __slots__ = ()

    def __repr__(self) -> str:
        return "undefined"

    def __bool__(self) -> bool:
        return False


UNDEFINED: Final = cast("JsonValue", _Undefined())
"""JavaScript's ``undefined``: typed as JSON, so that it can stand wherever a value can."""
