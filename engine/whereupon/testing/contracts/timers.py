"""Timers, and how far those of new subjects are made."""

# ruff: noqa: S101 - tests assert

from whereupon.ports import Store
from whereupon.records import Arming, Changes, Timer
from whereupon.testing.contracts.samples import ADA, BOB, LAST, NOON, after, person, save


class TimersContract:
    """See `StoreContract`."""

    def test_a_timer_comes_back_exactly_until_it_is_removed(self, store: Store) -> None:
        """They are found by their persons, as far as they are due, and come by due time."""
        places = {(ADA, "b"): after(2), (ADA, "a"): after(1), (BOB, "a"): after(3)}
        save(store, Changes(timers={**places}))
        made = [Timer(subject, key, at) for (key, subject), at in places.items()]
        with store.session() as session:
            assert session.timers([ADA, BOB], after(3)) == [made[1], made[0], made[2]]
            assert session.timers([ADA], after(1)) == [made[1]]
            assert session.timers([], LAST) == []
        save(store, Changes(timers={(ADA, "a"): None, (ADA, "b"): after(9), (ADA, "none"): None}))
        with store.session() as session:
            assert session.timers([ADA], LAST) == [Timer("b", ADA, after(9))]

    def test_arming_a_timer_never_makes_it_later(self, store: Store) -> None:
        """An earlier one stays; a later one, or none, gives way."""
        save(store, Changes(timers={(ADA, "a"): after(5), (ADA, "b"): after(5)}))
        armed = {(ADA, "a"): after(9), (ADA, "b"): after(1), (ADA, "c"): after(3)}
        save(store, Changes(armed=armed))
        with store.session() as session:
            found = {each.subject: each.due_at for each in session.timers([ADA], LAST)}
        assert found == {"a": after(5), "b": after(1), "c": after(3)}

    def test_an_arming_comes_back_exactly(self, store: Store) -> None:
        """One of each subject and digest, done or not; one that is not done can be taken."""
        begun, done = Arming("a", "d1", NOON, 0), Arming("a", "d2", NOON, None)
        save(store, Changes(armings={each.place: each for each in (done, begun)}))
        with store.session() as session:
            assert session.armings() == [begun, done]
            assert [session.take_arming(each) for each in (begun, done)] == [begun, None]
        further = begun._replace(cursor=7)
        save(store, Changes(armings={further.place: further}))
        with store.session() as session:
            assert session.take_arming(begun) == further

    def test_due_timers_come_by_due_time_then_person(self, store: Store) -> None:
        """Of the subjects that are asked for, at most so many, with and without being taken."""
        places = {(ADA, "b"): after(2), (ADA, "a"): after(2), (BOB, "a"): after(1)}
        places |= {(BOB, "b"): after(9), (ADA, "other"): after(0)}
        persons = {key: person(key, user_id=f"u{key}") for key in (ADA, BOB)}
        save(store, Changes(persons=persons, timers={**places}))
        made = [Timer("a", BOB, after(1)), Timer("a", ADA, after(2)), Timer("b", ADA, after(2))]
        with store.session() as session:
            assert session.due_timers(["a", "b", "none"], after(5), 9) == made
            assert session.due_timers(["a", "b"], after(5), 2) == made[:2]
            assert session.due_timers(["b"], after(1), 9) == []
            assert session.due_timers([], LAST, 9) == []
            assert session.take_due_timers(["a", "b"], after(5), 9) == made
            assert session.next_timers(["a", "b", "none"]) == {"a": after(1), "b": after(2)}
            assert session.next_timers([]) == {}
