"""One form for every figure that is measured, and the table of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Row:
    """A figure beside its reference.

    Attributes:
        figure: what was measured.
        value, reference: medians, with their units; `reference` also says of what.
        ratio: how the two compare, in the sense of the bar.
        bar: what the ratio is to be; empty where nothing is asked of it.
        is_met: whether it is.
        spread: of the value, in percent of the median (standard deviation).
        reproduce: the command that measures it.
    """

    figure: str
    value: str
    reference: str
    ratio: float
    bar: str
    is_met: bool
    spread: float
    reproduce: str


def at_least(ratio: float, bar: float) -> tuple[str, bool]:
    """A lower bar for the ratio, in words, and whether it is met."""
    return f"≥ {bar:g}", ratio >= bar


def at_most(ratio: float, bar: float) -> tuple[str, bool]:
    """An upper bar for the ratio, in words, and whether it is met."""
    return f"≤ {bar:g}", ratio <= bar


def show(rows: Sequence[Row], title: str | None = None) -> None:
    """Print the table."""
    table = Table(title=title)
    for heading in ("figure", "median", "±", "reference", "ratio", "bar", ""):
        table.add_column(heading)
    for row in rows:
        met = ("met" if row.is_met else "MISSED") if row.bar else ""
        spread = f"{row.spread:.0f} %"
        ratio = f"{row.ratio:.3g}"
        table.add_row(row.figure, row.value, spread, row.reference, ratio, row.bar, met)
    console = Console(width=120)
    console.print(table)
    for command in sorted({row.reproduce for row in rows}):
        console.print(f"measured by: {command}")


def exit_status(rows: Iterable[Row]) -> int:
    """Return 0 if every bar is met."""
    return 0 if all(row.is_met for row in rows) else 1
