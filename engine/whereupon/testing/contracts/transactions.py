"""Transactions: what a session sees, and what is left of one that raises."""

# ruff: noqa: S101, PLR2004, PT012 - tests assert and count, and a raising session is a block

from contextlib import suppress
from threading import Barrier, Thread

import pytest

from whereupon.errors import StoreError
from whereupon.ports import Session, Store
from whereupon.records import Changes, Merge, RetainedKind, RetentionCutoff
from whereupon.testing.contracts.samples import (
    ADA,
    BOB,
    LAST,
    NOON,
    all_of,
    entry,
    message,
    person,
    save,
    seen,
)


class TransactionsContract:
    """See `StoreContract`."""

    def test_a_session_sees_what_it_flushed(self, store: Store) -> None:
        """Before anybody else does."""
        with store.session() as session:
            session.flush(all_of(ADA, start=10))
            assert session.known_messages(["m-10"]) == {"m-10"}
            assert session.persons([ADA]) == [person()]
            session.flush(Changes(erased_persons=[ADA]))
            assert session.persons([ADA]) == []

    @pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
    def test_a_raising_block_leaves_nothing(self, store: Store, error: type[BaseException]) -> None:
        """Whatever was flushed, merged, moved or forgotten is as it was."""
        save(store, all_of(ADA, start=10))
        save(store, all_of(BOB, start=20))
        before = seen(store)
        with pytest.raises(error), store.session() as session:
            session.allocate(100)
            session.flush(all_of(99, start=30))
            session.flush(Changes(owners=[(12, BOB)], entries={10: entry(10).changed(address="5")}))
            session.flush(Changes(merges=[Merge(ADA, BOB, "user-2", "m-20", NOON)]))
            session.flush(Changes(erased_persons=[ADA]))
            session.prune(RetentionCutoff(RetainedKind.SKIPS, LAST, LAST), 0, 9)
            raise error
        assert seen(store) == before

    def test_holding_answers_no_in_the_end(self, store: Store) -> None:
        """After at most one reading more, what was read is the last word."""
        save(store, all_of(ADA, start=10))
        with store.session() as session:
            if session.lock([ADA], [11]):
                assert [p.key for p in session.persons([ADA])] == [ADA]
            assert not session.lock([ADA], [11])
            assert not session.lock([], [])

    def test_work_is_done_in_a_transaction(self, store: Store) -> None:
        """What it returns is returned when it is committed."""

        def work(session: Session) -> str:
            session.flush(Changes(messages=[message(1)]))
            return "done"

        assert store.transact(work) == "done"
        with store.session() as session:
            assert session.known_messages(["m-1"]) == {"m-1"}

    def test_work_may_be_done_alone(self, store: Store) -> None:
        """It is done all the same, and nobody is kept out by it afterwards."""
        write = store.transact(lambda session: session.allocate(1), alone=True)
        assert store.transact(lambda session: session.allocate(1)) != write
        with pytest.raises(ZeroDivisionError):
            store.transact(lambda _: 1 // 0, alone=True)
        assert store.transact(lambda session: session.allocate(1), alone=True) != write

    def test_work_that_raises_leaves_nothing_of_its_own(self, store: Store) -> None:
        """What another caller wrote in the same transaction is not taken back with it."""
        ready = Barrier(6)

        def send(number: int) -> None:
            def work(session: Session) -> None:
                session.flush(Changes(messages=[message(number)]))
                if number % 2:
                    raise ZeroDivisionError

            ready.wait(60)
            with suppress(ZeroDivisionError):
                store.transact(work)
                done.append(number)

        done: list[int] = []
        threads = [Thread(target=send, args=(n,)) for n in range(1, 7)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(done) == [2, 4, 6]
        with store.session() as session:
            known = session.known_messages([f"m-{n}" for n in range(1, 7)])
        assert known == {"m-2", "m-4", "m-6"}

    def test_it_is_known_whether_short_work_waits(self, store: Store) -> None:
        """Or else it is never said, as where rows are locked and transactions run beside one another."""
        thread = Thread(target=store.transact, args=[lambda session: session.counts()])
        with store.session():
            thread.start()
            while store.is_awaited() is False:
                pass  # until the thread waits
        thread.join()
        assert not store.is_awaited()

    def test_work_within_a_session_is_refused(self, store: Store) -> None:
        """It would wait for the thread that waits for it."""
        with store.session(), pytest.raises(StoreError) as caught:
            store.transact(lambda session: session.counts())
        assert caught.value.code == "nested-session"

    def test_threads_lose_nothing(self, store: Store) -> None:
        """Writers take turns: every batch is there, every key was handed out once."""
        firsts: list[int] = []

        def write() -> None:
            for _ in range(20):
                with store.session() as session:
                    first = session.allocate(5)
                    batch = [message(key, owner=ADA) for key in range(first, first + 5)]
                    session.flush(Changes(messages=batch))
                firsts.append(first)

        threads = [Thread(target=write) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(set(firsts)) == 40
        with store.session() as session:
            assert session.counts().messages == 200
