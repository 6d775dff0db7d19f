"""Claims of many messages, carried out chunk by chunk, so that other writers never wait for a whole claim.

The first transaction records the message that claims and a `ClaimJob`, and gives all inert messages to the
person. Each chunk of the others is a transaction of its own, run by the process that took the message. A
call that touches a person with an unfinished claim finishes the claim first. If the process dies, the job
is due work after a minute. The result is the same as if one transaction had done everything.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from time import monotonic
from typing import Protocol, TypeVar

from whereupon.decide import BatchResult
from whereupon.pipeline.current import CurrentPipeline
from whereupon.pipeline.load import UnfinishedClaimsError
from whereupon.ports import Session
from whereupon.storage.deadline import one_call

T = TypeVar("T")


class Transactions(Protocol):
    """Does work in transactions."""

    def transact(self, work: Callable[[Session], T], *, alone: bool = False) -> T:
        """Do work in a transaction (see `Store.transact`)."""
        ...


class ClaimRunner:
    """Does work on a store, and finishes first the claims that come before that work."""

    def __init__(self, store: Transactions, current: CurrentPipeline) -> None:
        self._store = store
        self._current = current

    def transact(
        self,
        work: Callable[[Session], T],
        emit: Callable[[BatchResult], object] | None = None,
        *,
        alone: bool = False,
    ) -> T:
        """Do work in a transaction of the store's own (see `Store.transact`).

        Args:
            work: what to do.
            emit: takes what was made of claims that came before it.
            alone: whether the work takes long.
        """
        began = monotonic()
        try:
            return self._store.transact(work, alone=alone)
        except UnfinishedClaimsError as found:
            unfinished = found.keys
        with one_call(began):
            while True:
                for chunk in self.carry_out(unfinished):
                    if emit is not None:
                        emit(chunk)
                try:
                    return self._store.transact(work, alone=alone)
                except UnfinishedClaimsError as found:
                    unfinished = found.keys

    def carry_out(self, anonymous_keys: Iterable[int]) -> Iterator[BatchResult]:
        """Carry claims out to their ends, one transaction for each chunk."""
        for key in anonymous_keys:
            left = True
            while left:
                go_on = partial(self._current.pipeline.carry_on, anonymous_key=key)
                chunk = self._store.transact(go_on, alone=True)
                if chunk is None:
                    break
                left = bool(chunk.unfinished)
                yield chunk

    def within(self, session: Session) -> "ClaimRunner":
        """The same, but all of it in one transaction that the caller ends."""
        return ClaimRunner(_OneTransaction(session), self._current)


class _OneTransaction:
    """What a store's `transact` is, for work that shares a transaction with the caller's own."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def transact(self, work: Callable[[Session], T], *, alone: bool = False) -> T:
        """Do work; nothing comes between it and other work."""
        del alone
        return work(self._session)
