"""What a rendering may use up: counted work and sizes, never time, so that every machine ends alike.

A text counts by its characters, and an item of a list or an object by `ITEM`, however deep; so what is
bounded by its size is bounded in memory too. The numbers leave honest messages far behind.
"""

from typing import Final

from liquid.exceptions import LiquidError

MOST_WORK: Final = 10_000_000
"""Characters read or written, and a little for every step."""
LARGEST: Final = 500_000
"""The size of one value, of all that a template keeps in variables, and of one message's texts together."""
ITEM: Final = 10
STEP: Final = 150
"""What a tag, or a value that is written, costs by itself."""


_SMALL: Final = frozenset((float, bool, type(None)))


class SpentError(LiquidError):
    """The rendering would use more than it may."""

    def __init__(self, what: str) -> None:
        super().__init__(what, token=None)


class Meter:
    """What one rendering, of all texts of a message, has used.

    Attributes:
        item_work: how much more than a character a part of a list or an object costs to be written.
    """

    __slots__ = ("item_work", "work", "written")

    def __init__(self) -> None:
        self.work = 0
        self.written = 0
        self.item_work = 4

    def spend(self, work: int) -> None:
        """Count work that is about to be done."""
        self.work += work
        if self.work > MOST_WORK:
            message = "this takes more work than a message may; loop over less, or do less with it"
            raise SpentError(message)

    def write(self, size: int) -> None:
        """Count characters of the message."""
        self.written += size
        if self.written > LARGEST:
            message = f"the texts together are longer than {LARGEST:,} characters"
            raise SpentError(message)

    def measure(self, value: object) -> int:
        """The size of a value, which is counted as work too; refuses what is too large."""
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
        """Refuse what would be larger than a value may be."""
        if size > LARGEST:
            message = f"this makes a value of more than {LARGEST:,} characters"
            raise SpentError(message)
        return size


def size_of(value: object) -> int:
    """How large a value is when it is written; counting stops soon beyond `LARGEST`."""
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
