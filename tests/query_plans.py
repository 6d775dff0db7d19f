"""What a plan of PostgreSQL says that a query did."""

from typing import Any


def rows_of(plan: dict[str, Any]) -> int:
    """The rows that a plan's parts give and leave out."""
    removed = (value for name, value in plan.items() if name.startswith("Rows Removed"))
    own = (plan["Actual Rows"] + sum(removed)) * plan["Actual Loops"]
    return int(own) + sum(map(rows_of, plan.get("Plans", ())))
