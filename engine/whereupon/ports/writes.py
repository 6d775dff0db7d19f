"""The writes of a batch: what deciding about messages changes, in one transaction."""

from abc import abstractmethod
from collections.abc import Collection
from typing import Protocol

from whereupon.records import Changes


class Writes(Protocol):
    """What writes a batch, and what keeps other writers away meanwhile.

    The defaults are right for a store with one writer at a time, which has nothing to lock.
    """

    @abstractmethod
    def allocate(self, count: int) -> int:
        """Reserve ``count`` consecutive keys that nobody gets again; returns the first."""
        ...

    def lock(
        self,
        persons: Collection[int],
        anonymous: Collection[int],
    ) -> bool:
        """Keep other writers from these persons and anonymous ids until the transaction ends.

        Args:
            persons: keys of persons.
            anonymous: keys of anonymous ids.

        Returns:
            Whether what was read of them before may be outdated. Then read it again, and lock what the
            new answer names. False if all were locked already, or if there are no other writers. If the
            new answer names more, the store may give up the transaction (see `Store.transact`).
        """
        del persons, anonymous
        return False

    def lock_requests(self) -> None:
        """Keep other writers from requests, breakers and the audit log until the transaction ends.

        Comes before `lock`.
        """
        return

    @abstractmethod
    def flush(self, changes: Changes) -> None:
        """Write a batch's changes. Forgotten persons are erased first, merges come second.

        Raises:
            StoreError: with the code ``conflict``, if something new in them is there already.
        """
        ...

    @abstractmethod
    def set_mark(self, name: str, value: int) -> None:
        """Keep a number under a name."""
        ...
