"""What is due, and how it is taken."""

# ruff: noqa: S101, PT012 - tests assert and count, and a raising session is a block

from dataclasses import replace

import pytest

from whereupon.conditions.prefilter import EVERYBODY, NOBODY, Prefilter, Texts, TextTest, Values
from whereupon.ports import NO_CHANNEL, LeasedNow, Settlement, Store, WaitingChannels
from whereupon.records import (
    NEVER,
    Changes,
    ChannelState,
    DeliveryState,
    EntryState,
    LetIn,
    Person,
    PruneStep,
    RequestOutcome,
    RetainedKind,
    RetentionCutoff,
    TimeSkip,
    WaitingVersion,
)
from whereupon.testing.contracts.samples import (
    ADA,
    LAST,
    NOON,
    ODD,
    after,
    delivery,
    entry,
    message,
    person,
    request,
    run,
    save,
    save_entries,
    skips,
    time_skip,
)


class DueWorkContract:
    """See `StoreContract`."""

    def test_old_skips_are_trimmed(self, store: Store) -> None:
        """Those decided before the instant go, and only these."""
        met = [skips(1, at=after(-1)), skips(2), skips(3, at=after(-2))]
        save(store, Changes(messages=[message(k) for k in (1, 2, 3)], skips=met))
        with store.session() as session:
            old = RetentionCutoff(RetainedKind.SKIPS, NOON, NOON)
            assert session.count_prunable(old) == PruneStep(2)
            assert session.prune(old, 0, 9) == PruneStep(2)
            assert session.prune(old, 0, 9) == PruneStep(0)
            assert [d.message_key for _, d in session.decided(ADA, "socks", 9)] == [2]

    def test_old_skips_that_time_led_to_are_trimmed(self, store: Store) -> None:
        """Those decided before the instant go, and only these."""
        made = [time_skip(key)._replace(decided_at=after(key)) for key in (1, 2, 3)]
        save(store, Changes(time_skips=made))
        with store.session() as session:
            old = RetentionCutoff(RetainedKind.TIME_SKIPS, after(3), NOON)
            assert session.count_prunable(old) == PruneStep(2)
            assert session.prune(old, 0, 9) == PruneStep(2)
            assert list(session.scan(TimeSkip)) == made[2:]

    def test_due_entries_come_by_due_time_then_key(self, store: Store) -> None:
        """Those due at the instant itself belong to it; no more than asked for."""
        due = {1: 30, 2: 10, 3: 20, 4: 10, 5: 31}
        save_entries(store, *(entry(k).changed(due_at=after(s)) for k, s in due.items()))
        with store.session() as session:
            assert [e.key for e in session.due_entries(after(30), 10)] == [2, 4, 3, 1]
            assert [e.key for e in session.due_entries(after(30), 3)] == [2, 4, 3]

    def test_due_entries_are_taken(self, store: Store) -> None:
        """Nobody else being about, all that are due are there to be taken."""
        waiting = [entry(k).changed(due_at=after(k)) for k in (1, 2, 3)]
        save(store, Changes(persons={ADA: person()}))
        save_entries(store, *waiting)
        with store.session() as session:
            assert session.take_due_entries(after(2), 9) == waiting[:2]
            assert session.take_due_entries(after(2), 1) == waiting[:1]
            assert not session.lock([ADA], [])

    def test_of_some_versions_only_theirs_are_due(self, store: Store) -> None:
        """However much others have due before; the order and the limit are as of all."""
        due = {1: ("a", 1), 2: ("b", 2), 3: ("c", 3), 4: ("b", 4), 5: ("c", 60), 6: ("a", 5)}
        waiting = {
            key: entry(key).changed(digest=digest, due_at=after(seconds))
            for key, (digest, seconds) in due.items()
        }
        save(store, Changes(persons={ADA: person()}))
        save_entries(store, *waiting.values())
        with store.session() as session:
            asked = session.due_entries(after(30), 10, ["c", "b", "none"])
            assert asked == [waiting[2], waiting[3], waiting[4]]
            assert session.due_entries(after(30), 2, ["c", "b"]) == [waiting[2], waiting[3]]
            assert session.due_entries(after(30), 9, []) == []
            assert session.take_due_entries(after(30), 9, ["b", "c"]) == asked
            assert session.take_due_entries(after(30), 9, []) == []
            assert len(session.take_due_entries(after(30), 1, ["b", "c"])) == 1

    def test_versions_with_running_entries_are_told_by_their_first_due_time(
        self, store: Store
    ) -> None:
        """Not those whose entries have all ended."""
        with store.session() as session:
            assert session.waiting_versions() == []
        ended = entry(4).changed(digest="d0", state=EntryState.COMPLETED, due_at=None)
        soon = entry(2).changed(digest="d2", rule="shoes", due_at=after(5))
        late = entry(3).changed(digest="d2", rule="shoes", due_at=LAST)
        save_entries(store, entry(1), soon, late, ended)
        with store.session() as session:
            assert session.waiting_versions() == [
                WaitingVersion("socks", "d1", after(60)),
                WaitingVersion("shoes", "d2", after(5)),
            ]
            assert session.count_entries(["d0", "d1", "d2", "d3"]) == {"d1": 1, "d2": 2}
            assert session.count_entries([]) == {}

    def test_the_channels_of_what_waits_are_known(self, store: Store) -> None:
        """With the soonest time; what has been sent does not count, nor do entries and runs."""
        with store.session() as session:
            assert session.waiting_channels() == WaitingChannels({}, frozenset())
        sent = delivery(1).changed(state=DeliveryState.SENT)
        save_entries(store, entry(2))
        save(store, Changes(deliveries=[sent], runs={("news", "a"): run("a")}))
        with store.session() as session:
            assert session.waiting_channels() == WaitingChannels({}, frozenset())
        later = [delivery(key, due_at=after(due)) for key, due in ((2, 50), (3, 40))]
        save(store, Changes(deliveries=[*later, delivery(4).changed(channel="email")]))
        with store.session() as session:
            expected = {"push": after(40), "email": NOON}
            assert session.waiting_channels() == WaitingChannels(expected, frozenset())
            session.hold_deliveries("email", NOON, 9)
            assert session.waiting_channels().held == {"email"}

    def test_what_processes_share_about_a_channel_is_kept(self, store: Store) -> None:
        """The last that was put; a channel that nobody has put has made no call."""
        with store.session() as session:
            assert session.channel("push") == session.lock_channel("push") == ChannelState("push")
            session.put_channel(ChannelState("push", ((1, 2),), 3, NOON))
        kept = ChannelState("push", ((3, 4), (5, 1)), 0, None)
        with store.session() as session:
            assert session.lock_channel("push").rests_until == NOON
            session.put_channel(kept)
        with store.session() as session:
            assert session.channel("push") == kept
            assert session.channel("email") == ChannelState("email")

    def test_requests_are_found_when_they_are_due(self, store: Store) -> None:
        """By their own time, or by their expiry where that is asked for; only those that are held."""
        cooling = replace(request(1), due_at=after(2), expires_at=after(9))
        waiting = replace(request(2), expires_at=after(3))
        ran = replace(request(3, outcome=RequestOutcome.RAN), due_at=after(1))
        save(store, Changes(requests={r.key: r for r in (cooling, waiting, ran)}))
        with store.session() as session:
            due = session.due_requests
            assert due(after(1), 9, expiring=after(1)) == []
            assert due(after(5), 9, expiring=None) == [cooling]
            assert due(after(5), 9, expiring=after(5)) == [cooling, waiting]
            assert due(after(5), 1, expiring=after(5)) == [cooling]
            assert session.next_request_due() == after(2)
            assert session.next_request_due(["Close Account"]) == after(2)

    def test_when_an_approved_request_is_due_is_told_by_action(self, store: Store) -> None:
        """A process that cannot carry it out need not wake for it."""
        approved = replace(request(1, outcome=RequestOutcome.APPROVED), due_at=after(2))
        save(store, Changes(requests={1: approved}))
        with store.session() as session:
            asked: list[list[str] | None] = [None, [approved.action], ["another"], []]
            due = [session.next_request_due(actions) for actions in asked]
            assert due == [after(2), after(2), None, None]

    def test_an_approved_request_is_leased_to_one(self, store: Store) -> None:
        """Of the actions that are asked for; it is put off meanwhile."""
        approved = replace(request(1, outcome=RequestOutcome.APPROVED), due_at=NOON)
        save(store, Changes(requests={1: approved}))
        with store.session() as session:
            assert session.lease_request(["else"], NOON, after(5)) is None
            assert session.lease_request(["delete-person"], NOON, after(5)) == approved
        with store.session() as session:
            assert session.lease_request(["delete-person"], NOON, after(5)) is None

    def test_due_deliveries_are_leased_once(self, store: Store) -> None:
        """Soonest first, as they were due; nobody else gets them until the lease is over."""
        late, soon, future = delivery(1), delivery(2, due_at=after(-1)), delivery(3, due_at=LAST)
        save(store, Changes(deliveries=[late, soon, future]))
        with store.session() as session:
            assert session.lease_deliveries("push", NOON, after(60), 10) == [soon, late]
        with store.session() as session:
            assert session.lease_deliveries("push", after(59), after(99), 10) == []
            again = session.lease_deliveries("push", after(60), after(120), 1)
            assert [taken.key for taken in again] == [1]

    def test_a_lease_is_undone_with_its_session(self, store: Store) -> None:
        """What a failing session took is free again."""
        save(store, Changes(deliveries=[delivery(1)]))
        with pytest.raises(ZeroDivisionError), store.session() as session:
            session.lease_deliveries("push", NOON, after(60), 10)
            session.settle([Settlement(1, DeliveryState.SENT, 1, NOON, None)])
            raise ZeroDivisionError
        with store.session() as session:
            assert session.lease_deliveries("push", NOON, after(60), 10) == [delivery(1)]

    def test_a_try_is_settled(self, store: Store) -> None:
        """Sent is sent; a retry waits for its time; what is gone meanwhile stays gone."""
        save(store, Changes(deliveries=[delivery(1), delivery(2)]))
        retry = Settlement(2, DeliveryState.PENDING, 1, after(30), "timeout")
        ends = [Settlement(1, DeliveryState.SENT, 1, NOON, None), retry, replace(retry, key=9)]
        with store.session() as session:
            session.settle(ends)
        waiting = delivery(2, due_at=after(30)).changed(attempts=1, reason="timeout")
        with store.session() as session:
            assert session.deliveries([DeliveryState.SENT], 9)[0].attempts == 1
            assert session.lease_deliveries("push", after(29), LAST, 9) == []
            assert session.lease_deliveries("push", after(30), LAST, 9) == [waiting]

    def test_only_what_is_pending_is_settled(self, store: Store) -> None:
        """What was withheld, or had its end, while a try was under way stays as it is."""
        withheld = delivery(1).changed(state=DeliveryState.WITHHELD, reason="erased")
        ended = delivery(2).changed(state=DeliveryState.DEAD, reason="gone")
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

    def test_who_waits_for_a_delivery_is_due_at_its_end(self, store: Store) -> None:
        """Running or paused; not at a try that failed, nor who waits for a time or has ended."""
        waiting = {k: entry(k).changed(due_at=NEVER) for k in (1, 2, 3)}
        waiting[2] = waiting[2].changed(state=EntryState.PAUSED)
        others = {4: entry(4), 5: entry(5).changed(state=EntryState.EXITED, due_at=None)}
        save_entries(store, *waiting.values(), *others.values())
        asked = [delivery(9 - k).changed(awaited_by=k) for k in (*waiting, *others)]
        save(store, Changes(deliveries=asked))
        sent, dead, retry = DeliveryState.SENT, DeliveryState.DEAD, DeliveryState.PENDING
        ends = zip((1, 2, 3, 4, 5), (sent, dead, retry, sent, sent), strict=True)
        with store.session() as session:
            session.settle(
                Settlement(9 - k, state, 1, after(5), None, awaited_by=k, result={"of": k})
                for k, state in ends
            )
        with store.session() as session:
            found = {e.key: e.due_at for e in session.entries([1, 2, 3, 4, 5])}
            assert found == {1: after(5), 2: after(5), 3: NEVER, 4: after(60), 5: None}
            kept = session.deliveries([sent], 9)
            assert [(d.awaited_by, d.result) for d in kept] == [(k, {"of": k}) for k in (1, 4, 5)]

    def test_only_what_is_dead_is_revived(self, store: Store) -> None:
        """Once: the second caller finds it pending, or sent."""
        ended = delivery(1).changed(state=DeliveryState.DEAD, attempts=8, reason="gone")
        sent = delivery(2).changed(state=DeliveryState.SENT)
        save(store, Changes(deliveries=[ended, sent]))
        with store.session() as session:
            assert [session.revive(key, after(5)) for key in (1, 1, 2, 9)] == [True, *[False] * 3]
        with store.session() as session:
            assert session.lease_deliveries("push", LAST, LAST, 9) == [delivery(1, due_at=after(5))]

    def test_deliveries_are_leased_by_channel(self, store: Store) -> None:
        """Those of others stay as they are, and when the next is due is told by channel, too."""
        mail = delivery(1, due_at=after(-2)).changed(channel="email")
        push, later = delivery(2, due_at=after(-1)), delivery(3, due_at=after(9))
        save(store, Changes(deliveries=[mail, push, later]))
        with store.session() as session:
            assert session.lease_deliveries("sms", NOON, after(60), 10) == []
            assert session.lease_deliveries("push", NOON, after(60), 10) == [push]
            due = session.waiting_channels().pending
            assert (due["email"], "sms" in due) == (after(-2), False)
            assert session.lease_deliveries("email", NOON, after(60), 10) == [mail]

    def test_what_is_due_for_other_channels_is_held_until_one_of_them_is_there(
        self, store: Store
    ) -> None:
        """In steps; who has the channel leases it like what is pending, as it was."""
        mails = [delivery(key).changed(channel="email") for key in (1, 2, 3)]
        future = delivery(4, due_at=after(1)).changed(channel="email")
        save(store, Changes(deliveries=[*mails, future, delivery(5)]))
        with store.session() as session:
            held_in_steps = [session.hold_deliveries("email", NOON, 2) for _ in range(3)]
            assert held_in_steps == [2, 1, 0]
            held = session.deliveries([DeliveryState.HELD], 9)
            assert {each.reason for each in held} == {NO_CHANNEL}
        with store.session() as session:
            assert session.lease_deliveries("push", NOON, after(60), 9) == [delivery(5)]
            assert session.lease_deliveries("email", NOON, after(60), 2) == mails[:2]
            assert session.lease_deliveries("email", NOON, after(60), 9) == mails[2:]
            assert session.deliveries([DeliveryState.HELD], 9) == []
            session.settle([Settlement(1, DeliveryState.SENT, 1, NOON, None)])
            assert session.deliveries([DeliveryState.SENT], 9)[0].key == 1

    def test_a_delivery_is_looked_at_again_with_its_person(self, store: Store) -> None:
        """Its state and the end of its lease, and the person's attributes, all as they are now."""
        ada = Person(ADA, "ada", NOON, {"email": "ada@example.com"})
        save(store, Changes(persons={ADA: ada}, deliveries=[delivery(1), delivery(2).changed(person_key=99)]))  # fmt: skip
        with store.session() as session:
            session.lease_deliveries("push", NOON, after(60), 9)
            pending = DeliveryState.PENDING
            assert session.leased_now([1, 2, 3]) == {
                1: LeasedNow(pending, after(60), "ada", ada.attributes),
                2: LeasedNow(pending, after(60), None, None),
            }

    def test_unfinished_runs_wait(self, store: Store) -> None:
        """By due time; a run that is rewritten is the same run."""
        odd = replace(run("b", at=after(1)), facts=ODD, depth=1, message_key=7)
        runs = [replace(odd, let_in=(LetIn(NOON, 3),), closes_at=after(9)), run("a")]
        done = run("c", cursor=None)
        save(store, Changes(runs={(r.rule, r.occasion): r for r in (*runs, done)}))
        with store.session() as session:
            assert session.waiting_runs() == runs[::-1]
        save(store, Changes(runs={("news", "a"): run("a", cursor=None)}))
        with store.session() as session:
            assert session.waiting_runs() == runs[:1]

    def test_waiting_runs_are_those_not_done(self, store: Store) -> None:
        """Whenever they are due; a run that is done is still known by its occasion."""
        runs = [run("a", at=after(5)), run("b", at=after(1)), run("c", cursor=None)]
        save(store, Changes(runs={(r.rule, r.occasion): r for r in runs}))
        with store.session() as session:
            assert session.waiting_runs() == [runs[1], runs[0]]
            assert session.has_run("news", "c")
            assert not session.has_run("socks", "c")

    def test_a_run_is_taken_to_be_sent(self, store: Store) -> None:
        """As it is now, and only while it is not done."""
        runs = [run("a"), run("b", cursor=None)]
        save(store, Changes(runs={(r.rule, r.occasion): r for r in runs}))
        with store.session() as session:
            assert session.take_run(run("a")) == run("a")
            assert session.lock_runs() == [run("a")]

    def test_persons_come_in_chunks_by_key(self, store: Store) -> None:
        """A broadcast meets everybody once, whatever the order they were written in."""
        save(store, Changes(persons={key: person(key) for key in (5, 2, 9, 4)}))
        with store.session() as session:
            assert [p.key for p in session.persons_after(0, 3)] == [2, 4, 5]
            assert [p.key for p in session.persons_after(5, 3)] == [9]

    def test_an_audience_is_taken_stretch_by_stretch(self, store: Store) -> None:
        """The first of the next persons who pass the prefilter, and how far the store looked."""
        plans = {9: "pro", 2: "free", 1: "pro", 4: "pro", 5: None, 7: "pro"}
        people = {key: person(key).changed(attributes={"plan": p}) for key, p in plans.items()}
        save(store, Changes(persons=people))
        pro = Values(
            ("plan",), frozenset(), texts=Texts(TextTest.ONE_OF, frozenset({"pro", "team"}))
        )
        with store.session() as session:

            def taken(*where: int, prefilter: Prefilter = pro) -> tuple[list[Person], int | None]:
                after, limit, reach = where
                return session.take_audience(after, limit, prefilter, reach)

            first, fourth, seventh, ninth = (people[key] for key in (1, 4, 7, 9))
            assert taken(0, 1, 9) == ([first], 1)
            assert taken(1, 9, 2) == ([fourth], 4)
            assert taken(1, 9, 1) == ([], 2)
            assert taken(4, 2, 9) == ([seventh, ninth], 9)
            assert taken(4, 3, 3) == ([seventh, ninth], 9)
            assert taken(0, 9, 9) == ([first, fourth, seventh, ninth], None)
            assert taken(9, 9, 9) == ([], None)
            assert taken(0, 3, 9, prefilter=EVERYBODY) == ([first, people[2], fourth], 4)
            assert taken(0, 9, 9, prefilter=NOBODY) == ([], None)
