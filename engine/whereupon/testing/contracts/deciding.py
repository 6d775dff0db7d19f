"""What was decided, and how much there is."""

# ruff: noqa: S101 - tests assert and count, and a raising session is a block

from whereupon.messages.codec import encode
from whereupon.messages.times import as_micros
from whereupon.ports import Counts, Store
from whereupon.records import (
    Changes,
    PruneStep,
    RetainedKind,
    RetentionCutoff,
    Skips,
    SkipSummary,
    SkipVerdict,
)
from whereupon.testing.contracts.samples import (
    ADA,
    BOB,
    LAST,
    NOON,
    ODD,
    after,
    all_of,
    entry,
    message,
    save,
    save_entries,
    skips,
)


class Deciding:
    """See `StoreContract`."""

    def test_decisions_come_newest_message_first(self, store: Store) -> None:
        """Entries and skips of that person and that rule, each with the message that met it."""
        messages = [message(k, at=after(k)) for k in (1, 2, 3, 4)]
        entered = entry(3)._replace(timestamp=after(3))
        scheduled = entry(9)._replace(timestamp=after(2.5), message_key=0, occasion="news@1")
        met = [skips(1), skips(2), skips(4, rule="shoes")]
        save(store, Changes(messages=messages, skips=met))
        save_entries(store, entered, scheduled, entry(8, owner=BOB))
        with store.session() as session:
            found = session.decided(ADA, "socks", 10)
            assert session.decided(ADA, "socks", 2) == found[:2]
        assert found == [
            (messages[2], entered),
            (None, scheduled),
            (messages[1], skips(2)),
            (messages[0], skips(1)),
        ]

    def test_skips_come_back_exactly(self, store: Store) -> None:
        """Reason, failing condition and the values seen; later verdicts join earlier ones."""
        first = Skips(1, ADA, NOON, False, (("socks", "d1", "who", None, ODD),))
        second = Skips(1, ADA, LAST, True, (("a", "d2", "r", "c", {}), ("b", "d3", "r", None, {})))
        save(store, Changes(messages=[message(1)], skips=[first]))
        save(store, Changes(skips=[second]))
        with store.session() as session:
            ((_, found),) = session.decided(ADA, "socks", 10)
        assert found == second._replace(verdicts=first.verdicts + second.verdicts)

    def test_one_word_for_many_rules_is_found_for_each(self, store: Store) -> None:
        """By what is kept of their rule list: its rules and kinds; not for those that were decided singly."""
        rule_list = encode({"roll": [["a", "d1", "campaign"], ["b", "d2", "campaign"]]})
        others = SkipSummary("r1", None, 0, 2, (1,), as_micros(NOON), False, None, dict(ODD))
        met = Skips(1, ADA, NOON, False, (("c", "d3", "who", None, {}),), (others,))
        save(
            store,
            Changes(messages=[message(1)], skips=[met], rule_versions={"r1": ("", rule_list)}),
        )
        save(store, Changes(skips=[met._replace(verdicts=())]))
        with store.session() as session:
            found = {rule: session.decided(ADA, rule, 10) for rule in "abc"}
        assert [len(found[rule]) for rule in "abc"] == [1, 0, 1]
        ((_, said),) = found["a"]
        assert said == met._replace(summaries=(others, others))

    def test_what_a_message_was_skipped_for_is_said_anew(self, store: Store) -> None:
        """What was said of nobody stays, and what the batch says itself; of another message, everything."""
        named = {"sale": "broadcast", "socks": "campaign", "shoes": "campaign"}
        rule_list = encode({"roll": [[rule, "d1", kind] for rule, kind in named.items()]})
        without_person = SkipSummary("r1", "broadcast", 0, 3, (), as_micros(NOON), False, None, {})
        of_ada = SkipSummary("r1", "campaign", 0, 2, (), as_micros(NOON), True, None, dict(ODD))
        was: tuple[SkipVerdict, ...] = (
            ("news", "d2", "inactive", None, {}),
            ("shoes", "d1", "who", None, ODD),
        )
        met = Skips(1, ADA, NOON, True, was, (without_person, of_ada))
        again = Skips(
            1, BOB, LAST, True, (), (of_ada._replace(reason="claimed-before", person={}),)
        )
        messages = [message(1), message(2), message(3)]
        save(
            store,
            Changes(
                messages=messages,
                skips=[met, skips(2), skips(3)],
                rule_versions={"r1": ("", rule_list)},
            ),
        )
        discarded_skips = {
            1: frozenset({"news", "sale"}),
            2: frozenset({"news"}),
            9: frozenset[str](),
        }
        save(store, Changes(owners=[(1, BOB)], discarded_skips=discarded_skips, skips=[again]))
        with store.session() as session:
            found = {rule: session.decided(BOB, rule, 10) for rule in ("news", *named)}
            assert [v.message_key for _, v in session.decided(ADA, "socks", 10)] == [3]
        assert [len(found[rule]) for rule in found] == [1, 1, 1, 0]
        ((_, said),) = found["sale"]
        assert said == again._replace(
            verdicts=was[:1], summaries=(without_person, *again.summaries)
        )

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

    def test_everything_is_counted(self, store: Store) -> None:
        """For summaries."""
        save(store, all_of(ADA, start=10))
        with store.session() as session:
            assert session.counts() == Counts(messages=2, persons=1, entries=1, deliveries=1)
