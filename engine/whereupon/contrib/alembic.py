"""Filters for hosts whose own migrations are made by ``alembic revision --autogenerate``.

The engine's tables can be in the host's database, and the engine migrates them. The host's Alembic does not
know them, so it would drop them. Write this in the host's ``env.py``:

    from whereupon.contrib.alembic import include_name

    context.configure(connection=connection, target_metadata=target_metadata, include_name=include_name)

`include_name` is faster than `include_object`, since Alembic does not reflect the tables that it leaves out.
`include_object` is for hosts that use that hook already. `beside` combines a filter with a hook of your own.
"""

from collections.abc import Callable, Mapping
from typing import ParamSpec

P = ParamSpec("P")

_PREFIX = "whereupon_"


def is_ours(table: str | None) -> bool:
    """Whether the engine owns the table of that name."""
    return table is not None and table.startswith(_PREFIX)


def include_name(name: str | None, type_: str, parent_names: Mapping[str, str | None]) -> bool:
    """Leave the engine's tables out of the reflection; for ``context.configure(include_name=...)``."""
    return not is_ours(name if type_ == "table" else parent_names.get("table_name"))


def include_object(
    object_: object, name: str | None, type_: str, _reflected: bool, _compare_to: object
) -> bool:
    """Leave the engine's tables out of the comparison, with their columns, indexes and constraints."""
    table = name if type_ == "table" else getattr(getattr(object_, "table", None), "name", None)
    return not is_ours(table)


def beside(ours: Callable[P, bool], yours: Callable[P, bool]) -> Callable[P, bool]:
    """A hook that leaves out every object that one of two hooks leaves out.

    Args:
        ours: `include_name` or `include_object`.
        yours: the host's own function for the same hook.
    """

    def both(*args: P.args, **kwargs: P.kwargs) -> bool:
        return ours(*args, **kwargs) and yours(*args, **kwargs)

    return both
