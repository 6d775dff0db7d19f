"""The base of what is made for each message: values with named fields."""

from dataclasses import replace
from typing import Any, Self, cast

import msgspec
from msgspec import field

__all__ = ["Frozen", "Unfrozen", "as_tuple", "field", "replaced", "with_changes"]

as_tuple = msgspec.structs.astuple
"""The values of a struct's fields, in their order."""
replaced = msgspec.structs.replace
"""The same struct with other values of some fields (see `Frozen.changed`, which is another call)."""


class Frozen(msgspec.Struct, frozen=True, gc=False):
    """A value with named fields, equal to another of its class whose fields are equal.

    To make one, to read a field and to change some of them takes less than half of what a named tuple takes. Python's
    cycle collector does not look at these, so none may refer to itself.
    """

    def changed(self, **changes: Any) -> Self:
        """The same with other values of some fields.

        Raises:
            TypeError: there is no such field.
        """
        return replaced(self, **changes)


class Unfrozen(msgspec.Struct, eq=False):
    """An object with named fields that may be set; it equals itself only. It, too, takes less to make than a dataclass."""


def with_changes(value: Any, **changes: Any) -> Any:
    """The same with other values of some fields; of a `Frozen`, of a named tuple or of a dataclass."""
    if isinstance(value, Frozen):
        return value.changed(**changes)
    if isinstance(value, tuple):
        return cast("Any", value)._replace(**changes)
    return replace(value, **changes)
