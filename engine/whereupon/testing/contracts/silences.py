"""The last messages that broke persons' silences."""

# ruff: noqa: S101 - tests assert

from whereupon.messages.model import MessageType
from whereupon.ports import Store
from whereupon.records import Breaking, Changes, LastMessage, StoredMessage
from whereupon.testing.contracts.samples import ADA, ANON, BOB, NOON, after, message, save

EVERYTHING = Breaking(any=True)


def _page(key: int, at: int) -> StoredMessage:
    stored = message(key, at=after(at), name="")
    return stored.changed(message=stored.message.changed(type=MessageType.PAGE))


class SilencesContract:
    """See `StoreContract`."""

    def test_the_last_message_is_found_among_those_that_are_meant(self, store: Store) -> None:
        """By exact names, by beginnings, or any; nobody else's, and none of another type by its name."""
        made = [
            message(1, at=after(1), name="Signed In"),
            message(2, at=after(2), name="Order Completed"),
            message(3, at=after(3), name="Order"),
            _page(4, 4),
            message(5, at=after(9), owner=BOB, name="Signed In"),
            message(6, at=after(9), owner=ANON, name="Signed In"),
        ]
        save(store, Changes(messages=made))
        asked = {
            Breaking(frozenset({"Signed In", "never"})): LastMessage(ADA, after(1), "Signed In"),
            Breaking(prefixes=("Order ",)): LastMessage(ADA, after(2), "Order Completed"),
            Breaking(frozenset({"Order"}), ("Order ", "x")): LastMessage(ADA, after(3), "Order"),
            Breaking(prefixes=("",)): LastMessage(ADA, after(3), "Order"),
            EVERYTHING: LastMessage(ADA, after(4), ""),
        }
        with store.session() as session:
            for breaking, last in asked.items():
                assert session.last_messages(breaking, {ADA: NOON}) == {ADA: last}
            for nothing in (Breaking(frozenset({"never"})), Breaking(prefixes=("never",))):
                assert session.last_messages(nothing, {ADA: NOON}) == {}

    def test_each_person_is_asked_from_an_instant_of_their_own(self, store: Store) -> None:
        """It belongs to the span; of two at one instant the one that was recorded later counts."""
        made = [
            message(1, at=after(5), name="b"),
            message(2, at=after(5), name="a"),
            message(3, at=after(5), owner=BOB),
        ]
        save(store, Changes(messages=made))
        with store.session() as session:
            found = session.last_messages(EVERYTHING, {ADA: after(5), BOB: after(6), ANON: NOON})
            assert found == {ADA: LastMessage(ADA, after(5), "a")}
            assert session.last_messages(EVERYTHING, {}) == {}

    def test_a_message_that_a_step_sent_breaks_no_silence(self, store: Store) -> None:
        """Neither by its name, nor where every message does."""
        stored = message(2, at=after(2))
        step = stored.changed(message=stored.message.changed(depth=1))
        save(store, Changes(messages=[message(1, at=after(1)), step]))
        with store.session() as session:
            for breaking in (EVERYTHING, Breaking(frozenset({"buy"}))):
                found = session.last_messages(breaking, {ADA: NOON})
                assert found == {ADA: LastMessage(ADA, after(1), "buy")}
