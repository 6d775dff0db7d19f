"""The contract of stores: what messages' rows say of skips."""

# ruff: noqa: S101 - tests assert

from operator import attrgetter

from whereupon.messages.codec import encode
from whereupon.ports import Store
from whereupon.records import (
    Changes,
    PruneStep,
    RetainedKind,
    RetentionCutoff,
    SkippedList,
    Skips,
)
from whereupon.testing.contracts.samples import (
    ADA,
    BOB,
    LAST,
    NOON,
    after,
    message,
    person,
    save,
    skips,
)


class SkippedListsContract:
    """See `StoreContract`."""

    def test_a_message_says_that_it_skipped_a_whole_list(self, store: Store) -> None:
        """As it arrived, each rule for its own reason; a record says what else was decided."""
        rule_list = encode({"roll": [["a", "d1", "campaign"], ["b", "d2", "broadcast"]]})
        whole, of_kind = SkippedList("r1", None), SkippedList("r1", "broadcast")
        messages = [message(1), message(2, at=after(1)), message(3, owner=BOB), message(4)]
        record = Skips(2, ADA, LAST, True, (("c", "d3", "who", None, {}),))
        lists = {1: whole, 2: of_kind, 3: whole}
        save(
            store,
            Changes(
                messages=messages,
                skipped_lists=lists,
                skips=[record],
                rule_versions={"r1": ("", rule_list)},
            ),
        )
        first, _, third = (
            whole.skips(each.key, each.owner, each.message.received_at) for each in messages[:3]
        )
        second = of_kind.skips(2, ADA, messages[1].message.received_at, record)
        assert (first.decided_at, first.retroactive) == (messages[0].message.received_at, False)
        assert second.verdicts == record.verdicts
        with store.session() as session:
            assert session.decided(ADA, "a", 9) == [(messages[0], first)]
            found = [(messages[1], second), (messages[0], first)]
            assert session.decided(ADA, "b", 9) == found
            assert session.decided(ADA, "b", 1) == found[:1]
            assert session.decided(ADA, "c", 9) == found[:1]
            assert session.decided_on(ADA, [1, 2, 3, 4]) == [first, second]
            assert session.decided_on(BOB, [1, 2, 3, 4]) == [third]
            by_key = attrgetter("message_key")
            assert sorted(session.scan(Skips), key=by_key) == [first, second, third]
            assert sorted(session.scan(Skips, ADA), key=by_key) == [first, second]

    def test_what_a_message_says_of_skips_follows_it_to_another_owner(self, store: Store) -> None:
        """It was decided for the message as it came in, so it stays when other skips are discarded."""
        whole = SkippedList("r1", None)
        record = Skips(1, ADA, NOON, True, (("c", "d3", "who", None, {}),))
        save(store, Changes(messages=[message(1)], skipped_lists={1: whole}, skips=[record]))
        save(store, Changes(owners=[(1, BOB)], discarded_skips={1: frozenset()}))
        with store.session() as session:
            said = whole.skips(1, BOB, message(1).message.received_at)
            assert session.decided_on(BOB, [1]) == [said]
            assert session.decided_on(ADA, [1]) == []
        save(store, Changes(persons={BOB: person(BOB)}))
        save(store, Changes(erased_persons=[BOB]))
        with store.session() as session:
            assert list(session.scan(Skips)) == []

    def test_old_skips_that_messages_say_are_gone_at_once(self, store: Store) -> None:
        """Those of messages that were received before the instant; they are no records, and not counted."""
        received = [message(k, at=after(k)) for k in (1, 2, 3)]
        lists = dict.fromkeys((1, 2, 3), SkippedList("r1", None))
        save(store, Changes(messages=received, skipped_lists=lists, skips=[skips(2)]))
        with store.session() as session:
            assert session.first_received() == after(1)
            old = RetentionCutoff(RetainedKind.SKIPS, after(3), NOON)
            assert session.count_prunable(old) == PruneStep(1)
            assert session.prune(old, 0, 9) == PruneStep(1)
            assert [each.message_key for each in session.scan(Skips)] == [3]
            earlier = RetentionCutoff(RetainedKind.SKIPS, after(2), NOON)
            assert session.prune(earlier, 0, 9) == PruneStep(0)
            assert [each.message_key for each in session.decided_on(ADA, [1, 2, 3])] == [3]
