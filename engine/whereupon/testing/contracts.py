"""What every store must do, as tests: subclass, say how yours is made, and let pytest run them.

    from whereupon.testing.contracts import StoreContract

    class TestMyStore(StoreContract):
        def make_store(self, folder):
            return MyStore(folder / "data")

This module needs pytest; nothing else in the library imports it.
"""

# ruff: noqa: S101, PLR2004, PT012 - tests assert and count, and a raising session is a block

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier, Thread
from typing import Any, cast

import pytest
from pydantic import JsonValue

from whereupon.audit import seal
from whereupon.codec import encode
from whereupon.conditions.screens import EVERYBODY, NOBODY, How, Screen, Texts, Values
from whereupon.errors import StoreError
from whereupon.messages import Message, MessageType, Origin, Source, erased_name
from whereupon.ports import Counts, HistoryNeed, Session, Settlement, Store
from whereupon.state import (
    Approval,
    AuditRecord,
    Breaker,
    BroadcastRun,
    Changes,
    Claim,
    Delivery,
    DeliveryState,
    Device,
    Entry,
    EntryState,
    Identifier,
    IdKind,
    Merge,
    Others,
    PastEntry,
    PastEvent,
    Person,
    Plan,
    Relationship,
    Request,
    RequestOutcome,
    SetAside,
    Skips,
    StoredMessage,
    Tombstone,
)
from whereupon.times import as_micros

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
FIRST = datetime(1, 1, 1, tzinfo=UTC)
LAST = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
ADA, BOB, ANON = 1, 2, 3
ODD: dict[str, JsonValue] = {
    "name": "Åda 🧦 \u2028 'quoted'",
    "huge": 2**80,
    "negative": -(2**63) - 1,
    "price": 23.45,
    "none": None,
    "nested": {"list": [1, True, "", {}]},
}


def after(seconds: float) -> datetime:
    """That long after noon."""
    return NOON + timedelta(seconds=seconds)


def message(key: int, *, owner: int = ADA, at: datetime = NOON, name: str = "buy") -> StoredMessage:
    """A track message of somebody's."""
    said = Message(
        message_id=f"m-{key}",
        type=MessageType.TRACK,
        name=name,
        user_id="ada",
        anonymous_id=None,
        target_id=None,
        timestamp=at,
        received_at=at,
        original_timestamp=None,
        source=Source.SERVER,
        origin=Origin.LIVE,
        body=b'{"data":{}}',
    )
    return StoredMessage(key, owner, said)


def aside(key: int, *, at: datetime = NOON) -> SetAside:
    """A message on which the engine failed."""
    return SetAside(
        message_id=f"m-{key}",
        user_id="ada",
        anonymous_id="anon-1",
        received_at=NOON,
        source=Source.CLIENT.value,
        origin=Origin.LIVE.value,
        body=b'{"type":"track"}',
        reason="ValueError: no",
        set_aside_at=at,
    )


def saying(stored: StoredMessage, **changes: Any) -> StoredMessage:
    """The same with another message, which differs by these fields."""
    return stored._replace(message=stored.message._replace(**changes))


def person(key: int = ADA, *, user_id: str = "ada") -> Person:
    """A person without attributes."""
    return Person(key, user_id, NOON)


def entry(key: int, *, owner: int = ADA, rule: str = "socks", slot: str | None = None) -> Entry:
    """An entry that waits for a minute, opened by a message of its own key."""
    return Entry(
        key=key,
        rule=rule,
        digest="d1",
        person_key=owner,
        entrant=owner,
        occasion=f"m-{key}",
        timestamp=NOON,
        entered_at=NOON,
        retroactive=False,
        slot=slot,
        state=EntryState.ACTIVE,
        position=1,
        due_at=after(60),
        facts={"event": "buy"},
        message_key=key,
    )


def delivery(key: int, *, owner: int = ADA, due_at: datetime = NOON) -> Delivery:
    """A pending push."""
    return Delivery(key, f"i-{key}", "socks", owner, "ada", "push", due_at, {"title": "Thanks"})


def skips(key: int, *, owner: int = ADA, rule: str = "socks", at: datetime = NOON) -> Skips:
    """One rule's skip of a message."""
    return Skips(key, owner, at, False, ((rule, "d1", "where", "price", {"price": 5}),))


def request(number: int, *, outcome: RequestOutcome = RequestOutcome.HELD) -> Request:
    """Ada asking to be deleted."""
    name, event = f"r-{number}", "Delete Person"
    return Request(
        name, "delete-person", event, "ada", outcome, None, NOON, NOON, Source.CLIENT, key=number
    )


