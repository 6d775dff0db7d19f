"""What caps count."""

# ruff: noqa: S101 - tests assert

from whereupon.ports import Settlement, Store
from whereupon.records import Changes, CountedSend, DeliveryState, Merge, SendKind
from whereupon.testing.contracts.samples import (
    ADA,
    BOB,
    NOON,
    after,
    delivery,
    save,
)

WAITING = (DeliveryState.PENDING, DeliveryState.HELD, DeliveryState.PAUSED)


class CountedSendsContract:
    """See `StoreContract`."""

    def test_what_waits_or_was_sent_counts_from_when_it_was(self, store: Store) -> None:
        """Sends of the persons that are asked for, later than the instant; nothing withheld or dead."""
        states = dict(enumerate(DeliveryState, 1))
        made = [delivery(key).changed(state=state) for key, state in states.items()]
        edges = [delivery(20, due_at=after(-1)), delivery(21, due_at=after(90), owner=BOB)]
        save(store, Changes(deliveries=[*made, *edges]))
        counted = {key for key, each in states.items() if each in (*WAITING, DeliveryState.SENT)}
        with store.session() as session:
            found = session.counted_sends([ADA], after(-1))
            assert {each.idempotency_key for each in found} == {f"i-{key}" for key in counted}
            assert all(each.person_key == ADA for each in found)
            assert session.counted_sends([ADA, BOB], NOON) == [
                CountedSend("i-21", BOB, "push", after(90), is_sent=False)
            ]
            assert session.counted_sends([], NOON) == []
            sent = {each.idempotency_key for each in found if each.is_sent}
            assert sent == {f"i-{key}" for key in counted if states[key] is DeliveryState.SENT}

    def test_only_marketing_counts(self, store: Store) -> None:
        """What is transactional or internal takes no place."""
        kinds = enumerate(SendKind, 1)
        save(store, Changes(deliveries=[delivery(k).changed(kind=kind) for k, kind in kinds]))
        with store.session() as session:
            assert [s.idempotency_key for s in session.counted_sends([ADA], after(-1))] == ["i-1"]
            assert [s.idempotency_key for s in session.sends_before([9, 3], NOON).get(3, ())] == [
                "i-1"
            ]

    def test_what_is_settled_counts_from_then(self, store: Store) -> None:
        """A leased delivery counts by the end of its lease; a dead one gives its place back, a revived one takes it again."""
        save(store, Changes(deliveries=[delivery(1)]))
        with store.session() as session:
            session.lease_deliveries("push", NOON, after(60), 9)
            (leased,) = session.counted_sends([ADA], NOON)
            assert leased == CountedSend("i-1", ADA, "push", after(60), False, is_leased=True)
            session.settle([Settlement(1, DeliveryState.DEAD, 1, after(9), "gone")])
            assert session.counted_sends([ADA], NOON) == []
            session.revive(1, after(10))
            (revived,) = session.counted_sends([ADA], NOON)
            assert (revived.at, revived.is_sent) == (after(10), False)
            session.settle([Settlement(1, DeliveryState.SENT, 1, after(11), None)])
            assert session.counted_sends([ADA], after(11)) == []
            (sent,) = session.counted_sends([ADA], after(10))
            assert sent.is_sent

    def test_what_is_withdrawn_gives_its_place_back(self, store: Store) -> None:
        """With the batch that withdraws it."""
        save(store, Changes(deliveries=[delivery(1), delivery(2)]))
        save(store, Changes(withdrawn={"i-1": "withdrawn"}))
        with store.session() as session:
            assert [s.idempotency_key for s in session.counted_sends([ADA], after(-1))] == ["i-2"]

    def test_what_is_withdrawn_while_its_channel_is_called_keeps_its_place(
        self, store: Store
    ) -> None:
        """Until the call has ended: then it was sent after all, or has given its place back."""
        for key, ends in ((1, DeliveryState.SENT), (2, DeliveryState.PENDING)):
            save(store, Changes(deliveries=[delivery(key)]))
            with store.session() as session:
                session.lease_deliveries("push", NOON, after(60), 9)
            save(store, Changes(withdrawn={f"i-{key}": "withdrawn"}))
            with store.session() as session:
                found = session.counted_sends([ADA], after(20))
                expected = (f"i-{key}", ADA, "push", after(60), False)
                assert found == [CountedSend(*expected, is_leased=True, is_withdrawn=True)]
                session.settle([Settlement(key, ends, 1, after(9), None)])
        with store.session() as session:
            found = session.counted_sends([ADA], after(-1))
            assert [each.idempotency_key for each in found] == ["i-1"]

    def test_what_is_withdrawn_while_its_channel_is_called_comes_before_later_ones(
        self, store: Store
    ) -> None:
        """Not before one that was made earlier."""
        save(store, Changes(deliveries=[delivery(2)]))
        with store.session() as session:
            session.lease_deliveries("push", NOON, after(60), 9)
        save(store, Changes(withdrawn={"i-2": "withdrawn"}))
        save(store, Changes(deliveries=[delivery(1), delivery(3)]))
        with store.session() as session:
            found = session.sends_before([1, 3], after(-1))
        names = {key: [s.idempotency_key for s in each] for key, each in found.items() if each}
        assert sorted(names.pop(3)) == ["i-1", "i-2"]
        assert names == {}

    def test_before_a_hand_over_earlier_ones_count(self, store: Store) -> None:
        """What was sent lately, and what waits and was made earlier, however long ago; never itself, nor another's."""
        made = [
            delivery(1, due_at=after(-99)),
            delivery(2).changed(state=DeliveryState.SENT),
            delivery(3).changed(state=DeliveryState.HELD),
            delivery(4),
            delivery(5).changed(state=DeliveryState.DEAD),
            delivery(6, owner=BOB),
            delivery(7).changed(state=DeliveryState.SENT),
            delivery(8, due_at=after(-1)).changed(state=DeliveryState.SENT),
        ]
        save(store, Changes(deliveries=made))
        with store.session() as session:
            found = session.sends_before([3, 4, 6, 99], after(-1))
            names = {key: {s.idempotency_key for s in each} for key, each in found.items() if each}
        assert names == {3: {"i-1", "i-2", "i-7"}, 4: {"i-1", "i-2", "i-3", "i-7"}}

    def test_of_two_persons_who_merge_both_ones_sends_count(self, store: Store) -> None:
        """They are the survivor's."""
        save(store, Changes(deliveries=[delivery(1), delivery(2, owner=BOB)]))
        save(store, Changes(merges=[Merge(ADA, BOB, "bob", "m-9", NOON)]))
        with store.session() as session:
            found = session.counted_sends([ADA, BOB], after(-1))
        assert {(s.person_key, s.idempotency_key) for s in found} == {(ADA, "i-1"), (ADA, "i-2")}
