"""Deliveries, broadcast runs and the wordings of rules."""

# ruff: noqa: S101, PT012 - tests assert and count, and a raising session is a block

from dataclasses import replace

import pytest

from whereupon.errors import StoreError
from whereupon.ports import Settlement, Store
from whereupon.state import (
    Changes,
    DeliveryState,
    Tombstone,
)
from whereupon.testing.contracts.samples import (
    LAST,
    NOON,
    ODD,
    after,
    delivery,
    run,
    save,
    save_tombstones,
)


class Outbox:
    """See `StoreContract`."""

    def test_a_delivery_comes_back_exactly(self, store: Store) -> None:
        """Every field survives."""
        odd = delivery(1, due_at=LAST)._replace(
            content=ODD,
            recipient={"email": "ada@example.com"},
            state=DeliveryState.WITHHELD,
            reason="unsubscribed",
            attempts=2,
            message_id="m-1",
        )
        save(store, Changes(deliveries=[odd]))
        with store.session() as session:
            assert session.deliveries([DeliveryState.WITHHELD], 5) == [odd]

    def test_an_idempotency_key_is_used_once(self, store: Store) -> None:
        """A second delivery of the same key is a conflict."""
        save(store, Changes(deliveries=[delivery(1)]))
        with pytest.raises(StoreError) as caught:
            save(store, Changes(deliveries=[delivery(2)._replace(idempotency_key="i-1")]))
        assert caught.value.code == "conflict"

    def test_due_deliveries_are_leased_once(self, store: Store) -> None:
        """Soonest first, as they were due; nobody else gets them until the lease is over."""
        late, soon, future = delivery(1), delivery(2, due_at=after(-1)), delivery(3, due_at=LAST)
        save(store, Changes(deliveries=[late, soon, future]))
        with store.session() as session:
            assert session.lease_deliveries(NOON, after(60), 10) == [soon, late]
        with store.session() as session:
            assert session.lease_deliveries(after(59), after(99), 10) == []
            again = session.lease_deliveries(after(60), after(120), 1)
            assert [taken.key for taken in again] == [1]

    def test_a_lease_is_undone_with_its_session(self, store: Store) -> None:
        """What a failing session took is free again."""
        save(store, Changes(deliveries=[delivery(1)]))
        with pytest.raises(ZeroDivisionError), store.session() as session:
            session.lease_deliveries(NOON, after(60), 10)
            session.settle([Settlement(1, DeliveryState.SENT, 1, NOON, None)])
            raise ZeroDivisionError
        with store.session() as session:
            assert session.lease_deliveries(NOON, after(60), 10) == [delivery(1)]

    def test_a_try_is_settled(self, store: Store) -> None:
        """Sent is sent; a retry waits for its time; what is gone meanwhile stays gone."""
        save(store, Changes(deliveries=[delivery(1), delivery(2)]))
        retry = Settlement(2, DeliveryState.PENDING, 1, after(30), "timeout")
        ends = [Settlement(1, DeliveryState.SENT, 1, NOON, None), retry, replace(retry, key=9)]
        with store.session() as session:
            session.settle(ends)
        waiting = delivery(2, due_at=after(30))._replace(attempts=1, reason="timeout")
        with store.session() as session:
            assert session.deliveries([DeliveryState.SENT], 9)[0].attempts == 1
            assert session.lease_deliveries(after(29), LAST, 9) == []
            assert session.lease_deliveries(after(30), LAST, 9) == [waiting]

    def test_only_what_is_pending_is_settled(self, store: Store) -> None:
        """What was withheld, or had its end, while a try was under way stays as it is."""
        withheld = delivery(1)._replace(state=DeliveryState.WITHHELD, reason="erased")
        ended = delivery(2)._replace(state=DeliveryState.DEAD, reason="gone")
        save(store, Changes(deliveries=[withheld, ended, delivery(3)]))
        retry = Settlement(1, DeliveryState.PENDING, 1, after(30), "timeout")
        for ends in ([retry], [retry, replace(retry, key=2), replace(retry, key=3)]):
            with store.session() as session:
                session.settle(ends)
        with store.session() as session:
            kept = session.deliveries(tuple(DeliveryState), 9)
        assert [(d.key, d.state, d.reason) for d in kept] == [
            (3, DeliveryState.PENDING, "timeout"),
            (2, DeliveryState.DEAD, "gone"),
            (1, DeliveryState.WITHHELD, "erased"),
        ]

    def test_only_what_is_dead_is_revived(self, store: Store) -> None:
        """Once: whoever comes second finds it pending, or sent."""
        ended = delivery(1)._replace(state=DeliveryState.DEAD, attempts=8, reason="gone")
        sent = delivery(2)._replace(state=DeliveryState.SENT)
        save(store, Changes(deliveries=[ended, sent]))
        with store.session() as session:
            assert [session.revive(key, after(5)) for key in (1, 1, 2, 9)] == [True, *[False] * 3]
        with store.session() as session:
            assert session.lease_deliveries(LAST, LAST, 9) == [delivery(1, due_at=after(5))]

    def test_deliveries_are_listed_newest_first(self, store: Store) -> None:
        """In the states asked for, no more than asked for."""
        dead = delivery(2)._replace(state=DeliveryState.DEAD)
        save(store, Changes(deliveries=[delivery(3), delivery(1), dead]))
        with store.session() as session:
            both = session.deliveries([DeliveryState.DEAD, DeliveryState.PENDING], 2)
            assert [d.key for d in both] == [3, 2]
            assert session.deliveries([DeliveryState.SENT], 2) == []

    def test_unfinished_runs_are_due(self, store: Store) -> None:
        """By due time; a run that is rewritten is the same run."""
        runs = [replace(run("b", at=after(1)), facts=ODD, depth=1, message_key=7), run("a")]
        done, later = run("c", cursor=None), run("d", at=after(9))
        save(store, Changes(runs={(r.rule, r.occasion): r for r in (*runs, done, later)}))
        with store.session() as session:
            assert session.due_runs(after(1)) == runs[::-1]
        save(store, Changes(runs={("news", "a"): run("a", cursor=None)}))
        with store.session() as session:
            assert session.due_runs(after(1)) == runs[:1]

    def test_waiting_runs_are_those_not_done(self, store: Store) -> None:
        """Whenever they are due; a run that is done is still known by its occasion."""
        runs = [run("a", at=after(5)), run("b", at=after(1)), run("c", cursor=None)]
        save(store, Changes(runs={(r.rule, r.occasion): r for r in runs}))
        with store.session() as session:
            assert session.waiting_runs() == [runs[1], runs[0]]
            assert session.has_run("news", "c")
            assert not session.has_run("socks", "c")

    def test_a_run_never_goes_back(self, store: Store) -> None:
        """Who adds a run that somebody sends already, or has sent, changes nothing."""
        for cursor in (0, 0, 500, 0, None, 0):
            save(store, Changes(runs={("news", "a"): run("a", cursor=cursor)}))
        save(store, Changes(runs={("news", "b"): run("b", cursor=500)}))
        save(store, Changes(runs={("news", "b"): run("b")}))
        with store.session() as session:
            assert session.waiting_runs() == [run("b", cursor=500)]
            assert session.has_run("news", "a")

    def test_a_run_is_taken_to_be_sent(self, store: Store) -> None:
        """As it is now, and only while it is not done."""
        runs = [run("a"), run("b", cursor=None)]
        save(store, Changes(runs={(r.rule, r.occasion): r for r in runs}))
        with store.session() as session:
            assert session.take_run(run("a")) == run("a")
            assert session.hold_runs() == [run("a")]

    def test_it_is_known_whether_there_are_tombstones(self, store: Store) -> None:
        """So that batches need not look for them where there are none."""
        with store.session() as session:
            assert not session.has_tombstones()
        save_tombstones(store, Tombstone(b"1" * 16, b"o" * 16, None, "suppressed"))
        with store.session() as session:
            assert session.has_tombstones()

    def test_wordings_that_are_kept_are_known(self, store: Store) -> None:
        """From when they are written, and to everybody once that is committed."""
        with store.session() as session:
            assert session.kept_wordings([]) == session.kept_wordings(["d1"]) == set()
            session.flush(Changes(wordings={"d1": ("socks", b"campaign: socks")}))
            assert session.kept_wordings(["d1", "d2"]) == {"d1"}
        for _ in range(2):
            with store.session() as session:
                assert session.kept_wordings(["d1", "d2"]) == {"d1"}
        with pytest.raises(ZeroDivisionError), store.session() as session:
            session.flush(Changes(wordings={"d2": ("shoes", b"campaign: shoes")}))
            raise ZeroDivisionError
        with store.session() as session:
            assert session.kept_wordings(["d1", "d2"]) == {"d1"}

    def test_the_first_wording_stays(self, store: Store) -> None:
        """A digest names one source, for ever."""
        save(store, Changes(wordings={"d1": ("socks", b"\x00campaign: socks")}))
        save(store, Changes(wordings={"d1": ("socks", b"else")}))
        with store.session() as session:
            assert session.wording("d1") == b"\x00campaign: socks"
            assert session.wording("d2") is None