def run(occasion: str, *, at: datetime = NOON, cursor: int | None = 0) -> BroadcastRun:
    """A run of the news."""
    return BroadcastRun("news", "d1", occasion, at, at, cursor, {"event": "cron"})


def save(store: Store, changes: Changes) -> None:
    """Write changes in a session of their own."""
    with store.session() as session:
        session.flush(changes)


def save_tombstones(store: Store, *stones: Tombstone) -> None:
    """Write tombstones."""
    save(store, Changes(tombstones={(stone.digest, stone.of): stone for stone in stones}))


def save_entries(store: Store, *entries: Entry) -> None:
    """Write new entries."""
    keys = {e.key for e in entries}
    save(store, Changes(entries={e.key: e for e in entries}, new_entries=keys))


def all_of(owner: int, *, start: int) -> Changes:
    """One of everything that a person can have; keys from ``start`` on."""
    user_id = "ada" if owner == ADA else f"user-{owner}"
    anonymous = start + 1
    return Changes(
        messages=[message(start, owner=owner), message(anonymous + 1, owner=anonymous)],
        identifiers=[
            Identifier(IdKind.USER, user_id, owner),
            Identifier(IdKind.ANONYMOUS, f"anon-{anonymous}", anonymous),
        ],
        persons={owner: person(owner, user_id=user_id)},
        claims={(anonymous, NOON): Claim(anonymous, owner, NOON, NOON, f"m-{start}")},
        skips=[skips(start, owner=owner)],
        entries={start: entry(start, owner=owner)},
        new_entries={start},
        deliveries=[delivery(start, owner=owner)],
        devices={f"t-{owner}": Device(f"t-{owner}", owner, "ios", {}, NOON)},
        relationships={Relationship(owner, "1", "acme"): True},
    )


