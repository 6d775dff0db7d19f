"""Keys, messages and history."""

# ruff: noqa: S101 - tests assert and count, and a raising session is a block

import pytest

from whereupon.errors import StoreError
from whereupon.messages.model import MessageType, SenderClass
from whereupon.ports import HistoryNeed, Store
from whereupon.records import Changes, PastEvent, Twin
from whereupon.testing.contracts.samples import (
    ADA,
    ANON,
    BOB,
    FIRST,
    LAST,
    NOON,
    after,
    message,
    person,
    request,
    save,
    saying,
)


class Recording:
    """See `StoreContract`."""

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
        save(store, Changes(erased_persons=[key]))
        with store.session() as session:
            assert session.allocate(1) > key

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
            source=SenderClass.CLIENT,
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

    def test_of_two_new_owners_the_later_has_the_message(self, store: Store) -> None:
        """A batch may hold two claims, of which the second takes from the first."""
        save(store, Changes(messages=[message(k, owner=ANON) for k in (1, 2)]))
        save(store, Changes(owners=[(1, ADA), (2, BOB), (2, ADA), (1, BOB)]))
        with store.session() as session:
            assert [m.key for m in session.owned_messages([ADA], FIRST)] == [2]
            assert [m.key for m in session.owned_messages([BOB], FIRST)] == [1]

    def test_a_husk_is_known_and_counted_only(self, store: Store) -> None:
        """A silenced message leaves its id, so that it is never taken twice."""
        stub = saying(message(1, owner=0), user_id=None, body=b"")
        save(store, Changes(messages=[stub]))
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
