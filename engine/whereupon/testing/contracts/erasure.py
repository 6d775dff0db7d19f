"""Merging and erasing: what moves, what stays, and what goes."""

# ruff: noqa: S101, PLR2004 - tests assert and count, and a raising session is a block

from dataclasses import replace

import pytest

from whereupon.messages.model import SenderClass, erased_name
from whereupon.ports import Counts, Store
from whereupon.records import (
    NEVER,
    WAITING,
    Changes,
    ClaimRun,
    DeliveryState,
    EndReason,
    EntryEnd,
    Identifier,
    IdKind,
    Mark,
    MarkKind,
    Merge,
    PruneStep,
    RequestOutcome,
    RetainedKind,
    RetentionCutoff,
    Timer,
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
    aside,
    delivery,
    entry,
    message,
    person,
    request,
    run,
    save,
    save_entries,
    saying,
    seen,
)


class ErasureContract:
    """See `StoreContract`."""

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
            assert {c.person_key for c in session.claim_jobs([], [11, 21])} == {ADA}
            assert {e.key for e in session.active_entries([ADA])} == {10, 20}
            assert {p.person_key for p in session.past_entries(["socks"], [ADA, BOB])} == {ADA}
            assert {d.person_key for d in session.lease_deliveries("push", NOON, LAST, 9)} == {ADA}
            assert len(session.decided(ADA, "socks", 9)) == 6
            assert session.decided(BOB, "socks", 9) == []
            assert [s.person_key for s in session.open_skips([ADA, BOB], NOON)] == [ADA, ADA]
            first = Timer("segment/lapsed", ADA, after(10))
            assert session.timers([ADA, BOB], LAST) == [first]

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
        sent = delivery(15).changed(state=DeliveryState.SENT)
        save(store, Changes(deliveries=[sent], messages=[message(16)]))
        save(store, Changes(erased_persons=[ADA]))
        assert seen(store) == before

    def test_the_ids_of_erased_messages_stay_known(self, store: Store) -> None:
        """So that a message is recorded once for ever, though nothing else of it is kept."""
        save(store, all_of(ADA, start=10))
        with store.session() as session:
            known = session.known_messages([f"m-{key}" for key in range(40)])
        save(store, Changes(erased_persons=[ADA]))
        with store.session() as session:
            assert session.known_messages([f"m-{key}" for key in range(40)]) == known

    def test_a_merged_person_is_erased_with_what_was_merged(self, store: Store) -> None:
        """Both user ids, both histories."""
        save(store, all_of(ADA, start=10))
        save(store, all_of(BOB, start=20))
        save(store, Changes(merges=[Merge(ADA, BOB, "user-2", "m-20", NOON)]))
        save(store, Changes(erased_persons=[ADA]))
        with store.session() as session:
            assert session.counts() == Counts(0, 0, 0, 0)
            assert session.identifiers(["ada", "user-2"], ["anon-11", "anon-21"]) == []

    def test_a_shared_anonymous_id_stays_for_the_other(self, store: Store) -> None:
        """Erasing Ada takes her claim; what Bob claimed, too, is his to keep."""
        save(store, all_of(ADA, start=10))
        bobs = ClaimRun(11, BOB, after(60), after(60), "m-20")
        save(store, Changes(claims={(11, bobs.since): bobs}, persons={BOB: person(BOB)}))
        save(store, Changes(erased_persons=[ADA]))
        with store.session() as session:
            assert session.claims([11]) == [bobs]
            assert [i.value for i in session.identifiers_of([BOB])] == ["anon-11"]
            assert [m.key for m in session.owned_messages([11], FIRST)] == [12]

    def test_requests_by_a_namesake_keep_their_name(self, store: Store) -> None:
        """An anonymous id that goes with a person may read like the user id of another person."""
        theirs = Identifier(IdKind.ANONYMOUS, "ada", ANON)
        claim = ClaimRun(ANON, BOB, NOON, NOON, "m-1")
        save(store, Changes(identifiers=[theirs], claims={(ANON, NOON): claim}))
        save(store, Changes(persons={BOB: person(BOB)}, requests={1: request(1)}))
        save(store, Changes(erased_persons=[BOB, ANON]))
        with store.session() as session:
            assert session.request(1) == request(1)

    def test_requests_of_an_erased_person_stay_without_their_name(self, store: Store) -> None:
        """The request stays on record; the name of the person does not."""
        save(store, all_of(ADA, start=10))
        other = replace(request(2), person="user-2")
        save(store, Changes(requests={1: request(1), 2: other}))
        save(store, Changes(erased_persons=[ADA]))
        with store.session() as session:
            kept = session.requests(tuple(RequestOutcome), 9)
            name = erased_name(request(1).ref)
            assert kept == [other, replace(request(1), person=None, message_id=name)]
            assert session.known_messages([request(1).ref, "r-1"]) == {request(1).ref}

    def test_erasing_blanks_the_runs_that_a_message_opened(self, store: Store) -> None:
        """A broadcast goes on, without what the erased message said."""
        save(store, all_of(ADA, start=10))
        opened = replace(run("m-10"), message_key=10)
        save(store, Changes(runs={("news", "m-10"): opened}))
        save(store, Changes(erased_persons=[ADA]))
        with store.session() as session:
            (blank,) = session.waiting_runs()
        assert blank == replace(opened, facts={}, occasion=blank.occasion)
        assert "m-10" not in blank.occasion

    def test_a_run_that_was_blanked_is_blanked_again_if_it_is_made_again(
        self, store: Store
    ) -> None:
        """One blank run is left of both."""
        for key in (10, 20):
            save(store, all_of(ADA, start=key))
            opened = replace(run("m-10"), message_key=key)
            save(store, Changes(runs={("news", "m-10"): opened}))
            save(store, Changes(erased_persons=[ADA]))
        with store.session() as session:
            (blank,) = session.waiting_runs()
        assert blank.occasion == erased_name("m-10")

    @pytest.mark.parametrize("state", WAITING)
    def test_erasing_blanks_what_a_message_opened_for_somebody_else(
        self, store: Store, state: DeliveryState
    ) -> None:
        """Bob had claimed it before it turned out to be Ada's: he entered, without what it said."""
        save(store, all_of(ADA, start=10))
        bobs = ClaimRun(11, BOB, after(60), after(60), "m-20")
        save(store, Changes(claims={(11, bobs.since): bobs}, persons={BOB: person(BOB)}))
        opened = entry(30, owner=BOB).changed(message_key=10, occasion="m-10")
        other = entry(31, owner=BOB)
        save_entries(store, opened, other)
        sent = delivery(32, owner=BOB).changed(occasion="m-10", state=state)
        save(store, Changes(deliveries=[sent]))
        save(store, Changes(erased_persons=[ADA]))
        with store.session() as session:
            kept = {each.key: each for each in session.active_entries([BOB])}
            (blank,) = session.deliveries(tuple(DeliveryState), 9)
        assert kept[31] == other
        assert kept[30] == opened.changed(facts={}, occasion=erased_name("m-10"))
        assert (blank.message_id, blank.content, blank.state) == (None, {}, DeliveryState.WITHHELD)

    def test_who_waits_for_a_delivery_that_is_blanked_goes_on(self, store: Store) -> None:
        """Of what was opened for another person, and of a run; its trail has no values any more."""
        save(store, all_of(ADA, start=10))
        bobs = ClaimRun(11, BOB, after(60), after(60), "m-20")
        save(store, Changes(claims={(11, bobs.since): bobs}, persons={BOB: person(BOB)}))
        opened = entry(30, owner=BOB).changed(message_key=10, occasion="m-10")
        of_a_run = opened.changed(key=31, rule="news", message_key=0)
        passed = Mark(MarkKind.RAN, "0", NOON, None, "score", {"result": [{"of": "ada"}]})
        trail = (passed, Mark(MarkKind.WAITS, "1", NOON, detail="score"))
        waiting = [each.changed(due_at=NEVER, trail=trail) for each in (opened, of_a_run)]
        save_entries(store, *waiting)
        started = replace(run("m-10"), message_key=10)
        asked = [
            delivery(key, owner=BOB).changed(rule=each.rule, occasion="m-10", awaited_by=each.key)
            for key, each in zip((32, 33), waiting, strict=True)
        ]
        save(store, Changes(runs={("news", "m-10"): started}, deliveries=asked))
        save(store, Changes(erased_persons=[ADA]))
        with store.session() as session:
            kept = session.entries([30, 31])
            blank = session.deliveries([DeliveryState.WITHHELD], 9)
        assert {each.key: each.due_at for each in kept} == {30: NOON, 31: NOON}
        assert [each.trail for each in kept] == [(passed._replace(values={}), trail[1])] * 2
        assert [each.result for each in blank] == [None, None]

    def test_an_old_entry_that_keeps_its_person_out_keeps_nothing_else(self, store: Store) -> None:
        """Neither what opened it nor what it passed."""
        passed = Mark(MarkKind.RAN, "0", NOON, None, "score", {"result": {"of": "ada"}})
        end = EntryEnd(EndReason.COMPLETED, NOON)
        old = entry(1, slot="once").changed(trail=(passed,)).finished(end)
        save_entries(store, old)
        with store.session() as session:
            cutoff = RetentionCutoff(RetainedKind.ENTRIES, after(1), NOON)
            assert session.prune(cutoff, 0, 9) == PruneStep(0, emptied=1)
            assert session.entries([1]) == [old.changed(facts={}, trail=())]

    def test_a_message_set_aside_comes_back_exactly(self, store: Store) -> None:
        """Newest first, until it is taken again; set aside anew, it is there once."""
        older, newer = aside(1), aside(2, at=after(60))
        save(store, Changes(set_aside=[older]))
        save(store, Changes(set_aside=[newer, older]))
        with store.session() as session:
            assert session.set_aside(9) == [newer, older]
            assert session.set_aside(1) == [newer]
        save(store, Changes(resumed=[newer.ref]))
        with store.session() as session:
            assert session.set_aside(9) == [older]

    def test_a_message_that_is_recorded_is_no_longer_set_aside(self, store: Store) -> None:
        """Its sender may have sent it again."""
        again = saying(message(1), source=SenderClass.CLIENT)
        save(store, Changes(set_aside=[aside(1), aside(2)], messages=[again, message(2)]))
        with store.session() as session:
            assert session.set_aside(9) == [aside(2)], "that one is a server's"

    @pytest.mark.parametrize(
        "identifier", [(IdKind.USER, "ada"), (IdKind.ANONYMOUS, "anon-1"), (IdKind.USER, "anon-1")]
    )
    def test_what_is_set_aside_of_an_erased_id_goes(
        self, store: Store, identifier: tuple[IdKind, str]
    ) -> None:
        """By either of its ids, and of each kind its own."""
        save(store, Changes(set_aside=[aside(1)]))
        save(store, Changes(erased_identifiers=[identifier]))
        with store.session() as session:
            left = session.set_aside(9)
        assert bool(left) is (identifier == (IdKind.USER, "anon-1"))

    def test_erasing_comes_before_writing(self, store: Store) -> None:
        """The same batch may begin anew with the same ids."""
        save(store, all_of(ADA, start=10))
        anew = all_of(7, start=50)
        anew.identifiers[0] = Identifier(IdKind.USER, "ada", 7)
        anew.erased_persons.append(ADA)
        save(store, anew)
        with store.session() as session:
            assert session.counts() == Counts(messages=2, persons=1, entries=1, deliveries=1)
            assert [i.key for i in session.identifiers(["ada"], [])] == [7]