class StoreContract:
    """The tests. Each gets a store of its own, empty."""

    def make_store(self, folder: Path) -> Store:
        """Make an empty store; ``folder`` is an empty folder, for a store that keeps files."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        """The store under test."""
        store = self.make_store(tmp_path)
        yield store
        store.close()

    # Keys.

    def test_keys_come_in_blocks_that_do_not_overlap(self, store: Store) -> None:
        """Every key is handed out once, within a session and between sessions."""
        with store.session() as session:
            first, second = session.allocate(10), session.allocate(1)
        with store.session() as session:
            third = session.allocate(5)
        assert first >= 1
        assert (second, third) == (first + 10, first + 11)

    def test_a_key_is_never_reused_after_erasure(self, store: Store) -> None:
        """What was erased keeps its key to itself."""
        with store.session() as session:
            key = session.allocate(1)
            session.flush(Changes(persons={key: person(key)}, messages=[message(key, owner=key)]))
        save(store, Changes(forgotten=[key]))
        with store.session() as session:
            assert session.allocate(1) > key

    # Messages.

    def test_only_recorded_messages_are_known(self, store: Store) -> None:
        """Recording makes an id known, for ever and to everybody."""
        save(store, Changes(messages=[message(1)]))
        with store.session() as session:
            assert session.known_messages(["m-1", "m-2"]) == {"m-1"}
            assert session.known_messages([]) == set()

    def test_a_message_id_is_recorded_once(self, store: Store) -> None:
        """A second message of the same id is a conflict, and takes its whole batch with it."""
        save(store, Changes(messages=[message(1)]))
        twin = saying(message(3), message_id="m-1")
        with pytest.raises(StoreError) as caught:
            save(store, Changes(messages=[message(2), twin]))
        assert caught.value.code == "conflict"
        with store.session() as session:
            assert session.known_messages(["m-1", "m-2"]) == {"m-1"}

    def test_a_message_comes_back_exactly(self, store: Store) -> None:
        """Every field survives: Unicode, both ends of time, microseconds, nothing at all."""
        plain = saying(message(1), name="", body=b"", type=MessageType.IDENTIFY)
        full = saying(
            message(2),
            message_id="🧦",
            type=MessageType.ALIAS,
            name="buy",
            user_id="Åda",
            anonymous_id="",
            target_id="früher",
            timestamp=LAST,
            received_at=LAST,
            original_timestamp=FIRST,
            source=Source.CLIENT,
            body='{"data":{"ö":18446744073709551617}}'.encode(),
            depth=3,
        )
        save(store, Changes(messages=[full, plain]))
        with store.session() as session:
            assert session.owned_messages([ADA], FIRST) == [plain, full]

    def test_owned_messages_come_by_timestamp_then_key(self, store: Store) -> None:
        """Whatever the order of arrival and whoever's they are; ``since`` itself belongs to it."""
        times = {5: 2, 2: 1, 4: 1, 3: 0, 6: -1}
        messages = [message(k, at=after(s), owner=1 + k % 2) for k, s in times.items()]
        save(store, Changes(messages=[*messages, message(9, owner=7)]))
        with store.session() as session:
            found = session.owned_messages([1, 2], NOON)
            assert [m.key for m in found] == [3, 2, 4, 5]
            assert session.owned_messages([], NOON) == []

    def test_a_claimed_message_changes_hands(self, store: Store) -> None:
        """A new owner has it, the old one no longer; a message that is gone stays gone."""
        save(store, Changes(messages=[message(1, owner=ANON), message(2, owner=ANON)]))
        save(store, Changes(owners=[(1, ADA), (99, ADA)]))
        with store.session() as session:
            assert session.owned_messages([ADA], FIRST) == [message(1, owner=ADA)]
            assert session.owned_messages([ANON], FIRST) == [message(2, owner=ANON)]

    def test_a_husk_is_known_and_counted_only(self, store: Store) -> None:
        """A silenced message leaves its id, so that it is never taken twice."""
        husk = saying(message(1, owner=0), user_id=None, body=b"")
        save(store, Changes(messages=[husk]))
        with store.session() as session:
            assert session.known_messages(["m-1"]) == {"m-1"}
            assert session.counts().messages == 1
            assert session.owned_messages([ADA], FIRST) == []

    def test_history_holds_the_named_track_messages(self, store: Store) -> None:
        """Other names, other types of message, other owners and older ones are left out."""
        page = saying(message(2), type=MessageType.PAGE)
        others = [page, message(3, name="view"), message(4, owner=BOB), message(5, at=after(-1))]
        save(store, Changes(messages=[*others, message(1), message(6, at=after(1))]))
        with store.session() as session:
            found = session.history([HistoryNeed(ADA, frozenset({"buy", "never"}), NOON)])
        body = message(1).body
        assert found == [PastEvent(ADA, "buy", at, body) for at in (NOON, after(1))]

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

    # Persons and their ids.

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
        """The first whom the screen lets through of so many who come next, and how far that was."""
        plans = {9: "pro", 2: "free", 1: "pro", 4: "pro", 5: None, 7: "pro"}
        people = {key: person(key)._replace(attributes={"plan": p}) for key, p in plans.items()}
        save(store, Changes(persons=people))
        pro = Values(("plan",), frozenset(), texts=Texts(How.ONE_OF, frozenset({"pro", "team"})))
        with store.session() as session:

            def taken(*where: int, screen: Screen = pro) -> tuple[list[Person], int | None]:
                after, limit, reach = where
                return session.take_audience(after, limit, screen, reach)

            first, fourth, seventh, ninth = (people[key] for key in (1, 4, 7, 9))
            assert taken(0, 1, 9) == ([first], 1)
            assert taken(1, 9, 2) == ([fourth], 4)
            assert taken(1, 9, 1) == ([], 2)
            assert taken(4, 2, 9) == ([seventh, ninth], 9)
            assert taken(4, 3, 3) == ([seventh, ninth], 9)
            assert taken(0, 9, 9) == ([first, fourth, seventh, ninth], None)
            assert taken(9, 9, 9) == ([], None)
            assert taken(0, 3, 9, screen=EVERYBODY) == ([first, people[2], fourth], 4)
            assert taken(0, 9, 9, screen=NOBODY) == ([], None)

    def test_claims_come_by_since(self, store: Store) -> None:
        """A rewritten run replaces the one of the same beginning; a dropped one is gone."""
        first, second = (Claim(ANON, ADA, after(s), after(s), f"m-{s}") for s in (1, 2))
        third = Claim(ANON + 1, BOB, after(0), LAST, "m-0")
        claims = {(c.anonymous_key, c.since): c for c in (second, third, first)}
        save(store, Changes(claims=claims))
        longer = first._replace(until=after(9), person_key=BOB)
        dropped = {(ANON, second.since), (99, NOON)}
        save(store, Changes(claims={(ANON, first.since): longer}, dropped_claims=dropped))
        with store.session() as session:
            assert session.claims([ANON, ANON + 1]) == [third, longer]
            assert session.claims([99]) == []

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
        stones = [deleted, Tombstone(b"b", b"o", None, "suppressed")]
        save_tombstones(store, *stones)
        with store.session() as session:
            found = session.tombstones([b"\x00\xff", b"b", b"c"])
        assert sorted(found, key=lambda stone: stone.digest) == stones
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
            hers = session.buried_with([b"ada"])
            all_of_them = session.buried_with([b"device"])
        assert sorted(both, key=lambda stone: stone.of) == [ada[1], bob[1]]
        assert sorted(hers, key=lambda stone: stone.digest) == ada
        assert len(all_of_them) == 4

    # Entries.

    def test_an_entry_comes_back_exactly(self, store: Store) -> None:
        """Every field survives."""
        odd = entry(1, slot="ord-🧦")._replace(facts=ODD, retroactive=True, depth=2, due_at=LAST)
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
            assert not session.hold([ADA], [])

    def test_the_next_due_time_is_the_soonest_of_all(self, store: Store) -> None:
        """Entries, deliveries and broadcast runs count; what has ended does not."""
        with store.session() as session:
            assert session.next_due() is None
        ended = entry(1)._replace(state=EntryState.EXITED, due_at=None)
        sent = delivery(1)._replace(state=DeliveryState.SENT)
        save_entries(store, ended, entry(2))
        save(store, Changes(deliveries=[sent], runs={("news", "a"): run("a", cursor=None)}))
        with store.session() as session:
            assert session.next_due() == after(60)
        save(store, Changes(deliveries=[delivery(2, due_at=after(50))]))
        with store.session() as session:
            assert session.next_due() == after(50)
        save(store, Changes(runs={("news", "b"): run("b", at=after(40))}))
        with store.session() as session:
            assert session.next_due() == after(40)

    # The outbox.

    def test_a_delivery_comes_back_exactly(self, store: Store) -> None:
        """Every field survives."""
        odd = delivery(1, due_at=LAST)._replace(
            content=ODD,
            recipient={"email": "ada@example.com"},
            state=DeliveryState.WITHHELD,
            reason="unsubscribed",
            attempts=2,
            message_id="m-1",
        )
        save(store, Changes(deliveries=[odd]))
        with store.session() as session:
            assert session.deliveries([DeliveryState.WITHHELD], 5) == [odd]

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

    def test_deliveries_are_listed_newest_first(self, store: Store) -> None:
        """In the states asked for, no more than asked for."""
        dead = delivery(2)._replace(state=DeliveryState.DEAD)
        save(store, Changes(deliveries=[delivery(3), delivery(1), dead]))
        with store.session() as session:
            both = session.deliveries([DeliveryState.DEAD, DeliveryState.PENDING], 2)
            assert [d.key for d in both] == [3, 2]
            assert session.deliveries([DeliveryState.SENT], 2) == []

    # Broadcasts and rules.

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
            assert session.hold_runs() == [run("a")]

    def test_it_is_known_whether_there_are_tombstones(self, store: Store) -> None:
        """So that batches need not look for them where there are none."""
        with store.session() as session:
            assert not session.has_tombstones()
        save_tombstones(store, Tombstone(b"1" * 16, b"o" * 16, None, "suppressed"))
        with store.session() as session:
            assert session.has_tombstones()

    def test_the_first_wording_stays(self, store: Store) -> None:
        """A digest names one source, for ever."""
        save(store, Changes(wordings={"d1": ("socks", b"\x00campaign: socks")}))
        save(store, Changes(wordings={"d1": ("socks", b"else")}))
        with store.session() as session:
            assert session.wording("d1") == b"\x00campaign: socks"
            assert session.wording("d2") is None

    # What people ask.

    def test_requests_come_newest_first(self, store: Store) -> None:
        """A request that is decided later keeps its place."""
        save(store, Changes(requests={key: request(key) for key in (1, 2, 3)}))
        ran = request(1, outcome=RequestOutcome.RAN)
        save(store, Changes(requests={1: ran}))
        with store.session() as session:
            ledger = session.ledger
            assert ledger.requests(tuple(RequestOutcome), 2) == [request(3), request(2)]
            assert ledger.requests(tuple(RequestOutcome), 9)[-1] == ran
            assert ledger.requests([RequestOutcome.RAN], 9) == [ran]
            assert (ledger.request(2), ledger.request(9)) == (request(2), None)
            assert ledger.request_by_message("r-3") == request(3)

    def test_requests_are_found_when_they_are_due(self, store: Store) -> None:
        """By their own time, or by their expiry where that is asked for; only those that are held."""
        cooling = replace(request(1), due_at=after(2), expires_at=after(9))
        waiting = replace(request(2), expires_at=after(3))
        ran = replace(request(3, outcome=RequestOutcome.RAN), due_at=after(1))
        save(store, Changes(requests={r.key: r for r in (cooling, waiting, ran)}))
        with store.session() as session:
            due = session.ledger.due_requests
            assert due(after(1), 9, expiring=after(1)) == []
            assert due(after(5), 9, expiring=None) == [cooling]
            assert due(after(5), 9, expiring=after(5)) == [cooling, waiting]
            assert due(after(5), 1, expiring=after(5)) == [cooling]
            assert session.ledger.next_due() == after(2)

    def test_an_approved_request_is_leased_to_one(self, store: Store) -> None:
        """Of the actions that are asked for; it is put off meanwhile."""
        approved = replace(request(1, outcome=RequestOutcome.APPROVED), due_at=NOON)
        save(store, Changes(requests={1: approved}))
        with store.session() as session:
            assert session.ledger.lease_approved(["else"], NOON, after(5)) is None
            assert session.ledger.lease_approved(["delete-person"], NOON, after(5)) == approved
        with store.session() as session:
            assert session.ledger.lease_approved(["delete-person"], NOON, after(5)) is None

    def test_what_ran_is_counted(self, store: Store) -> None:
        """By action, source and time; what was held or refused does not count."""
        ran = RequestOutcome.RAN
        made = [
            replace(request(1, outcome=ran), decided_at=after(1)),
            replace(request(2, outcome=ran), decided_at=after(2), source=Source.SERVER),
            replace(request(3, outcome=RequestOutcome.REFUSED), decided_at=after(3)),
            replace(request(4, outcome=ran), decided_at=after(3), action="else"),
        ]
        save(store, Changes(requests={r.key: r for r in made}))
        with store.session() as session:
            count = session.ledger.ran_since
            assert count(["delete-person"], "", NOON) == 2
            assert count(["delete-person", "else"], "", after(1)) == 2
            assert count(["delete-person"], Source.SERVER, NOON) == 1

    def test_what_a_request_asks_comes_back_as_it_was(self, store: Store) -> None:
        """Its message, its plan, its times."""
        asked = message(5).message._replace(original_timestamp=None)
        whole = replace(
            request(1),
            message_id=asked.message_id,
            event=asked.name,
            timestamp=asked.timestamp,
            source=asked.source,
            asked_at=NOON,
            requester="lena",
            due_at=after(1),
            expires_at=LAST,
            plan=Plan("d1", {"messages": 2}),
            message=asked,
            attempts=3,
            detail="why",
        )
        save(store, Changes(requests={1: whole}))
        with store.session() as session:
            assert session.ledger.request(1) == whole
            assert session.ledger.open_requests_of(["ada"]) == [whole]
            assert session.ledger.open_requests_of(["bob"]) == []

    def test_approvals_breakers_and_the_audit_log_are_kept(self, store: Store) -> None:
        """The log in its order, its head once; a breaker as it is now."""
        approvals = [Approval(1, "lena", "d1", after(1)), Approval(1, "omar", "d1", after(2))]
        opened = Breaker("deletions", "5 in 1h", NOON)
        rows, head = seal(None, [AuditRecord(NOON, n, {"kind": "judged"}) for n in (1, 2, 1)], b"")
        save(store, Changes(approvals=approvals, breakers={"deletions": opened}))
        save(store, Changes(audit=rows, audit_head=head))
        closed = replace(opened, closed_at=after(1), closed_by="lena")
        save(store, Changes(breakers={"deletions": closed}))
        with store.session() as session:
            ledger = session.ledger
            assert ledger.approvals(1) == approvals
            assert ledger.approvals(2) == []
            assert ledger.breakers() == [closed]
            assert (ledger.audit(0, 2), ledger.audit(2, 9)) == (rows[:2], rows[2:])
            assert ledger.audit_of(1) == [rows[0], rows[2]]
            assert ledger.audit_head() == head

    def test_what_is_a_persons_is_counted(self, store: Store) -> None:
        """Table by table, and when they last did something."""
        save(store, all_of(ADA, start=10))
        with store.session() as session:
            held, nobody = session.ledger.holdings(ADA), session.ledger.holdings(9_999)
        assert held.counts["persons"] == 1
        assert all(held.counts.values())
        assert held.latest is not None
        assert (set(nobody.counts.values()), nobody.latest) == ({0}, None)

    def test_the_store_remembers_numbers(self, store: Store) -> None:
        """By name; the last one that was set."""
        with store.session() as session:
            assert session.ledger.mark("seen") is None
            session.ledger.set_mark("seen", 3)
            session.ledger.set_mark("seen", 4)
        with store.session() as session:
            assert session.ledger.mark("seen") == 4

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
        """By what is kept of their roll: its rules and kinds; not for those that were decided singly."""
        roll = encode({"roll": [["a", "d1", "campaign"], ["b", "d2", "campaign"]]})
        others = Others("r1", None, 0, 2, (1,), as_micros(NOON), False, None, dict(ODD))
        met = Skips(1, ADA, NOON, False, (("c", "d3", "who", None, {}),), (others,))
        save(store, Changes(messages=[message(1)], skips=[met], wordings={"r1": ("", roll)}))
        save(store, Changes(skips=[met._replace(verdicts=())]))
        with store.session() as session:
            found = {rule: session.decided(ADA, rule, 10) for rule in "abc"}
        assert [len(found[rule]) for rule in "abc"] == [1, 0, 1]
        ((_, said),) = found["a"]
        assert said == met._replace(others=(others, others))

    def test_old_skips_are_trimmed(self, store: Store) -> None:
        """Those decided before the instant go, and only these."""
        met = [skips(1, at=after(-1)), skips(2), skips(3, at=after(-2))]
        save(store, Changes(messages=[message(k) for k in (1, 2, 3)], skips=met))
        with store.session() as session:
            assert session.trim_skips(NOON) == 2
            assert session.trim_skips(NOON) == 0
            assert [d.message_key for _, d in session.decided(ADA, "socks", 9)] == [2]

    def test_everything_is_counted(self, store: Store) -> None:
        """For summaries."""
        save(store, all_of(ADA, start=10))
        with store.session() as session:
            assert session.counts() == Counts(messages=2, persons=1, entries=1, deliveries=1)

    # All or nothing.

    def test_a_session_sees_what_it_flushed(self, store: Store) -> None:
        """Before anybody else does."""
        with store.session() as session:
            session.flush(all_of(ADA, start=10))
            assert session.known_messages(["m-10"]) == {"m-10"}
            assert session.persons([ADA]) == [person()]
            session.flush(Changes(forgotten=[ADA]))
            assert session.persons([ADA]) == []

    @pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
    def test_a_raising_block_leaves_nothing(self, store: Store, error: type[BaseException]) -> None:
        """Whatever was flushed, merged, moved or forgotten is as it was."""
        save(store, all_of(ADA, start=10))
        save(store, all_of(BOB, start=20))
        before = seen(store)
        with pytest.raises(error), store.session() as session:
            session.allocate(100)
            session.flush(all_of(99, start=30))
            session.flush(Changes(owners=[(12, BOB)], entries={10: entry(10)._replace(position=5)}))
            session.flush(Changes(merges=[Merge(ADA, BOB, "user-2", "m-20", NOON)]))
            session.flush(Changes(forgotten=[ADA]))
            session.trim_skips(LAST)
            raise error
        assert seen(store) == before

    def test_holding_answers_no_in_the_end(self, store: Store) -> None:
        """After at most one reading more, what was read is the last word."""
        save(store, all_of(ADA, start=10))
        with store.session() as session:
            if session.hold([ADA], [11]):
                assert [p.key for p in session.persons([ADA])] == [ADA]
            assert not session.hold([ADA], [11])
            assert not session.hold([], [])

    def test_work_is_done_in_a_transaction(self, store: Store) -> None:
        """What it returns is returned when it is committed."""

        def work(session: Session) -> str:
            session.flush(Changes(messages=[message(1)]))
            return "done"

        assert store.transact(work) == "done"
        with store.session() as session:
            assert session.known_messages(["m-1"]) == {"m-1"}

    def test_work_that_raises_leaves_nothing_of_its_own(self, store: Store) -> None:
        """Whoever else wrote in the same transaction is not taken back with it."""
        ready = Barrier(6)

        def send(number: int) -> None:
            def work(session: Session) -> None:
                session.flush(Changes(messages=[message(number)]))
                if number % 2:
                    raise ZeroDivisionError

            ready.wait(60)
            with suppress(ZeroDivisionError):
                store.transact(work)
                done.append(number)

        done: list[int] = []
        threads = [Thread(target=send, args=(n,)) for n in range(1, 7)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(done) == [2, 4, 6]
        with store.session() as session:
            known = session.known_messages([f"m-{n}" for n in range(1, 7)])
        assert known == {"m-2", "m-4", "m-6"}

    def test_work_within_a_session_is_refused(self, store: Store) -> None:
        """It would wait for the thread that waits for it."""
        with store.session(), pytest.raises(StoreError) as caught:
            store.transact(lambda session: session.counts())
        assert caught.value.code == "nested-session"

    def test_threads_lose_nothing(self, store: Store) -> None:
        """Writers take turns: every batch is there, every key was handed out once."""
        firsts: list[int] = []

        def write() -> None:
            for _ in range(20):
                with store.session() as session:
                    first = session.allocate(5)
                    batch = [message(key, owner=ADA) for key in range(first, first + 5)]
                    session.flush(Changes(messages=batch))
                firsts.append(first)

        threads = [Thread(target=write) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(set(firsts)) == 40
        with store.session() as session:
            assert session.counts().messages == 200

    # Merging and erasing.

    def test_merging_moves_everything(self, store: Store) -> None:
        """History, ids, claims, entries, deliveries and skips are the survivor's; the loser is gone."""
        save(store, all_of(ADA, start=10))
        save(store, all_of(BOB, start=20))
        save(store, Changes(merges=[Merge(ADA, BOB, "user-2", "m-20", NOON)]))
        with store.session() as session:
            assert [p.key for p in session.persons([ADA, BOB])] == [ADA]
            assert [m.key for m in session.owned_messages([ADA, BOB], FIRST)] == [10, 20]
            assert len(session.identifiers_of([ADA])) == 4
            assert session.identifiers(["user-2"], [])[0].key == ADA
            assert {c.person_key for c in session.claims([11, 21])} == {ADA}
            assert {e.key for e in session.active_entries([ADA])} == {10, 20}
            assert {p.person_key for p in session.past_entries(["socks"], [ADA, BOB])} == {ADA}
            assert {d.person_key for d in session.lease_deliveries(NOON, LAST, 9)} == {ADA}
            assert len(session.decided(ADA, "socks", 9)) == 4
            assert session.decided(BOB, "socks", 9) == []

    def test_an_entry_keeps_its_entrant_through_a_merge(self, store: Store) -> None:
        """Two persons' entries for one slot can become one person's."""
        save_entries(store, entry(1, slot="a"), entry(2, owner=BOB, slot="a"))
        save(store, Changes(merges=[Merge(ADA, BOB, "bob", "m-1", NOON)]))
        with store.session() as session:
            assert sorted(e.entrant for e in session.active_entries([ADA])) == [ADA, BOB]

    def test_merges_can_be_chained(self, store: Store) -> None:
        """In one batch: Bob into Ada, then Ada into Cleo."""
        for owner in (ADA, BOB, 5):
            save(store, all_of(owner, start=10 * owner))
        merges = [Merge(ADA, BOB, "user-2", "m-1", NOON), Merge(5, ADA, "ada", "m-2", NOON)]
        save(store, Changes(merges=merges, persons={5: person(5, user_id="cleo")}))
        with store.session() as session:
            assert session.persons([ADA, BOB, 5]) == [person(5, user_id="cleo")]
            assert len(session.owned_messages([5], FIRST)) == 3

    def test_erasing_leaves_nothing_of_a_person(self, store: Store) -> None:
        """Messages, ids, claims, entries, deliveries sent or not, skips; others keep theirs."""
        save(store, all_of(BOB, start=20))
        before = seen(store)
        save(store, all_of(ADA, start=10))
        sent = delivery(15)._replace(state=DeliveryState.SENT)
        save(store, Changes(deliveries=[sent], messages=[message(16)]))
        save(store, Changes(forgotten=[ADA]))
        assert seen(store) == before

    def test_the_ids_of_erased_messages_stay_known(self, store: Store) -> None:
        """So that a message is recorded once for ever, though nothing else of it is kept."""
        save(store, all_of(ADA, start=10))
        with store.session() as session:
            known = session.known_messages([f"m-{key}" for key in range(40)])
        save(store, Changes(forgotten=[ADA]))
        with store.session() as session:
            assert session.known_messages([f"m-{key}" for key in range(40)]) == known

    def test_a_merged_person_is_erased_with_what_was_merged(self, store: Store) -> None:
        """Both user ids, both histories."""
        save(store, all_of(ADA, start=10))
        save(store, all_of(BOB, start=20))
        save(store, Changes(merges=[Merge(ADA, BOB, "user-2", "m-20", NOON)]))
        save(store, Changes(forgotten=[ADA]))
        with store.session() as session:
            assert session.counts() == Counts(0, 0, 0, 0)
            assert session.identifiers(["ada", "user-2"], ["anon-11", "anon-21"]) == []

    def test_a_shared_anonymous_id_stays_for_the_other(self, store: Store) -> None:
        """Erasing Ada takes her claim; what Bob claimed, too, is his to keep."""
        save(store, all_of(ADA, start=10))
        bobs = Claim(11, BOB, after(60), after(60), "m-20")
        save(store, Changes(claims={(11, bobs.since): bobs}, persons={BOB: person(BOB)}))
        save(store, Changes(forgotten=[ADA]))
        with store.session() as session:
            assert session.claims([11]) == [bobs]
            assert [i.value for i in session.identifiers_of([BOB])] == ["anon-11"]
            assert [m.key for m in session.owned_messages([11], FIRST)] == [12]

    def test_requests_by_a_namesake_keep_their_name(self, store: Store) -> None:
        """An anonymous id that goes with a person may read like somebody else's user id."""
        theirs = Identifier(IdKind.ANONYMOUS, "ada", ANON)
        claim = Claim(ANON, BOB, NOON, NOON, "m-1")
        save(store, Changes(identifiers=[theirs], claims={(ANON, NOON): claim}))
        save(store, Changes(persons={BOB: person(BOB)}, requests={1: request(1)}))
        save(store, Changes(forgotten=[BOB, ANON]))
        with store.session() as session:
            assert session.ledger.request(1) == request(1)

    def test_requests_of_an_erased_person_stay_without_their_name(self, store: Store) -> None:
        """That somebody asked stays on record; who, does not."""
        save(store, all_of(ADA, start=10))
        other = replace(request(2), person="user-2")
        save(store, Changes(requests={1: request(1), 2: other}))
        save(store, Changes(forgotten=[ADA]))
        with store.session() as session:
            kept = session.ledger.requests(tuple(RequestOutcome), 9)
            assert kept == [other, replace(request(1), person=None, message_id=erased_name("r-1"))]
            assert session.known_messages(["r-1"]) == {"r-1"}

    def test_erasing_blanks_the_runs_that_a_message_opened(self, store: Store) -> None:
        """A broadcast goes on, without what the erased message said."""
        save(store, all_of(ADA, start=10))
        opened = replace(run("m-10"), message_key=10)
        save(store, Changes(runs={("news", "m-10"): opened}))
        save(store, Changes(forgotten=[ADA]))
        with store.session() as session:
            (blank,) = session.due_runs(NOON)
        assert blank == replace(opened, facts={}, occasion=blank.occasion)
        assert "m-10" not in blank.occasion

    def test_a_message_set_aside_comes_back_exactly(self, store: Store) -> None:
        """Newest first, until it is taken again; set aside anew, it is there once."""
        older, newer = aside(1), aside(2, at=after(60))
        save(store, Changes(set_aside=[older]))
        save(store, Changes(set_aside=[newer, older]))
        with store.session() as session:
            assert session.set_aside(9) == [newer, older]
            assert session.set_aside(1) == [newer]
        save(store, Changes(taken_again=["m-2"]))
        with store.session() as session:
            assert session.set_aside(9) == [older]

    def test_a_message_that_is_recorded_is_no_longer_set_aside(self, store: Store) -> None:
        """Its sender may have sent it again."""
        save(store, Changes(set_aside=[aside(1)], messages=[message(1)]))
        with store.session() as session:
            assert session.set_aside(9) == []

    @pytest.mark.parametrize(
        "buried", [(IdKind.USER, "ada"), (IdKind.ANONYMOUS, "anon-1"), (IdKind.USER, "anon-1")]
    )
    def test_what_is_set_aside_of_an_erased_id_goes(
        self, store: Store, buried: tuple[IdKind, str]
    ) -> None:
        """By either of its ids, and of each kind its own."""
        save(store, Changes(set_aside=[aside(1)]))
        save(store, Changes(buried=[buried]))
        with store.session() as session:
            left = session.set_aside(9)
        assert bool(left) is (buried == (IdKind.USER, "anon-1"))

    def test_erasing_comes_before_writing(self, store: Store) -> None:
        """The same batch may begin anew with the same ids."""
        save(store, all_of(ADA, start=10))
        anew = all_of(7, start=50)
        anew.identifiers[0] = Identifier(IdKind.USER, "ada", 7)
        anew.forgotten.append(ADA)
        save(store, anew)
        with store.session() as session:
            assert session.counts() == Counts(messages=2, persons=1, entries=1, deliveries=1)
            assert [i.key for i in session.identifiers(["ada"], [])] == [7]


def seen(store: Store) -> list[object]:
    """What a session tells of the persons, ids and keys that `all_of` makes; nothing is changed."""
    keys = [*range(1, 40), 99]
    anonymous = [f"anon-{key}" for key in keys]
    with store.session() as session:
        answers = [
            session.identifiers(["ada", "user-2", "user-99"], anonymous),
            session.identifiers_of(keys),
            session.persons(keys),
            session.claims(keys),
            session.owned_messages(keys, FIRST),
            session.active_entries(keys),
            session.due_entries(LAST, 99),
            session.deliveries(list(DeliveryState), 99),
            [session.decided(key, "socks", 99) for key in keys],
            [session.counts(), session.next_due()],
        ]
    return [sorted(map(repr, cast("list[object]", answer))) for answer in answers]
