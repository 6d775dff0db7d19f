"""Requests, approvals, breakers, and the audit log."""

# ruff: noqa: S101, PLR2004 - tests assert and count, and a raising session is a block

from dataclasses import replace

from whereupon.guards.audit_chain import seal
from whereupon.messages.model import SenderClass
from whereupon.ports import Store
from whereupon.records import (
    Approval,
    AuditRecord,
    Breaker,
    Changes,
    ObjectRecord,
    Plan,
    Relationship,
    RequestOutcome,
)
from whereupon.testing.contracts.samples import (
    ADA,
    BOB,
    LAST,
    NOON,
    after,
    all_of,
    message,
    request,
    save,
    saying,
)


class Ledger:
    """See `StoreContract`."""

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

    def test_requests_are_found_when_they_are_due(self, store: Store) -> None:
        """By their own time, or by their expiry where that is asked for; only those that are held."""
        cooling = replace(request(1), due_at=after(2), expires_at=after(9))
        waiting = replace(request(2), expires_at=after(3))
        ran = replace(request(3, outcome=RequestOutcome.RAN), due_at=after(1))
        save(store, Changes(requests={r.key: r for r in (cooling, waiting, ran)}))
        with store.session() as session:
            due = session.due_requests
            assert due(after(1), 9, expiring=after(1)) == []
            assert due(after(5), 9, expiring=None) == [cooling]
            assert due(after(5), 9, expiring=after(5)) == [cooling, waiting]
            assert due(after(5), 1, expiring=after(5)) == [cooling]
            assert session.next_request_due() == after(2)
            assert session.next_request_due(["Close Account"]) == after(2)

    def test_when_an_approved_request_is_due_is_told_by_action(self, store: Store) -> None:
        """A process that cannot carry it out need not wake for it."""
        approved = replace(request(1, outcome=RequestOutcome.APPROVED), due_at=after(2))
        save(store, Changes(requests={1: approved}))
        with store.session() as session:
            asked: list[list[str] | None] = [None, [approved.action], ["another"], []]
            due = [session.next_request_due(actions) for actions in asked]
            assert due == [after(2), after(2), None, None]

    def test_an_approved_request_is_leased_to_one(self, store: Store) -> None:
        """Of the actions that are asked for; it is put off meanwhile."""
        approved = replace(request(1, outcome=RequestOutcome.APPROVED), due_at=NOON)
        save(store, Changes(requests={1: approved}))
        with store.session() as session:
            assert session.lease_request(["else"], NOON, after(5)) is None
            assert session.lease_request(["delete-person"], NOON, after(5)) == approved
        with store.session() as session:
            assert session.lease_request(["delete-person"], NOON, after(5)) is None

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
            assert session.request(1) == whole
            assert session.open_requests_of(["ada"]) == [whole]
            assert session.open_requests_of(["bob"]) == []

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

    def test_the_store_remembers_numbers(self, store: Store) -> None:
        """By name; the last one that was set."""
        with store.session() as session:
            assert session.mark("seen") is None
            session.set_mark("seen", 3)
            session.set_mark("seen", 4)
        with store.session() as session:
            assert session.mark("seen") == 4
