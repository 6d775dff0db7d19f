"""For hosts whose own migrations are made by ``alembic revision --autogenerate``.

The engine's tables stand beside the host's and migrate themselves. A host's Alembic does not know them, and
would drop them. In the host's ``env.py``:

    from whereupon.contrib.alembic import include_name

    context.configure(connection=connection, target_metadata=target_metadata, include_name=include_name)

`include_name` is the quicker of the two, since tables that it leaves out are not even looked at;
`include_object` does the same for hosts that use that hook. With hooks of your own, `beside` joins both.
"""

from collections.abc import Callable, Mapping
from typing import ParamSpec

P = ParamSpec("P")

_PREFIX = "whereupon_"


def is_ours(table: str | None) -> bool:
    """Whether a table of that name is the engine's."""
    return table is not None and table.startswith(_PREFIX)


def include_name(name: str | None, type_: str, parent_names: Mapping[str, str | None]) -> bool:
    """Leave the engine's tables out of what is reflected; for ``context.configure(include_name=...)``."""
    return not is_ours(name if type_ == "table" else parent_names.get("table_name"))


def include_object(
    object_: object, name: str | None, type_: str, _reflected: bool, _compare_to: object
) -> bool:
    """Leave the engine's tables, and what belongs to them, out of what is compared."""
    table = name if type_ == "table" else getattr(getattr(object_, "table", None), "name", None)
    return not is_ours(table)


def beside(ours: Callable[P, bool], yours: Callable[P, bool]) -> Callable[P, bool]:
    """Leave out what either leaves out.

    Args:
        ours: `include_name` or `include_object`.
        yours: the host's own function for the same hook.
    """

    def both(*args: P.args, **kwargs: P.kwargs) -> bool:
        return ours(*args, **kwargs) and yours(*args, **kwargs)

    return both
