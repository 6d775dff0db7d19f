"""What a batch writes of entries: one for each occasion and slot."""

# ruff: noqa: S101, PLR2004 - tests assert and count, and a raising session is a block

from operator import attrgetter

import pytest

from whereupon.errors import StoreError
from whereupon.messages.model import SenderClass
from whereupon.ports import Store
from whereupon.records import (
    Changes,
    EndReason,
    Entry,
    EntryEnd,
    EntryState,
)
from whereupon.testing.contracts.samples import (
    ADA,
    BOB,
    LAST,
    NOON,
    ODD,
    after,
    entry,
    save,
    save_entries,
)


class EntriesContract:
    """See `StoreContract`."""

    def test_an_entry_comes_back_exactly(self, store: Store) -> None:
        """Every field survives."""
        odd = entry(1, slot="ord-🧦").changed(facts=ODD, retroactive=True, depth=2, due_at=LAST)
        odd = odd.changed(source=SenderClass.SERVER)
        save_entries(store, odd, entry(2, owner=BOB))
        with store.session() as session:
            assert session.active_entries([ADA]) == [odd]

    def test_an_entry_moves_on_and_ends(self, store: Store) -> None:
        """What is written of a known entry replaces it; an ended one is no longer active or due."""
        save_entries(store, entry(1), entry(2))
        moved = entry(1).changed(address="2", due_at=after(90), facts={"new": 1})
        ended = entry(2).changed(state=EntryState.EXITED, due_at=None)
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
            1: before[1].changed(address="2", due_at=after(90)),
            2: before[2].changed(state=EntryState.COMPLETED, due_at=None, address="2", ended=over),
            3: before[3].changed(state=EntryState.EXITED, due_at=None, slot=None, ended=left),
            4: before[4].changed(person_key=BOB, facts={"entrant": "ada"}),
            5: before[5],
        }
        again = entry(6, slot="s-3")
        save(store, Changes(entries={**moved, 6: again}, new_entries={6}, before=before))
        with store.session() as session:
            assert sorted(session.active_entries([ADA, BOB]), key=attrgetter("key")) == [
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

    def test_watched_entries_are_those_that_have_ended_and_whose_time_is_not_over(
        self, store: Store
    ) -> None:
        """Of these persons; and the versions of all that are watched, running ones included."""
        done = EntryEnd(EndReason.COMPLETED, NOON)
        out = EntryEnd(EndReason.HOLDOUT, NOON)
        save_entries(
            store,
            entry(1).changed(watched_until=after(9), digest="d1"),
            entry(2).finished(done).changed(watched_until=after(9), digest="d2"),
            entry(3).finished(done).changed(watched_until=after(4), digest="d2"),
            entry(4).finished(out).changed(watched_until=after(5), digest="d3"),
            entry(5).finished(done).changed(digest="d4"),
            entry(6, owner=BOB).finished(done).changed(watched_until=after(9), digest="d5"),
        )
        with store.session() as session:
            found = session.watched_entries([ADA], after(5))
            assert sorted(each.key for each in found) == [2, 4]
            assert session.watched_versions() == {"d1", "d2", "d3", "d5"}

    @pytest.mark.parametrize(
        "twin",
        [
            entry(2).changed(occasion="m-1"),
            entry(2).changed(slot="once"),
            entry(2).changed(slot="once", person_key=BOB),
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
