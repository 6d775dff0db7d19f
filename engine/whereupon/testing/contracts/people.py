"""Who is known: identifiers, persons, claims, merges as they are told, tombstones."""

# ruff: noqa: S101, PLR2004 - tests assert and count, and a raising session is a block

import pytest

from whereupon.conditions.prefilter import EVERYBODY, NOBODY, Prefilter, Texts, TextTest, Values
from whereupon.errors import StoreError
from whereupon.ports import Store
from whereupon.records import Changes, ClaimRun, Identifier, IdKind, Merge, Person, Skips, Tombstone
from whereupon.testing.contracts.samples import (
    ADA,
    ANON,
    BOB,
    FIRST,
    LAST,
    NOON,
    ODD,
    after,
    all_of,
    entry,
    message,
    person,
    save,
    save_entries,
    save_tombstones,
    saying,
)


class People:
    """See `StoreContract`."""

    def test_an_identifier_is_found_by_kind_and_value(self, store: Store) -> None:
        """The same text can be a user id and an anonymous id."""
        user, anonymous = (Identifier(kind, "x", k) for k, kind in enumerate(IdKind, 1))
        save(store, Changes(identifiers=[user, anonymous]))
        with store.session() as session:
            assert session.identifiers(["x", "y"], []) == [user]
            assert session.identifiers([], ["x"]) == [anonymous]
            assert set(session.identifiers(["x"], ["x"])) == {user, anonymous}

    def test_an_id_stands_for_one_thing(self, store: Store) -> None:
        """Whoever comes second with the same new id is told so, and writes nothing."""
        save(store, Changes(identifiers=[Identifier(IdKind.USER, "ada", ADA)]))
        second = Changes(
            identifiers=[Identifier(IdKind.USER, "ada", BOB)], persons={BOB: person(BOB)}
        )
        with pytest.raises(StoreError) as caught:
            save(store, second)
        assert caught.value.code == "conflict"
        with store.session() as session:
            assert session.identifiers(["ada"], []) == [Identifier(IdKind.USER, "ada", ADA)]
            assert session.persons([BOB]) == []

    def test_a_persons_ids_are_their_own_and_the_claimed(self, store: Store) -> None:
        """Two user ids and a claimed anonymous id; nobody else's."""
        save(store, all_of(ADA, start=10))
        save(store, all_of(BOB, start=20))
        save(store, Changes(identifiers=[Identifier(IdKind.USER, "ada@example.com", ADA)]))
        with store.session() as session:
            found = {identifier.value for identifier in session.identifiers_of([ADA])}
        assert found == {"ada", "ada@example.com", "anon-11"}

    def test_a_person_comes_back_exactly(self, store: Store) -> None:
        """Attributes of every kind, whole numbers of any size, both ends of time."""
        ada = Person(ADA, "Åda", FIRST, ODD, {"name": 2**62, "price": -1})
        bob = Person(BOB, "", LAST)
        save(store, Changes(persons={ADA: ada, BOB: bob}))
        with store.session() as session:
            assert sorted(session.persons([ADA, BOB, 99]), key=lambda p: p.key) == [ada, bob]

    def test_a_person_is_replaced(self, store: Store) -> None:
        """What is written of a person stands in place of what was."""
        save(store, Changes(persons={ADA: Person(ADA, "ada", NOON, {"plan": "free"})}))
        paying = Person(ADA, "ada", NOON, {"plan": "pro"}, {"plan": 1})
        save(store, Changes(persons={ADA: paying}))
        with store.session() as session:
            assert session.persons([ADA]) == [paying]
            assert session.counts().persons == 1

    def test_persons_come_in_chunks_by_key(self, store: Store) -> None:
        """A broadcast meets everybody once, whatever the order they were written in."""
        save(store, Changes(persons={key: person(key) for key in (5, 2, 9, 4)}))
        with store.session() as session:
            assert [p.key for p in session.persons_after(0, 3)] == [2, 4, 5]
            assert [p.key for p in session.persons_after(5, 3)] == [9]

    def test_an_audience_is_taken_stretch_by_stretch(self, store: Store) -> None:
        """The first of the next persons who pass the prefilter, and how far the store looked."""
        plans = {9: "pro", 2: "free", 1: "pro", 4: "pro", 5: None, 7: "pro"}
        people = {key: person(key)._replace(attributes={"plan": p}) for key, p in plans.items()}
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

    def test_merges_are_told_of_the_survivor(self, store: Store) -> None:
        """Oldest first; those of whom the survivor merged before are theirs, too."""
        first = Merge(ADA, BOB, "bob", "m-1", NOON)
        save(store, Changes(merges=[first], persons={5: person(5, user_id="cleo")}))
        save(store, Changes(merges=[Merge(5, ADA, "ada", "m-2", LAST)]))
        with store.session() as session:
            assert session.merges([ADA, BOB]) == []
            told = [(m.survivor_key, m.loser, m.message_id) for m in session.merges([5])]
        assert told == [(5, "bob", "m-1"), (5, "ada", "m-2")]

    def test_claimed_messages_are_those_without_a_user_id(self, store: Store) -> None:
        """Newest first, no more than asked for."""
        anonymous = [saying(message(k, at=after(k)), user_id=None) for k in (1, 2, 3)]
        save(store, Changes(messages=[*anonymous, message(4), message(5, owner=BOB)]))
        with store.session() as session:
            assert session.claimed_messages(ADA, 9) == anonymous[::-1]
            assert session.claimed_messages(ADA, 2) == anonymous[:0:-1]
            assert session.claimed_messages(BOB, 9) == []

    def test_what_messages_led_to_is_found_by_their_keys(self, store: Store) -> None:
        """Of the person's own entries, and what the messages were skipped for."""
        opened = [entry(7)._replace(message_key=1), entry(8, owner=BOB)._replace(message_key=1)]
        skips = Skips(2, ADA, NOON, True, (("shoes", "d1", "where", None, {}),))
        save(store, Changes(messages=[message(1), message(2)], skips=[skips]))
        save_entries(store, *opened)
        with store.session() as session:
            assert session.decided_on(ADA, [1, 2, 3]) == [opened[0], skips]
            assert session.decided_on(ADA, []) == []

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
