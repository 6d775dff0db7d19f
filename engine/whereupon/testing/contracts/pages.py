"""Lists that are read page by page, and answers that are kept."""

# ruff: noqa: S101 - tests assert

from dataclasses import replace
from itertools import pairwise

from whereupon.ports import DeliveryFilter, Store
from whereupon.records import (
    NAMED,
    BroadcastRun,
    Changes,
    DeliveryState,
    KeptAnswer,
    PruneStep,
    RequestOutcome,
    RetainedKind,
    RetentionCutoff,
)
from whereupon.testing.contracts.samples import (
    ADA,
    BOB,
    NOON,
    after,
    delivery,
    message,
    request,
    run,
    save,
)


class PagesContract:
    """See `StoreContract`."""

    def test_messages_of_a_person_come_page_by_page(self, store: Store) -> None:
        """Newest first by timestamp then key, behind a place; nobody else's."""
        mine = [message(k, at=after(k // 2)) for k in range(1, 8)]
        save(store, Changes(messages=[*mine, message(20, owner=BOB)]))
        with store.session() as session:
            first = session.messages_before(ADA, None, 3)
            assert [each.key for each in first] == [7, 6, 5]
            second = session.messages_before(ADA, (first[-1].timestamp, first[-1].key), 9)
            assert [each.key for each in second] == [4, 3, 2, 1]
            assert session.messages_before(ADA, (NOON, 1), 9) == []
            assert second == [mine[k - 1] for k in (4, 3, 2, 1)]

    def test_deliveries_are_filtered_and_come_page_by_page(self, store: Store) -> None:
        """By state, channel, rule and person, newest first, behind a key; each combination."""
        states = tuple(DeliveryState)
        made = [
            delivery(k, owner=ADA if k % 2 else BOB).changed(
                state=states[k % len(states)],
                channel=("push", "email")[k % 3 == 0],
                rule=f"rule-{k % 4}",
            )
            for k in range(1, 31)
        ]
        save(store, Changes(deliveries=made))
        filters = [
            DeliveryFilter(channel, rule, who, before)
            for channel in (None, "email")
            for rule in (None, "rule-1", "rule-9")
            for who in (None, ADA)
            for before in (None, 17)
        ]
        some = (
            (DeliveryState.DEAD,),
            (DeliveryState.PENDING, DeliveryState.HELD, DeliveryState.PAUSED),
            states,
        )
        with store.session() as session:
            for which in filters:
                for wanted in (*some, (DeliveryState.SENT,)):
                    met = [d for d in made[::-1] if d.state in wanted and which.passes(d)]
                    assert session.deliveries(wanted, 99, which) == met
                    assert session.deliveries(wanted, 2, which) == met[:2]

    def test_a_page_of_deliveries_looks_no_further_than_it_may(self, store: Store) -> None:
        """All pages together have all that is meant, in order, whatever the limit and the reach."""
        made = [
            delivery(k).changed(state=DeliveryState.SENT, channel=("push", "sms")[k % 7 == 0])
            for k in range(1, 40)
        ]
        save(store, Changes(deliveries=made))
        sent = (DeliveryState.SENT,)
        meant = [each.key for each in made[::-1] if each.channel == "sms"]
        with store.session() as session:
            for limit, reach in ((1, 5), (2, 5), (3, 40), (9, 3), (9, 99), (5, 7)):
                found, before = list[int](), 10**9
                while before:
                    which = DeliveryFilter("sms", before=before)
                    page, cursor = session.delivery_page(sent, limit, which, reach)
                    assert len(page) <= limit
                    assert cursor is None or cursor < before
                    found += [each.key for each in page]
                    before = cursor or 0
                assert found == meant, (limit, reach)

    def test_requests_come_page_by_page(self, store: Store) -> None:
        """Behind a number, newest first."""
        asked = {n: request(n) for n in range(1, 6)}
        asked[2] = request(2, outcome=RequestOutcome.RAN)
        save(store, Changes(requests=asked))
        with store.session() as session:
            page = session.requests([RequestOutcome.HELD], 2, 4)
            assert page == [asked[3], asked[1]]
            assert session.requests(tuple(RequestOutcome), 9, 1) == []

    def test_runs_come_page_by_page(self, store: Store) -> None:
        """Behind a time and an occasion, newest first."""
        runs = [run(name, at=after(at)) for name, at in (("a", 1), ("b", 1), ("c", 2), ("d", 3))]
        save(store, Changes(runs={(each.rule, each.occasion): each for each in runs}))
        with store.session() as session:
            rule, everything = runs[0].rule, session.runs_of(runs[0].rule, 9)
            assert [each.occasion for each in everything] == ["d", "c", "b", "a"]
            for last, behind in pairwise(everything):
                place = (last.timestamp, last.occasion)
                assert session.runs_of(rule, 1, place) == [behind]

    # --- answers ----------------------------------------------------------------------------------

    def test_an_answer_is_kept_by_its_digest(self, store: Store) -> None:
        """It takes the place of one with its digest, and goes when it is dropped."""
        begun = KeptAnswer("d-1", "a", NOON, after(60))
        answered = begun._replace(answer='{"ü": 1}')
        save(store, Changes(answers={"d-1": begun, "d-2": begun._replace(digest="d-2")}))
        with store.session() as session:
            assert session.answer("d-1") == begun
            assert session.answer("d-3") is None
        save(store, Changes(answers={"d-1": answered, "d-2": None, "d-3": None}))
        with store.session() as session:
            assert session.answer("d-1") == answered
            assert session.answer("d-2") is None
            assert list(session.scan(KeptAnswer)) == [answered]

    def test_old_answers_are_pruned_in_steps(self, store: Store) -> None:
        """Those that expired first go first."""
        old = {f"d-{n}": KeptAnswer(f"d-{n}", "a", NOON, after(n)) for n in range(1, 5)}
        save(store, Changes(answers=dict(old)))
        cutoff = RetentionCutoff(RetainedKind.ANSWERS, after(3), NOON)
        with store.session() as session:
            assert session.count_prunable(cutoff) == PruneStep(3)
            assert session.prune(cutoff, 0, 2) == PruneStep(2, cursor=0)
            assert session.answer("d-2") is None
            assert session.answer("d-3") == old["d-3"]
            assert session.prune(cutoff, 0, 9) == PruneStep(1)
            assert [each.digest for each in session.scan(KeptAnswer)] == ["d-4"]

    def test_old_runs_to_named_people_are_pruned_in_steps(self, store: Store) -> None:
        """Other runs stay, and so does one that goes on."""
        named = [
            replace(run(f"news:{n}", at=after(n), cursor=None), reason=NAMED) for n in (1, 2, 3)
        ]
        others = [run("news:7", cursor=None), replace(run("news:8"), reason=NAMED)]
        runs = {(each.rule, each.occasion): each for each in (*named, *others)}
        save(store, Changes(runs=runs))
        cutoff = RetentionCutoff(RetainedKind.RUNS, after(3), NOON)
        with store.session() as session:
            assert session.count_prunable(cutoff) == PruneStep(2)
            assert session.prune(cutoff, 0, 1) == PruneStep(1, cursor=0)
            assert session.prune(cutoff, 0, 9) == PruneStep(1)
            left = sorted(each.occasion for each in session.scan(BroadcastRun))
        assert left == ["news:3", "news:7", "news:8"]
