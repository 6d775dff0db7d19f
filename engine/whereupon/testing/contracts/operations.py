"""What operators do: pauses, entries by place, runs that are swept."""

# ruff: noqa: S101, PLR2004 - tests assert and count

from dataclasses import replace

import pytest

from whereupon.ports import Settlement, Store
from whereupon.records import (
    INSIDE,
    RULE_PAUSED,
    WAITING,
    Changes,
    DeliveryState,
    EndReason,
    EntryCount,
    EntryEnd,
    EntryFilter,
    EntryState,
    Operation,
    OperationKind,
    RulePause,
    SuppressedAddress,
    Sweep,
)
from whereupon.testing.contracts.samples import (
    ADA,
    BOB,
    NOON,
    after,
    delivery,
    entry,
    person,
    run,
    save,
    save_entries,
)

_PAUSED = Operation(OperationKind.PAUSED, "tim", NOON)
_MOVED = Operation(OperationKind.MOVED, "kim \x00 '", after(1), "d0")
_OVER = EntryEnd(EndReason.OPERATOR, NOON, "tim")


class OperationsContract:
    """See `StoreContract`."""

    def test_a_rule_is_paused_and_resumed(self, store: Store) -> None:
        """By id, with who did it and since when; a pause that is there is replaced."""
        first, second = RulePause("news", "tim", NOON), RulePause("socks", "kim", after(1))
        save(store, Changes(pauses={"socks": second, "news": first}))
        with store.session() as session:
            assert session.rule_pauses() == [first, second]
            resumed = first._replace(sweep=Sweep.RESUME)
            session.flush(Changes(pauses={"news": resumed}))
            assert (session.rule_pauses(), session.resumed_rules()) == ([second], [resumed])
            session.flush(Changes(pauses={"news": None, "socks": None, "other": None}))
            assert (session.rule_pauses(), session.resumed_rules()) == ([second], [])

    def test_what_a_paused_rule_holds_back_is_found_and_released(self, store: Store) -> None:
        """Not what is paused for its entry's sake, even if the rule held it back before."""
        save(store, Changes(deliveries=[delivery(key) for key in (1, 2, 3, 4)]))
        held = Settlement(1, DeliveryState.PAUSED, 0, NOON, RULE_PAUSED)
        with store.session() as session:
            session.settle([held, replace(held, key=2), replace(held, key=3)])
        save(store, Changes(halted={"i-3": True, "i-4": True}))
        with store.session() as session:
            assert sorted(session.deliveries_of_pause("socks", 9)) == ["i-1", "i-2"]
            assert len(session.deliveries_of_pause("socks", 1)) == 1
            assert session.deliveries_of_pause("news", 9) == []
            session.flush(Changes(halted={"i-1": False}))
            assert session.lease_deliveries("push", NOON, after(60), 9) == [delivery(1)]

    def test_a_paused_entry_is_inside_and_not_due(self, store: Store) -> None:
        """It keeps its due time and what operators did; resumed, it is due again."""
        save(store, Changes(persons={ADA: person()}))
        waiting = entry(1)
        save_entries(store, waiting, entry(2).changed(due_at=after(90)))
        paused = waiting.changed(state=EntryState.PAUSED, operations=(_PAUSED, _MOVED))
        save(store, Changes(entries={1: paused}, before={1: waiting}))
        with store.session() as session:
            assert session.entries([1]) == [paused]
            assert [each.key for each in session.due_entries(after(99), 9)] == [2]
            assert [each.due_at for each in session.waiting_versions()] == [after(90)]
            assert {each.key for each in session.active_entries([ADA])} == {1, 2}
            assert all(past.active for past in session.past_entries(["socks"], [ADA]))
        save(store, Changes(entries={1: waiting}, before={1: paused}))
        with store.session() as session:
            assert [each.key for each in session.due_entries(after(99), 9)] == [1, 2]

    def test_an_entry_is_moved_to_another_version(self, store: Store) -> None:
        """It waits there until the same time."""
        save_entries(store, entry(1))
        moved = entry(1).changed(digest="d2", address="4", operations=(_MOVED,))
        save(store, Changes(entries={1: moved}))
        with store.session() as session:
            assert session.entries([1, 7]) == [moved]
            assert [each.digest for each in session.waiting_versions()] == ["d2"]

    @pytest.mark.parametrize("state", [DeliveryState.PENDING, DeliveryState.HELD])
    def test_a_delivery_that_waits_is_halted_and_released(
        self, store: Store, state: DeliveryState
    ) -> None:
        """Nobody leases it meanwhile; what has its end stays as it is."""
        made = [delivery(1).changed(state=state, reason="x"), delivery(2).changed(state=DeliveryState.SENT)]  # fmt: skip
        save(store, Changes(deliveries=made))
        save(store, Changes(halted=dict.fromkeys(("i-1", "i-2", "i-3"), True)))
        with store.session() as session:
            assert session.lease_deliveries("push", NOON, after(60), 9) == []
            assert session.waiting_channels().pending == {}
            assert session.hold_deliveries("push", NOON, 9) == 0
            kept = {d.key: (d.state, d.reason) for d in session.deliveries_by_key(["i-1", "i-2"])}
            assert kept == {1: (DeliveryState.PAUSED, None), 2: (DeliveryState.SENT, None)}
        save(store, Changes(halted=dict.fromkeys(("i-1", "i-2", "i-3"), False)))
        with store.session() as session:
            assert session.lease_deliveries("push", NOON, after(60), 9) == [delivery(1)]

    def test_what_is_halted_during_a_try_has_its_end_all_the_same(self, store: Store) -> None:
        """A failure leaves it paused. What was withdrawn meanwhile, and was sent, was sent."""
        save(store, Changes(deliveries=[delivery(key) for key in (1, 2, 3, 4)]))
        save(store, Changes(halted={"i-1": True, "i-2": True}, withdrawn={"i-3": "gone", "i-4": "gone"}))  # fmt: skip
        sent = Settlement(1, DeliveryState.SENT, 1, NOON, None)
        retry = Settlement(2, DeliveryState.PENDING, 1, after(30), "timeout")
        dead = Settlement(4, DeliveryState.DEAD, 9, NOON, "gone for good")
        with store.session() as session:
            session.settle([sent, retry, replace(sent, key=3), dead])
            kept = {d.key: d.state for d in session.deliveries(tuple(DeliveryState), 9)}
        assert kept == {
            1: DeliveryState.SENT,
            2: DeliveryState.PAUSED,
            3: DeliveryState.SENT,
            4: DeliveryState.WITHHELD,
        }

    def test_a_delivery_says_whether_its_rule_is_paused(self, store: Store) -> None:
        """So that it is not handed over, though it was leased before."""
        save(store, Changes(persons={ADA: person()}, deliveries=[delivery(1)]))
        with store.session() as session:
            assert not session.leased_now([1])[1].is_paused
        save(store, Changes(pauses={"socks": RulePause("socks", "tim", NOON)}))
        with store.session() as session:
            assert session.leased_now([1])[1].is_paused

    @pytest.mark.parametrize(
        ("which", "found"),
        [
            (EntryFilter(), [1, 2, 3, 4, 5, 6]),
            (EntryFilter("socks", states=INSIDE), [1, 2, 5]),
            (EntryFilter("socks", states=(EntryState.PAUSED,)), [2]),
            (EntryFilter("socks", states=(EntryState.EXITED,)), [3]),
            (EntryFilter(states=INSIDE), [1, 2, 4, 5, 6]),
            (EntryFilter(person_key=BOB), [5, 6]),
            (EntryFilter("socks", BOB), [5]),
            (EntryFilter(person_key=ADA, states=(EntryState.ACTIVE,)), [1, 4]),
            (EntryFilter("socks", version="d2", states=INSIDE), [5]),
            (EntryFilter(address="3"), [6]),
            (EntryFilter("none", states=INSIDE), []),
        ],
        ids=str,
    )
    def test_entries_are_read_by_key_page_after_page(
        self, store: Store, which: EntryFilter, found: list[int]
    ) -> None:
        """Each that is meant, once; a page may be short where much is looked through."""
        save_entries(
            store,
            entry(1),
            entry(2).changed(state=EntryState.PAUSED),
            entry(3).changed(state=EntryState.EXITED, due_at=None, ended=_OVER),
            entry(4, rule="news"),
            entry(5, owner=BOB).changed(digest="d2"),
            entry(6, owner=BOB, rule="news").changed(address="3"),
        )
        met, after_key = list[int](), 0
        for _ in range(9):
            with store.session() as session:
                page, following = session.entries_after(which, after_key, 2, 3)
            assert len(page) <= 2
            met += [each.key for each in page]
            if following is None:
                break
            after_key = following
        assert met == found

    def test_who_is_inside_is_counted_by_place(self, store: Store) -> None:
        """By rule, version, next step and state, with the first due time; of one rule or of all."""
        save_entries(
            store,
            entry(1),
            entry(2).changed(due_at=after(30)),
            entry(3).changed(state=EntryState.PAUSED),
            entry(4).changed(state=EntryState.COMPLETED, due_at=None),
            entry(5, rule="news").changed(address="2"),
        )
        socks = [
            EntryCount("socks", "d1", "1", EntryState.ACTIVE, 2, after(30)),
            EntryCount("socks", "d1", "1", EntryState.PAUSED, 1, after(60)),
        ]
        with store.session() as session:
            assert session.count_inside("socks") == socks
            news = EntryCount("news", "d1", "2", EntryState.ACTIVE, 1, after(60))
            assert session.count_inside(None) == [news, *socks]
            assert session.count_paused() == {"socks": 1}

    def test_what_operators_change_of_a_run_is_kept(self, store: Store) -> None:
        """Also of one that is done; all else of the run stays as it is."""
        going, done = run("news:june"), replace(run("news:may"), cursor=None)
        save(store, Changes(runs={(r.rule, r.occasion): r for r in (going, done)}))
        swept = replace(done, sweep=Sweep.PAUSE, operations=(_PAUSED,))
        ended = replace(going, cursor=None, reason="cancelled", operations=(_PAUSED, _MOVED))
        save(store, Changes(operated_runs={(r.rule, r.occasion): r for r in (swept, ended)}))
        with store.session() as session:
            assert (
                session.run("news", "news:june") == session.lock_run("news", "news:june") == ended
            )
            assert session.run("news", "news:none") is None
            assert session.swept_runs() == [swept]
            assert session.take_swept_run(swept) == swept
            assert session.waiting_runs() == []

    def test_runs_are_read_newest_first_page_after_page(self, store: Store) -> None:
        """Those of one time by broadcast, then occasion."""
        made = [
            replace(run("b:1"), rule="b"),
            replace(run("a:1"), rule="a", timestamp=after(5)),
            replace(run("a:2"), rule="a"),
        ]
        save(store, Changes(runs={(r.rule, r.occasion): r for r in made}))
        with store.session() as session:
            page = session.runs_before(None, 2)
            assert [each.occasion for each in page] == ["a:1", "b:1"]
            assert [r.occasion for r in session.runs_before(page[-1].place, 2)] == ["a:2"]

    def test_what_a_run_has_made_is_found_by_state(self, store: Store) -> None:
        """Entries and deliveries of other runs and rules are left alone."""
        made = [
            entry(1).changed(rule="news", occasion="news:june"),
            entry(2, owner=BOB).changed(rule="news", occasion="news:june", state=EntryState.PAUSED),
            entry(3).changed(rule="news", occasion="news:july"),
        ]
        save_entries(store, *made)
        states = (DeliveryState.PENDING, DeliveryState.HELD, DeliveryState.PAUSED)
        sent = [
            delivery(k).changed(rule="news", occasion="news:june", state=state)
            for k, state in enumerate((*states, DeliveryState.SENT, DeliveryState.DEAD), 1)
        ]
        other = delivery(9).changed(rule="news", occasion="news:july")
        save(store, Changes(deliveries=[*sent, other]))
        with store.session() as session:
            of = ("news", "news:june")
            assert [e.key for e in session.entries_of_run(*of, (EntryState.ACTIVE,), 9)] == [1]
            assert {e.key for e in session.entries_of_run(*of, INSIDE, 9)} == {1, 2}
            assert len(session.entries_of_run(*of, INSIDE, 1)) == 1
            assert sorted(session.deliveries_of_run(*of, WAITING, 9)) == ["i-1", "i-2", "i-3"]
            assert session.deliveries_of_run(*of, (DeliveryState.PAUSED,), 9) == ["i-3"]
            assert sorted(session.deliveries_of_run(*of, states[:2], 9)) == ["i-1", "i-2"]
            assert len(session.deliveries_of_run(*of, WAITING, 2)) == 2
            assert session.count_waiting_of_run(*of) == 3

    def test_the_people_ahead_of_a_run_are_counted(self, store: Store) -> None:
        """Those behind its cursor; of one that is open on each person's clock those whose turn is to come."""
        people = {key: person(key) for key in (ADA, BOB, BOB + 1)}
        own = replace(run("news@2026-06-01T09:00", cursor=BOB), closes_at=NOON)
        timers = {(ADA, own.subject): after(1), (BOB, own.subject): after(2), (BOB, "other"): NOON}
        save(store, Changes(persons=dict(people), timers=dict(timers)))
        with store.session() as session:
            assert session.count_ahead(run("news:june", cursor=0)) == 3
            assert session.count_ahead(run("news:june", cursor=BOB)) == 1
            assert session.count_ahead(run("news:june", cursor=None)) == 0
            assert session.count_ahead(own) == 2

    def test_a_run_begins_once(self, store: Store) -> None:
        """The first caller begins it; what is recorded is not begun again."""
        with store.session() as session:
            assert session.begin_run("news", "news:june")
            june = run("news:june")
            session.flush(Changes(runs={("news", "news:june"): june}))
            assert not session.begin_run("news", "news:june")
            assert session.begin_run("news", "news:july")

    def test_suppressed_addresses_are_found_among_many(self, store: Store) -> None:
        """Of one channel; the same address may be free on another."""
        known = SuppressedAddress("email", b"\x01", "bounced", NOON)
        save(store, Changes(suppressed={("email", b"\x01"): known}))
        with store.session() as session:
            assert session.suppressed_among("email", [b"\x01", b"\x02"]) == {b"\x01"}
            assert session.suppressed_among("sms", [b"\x01"]) == set()
            assert session.suppressed_among("email", []) == set()
