"""The ids of each person of a batch."""

from collections import defaultdict

from whereupon.decide.snapshot import Snapshot
from whereupon.records import IdKind


class Belongings:
    """The ids that each person has, as far as they are loaded; the other way round than `BatchState` keeps them.

    Attributes:
        users: the user ids of persons, by their keys.
        devices: the keys of anonymous ids that persons claim, or claimed before another person did.
        names: the anonymous ids, by their keys.
    """

    __slots__ = ("devices", "names", "users")

    def __init__(self, loaded: Snapshot) -> None:
        self.users: dict[int, set[str]] = defaultdict(set)
        self.devices: dict[int, set[int]] = defaultdict(set)
        self.names: dict[int, str] = {key: name for name, key in loaded.anonymous.items()}
        for user_id, key in loaded.users.items():
            self.users[key].add(user_id)
        for known in loaded.identifiers_of:
            if known.kind is IdKind.USER:
                self.users[known.key].add(known.value)
            else:
                self.names[known.key] = known.value
        for anonymous_key, runs in loaded.claims.items():
            for run in runs:
                self.devices[run.person_key].add(anonymous_key)

    def move(self, loser: int, survivor: int) -> None:
        """Give what one person has to another."""
        self.users[survivor] |= self.users.pop(loser, set())
        self.devices[survivor] |= self.devices.pop(loser, set())
