"""The ids of each person of a batch."""

from collections import defaultdict

from whereupon.decide.snapshot import Snapshot
from whereupon.records import IdKind
from whereupon.runtime.lazy import cached_property


class Belongings:
    """The ids that each person has, as far as they are loaded; the other way round than `BatchState` keeps them.

    Each is made of what was loaded when it is first asked for, or changed: most batches need none of them.
    """

    def __init__(self, loaded: Snapshot) -> None:
        self._loaded = loaded

    @cached_property
    def users(self) -> dict[int, set[str]]:
        """The user ids of persons, by their keys."""
        found: dict[int, set[str]] = defaultdict(set)
        for user_id, key in self._loaded.users.items():
            found[key].add(user_id)
        for known in self._loaded.identifiers_of:
            if known.kind is IdKind.USER:
                found[known.key].add(known.value)
        return found

    @cached_property
    def devices(self) -> dict[int, set[int]]:
        """The keys of anonymous ids that persons claim, or claimed before another person did."""
        found: dict[int, set[int]] = defaultdict(set)
        for anonymous_key, runs in self._loaded.claims.items():
            for run in runs:
                found[run.person_key].add(anonymous_key)
        return found

    @cached_property
    def names(self) -> dict[int, str]:
        """The anonymous ids, by their keys."""
        found = {key: name for name, key in self._loaded.anonymous.items()}
        for known in self._loaded.identifiers_of:
            if known.kind is not IdKind.USER:
                found[known.key] = known.value
        return found

    def move(self, loser: int, survivor: int) -> None:
        """Give what one person has to another."""
        self.users[survivor] |= self.users.pop(loser, set())
        self.devices[survivor] |= self.devices.pop(loser, set())
