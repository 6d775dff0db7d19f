"""Deliveries, broadcast runs and the versions of rules."""

# ruff: noqa: S101, PT012 - tests assert and count, and a raising session is a block

from dataclasses import replace

import pytest

from whereupon.errors import StoreError
from whereupon.ports import NO_CHANNEL, Backlog, DeadLetters, LeasedNow, Settlement, Store
from whereupon.records import Changes, DeliveryState, Person, Tombstone
from whereupon.testing.contracts.samples import (
    ADA,
    BOB,
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
            occasion="m-1",
        )
        save(store, Changes(deliveries=[odd]))
        with store.session() as session:
            assert session.deliveries([DeliveryState.WITHHELD], 5) == [odd]

    def test_a_persons_deliveries_are_found_by_what_opened_their_entries(
        self, store: Store
    ) -> None:
        """Whatever became of them, oldest first; nobody else's, and of no other occasion."""
        made = [
            delivery(key, owner=owner)._replace(occasion=occasion, state=state)
            for key, owner, occasion, state in (
                (4, ADA, "m-1", DeliveryState.SENT),
                (3, ADA, "m-2", DeliveryState.WITHHELD),
                (2, ADA, "m-3", DeliveryState.PENDING),
                (1, BOB, "m-1", DeliveryState.DEAD),
                (5, ADA, None, DeliveryState.SENT),
            )
        ]
        save(store, Changes(deliveries=made))
        with store.session() as session:
            assert session.deliveries_of(ADA, {"m-1", "m-2"}) == [made[1], made[0]]
            assert session.deliveries_of(BOB, ["m-1"]) == [made[3]]
            assert session.deliveries_of(ADA, ["m-9"]) == []

    def test_a_broadcasts_runs_are_found_newest_first(self, store: Store) -> None:
        """Done or not, and no other's."""
        runs = [run("b", cursor=None), run("a"), run("c", at=after(1))]
        other = replace(run("d", at=after(2)), rule="else")
        save(store, Changes(runs={(r.rule, r.occasion): r for r in (*runs, other)}))
        with store.session() as session:
            assert session.runs_of("news", 9) == [runs[2], runs[0], runs[1]]
            assert session.runs_of("news", 1) == [runs[2]]

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

    def test_deliveries_are_leased_by_channel(self, store: Store) -> None:
        """Those of others stay as they are, and when the next is due is told by channel, too."""
        mail = delivery(1, due_at=after(-2))._replace(channel="email")
        push, later = delivery(2, due_at=after(-1)), delivery(3, due_at=after(9))
        save(store, Changes(deliveries=[mail, push, later]))
        with store.session() as session:
            assert session.lease_deliveries(NOON, after(60), 10, ["sms"]) == []
            assert session.lease_deliveries(NOON, after(60), 10, ["push", "sms"]) == [push]
            assert session.lease_deliveries(NOON, after(60), 10, []) == []
            due = [session.next_due(each) for each in (None, ["email"], ["push"], ["sms"], [])]
            assert due == [after(-2), after(-2), after(9), None, None]
            assert session.lease_deliveries(NOON, after(60), 10, ["email"]) == [mail]

    def test_what_is_due_for_other_channels_is_held_until_one_of_them_is_there(
        self, store: Store
    ) -> None:
        """In steps; who has the channel leases it like what is pending, as it was."""
        mails = [delivery(key)._replace(channel="email") for key in (1, 2, 3)]
        future = delivery(4, due_at=after(1))._replace(channel="email")
        save(store, Changes(deliveries=[*mails, future, delivery(5)]))
        with store.session() as session:
            assert session.hold_deliveries(NOON, ["push"], 2) == {"email": 2}
            assert session.hold_deliveries(NOON, ["push"], 2) == {"email": 1}
            assert session.hold_deliveries(NOON, ["push"], 2) == {}
            held = session.deliveries([DeliveryState.HELD], 9)
            assert {each.reason for each in held} == {NO_CHANNEL}
        with store.session() as session:
            assert session.lease_deliveries(NOON, after(60), 9, ["push"]) == [delivery(5)]
            assert session.lease_deliveries(NOON, after(60), 2, ["email"]) == mails[:2]
            assert session.lease_deliveries(NOON, after(60), 9, None) == mails[2:]
            assert session.deliveries([DeliveryState.HELD], 9) == []
            session.settle([Settlement(1, DeliveryState.SENT, 1, NOON, None)])
            assert session.deliveries([DeliveryState.SENT], 9)[0].key == 1

    def test_what_waits_is_withdrawn_and_what_has_its_end_is_not(self, store: Store) -> None:
        """Pending or held; never what was sent."""
        states = [DeliveryState.PENDING, DeliveryState.HELD, DeliveryState.SENT]
        made = [delivery(key)._replace(state=state) for key, state in enumerate(states, 1)]
        save(store, Changes(deliveries=made))
        save(store, Changes(withdrawn=dict.fromkeys(("i-1", "i-2", "i-3", "i-4"), "merged")))
        with store.session() as session:
            withheld = session.deliveries([DeliveryState.WITHHELD], 9)
            assert [(each.key, each.reason) for each in withheld] == [(2, "merged"), (1, "merged")]
            assert [each.key for each in session.deliveries([DeliveryState.SENT], 9)] == [3]

    def test_a_delivery_is_looked_at_again_with_its_person(self, store: Store) -> None:
        """Its state and the end of its lease, and the person's attributes, all as they are now."""
        ada = Person(ADA, "ada", NOON, {"email": "ada@example.com"})
        save(store, Changes(persons={ADA: ada}, deliveries=[delivery(1), delivery(2)._replace(person_key=99)]))  # fmt: skip
        with store.session() as session:
            session.lease_deliveries(NOON, after(60), 9)
            pending = DeliveryState.PENDING
            assert session.leased_now(1) == LeasedNow(pending, after(60), "ada", ada.attributes)
            assert session.leased_now(2) == LeasedNow(pending, after(60), None, None)
            assert session.leased_now(3) is None

    def test_dead_deliveries_are_counted_and_revived_by_what_they_are(self, store: Store) -> None:
        """By channel, rule and the time of their death; in steps."""
        dead = [delivery(key, due_at=after(key))._replace(state=DeliveryState.DEAD, attempts=9, reason="x") for key in (1, 2, 3)]  # fmt: skip
        dead[1] = dead[1]._replace(channel="email", rule="news")
        save(store, Changes(deliveries=[*dead, delivery(4, due_at=LAST)]))
        with store.session() as session:
            for which, count in (
                (DeadLetters(), 3),
                (DeadLetters(channel="email"), 1),
                (DeadLetters(channel="email", rule="socks"), 0),
                (DeadLetters(rule="news"), 1),
                (DeadLetters(since=after(2)), 2),
                (DeadLetters(since=after(4)), 0),
            ):
                assert session.dead(which) == count
            assert session.revive_some(DeadLetters(since=after(2)), after(5), 1) == 1
            assert session.revive_some(DeadLetters(since=after(2)), after(5), 9) == 1
            assert session.revive_some(DeadLetters(since=after(2)), after(5), 9) == 0
            revived = session.lease_deliveries(after(5), after(60), 9)
        assert [(each.key, each.attempts, each.reason) for each in revived] == [(2, 0, None), (3, 0, None)]  # fmt: skip

    def test_what_has_not_come_to_its_end_is_counted_by_channel(self, store: Store) -> None:
        """Pending, held and dead, with the earliest time; what was sent or withheld is over."""
        states = [*DeliveryState, DeliveryState.PENDING]
        made = [delivery(key, due_at=after(key))._replace(state=state) for key, state in enumerate(states, 1)]  # fmt: skip
        save(store, Changes(deliveries=[*made, delivery(9)._replace(channel="email")]))
        with store.session() as session:
            backlog = session.backlog()
        assert sorted(backlog) == [
            Backlog(DeliveryState.DEAD, "push", 1, after(4)),
            Backlog(DeliveryState.HELD, "push", 1, after(2)),
            Backlog(DeliveryState.PENDING, "email", 1, NOON),
            Backlog(DeliveryState.PENDING, "push", 2, after(1)),
        ]

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
            assert session.lock_runs() == [run("a")]

    def test_it_is_known_whether_there_are_tombstones(self, store: Store) -> None:
        """So that batches need not look for them where there are none."""
        with store.session() as session:
            assert not session.has_tombstones()
        save_tombstones(store, Tombstone(b"1" * 16, b"o" * 16, None, "suppressed"))
        with store.session() as session:
            assert session.has_tombstones()

    def test_versions_that_are_kept_are_known(self, store: Store) -> None:
        """From when they are written, and to everybody once that is committed."""
        with store.session() as session:
            assert session.kept_versions([]) == session.kept_versions(["d1"]) == set()
            session.flush(Changes(rule_versions={"d1": ("socks", b"campaign: socks")}))
            assert session.kept_versions(["d1", "d2"]) == {"d1"}
        for _ in range(2):
            with store.session() as session:
                assert session.kept_versions(["d1", "d2"]) == {"d1"}
        with pytest.raises(ZeroDivisionError), store.session() as session:
            session.flush(Changes(rule_versions={"d2": ("shoes", b"campaign: shoes")}))
            raise ZeroDivisionError
        with store.session() as session:
            assert session.kept_versions(["d1", "d2"]) == {"d1"}

    def test_the_first_text_of_a_version_stays(self, store: Store) -> None:
        """A digest names one source, for ever."""
        save(store, Changes(rule_versions={"d1": ("socks", b"\x00campaign: socks")}))
        save(store, Changes(rule_versions={"d1": ("socks", b"else")}))
        with store.session() as session:
            assert session.rule_version("d1") == b"\x00campaign: socks"
            assert session.rule_version("d2") is None
