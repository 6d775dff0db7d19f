"""The budget of a rendering: work and sizes are counted, never time, so every machine ends alike.

A text counts by its characters. An item of a list or an object, at any depth, counts by `ITEM`. So a bound
on sizes bounds memory too. The limits are far above what messages need.
"""

from typing import Final

from liquid.exceptions import LiquidError

MOST_WORK: Final = 10_000_000
"""The most characters that are read or written, with a little for every step."""
LARGEST: Final = 500_000
"""The largest value, and the largest sum of a template's variables."""
LONGEST_TEXTS: Final = 1_000_000
"""The most characters of the texts of a message together."""
ITEM: Final = 10
STEP: Final = 150
"""The cost of a tag, or of a value that is written, by itself."""


_SMALL: Final = frozenset((float, bool, type(None)))


class OverBudgetError(LiquidError):
    """A rendering would use more than its budget."""

    def __init__(self, what: str) -> None:
        super().__init__(what, token=None)


class Meter:
    """What the rendering of all texts of one message has used.

    Attributes:
        item_work: the cost of writing an item of a list or an object, in characters.
    """

    __slots__ = ("item_work", "work", "written")

    def __init__(self) -> None:
        self.work = 0
        self.written = 0
        self.item_work = 4

    def spend(self, work: int) -> None:
        """Count work before it is done."""
        self.work += work
        if self.work > MOST_WORK:
            message = "this takes more work than a message may; loop over less, or do less with it"
            raise OverBudgetError(message)

    def write(self, size: int) -> None:
        """Count characters of the message."""
        self.written += size
        if self.written > LONGEST_TEXTS:
            message = f"the texts together are longer than {LONGEST_TEXTS:,} characters"
            raise OverBudgetError(message)

    def measure(self, value: object) -> int:
        """Measure a value, and count its size as work; raises `OverBudgetError` if it is too large."""
        kind = type(value)
        if kind is str:
            size = work = len(value)  # type: ignore[arg-type]  # a text
        elif kind in _SMALL:
            size = work = ITEM
        elif kind is int:
            size = work = ITEM + value.bit_length() // 3  # type: ignore[attr-defined]  # a number
        else:
            size = size_of(value)
            work = size if isinstance(value, str) else self.item_work * size
        if size > LARGEST:
            self.bound(size)
        self.work += work
        if self.work > MOST_WORK:
            self.spend(0)
        return size

    def bound(self, size: int) -> int:
        """Raise `OverBudgetError` for a size above the largest value."""
        if size > LARGEST:
            message = f"this makes a value of more than {LARGEST:,} characters"
            raise OverBudgetError(message)
        return size


def size_of(value: object) -> int:
    """The size of a value when it is written; counting stops soon after `LARGEST`."""
    if isinstance(value, str):
        return len(value)
    waiting, size = [value], ITEM
    while waiting and size <= LARGEST:
        item = waiting.pop()
        if isinstance(item, str):
            size += len(item)
        elif isinstance(item, int):
            size += item.bit_length() // 3
        elif isinstance(item, range):
            size += ITEM * max(0, item.stop - item.start)
        elif isinstance(item, dict):
            size += sum(ITEM + len(str(key)) for key in item)
            waiting.extend(item.values())
        elif isinstance(item, list | tuple):
            size += ITEM * len(item)
            waiting.extend(item if size <= LARGEST else ())
    return size
