"""What a batch writes, and what of it comes back."""

# ruff: noqa: S101 - tests assert and count, and a raising session is a block

from dataclasses import replace

import pytest

from whereupon.errors import StoreError
from whereupon.messages.codec import encode
from whereupon.messages.model import MessageType, SenderClass
from whereupon.messages.times import as_micros
from whereupon.ports import Store
from whereupon.records import (
    Changes,
    ClaimJob,
    ClaimRun,
    DeliveryState,
    Exemption,
    Identifier,
    IdKind,
    Inert,
    Person,
    Plan,
    SendKind,
    Skips,
    SkipSummary,
    SkipVerdict,
    TimeSkip,
    Transfer,
)
from whereupon.testing.contracts.samples import (
    ADA,
    ANON,
    BOB,
    FIRST,
    LAST,
    NOON,
    ODD,
    after,
    claiming,
    delivery,
    message,
    open_skip,
    person,
    request,
    run,
    save,
    saying,
    skips,
    time_skip,
)


class WritesContract:
    """See `StoreContract`."""

    def test_inert_messages_change_owner_together(self, store: Store) -> None:
        """Those between two instants, both included, and no others; with the same skips each."""
        mine = [message(k, owner=ANON, at=after(k)) for k in range(1, 8)]
        page = saying(message(8, owner=ANON, at=after(9)), type=MessageType.PAGE)
        theirs = message(9, owner=BOB, at=after(3))
        track, other = ((each.type, each.name) for each in (mine[0], page))
        known = {"plan": "🧦"}
        summary = SkipSummary(
            "abc", "campaign", 0, 2, (), 5, retroactive=True, reason=None, person=known
        )
        earlier_one = skips(3)
        inert = Inert(frozenset([other]), frozenset([track]), after(6))
        given = Transfer(ANON, ADA, after(2), after(9), inert, after(60), {track: summary})
        save(store, Changes(messages=[*mine, page, theirs], skips=[earlier_one]))
        save(store, Changes(persons={ADA: person()}, transfers=[given]))
        with store.session() as session:
            found = session.owned_messages([ADA], FIRST)
            assert [each.key for each in found] == [2, 3, 4, 5, 8]
            assert [each.key for each in session.owned_messages([ANON], FIRST)] == [1, 6, 7]
            assert session.owned_messages([BOB], FIRST) == [theirs]
            made = session.decided_on(ADA, range(1, 9))
        first = Skips(2, ADA, after(60), retroactive=True, summaries=(summary,))
        both = first._replace(message_key=3, verdicts=earlier_one.verdicts)
        assert made == [first, both, *(first._replace(message_key=key) for key in (4, 5))]

    def test_a_claim_that_was_begun_is_kept_until_it_is_carried_out(self, store: Store) -> None:
        """All that it has noted comes back; it is found by who claims, and by what is claimed."""
        begun = ClaimJob(
            ANON,
            ADA,
            message_key=2**40,
            due_at=after(60),
            after=(FIRST, 2**40),
            is_chosen=False,
            taken={"socks": 2**40},
            attributes=ODD,
            is_put=True,
            entered=("pros",),
            left=("buyers", "🧦"),
            again=((2**40, "socks", True), (7, "🧦", False)),
        )
        other = claiming(ANON + 1, owner=BOB, due_at=after(30))
        save(store, Changes(claim_jobs={ANON: claiming(), ANON + 1: other}))
        save(store, Changes(claim_jobs={ANON: begun, 99: None}))
        with store.session() as session:
            assert session.claim_jobs([ADA], []) == [begun]
            assert session.claim_jobs([], [ANON + 1]) == [other]
            assert session.claim_jobs([ADA, BOB], [ANON]) == [begun, other]
            assert session.claim_jobs([99], [99]) == []
            assert session.due_claim_jobs(after(30), 9) == [other]
            assert session.due_claim_jobs(after(60), 9) == [other, begun]
            assert session.due_claim_jobs(after(60), 1) == [other]
            assert session.next_claim_due() == after(30)
        save(store, Changes(claim_jobs={ANON: None, ANON + 1: None}))
        with store.session() as session:
            assert session.claim_jobs([ADA, BOB], [ANON]) == []
            assert session.next_claim_due() is None

    def test_a_claim_that_was_begun_goes_with_its_anonymous_id(self, store: Store) -> None:
        """The id is erased with the last who claimed it, whichever person was about to."""
        claim = ClaimRun(ANON, ADA, NOON, NOON, "m-1")
        save(store, Changes(persons={ADA: person()}, claims={(ANON, NOON): claim}))
        save(store, Changes(claim_jobs={ANON: claiming(owner=BOB)}))
        save(store, Changes(erased_persons=[ADA]))
        with store.session() as session:
            assert session.claim_jobs([BOB], [ANON]) == []

    def test_skips_come_back_exactly(self, store: Store) -> None:
        """Reason, failing condition and the values seen; later verdicts join earlier ones."""
        first = Skips(1, ADA, NOON, False, (("socks", "d1", "who", None, ODD),))
        second = Skips(1, ADA, LAST, True, (("a", "d2", "r", "c", {}), ("b", "d3", "r", None, {})))
        save(store, Changes(messages=[message(1)], skips=[first]))
        save(store, Changes(skips=[second]))
        with store.session() as session:
            ((_, found),) = session.decided(ADA, "socks", 10)
        assert found == second._replace(verdicts=first.verdicts + second.verdicts)

    def test_an_open_skip_comes_back_exactly_until_it_is_closed(self, store: Store) -> None:
        """They are found by their persons, as long as they are open, and come by message and rule."""
        made = [
            open_skip(2),
            open_skip(1, rule="b"),
            open_skip(1, rule="a"),
            open_skip(3, owner=BOB),
        ]
        save(store, Changes(open_skips={each.place: each for each in made}))
        with store.session() as session:
            assert session.open_skips([ADA], after(30)) == [made[2], made[1], made[0]]
            assert session.open_skips([ADA], after(31)) == []
            assert session.open_skips([], NOON) == []
        save(store, Changes(open_skips={(1, "b"): None, (9, "b"): None}))
        with store.session() as session:
            assert session.open_skips([ADA, BOB], NOON) == [made[2], made[0], made[3]]

    def test_a_skip_that_time_led_to_comes_back_exactly(self, store: Store) -> None:
        """Each by its person and rule, between messages' skips and entries, newest first."""
        made = [time_skip(7), time_skip(8, rule="shoes"), time_skip(9, owner=BOB), time_skip(10)]
        save(store, Changes(messages=[message(1)], skips=[skips(1)], time_skips=made))
        with store.session() as session:
            found = session.decided(ADA, "socks", 10)
            assert [each for _, each in found if isinstance(each, TimeSkip)] == [made[3], made[0]]
            assert [each for _, each in found if isinstance(each, Skips)] == [skips(1)]
            assert session.decided(ADA, "shoes", 10) == [(None, made[1])]
            assert list(session.scan(TimeSkip, BOB)) == [made[2]]

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

    def test_what_a_request_asks_comes_back_as_it_was(self, store: Store) -> None:
        """Its message, its plan, its times."""
        asked = message(5).message.changed(original_timestamp=None)
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
            assert session.request(1) == whole
            assert session.open_requests_of(["ada"]) == [whole]
            assert session.open_requests_of(["bob"]) == []

    def test_a_delivery_comes_back_exactly(self, store: Store) -> None:
        """Every field survives."""
        odd = delivery(1, due_at=LAST).changed(
            content=ODD,
            recipient={"email": "ada@example.com"},
            state=DeliveryState.WITHHELD,
            reason="unsubscribed",
            attempts=2,
            occasion="m-1",
            kind=SendKind.TRANSACTIONAL,
            texts="a5bab476faf18ff7",
            exempt=frozenset(Exemption),
        )
        save(store, Changes(deliveries=[odd]))
        with store.session() as session:
            assert session.deliveries([DeliveryState.WITHHELD], 5) == [odd]

    def test_an_idempotency_key_is_used_once(self, store: Store) -> None:
        """A second delivery of the same key is a conflict."""
        save(store, Changes(deliveries=[delivery(1)]))
        with pytest.raises(StoreError) as caught:
            save(store, Changes(deliveries=[delivery(2).changed(idempotency_key="i-1")]))
        assert caught.value.code == "conflict"

    def test_what_waits_is_withdrawn_and_what_has_its_end_is_not(self, store: Store) -> None:
        """Pending or held; never what was sent."""
        states = [DeliveryState.PENDING, DeliveryState.HELD, DeliveryState.SENT]
        made = [delivery(key).changed(state=state) for key, state in enumerate(states, 1)]
        save(store, Changes(deliveries=made))
        save(store, Changes(withdrawn=dict.fromkeys(("i-1", "i-2", "i-3", "i-4"), "merged")))
        with store.session() as session:
            withheld = session.deliveries([DeliveryState.WITHHELD], 9)
            assert [(each.key, each.reason) for each in withheld] == [(2, "merged"), (1, "merged")]
            assert [each.key for each in session.deliveries([DeliveryState.SENT], 9)] == [3]

    def test_a_run_never_goes_back(self, store: Store) -> None:
        """Who adds a run that another process sends already, or has sent, changes nothing."""
        for cursor in (0, 0, 500, 0, None, 0):
            save(store, Changes(runs={("news", "a"): run("a", cursor=cursor)}))
        save(store, Changes(runs={("news", "b"): run("b", cursor=500)}))
        save(store, Changes(runs={("news", "b"): run("b")}))
        with store.session() as session:
            assert session.waiting_runs() == [run("b", cursor=500)]
            assert session.has_run("news", "a")

    def test_the_first_text_of_a_version_stays(self, store: Store) -> None:
        """A digest names one source, for ever."""
        save(store, Changes(rule_versions={"d1": ("socks", b"\x00campaign: socks")}))
        save(store, Changes(rule_versions={"d1": ("socks", b"else")}))
        with store.session() as session:
            assert session.rule_version("d1") == b"\x00campaign: socks"
            assert session.rule_version("d2") is None

    def test_an_id_stands_for_one_thing(self, store: Store) -> None:
        """The second transaction with the same new id loses the race, and writes nothing."""
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
