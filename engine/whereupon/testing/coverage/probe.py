"""A probe: a part of a rule, what a test may see of it, and what has been seen."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from whereupon.errors import Location
from whereupon.testing.reports import Seen, Uncovered

Path: TypeAlias = tuple[str | int, ...]


@dataclass(slots=True)
class Probe:
    """A part of a rule of which tests should see several things.

    Attributes:
        part: in words, such as ``where: price is at least 15``.
        wanted: what should be seen, in the order in which it is reported.
        path: where the part stands in the rule's file.
        address: of the step that it is a part of; None for a key of the rule.
    """

    part: str
    wanted: Sequence[Seen]
    path: Path
    address: str | None = None
    seen: set[Seen] = field(default_factory=set)

    @property
    def is_complete(self) -> bool:
        """Whether everything has been seen."""
        return len(self.seen) == len(self.wanted)

    def see(self, what: Seen) -> None:
        """Note one thing; of what is not wanted nothing is kept."""
        if what in self.wanted:
            self.seen.add(what)

    def uncovered(self, rule: str, location: Location | None) -> Iterator[Uncovered]:
        """What has not been seen."""
        for what in self.wanted:
            if what not in self.seen:
                yield Uncovered(rule, self.part, what, location, self.address)
