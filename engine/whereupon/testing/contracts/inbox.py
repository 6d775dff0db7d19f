"""The inbox: kept, listed, marked as read, and gone when it expires or its person does."""

# ruff: noqa: S101 - tests assert and count

from dataclasses import replace

from whereupon.ports import Store
from whereupon.records import (
    Changes,
    ClaimRun,
    InboxItem,
    Merge,
    PruneStep,
    RetainedKind,
    RetentionCutoff,
    SendKind,
)
from whereupon.testing.contracts.samples import (
    ADA,
    BOB,
    LAST,
    NOON,
    after,
    all_of,
    entry,
    inbox_item,
    person,
    run,
    save,
    save_entries,
)


def put(store: Store, *items: InboxItem) -> None:
    """Write items."""
    save(store, Changes(inbox={item.key: item for item in items}))


class InboxContract:
    """See `StoreContract`."""

    def test_inbox_items_come_back_exactly(self, store: Store) -> None:
        """Each field, by key; one that is written again replaces the first; None removes it."""
        plain = inbox_item("a")._replace(kind=SendKind.MARKETING, topic=None, occasion=None)
        put(store, plain, inbox_item("b"))
        read = inbox_item("b")._replace(read_at=after(1), expires_at=after(2))
        put(store, read)
        with store.session() as session:
            assert [session.inbox_item(key) for key in "abc"] == [plain, read, None]
        save(store, Changes(inbox={"b": None, "c": None}))
        with store.session() as session:
            assert session.inbox(ADA, 9, now=NOON) == [plain]

    def test_an_inbox_is_listed_newest_first_in_pages(self, store: Store) -> None:
        """By creation then key, the person's own; the next page begins behind a place."""
        items = [inbox_item(key, at=after(at)) for key, at in (("b", 1), ("a", 1), ("c", 0))]
        put(store, *items, inbox_item("d", owner=BOB))
        with store.session() as session:
            assert session.inbox(ADA, 9, now=NOON) == items
            assert session.inbox(ADA, 2, now=NOON) == items[:2]
            assert session.inbox(ADA, 9, now=NOON, before=items[0].place) == items[1:]
            assert session.inbox(ADA, 9, now=NOON, before=items[1].place) == items[2:]
            assert session.inbox(99, 9, now=NOON) == []

    def test_what_is_read_or_has_expired_is_left_out(self, store: Store) -> None:
        """An item expires at the instant itself; who asks for all gets those that are read."""
        read = inbox_item("r", at=after(9))._replace(read_at=after(9))
        short = inbox_item("s")._replace(expires_at=after(5))
        put(store, read, short)
        with store.session() as session:
            assert session.inbox(ADA, 9, now=after(4)) == [read, short]
            assert session.inbox(ADA, 9, now=after(5)) == [read]
            assert session.inbox(ADA, 9, now=after(4), unread=True) == [short]
            assert session.inbox(ADA, 9, now=after(4), unread=True, before=short.place) == []
            assert [session.count_unread(ADA, after(at)) for at in (4, 5)] == [1, 0]
            assert session.count_unread(BOB, NOON) == 0

    def test_items_behind_the_newest_of_a_channel_are_found(self, store: Store) -> None:
        """Expired or not, in order; other channels and other persons do not count."""
        items = [inbox_item(key, at=after(at)) for at, key in enumerate("edcba")]
        items[1] = items[1]._replace(expires_at=NOON)
        put(store, *items, inbox_item("x")._replace(channel="else"), inbox_item("y", owner=BOB))
        with store.session() as session:
            assert session.inbox_behind(ADA, "inbox", 2, 9) == ["c", "d", "e"]
            assert session.inbox_behind(ADA, "inbox", 2, 1) == ["c"]
            assert session.inbox_behind(ADA, "inbox", 5, 9) == []

    def test_expired_items_are_pruned_in_steps(self, store: Store) -> None:
        """Those that expired first go first; what never expires stays."""
        old = [inbox_item(key)._replace(expires_at=after(at)) for at, key in enumerate("cba")]
        put(store, *old, inbox_item("z"))
        cutoff = RetentionCutoff(RetainedKind.INBOX, after(1), NOON)
        with store.session() as session:
            assert session.count_prunable(cutoff) == PruneStep(2)
            assert session.prune(cutoff, 0, 1) == PruneStep(1, cursor=0)
            assert [each.key for each in session.inbox(ADA, 9, now=NOON)] == ["z", "b", "a"]
            assert session.prune(cutoff, 0, 9) == PruneStep(1)
            assert session.prune(cutoff, 0, 9) == PruneStep(0)
            assert [each.key for each in session.inbox(ADA, 9, now=NOON)] == ["z", "a"]

    def test_a_merge_gives_the_inbox_to_the_survivor(self, store: Store) -> None:
        """With what is read and what is not."""
        read = inbox_item("b", owner=BOB)._replace(read_at=NOON)
        put(store, inbox_item("a"), read)
        save(store, Changes(merges=[Merge(ADA, BOB, "bob", "m-1", NOON)]))
        with store.session() as session:
            held = session.inbox(ADA, 9, now=NOON)
            assert held == [read._replace(person_key=ADA), inbox_item("a")]
            assert session.inbox(BOB, 9, now=NOON) == []

    def test_erasing_takes_what_the_persons_message_put_into_other_inboxes(
        self, store: Store
    ) -> None:
        """By a broadcast that it opened, or an entry of somebody who had claimed it first."""
        save(store, all_of(ADA, start=10))
        bobs = ClaimRun(11, BOB, after(60), after(60), "m-20")
        save(store, Changes(claims={(11, bobs.since): bobs}, persons={BOB: person(BOB)}))
        opened = entry(30, owner=BOB).changed(rule="socks", message_key=10, occasion="m-10")
        save_entries(store, opened)
        news = replace(run("m-10"), message_key=10)
        save(store, Changes(runs={("news", "m-10"): news}))
        theirs = inbox_item("x", owner=BOB)._replace(occasion="m-10")
        put(store, theirs, theirs._replace(key="y", rule="socks"))
        others = [theirs._replace(key="z", rule="else"), theirs._replace(key="w", occasion="m-9")]
        put(store, *others)
        save(store, Changes(erased_persons=[ADA]))
        with store.session() as session:
            assert session.inbox(BOB, 9, now=NOON) == others
            assert session.inbox(ADA, 9, now=LAST) == []
