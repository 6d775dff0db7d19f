"""Lists, counts and reports."""

# ruff: noqa: S101, PLR2004 - tests assert and count, and a raising session is a block

from dataclasses import replace

from whereupon.guards.audit_chain import seal
from whereupon.messages.codec import encode
from whereupon.messages.model import SenderClass
from whereupon.messages.times import as_micros
from whereupon.ports import Backlog, Counts, DeadLetters, Store
from whereupon.records import (
    Approval,
    AuditRecord,
    Breaker,
    Changes,
    DeliveryState,
    EntryFigures,
    EntryGroup,
    EntryState,
    Mark,
    MarkKind,
    Merge,
    ObjectRecord,
    Relationship,
    RequestOutcome,
    Skips,
    SkipSummary,
)
from whereupon.testing.contracts.samples import (
    ADA,
    BOB,
    LAST,
    NOON,
    ODD,
    after,
    all_of,
    delivery,
    entry,
    message,
    person,
    request,
    run,
    save,
    save_entries,
    saying,
    skips,
)


class QuestionsContract:
    """See `StoreContract`."""

    def test_decisions_come_newest_message_first(self, store: Store) -> None:
        """Entries and skips of that person and that rule, each with the message that met it."""
        messages = [message(k, at=after(k)) for k in (1, 2, 3, 4)]
        entered = entry(3).changed(timestamp=after(3))
        scheduled = entry(9).changed(timestamp=after(2.5), message_key=0, occasion="news@1")
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

    def test_one_word_for_many_rules_is_found_for_each(self, store: Store) -> None:
        """By what is kept of their rule list: its rules and kinds; not for those that were decided singly."""
        rule_list = encode({"roll": [["a", "d1", "campaign"], ["b", "d2", "campaign"]]})
        others = SkipSummary("r1", None, 0, 2, (1,), as_micros(NOON), False, None, dict(ODD))
        met = Skips(1, ADA, NOON, False, (("c", "d3", "who", None, {}),), (others,))
        save(
            store,
            Changes(messages=[message(1)], skips=[met], rule_versions={"r1": ("", rule_list)}),
        )
        save(store, Changes(skips=[met._replace(verdicts=())]))
        with store.session() as session:
            found = {rule: session.decided(ADA, rule, 10) for rule in "abc"}
        assert [len(found[rule]) for rule in "abc"] == [1, 0, 1]
        ((_, said),) = found["a"]
        assert said == met._replace(summaries=(others, others))

    def test_everything_is_counted(self, store: Store) -> None:
        """For summaries."""
        save(store, all_of(ADA, start=10))
        with store.session() as session:
            assert session.counts() == Counts(messages=2, persons=1, entries=1, deliveries=1)

    def test_entries_are_counted_by_rule_holdout_and_arms(self, store: Store) -> None:
        """What was sent to them, who converted, and who still may; by when they were opened."""
        save_entries(
            store,
            entry(1).changed(arms="june=a", sent_at=NOON, converted_at=after(3)),
            entry(2).changed(arms="june=a", watched_until=after(9)),
            entry(3).changed(arms="june=a", watched_until=after(4)),
            entry(4).changed(state=EntryState.HELD_OUT, due_at=None, converted_at=NOON),
            entry(5).changed(entered_at=after(60)),
            entry(6, rule="shoes"),
        )
        with store.session() as session:
            found = session.entry_groups("socks", None, after(60), after(5))
            every = session.entry_groups(None, after(60), None, after(5))
        assert found == [
            EntryGroup("socks", False, "june=a", EntryFigures(3, 1, 1, 2, 1)),
            EntryGroup("socks", True, "", EntryFigures(1, 0, 1, 0, 0)),
        ]
        assert every == [EntryGroup("socks", False, "", EntryFigures(1))]

    def test_what_was_held_back_and_what_waits_is_counted_by_why(self, store: Store) -> None:
        """By the word of the reason; of an entry, by the last mark of the step at which it stands."""
        withheld, dead, pending = DeliveryState.WITHHELD, DeliveryState.DEAD, DeliveryState.PENDING
        said = [
            (withheld, "unsubscribed"), (withheld, "template: no name"), (withheld, "cap"),
            (dead, "no-address: none"), (dead, "the person has no email"), (dead, "no-device: x"),
            (dead, "cap"), (pending, "quiet"), (pending, "cap"), (pending, None),
        ]  # fmt: skip
        made = [delivery(n).changed(state=s, reason=r) for n, (s, r) in enumerate(said, 1)]
        made.append(delivery(20, due_at=after(60)).changed(state=withheld, reason="cap"))
        save(
            store,
            Changes(deliveries=[*made, made[0].changed(key=21, idempotency_key="i", rule="x")]),
        )
        quiet, cap = Mark(MarkKind.QUIET, "0", NOON), Mark(MarkKind.CAP, "0", NOON)
        save_entries(
            store,
            entry(1).changed(address="0", trail=(quiet,)),
            entry(2).changed(address="0", trail=(quiet, cap)),
            entry(3).changed(address="1", trail=(quiet,)),
            entry(4).changed(address="0", trail=(cap,), state=EntryState.EXITED, due_at=None),
        )
        with store.session() as session:
            assert session.held_back("socks", None, after(60)) == {
                ("socks", "cap"): 1,
                ("socks", "no-address"): 2,
                ("socks", "no-device"): 1,
                ("socks", "template"): 1,
                ("socks", "unsubscribed"): 1,
            }
            assert session.held_back(None, after(60)) == {("socks", "cap"): 1}
            assert session.held_back("x", None) == {("x", "unsubscribed"): 1}
            waiting = {("socks", "cap"): 1, ("socks", "quiet"): 2}
            assert session.waiting_sends(None) == session.waiting_sends("socks") == waiting
            assert session.waiting_sends("x") == {}

    def test_requests_come_newest_first(self, store: Store) -> None:
        """A request that is decided later keeps its place."""
        save(store, Changes(requests={key: request(key) for key in (1, 2, 3)}))
        ran = request(1, outcome=RequestOutcome.RAN)
        save(store, Changes(requests={1: ran}))
        with store.session() as session:
            assert session.requests(tuple(RequestOutcome), 2) == [request(3), request(2)]
            assert session.requests(tuple(RequestOutcome), 9)[-1] == ran
            assert session.requests([RequestOutcome.RAN], 9) == [ran]
            assert (session.request(2), session.request(9)) == (request(2), None)

    def test_what_ran_is_counted(self, store: Store) -> None:
        """By action, source and time; what was held or refused does not count."""
        ran = RequestOutcome.RAN
        made = [
            replace(request(1, outcome=ran), decided_at=after(1)),
            replace(request(2, outcome=ran), decided_at=after(2), source=SenderClass.SERVER),
            replace(request(3, outcome=RequestOutcome.REFUSED), decided_at=after(3)),
            replace(request(4, outcome=ran), decided_at=after(3), action="else"),
        ]
        save(store, Changes(requests={r.key: r for r in made}))
        with store.session() as session:
            count = session.count_ran
            assert count(["delete-person"], "", NOON) == 2
            assert count(["delete-person", "else"], "", after(1)) == 2
            assert count(["delete-person"], SenderClass.SERVER, NOON) == 1

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
            assert session.approvals(1) == approvals
            assert session.approvals(2) == []
            assert session.breakers() == [closed]
            assert (session.audit_rows(0, 2), session.audit_rows(2, 9)) == (rows[:2], rows[2:])
            assert session.audit_rows_of(1) == [rows[0], rows[2]]
            assert session.audit_head() == head

    def test_what_is_a_persons_is_counted(self, store: Store) -> None:
        """Table by table, and when they last did something; what a step says is not their doing."""
        save(store, all_of(ADA, start=10))
        said = saying(message(40, at=after(90)), depth=1)
        save(store, Changes(messages=[said, message(41, at=after(60))]))
        with store.session() as session:
            held, nobody = session.footprint(ADA), session.footprint(9_999)
        assert held.counts["persons"] == 1
        assert all(held.counts.values())
        assert held.latest == after(60)
        assert (set(nobody.counts.values()), nobody.latest) == ({0}, None)

    def test_objects_and_ties_are_found_by_all_that_names_them(self, store: Store) -> None:
        """Not by a part of it: another type's object, or another person's tie, is another."""
        tie = Relationship(ADA, "1", "acme")
        things = {(t, i): ObjectRecord(t, i, {}, NOON) for t, i in (("1", "acme"), ("2", "math"))}
        save(store, Changes(objects=dict(things), relationships={tie: True}))
        with store.session() as session:
            asked = [*things, ("1", "math"), ("2", "acme"), ("3", "else")]
            assert session.objects(asked) == set(things)
            others = [Relationship(ADA, "2", "acme"), Relationship(BOB, "1", "acme")]
            assert session.relationships([tie, *others]) == {tie}

    def test_a_persons_deliveries_are_found_by_what_opened_their_entries(
        self, store: Store
    ) -> None:
        """Whatever became of them, oldest first; nobody else's, and of no other occasion."""
        made = [
            delivery(key, owner=owner).changed(occasion=occasion, state=state)
            for key, owner, occasion, state in (
                (4, ADA, "m-1", DeliveryState.SENT),
                (3, ADA, "m-2", DeliveryState.WITHHELD),
                (2, ADA, "m-3", DeliveryState.PENDING),
                (1, BOB, "m-1", DeliveryState.DEAD),
                (5, ADA, None, DeliveryState.SENT),
            )
        ]
        save(store, Changes(deliveries=made))
        with store.session() as session:
            assert session.deliveries_of(ADA, {"m-1", "m-2"}) == [made[1], made[0]]
            assert session.deliveries_of(BOB, ["m-1"]) == [made[3]]
            assert session.deliveries_of(ADA, ["m-9"]) == []

    def test_a_broadcasts_runs_are_found_newest_first(self, store: Store) -> None:
        """Done or not, and no other's."""
        runs = [run("b", cursor=None), run("a"), run("c", at=after(1))]
        other = replace(run("d", at=after(2)), rule="else")
        save(store, Changes(runs={(r.rule, r.occasion): r for r in (*runs, other)}))
        with store.session() as session:
            assert session.runs_of("news", 9) == [runs[2], runs[0], runs[1]]
            assert session.runs_of("news", 1) == [runs[2]]

    def test_dead_deliveries_are_counted_and_revived_by_what_they_are(self, store: Store) -> None:
        """By channel, rule and the time of their death; in steps."""
        dead = [delivery(key, due_at=after(key)).changed(state=DeliveryState.DEAD, attempts=9, reason="x") for key in (1, 2, 3)]  # fmt: skip
        dead[1] = dead[1].changed(channel="email", rule="news")
        save(store, Changes(deliveries=[*dead, delivery(4, due_at=LAST)]))
        with store.session() as session:
            for which, count in (
                (DeadLetters(), 3),
                (DeadLetters(channel="email"), 1),
                (DeadLetters(channel="email", rule="socks"), 0),
                (DeadLetters(rule="news"), 1),
                (DeadLetters(since=after(2)), 2),
                (DeadLetters(since=after(4)), 0),
            ):
                assert session.dead(which) == count
            assert session.revive_some(DeadLetters(since=after(2)), after(5), 1) == 1
            assert session.revive_some(DeadLetters(since=after(2)), after(5), 9) == 1
            assert session.revive_some(DeadLetters(since=after(2)), after(5), 9) == 0
            revived = session.lease_deliveries("email", after(5), after(60), 9)
            revived += session.lease_deliveries("push", after(5), after(60), 9)
        assert [(each.key, each.attempts, each.reason) for each in revived] == [(2, 0, None), (3, 0, None)]  # fmt: skip

    def test_what_has_not_come_to_its_end_is_counted_by_channel(self, store: Store) -> None:
        """Pending, held, paused and dead, with the earliest time; what was sent or withheld is over."""
        states = [*DeliveryState, DeliveryState.PENDING]
        made = [delivery(key, due_at=after(key)).changed(state=state) for key, state in enumerate(states, 1)]  # fmt: skip
        save(store, Changes(deliveries=[*made, delivery(9).changed(channel="email")]))
        with store.session() as session:
            backlog = session.backlog()
        assert sorted(backlog) == [
            Backlog(DeliveryState.DEAD, "push", 1, after(5)),
            Backlog(DeliveryState.HELD, "push", 1, after(2)),
            Backlog(DeliveryState.PAUSED, "push", 1, after(3)),
            Backlog(DeliveryState.PENDING, "email", 1, NOON),
            Backlog(DeliveryState.PENDING, "push", 2, after(1)),
        ]

    def test_deliveries_are_listed_newest_first(self, store: Store) -> None:
        """In the states asked for, no more than asked for."""
        dead = delivery(2).changed(state=DeliveryState.DEAD)
        save(store, Changes(deliveries=[delivery(3), delivery(1), dead]))
        with store.session() as session:
            both = session.deliveries([DeliveryState.DEAD, DeliveryState.PENDING], 2)
            assert [d.key for d in both] == [3, 2]
            assert session.deliveries([DeliveryState.SENT], 2) == []

    def test_the_survivor_of_a_merge_is_found_by_who_was_lost(self, store: Store) -> None:
        """Also behind later merges; nobody is found for a person who is there, or was never."""
        persons = {key: person(key, user_id=f"user-{key}") for key in (BOB, 5)}
        save(store, Changes(persons=persons))
        save(store, Changes(merges=[Merge(ADA, BOB, "user-2", "m-1", NOON)]))
        save(store, Changes(merges=[Merge(5, ADA, "ada", "m-2", LAST)]))
        with store.session() as session:
            assert [session.survivor_of(key) for key in (BOB, ADA, 5, 99)] == [5, 5, None, None]

    def test_merges_are_told_of_the_survivor(self, store: Store) -> None:
        """Oldest first; those of a person whom the survivor merged before are theirs, too."""
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
        opened = [entry(7).changed(message_key=1), entry(8, owner=BOB).changed(message_key=1)]
        skips = Skips(2, ADA, NOON, True, (("shoes", "d1", "where", None, {}),))
        save(store, Changes(messages=[message(1), message(2)], skips=[skips]))
        save_entries(store, *opened)
        with store.session() as session:
            assert session.decided_on(ADA, [1, 2, 3]) == [opened[0], skips]
            assert session.decided_on(ADA, []) == []

    def test_people_are_found_by_their_email_addresses(self, store: Store) -> None:
        """An address is compared without spaces and capitals; a merge or an erasure takes it away with its row."""
        ada = person().changed(attributes={"email": " Ada@Example.com "})
        bob = person(BOB, user_id="bob").changed(attributes={"email": "ada@example.com"})
        other = person(7, user_id="eve").changed(attributes={"email": 5, "mail": "ada@example.com"})
        save(store, Changes(persons={each.key: each for each in (bob, ada, other)}))
        with store.session() as session:
            found = session.persons_with_email(["ada@example.com", "zoe@example.com"])
            assert [each.key for each in found] == [ADA, BOB]
            assert dict(found[0].attributes) == {"email": " Ada@Example.com "}
            assert session.persons_with_email([]) == []
        save(store, Changes(persons={BOB: bob.changed(attributes={"email": "bob@example.com"})}))
        with store.session() as session:
            assert [each.key for each in session.persons_with_email(["ada@example.com"])] == [ADA]

    def test_an_object_that_is_only_named_keeps_what_is_known_of_it(self, store: Store) -> None:
        """It is added where there is none."""
        acme, place = ObjectRecord("1", "acme", {"size": 3}, NOON), ("1", "acme")
        other = ObjectRecord("1", "other", {}, NOON)
        named = {place: replace(acme, attributes={}), ("1", "other"): other}
        save(store, Changes(objects={place: acme}))
        for _ in range(2):
            save(store, Changes(named_objects=dict(named)))
        with store.session() as session:
            found = {each.object_id: dict(each.attributes) for each in session.scan(ObjectRecord)}
        assert found == {"acme": {"size": 3}, "other": {}}
