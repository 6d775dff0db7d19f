"""A probe: a part of a rule, what a test may see of it, and what has been seen."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import TypeAlias

from whereupon.errors import Diagnostic, Location
from whereupon.rules.loading import Positions, load_document
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


def uncovered_in(file: str, of: str, probes: Sequence[Probe]) -> Iterator[Uncovered]:
    """What was not seen of the parts of a file, in their order.

    Args:
        of: the id of the rule, or of the settings.
    """
    missing = [probe for probe in probes if not probe.is_complete]
    if not missing:
        return
    _, positions, _ = load_document(FilePath(file))
    for probe in missing:
        yield from probe.uncovered(of, _located(probe, positions, file))


def _located(probe: Probe, positions: Positions, file: str) -> Location:
    """The place of the part, as near as the file tells."""
    return positions.locate(Diagnostic.at(probe.path, "", ""), file).location
