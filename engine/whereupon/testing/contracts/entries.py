"""Entries, and when they are due."""

# ruff: noqa: S101, PLR2004 - tests assert and count, and a raising session is a block

from datetime import timedelta

import pytest

from whereupon.errors import StoreError
from whereupon.messages.model import SenderClass
from whereupon.ports import Store
from whereupon.records import (
    Changes,
    DeliveryState,
    EndReason,
    Entry,
    EntryEnd,
    EntryState,
    KeysAsked,
    PastEntry,
    WaitingVersion,
)
from whereupon.testing.contracts.samples import (
    ADA,
    BOB,
    LAST,
    NOON,
    ODD,
    after,
    delivery,
    entry,
    person,
    run,
    save,
    save_entries,
)


class Entries:
    """See `StoreContract`."""

    def test_an_entry_comes_back_exactly(self, store: Store) -> None:
        """Every field survives."""
        odd = entry(1, slot="ord-🧦")._replace(facts=ODD, retroactive=True, depth=2, due_at=LAST)
        odd = odd._replace(source=SenderClass.SERVER)
        save_entries(store, odd, entry(2, owner=BOB))
        with store.session() as session:
            assert session.active_entries([ADA]) == [odd]

    def test_an_entry_moves_on_and_ends(self, store: Store) -> None:
        """What is written of a known entry replaces it; an ended one is no longer active or due."""
        save_entries(store, entry(1), entry(2))
        moved = entry(1)._replace(position=2, due_at=after(90), facts={"new": 1})
        ended = entry(2)._replace(state=EntryState.EXITED, due_at=None)
        save(store, Changes(entries={1: moved, 2: ended}))
        with store.session() as session:
            assert session.active_entries([ADA]) == [moved]
            assert session.due_entries(LAST, 10) == [moved]
            assert session.counts().entries == 2

    def test_of_an_entry_as_it_was_all_that_differs_is_written(self, store: Store) -> None:
        """A step, a slot that is free again, another person, other facts."""
        before = {k: entry(k, slot=f"s-{k}") for k in (1, 2, 3, 4, 5)}
        over = EntryEnd(EndReason.COMPLETED, LAST)
        left = EntryEnd(EndReason.EVENT, after(90), "Order Completed 🧦", "m-9")
        save_entries(store, *before.values())
        moved = {
            1: before[1]._replace(position=2, due_at=after(90)),
            2: before[2]._replace(state=EntryState.COMPLETED, due_at=None, position=2, ended=over),
            3: before[3]._replace(state=EntryState.EXITED, due_at=None, slot=None, ended=left),
            4: before[4]._replace(person_key=BOB, facts={"entrant": "ada"}),
            5: before[5],
        }
        again = entry(6, slot="s-3")
        save(store, Changes(entries={**moved, 6: again}, new_entries={6}, before=before))
        with store.session() as session:
            assert sorted(session.active_entries([ADA, BOB])) == [
                moved[1],
                moved[4],
                before[5],
                again,
            ]
            past = {p.occasion: p for p in session.past_entries(["socks"], [ADA, BOB])}
            led_to = session.decided_on(ADA, [2, 3])
        assert {p.slot for p in past.values()} == {"s-1", "s-2", "s-3", "s-4", "s-5", None}
        assert led_to == [moved[2], moved[3]]

    def test_an_entry_that_is_gone_is_not_brought_back(self, store: Store) -> None:
        """An update of an erased entry finds nothing to update."""
        save(store, Changes(entries={1: entry(1)}))
        with store.session() as session:
            assert session.counts().entries == 0

    @pytest.mark.parametrize(
        "twin",
        [
            entry(2)._replace(occasion="m-1"),
            entry(2)._replace(slot="once"),
            entry(2)._replace(slot="once", person_key=BOB),
        ],
    )
    def test_nobody_enters_twice(self, store: Store, twin: Entry) -> None:
        """One entry per rule, entrant and occasion, and per slot, kept by the store itself."""
        save_entries(store, entry(1, slot="once"))
        with pytest.raises(StoreError) as caught:
            save_entries(store, twin)
        assert caught.value.code == "conflict"
        with store.session() as session:
            assert session.counts().entries == 1

    def test_others_enter_beside(self, store: Store) -> None:
        """Another rule, another person, another slot or none at all is no conflict."""
        slots = [entry(1, slot="a"), entry(2, slot="b"), entry(3), entry(4), entry(7, slot="")]
        others = [entry(5, rule="shoes", slot="a"), entry(6, owner=BOB, slot="a")]
        save_entries(store, *slots, *others)
        with store.session() as session:
            assert session.counts().entries == 7

    def test_past_entries_are_of_the_rules_and_persons(self, store: Store) -> None:
        """Running or ended, with what re-entry needs to know."""
        ended = entry(2)._replace(state=EntryState.COMPLETED, due_at=None)
        save_entries(store, entry(1, slot="a"), ended, entry(3, rule="x"), entry(4, owner=BOB))
        with store.session() as session:
            found = session.past_entries({"socks", "none"}, [ADA])
            assert session.past_entries([], [ADA]) == []
            later = session.past_entries({"socks"}, [ADA], found[-1].timestamp + timedelta(days=1))
            assert later == []
        expected = {("a", True): None, (None, False): None}
        assert {(past.slot, past.active): None for past in found} == expected
        assert all(p == PastEntry("socks", ADA, NOON, p.slot, p.active, p.occasion) for p in found)

    def test_of_rules_that_ask_for_keys_the_other_entries_are_left_out(self, store: Store) -> None:
        """But for those whose slots may have been written otherwise once: numbers, or with space around."""
        texts = ("a", "b", "\u00a0b", "b ", "b\\n", '\\"')
        slots = [*(f'key:"{text}"' for text in texts), "key:1", "key:true", "once", None]
        save_entries(store, *(entry(k, slot=slot) for k, slot in enumerate(slots, 1)))
        save_entries(store, entry(20, rule="x", slot="y"), entry(21, owner=BOB, slot='key:"a"'))
        asked = KeysAsked(["socks", "shoes"], ['key:"a"', 'key:"zz"'])
        left = {'key:"a"', *slots[2:8]}
        for more in ((), map(str, range(99))):
            with store.session() as session:
                found = session.past_entries(["socks", "x", *more], [ADA], asked=asked)
                later = session.past_entries(["socks", *more], [ADA], LAST, asked)
            assert {past.slot for past in found} == {*left, "y"}
            assert later == []

    def test_due_entries_come_by_due_time_then_key(self, store: Store) -> None:
        """Those due at the instant itself belong to it; no more than asked for."""
        due = {1: 30, 2: 10, 3: 20, 4: 10, 5: 31}
        save_entries(store, *(entry(k)._replace(due_at=after(s)) for k, s in due.items()))
        with store.session() as session:
            assert [e.key for e in session.due_entries(after(30), 10)] == [2, 4, 3, 1]
            assert [e.key for e in session.due_entries(after(30), 3)] == [2, 4, 3]

    def test_due_entries_are_taken(self, store: Store) -> None:
        """Nobody else being about, all that are due are there to be taken."""
        waiting = [entry(k)._replace(due_at=after(k)) for k in (1, 2, 3)]
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
            key: entry(key)._replace(digest=digest, due_at=after(seconds))
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
        ended = entry(4)._replace(digest="d0", state=EntryState.COMPLETED, due_at=None)
        soon = entry(2)._replace(digest="d2", rule="shoes", due_at=after(5))
        late = entry(3)._replace(digest="d2", rule="shoes", due_at=LAST)
        save_entries(store, entry(1), soon, late, ended)
        with store.session() as session:
            assert session.waiting_versions() == [
                WaitingVersion("socks", "d1", after(60)),
                WaitingVersion("shoes", "d2", after(5)),
            ]
            assert session.count_entries(["d0", "d1", "d2", "d3"]) == {"d1": 1, "d2": 2}
            assert session.count_entries([]) == {}

    def test_the_next_due_time_is_the_soonest_delivery(self, store: Store) -> None:
        """What has been sent does not count, nor do entries and runs, which not everybody may run."""
        with store.session() as session:
            assert session.next_due() is None
        sent = delivery(1)._replace(state=DeliveryState.SENT)
        save_entries(store, entry(2))
        save(store, Changes(deliveries=[sent], runs={("news", "a"): run("a")}))
        with store.session() as session:
            assert session.next_due() is None
        save(store, Changes(deliveries=[delivery(2, due_at=after(50))]))
        with store.session() as session:
            assert session.next_due() == after(50)
