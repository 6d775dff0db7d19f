"""What deciding a batch loads."""

# ruff: noqa: S101, PLR2004, PT012 - tests assert and count, and a raising session is a block

from datetime import timedelta

import pytest

from whereupon.messages.model import MessageType, SenderClass
from whereupon.ports import (
    HistoryNeed,
    Store,
)
from whereupon.records import (
    Changes,
    ClaimRun,
    EntryState,
    Identifier,
    IdKind,
    Inert,
    KeysAsked,
    PastEntry,
    PastEvent,
    Tombstone,
    Twin,
)
from whereupon.testing.contracts.samples import (
    ADA,
    ANON,
    BOB,
    FIRST,
    LAST,
    NOON,
    after,
    all_of,
    entry,
    message,
    request,
    save,
    save_entries,
    save_tombstones,
    saying,
)


class ReadsContract:
    """See `StoreContract`."""

    def test_waiting_messages_come_in_chunks(self, store: Store) -> None:
        """By timestamp then key, one owner's alone, up to an instant; nothing comes twice."""
        moments = {4: 1, 2: 1, 9: 1, 3: 2, 1: 3, 7: 4}
        batch = [message(k, owner=ANON, at=after(s)) for k, s in moments.items()]
        save(store, Changes(messages=[*batch, message(5, owner=BOB, at=after(1))]))
        found: list[int] = []
        behind = after(1), 0
        with store.session() as session:
            while chunk := session.waiting_messages(ANON, behind, after(3), 2):
                found += [each.key for each in chunk]
                behind = chunk[-1].timestamp, chunk[-1].key
            assert session.waiting_messages(ANON, (FIRST, 0), after(1), 9) == [
                message(k, owner=ANON, at=after(1)) for k in (2, 4, 9)
            ]
        assert found == [2, 4, 9, 3, 1]

    def test_messages_are_counted_by_their_owners_and_names(self, store: Store) -> None:
        """Between two instants, both included, without those that are left out."""
        mine = [message(k, owner=ANON, at=after(k)) for k in range(1, 6)]
        page = saying(message(8, owner=ANON, at=after(2)), type=MessageType.PAGE)
        save(store, Changes(messages=[*mine, page, message(9, owner=BOB, at=after(3))]))
        track, other = ((each.type, each.name) for each in (mine[0], page))
        inert = Inert(
            frozenset([other, (MessageType.TRACK, "never met")]), frozenset([track]), after(3)
        )
        with store.session() as session:
            assert session.owned_counts([ANON, BOB, ADA], after(2), after(4)) == {
                ANON: {track: 3, other: 1},
                BOB: {track: 1},
            }
            assert session.owned_counts([ANON], after(2), after(9), inert) == {ANON: {track: 3}}
            assert session.owned_counts([], FIRST, after(9)) == {}

    def test_messages_are_read_by_their_owners(self, store: Store) -> None:
        """All of them; or any so many; or those that are not left out."""
        mine = [message(k, owner=ANON, at=after(k)) for k in range(1, 6)]
        page = saying(message(8, owner=ANON, at=after(9)), type=MessageType.PAGE)
        save(store, Changes(messages=[*mine, page, message(9, owner=BOB, at=after(3))]))
        track, other = ((each.type, each.name) for each in (mine[0], page))
        inert = Inert(frozenset([other]), frozenset([track]), after(3))
        with store.session() as session:
            limit = 3
            some = session.owned_messages([ANON, BOB], after(2), limit)
            assert len(some) == len({each.key for each in some}) == limit
            assert some == sorted(some, key=lambda each: (each.timestamp, each.key))
            assert session.owned_messages([ANON], after(2), 9) == [*mine[1:], page]
            assert session.live_messages([ANON], FIRST, inert) == mine[2:]
            assert session.live_messages([ANON], after(4), inert, 9) == mine[3:]
            assert len(session.live_messages([ANON], FIRST, inert, 2)) == limit - 1

    def test_messages_are_found_by_their_keys(self, store: Store) -> None:
        """Whatever person they belong to."""
        save(store, Changes(messages=[message(1), message(2, owner=ANON), message(3)]))
        with store.session() as session:
            found = sorted(session.messages([2, 3, 99]), key=lambda each: each.key)
            assert session.messages([]) == []
        assert found == [message(2, owner=ANON), message(3)]

    def test_past_entries_are_of_the_rules_and_persons(self, store: Store) -> None:
        """Running or ended, with what re-entry needs to know."""
        ended = entry(2).changed(state=EntryState.COMPLETED, due_at=None)
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

    def test_the_store_remembers_numbers(self, store: Store) -> None:
        """By name; the last one that was set."""
        with store.session() as session:
            assert session.mark("seen") is None
            session.set_mark("seen", 3)
            session.set_mark("seen", 4)
        with store.session() as session:
            assert session.mark("seen") == 4

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

    def test_an_identifier_is_found_by_kind_and_value(self, store: Store) -> None:
        """The same text can be a user id and an anonymous id."""
        user, anonymous = (Identifier(kind, "x", k) for k, kind in enumerate(IdKind, 1))
        save(store, Changes(identifiers=[user, anonymous]))
        with store.session() as session:
            assert session.identifiers(["x", "y"], []) == [user]
            assert session.identifiers([], ["x"]) == [anonymous]
            assert set(session.identifiers(["x"], ["x"])) == {user, anonymous}

    def test_a_persons_ids_are_their_own_and_the_claimed(self, store: Store) -> None:
        """Two user ids and a claimed anonymous id; nobody else's."""
        save(store, all_of(ADA, start=10))
        save(store, all_of(BOB, start=20))
        save(store, Changes(identifiers=[Identifier(IdKind.USER, "ada@example.com", ADA)]))
        with store.session() as session:
            found = {identifier.value for identifier in session.identifiers_of([ADA])}
        assert found == {"ada", "ada@example.com", "anon-11"}

    def test_claims_come_by_since(self, store: Store) -> None:
        """A rewritten run replaces the one of the same beginning; a dropped one is gone."""
        first, second = (ClaimRun(ANON, ADA, after(s), after(s), f"m-{s}") for s in (1, 2))
        third = ClaimRun(ANON + 1, BOB, after(0), LAST, "m-0")
        claims = {(c.anonymous_key, c.since): c for c in (second, third, first)}
        save(store, Changes(claims=claims))
        longer = first._replace(until=after(9), person_key=BOB)
        dropped = {(ANON, second.since), (99, NOON)}
        save(store, Changes(claims={(ANON, first.since): longer}, dropped_claims=dropped))
        with store.session() as session:
            assert session.claims([ANON, ANON + 1]) == [third, longer]
            assert session.claims([99]) == []

    def test_claims_near_a_span_are_those_inside_and_one_on_either_side(self, store: Store) -> None:
        """Whichever runs the span begins and ends in, or between; of each anonymous id its own span."""
        runs = [
            ClaimRun(ANON, owner, after(since), after(until), f"m-{since}")
            for owner, since, until in ((ADA, 1, 1), (BOB, 3, 6), (ADA, 8, 9), (BOB, 11, 11))
        ]
        other = ClaimRun(ANON + 1, ADA, after(4), after(4), "m-4")
        save(store, Changes(claims={(c.anonymous_key, c.since): c for c in (other, *runs[::-1])}))
        spans = [(first, last) for first in range(13) for last in range(first, 13)]
        with store.session() as session:
            for first, last in spans:
                ended = sum(1 for run in runs if run.until < after(first))
                begun = sum(1 for run in runs if run.since <= after(last))
                near = session.claims_near({ANON: (after(first), after(last))})
                assert near == runs[max(ended - 1, 0) : begun + 1]
            both = {ANON: (after(9), after(9)), ANON + 1: (after(0), LAST), 99: (FIRST, LAST)}
            assert session.claims_near(both) == [runs[1], other, *runs[2:]]
            assert session.claims_near({}) == []

    def test_a_tombstone_stands_until_it_is_lifted(self, store: Store) -> None:
        """Suppressing leaves one, unsuppressing takes it away."""
        deleted = Tombstone(b"\x00\xff", b"o", LAST, "deleted")
        tombstones = [deleted, Tombstone(b"b", b"o", None, "suppressed")]
        save_tombstones(store, *tombstones)
        with store.session() as session:
            found = session.tombstones([b"\x00\xff", b"b", b"c"])
        assert sorted(found, key=lambda tombstone: tombstone.digest) == tombstones
        save(store, Changes(tombstones={(b"b", b"o"): None, (b"c", b"o"): None}))
        with store.session() as session:
            assert session.tombstones([b"b"]) == []

    def test_tombstones_of_two_people_on_one_id_stand_apart(self, store: Store) -> None:
        """What was laid together is found together, by any of its digests."""
        ada = [Tombstone(name, b"ada", None, "suppressed") for name in (b"ada", b"device")]
        bob = [Tombstone(name, b"bob", None, "suppressed") for name in (b"bob", b"device")]
        save_tombstones(store, *ada, *bob)
        with store.session() as session:
            both = session.tombstones([b"device"])
            hers = session.tombstones_laid_with([b"ada"])
            all_of_them = session.tombstones_laid_with([b"device"])
        assert sorted(both, key=lambda tombstone: tombstone.of) == [ada[1], bob[1]]
        assert sorted(hers, key=lambda tombstone: tombstone.digest) == ada
        assert len(all_of_them) == 4

    def test_only_recorded_messages_are_known(self, store: Store) -> None:
        """Recording makes an id known, for ever and to everybody."""
        save(store, Changes(messages=[message(1)]))
        with store.session() as session:
            assert session.known_messages(["m-1", "m-2"]) == {"m-1"}
            assert session.known_messages([]) == set()

    def test_what_is_recorded_can_be_compared_with_what_comes_again(self, store: Store) -> None:
        """By type, name and ids; of a stub the person is whom its request names."""
        mine = saying(message(1), source=SenderClass.CLIENT)
        stub = saying(
            message(2, owner=0), message_id="r-3", source=SenderClass.CLIENT, user_id=None
        )
        save(store, Changes(messages=[message(3), mine, stub], requests={3: request(3)}))
        with store.session() as session:
            twins = session.twins([mine.ref, stub.ref, "m-3", "m-1", "m-9"])
        assert twins == {
            mine.ref: Twin(MessageType.TRACK, "buy", mine.user_id, mine.anonymous_id),
            stub.ref: Twin(MessageType.TRACK, "buy", "ada", stub.anonymous_id),
            "m-3": Twin(MessageType.TRACK, "buy", mine.user_id, mine.anonymous_id),
        }

    def test_owned_messages_come_by_timestamp_then_key(self, store: Store) -> None:
        """Whatever the order of arrival and whatever person they belong to; ``since`` itself belongs to it."""
        times = {5: 2, 2: 1, 4: 1, 3: 0, 6: -1}
        messages = [message(k, at=after(s), owner=1 + k % 2) for k, s in times.items()]
        save(store, Changes(messages=[*messages, message(9, owner=7)]))
        with store.session() as session:
            found = session.owned_messages([1, 2], NOON)
            assert [m.key for m in found] == [3, 2, 4, 5]
            assert session.owned_messages([], NOON) == []

    def test_history_holds_the_named_track_messages(self, store: Store) -> None:
        """Other names, other types of message, other owners and older ones are left out."""
        page = saying(message(2), type=MessageType.PAGE)
        others = [page, message(3, name="view"), message(4, owner=BOB), message(5, at=after(-1))]
        save(store, Changes(messages=[*others, message(1), message(6, at=after(1))]))
        with store.session() as session:
            found = session.history([HistoryNeed(ADA, frozenset({"buy", "never"}), NOON)])
        body = message(1).body
        assert found == [
            PastEvent(ADA, "buy", at, body, key, f"m-{key}")
            for key, at in ((1, NOON), (6, after(1)))
        ]

    def test_history_answers_many_needs_at_once(self, store: Store) -> None:
        """Each message once, however many needs name it, by timestamp across owners."""
        batch = [message(k, owner=1 + k % 2, at=after(k), name="ab"[k % 2]) for k in range(1, 9)]
        save(store, Changes(messages=batch))
        needs = [
            HistoryNeed(1, frozenset({"a"}), None),
            HistoryNeed(1, frozenset({"a", "b"}), after(6)),
            HistoryNeed(2, frozenset({"b"}), after(7)),
        ]
        with store.session() as session:
            found = [(event.owner, event.timestamp) for event in session.history(needs)]
            assert session.history([]) == []
        assert found == [(1, after(2)), (1, after(4)), (1, after(6)), (2, after(7)), (1, after(8))]
