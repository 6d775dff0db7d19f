"""Claims of many messages: what waits, chunk by chunk, and what is noted of a claim that is begun."""

# ruff: noqa: S101 - tests assert

from whereupon.messages.model import MessageType
from whereupon.ports import Store
from whereupon.records import (
    Changes,
    ClaimJob,
    ClaimRun,
    Inert,
    Skips,
    SkipSummary,
    Transfer,
)
from whereupon.testing.contracts.samples import (
    ADA,
    ANON,
    BOB,
    FIRST,
    NOON,
    ODD,
    after,
    claiming,
    message,
    person,
    save,
    saying,
    skips,
)


class Claims:
    """See `StoreContract`."""

    def test_waiting_messages_come_in_chunks(self, store: Store) -> None:
        """By timestamp then key, one owner's alone, up to an instant; nothing comes twice."""
        moments = {4: 1, 2: 1, 9: 1, 3: 2, 1: 3, 7: 4}
        batch = [message(k, owner=ANON, at=after(s)) for k, s in moments.items()]
        save(store, Changes(messages=[*batch, message(5, owner=BOB, at=after(1))]))
        found: list[int] = []
        behind = after(1), 0
        with store.session() as session:
            while chunk := session.waiting_messages(ANON, behind, after(3), 2):
                found += [each.key for each in chunk]
                behind = chunk[-1].timestamp, chunk[-1].key
            assert session.waiting_messages(ANON, (FIRST, 0), after(1), 9) == [
                message(k, owner=ANON, at=after(1)) for k in (2, 4, 9)
            ]
        assert found == [2, 4, 9, 3, 1]

    def test_messages_are_counted_by_their_owners_and_names(self, store: Store) -> None:
        """Between two instants, both included, without those that are left out."""
        mine = [message(k, owner=ANON, at=after(k)) for k in range(1, 6)]
        page = saying(message(8, owner=ANON, at=after(2)), type=MessageType.PAGE)
        save(store, Changes(messages=[*mine, page, message(9, owner=BOB, at=after(3))]))
        track, other = ((each.type, each.name) for each in (mine[0], page))
        inert = Inert(
            frozenset([other, (MessageType.TRACK, "never met")]), frozenset([track]), after(3)
        )
        with store.session() as session:
            assert session.owned_counts([ANON, BOB, ADA], after(2), after(4)) == {
                ANON: {track: 3, other: 1},
                BOB: {track: 1},
            }
            assert session.owned_counts([ANON], after(2), after(9), inert) == {ANON: {track: 3}}
            assert session.owned_counts([], FIRST, after(9)) == {}

    def test_messages_are_read_by_their_owners(self, store: Store) -> None:
        """All of them; or any so many; or those that are not left out."""
        mine = [message(k, owner=ANON, at=after(k)) for k in range(1, 6)]
        page = saying(message(8, owner=ANON, at=after(9)), type=MessageType.PAGE)
        save(store, Changes(messages=[*mine, page, message(9, owner=BOB, at=after(3))]))
        track, other = ((each.type, each.name) for each in (mine[0], page))
        inert = Inert(frozenset([other]), frozenset([track]), after(3))
        with store.session() as session:
            limit = 3
            some = session.owned_messages([ANON, BOB], after(2), limit)
            assert len(some) == len({each.key for each in some}) == limit
            assert some == sorted(some, key=lambda each: (each.timestamp, each.key))
            assert session.owned_messages([ANON], after(2), 9) == [*mine[1:], page]
            assert session.live_messages([ANON], FIRST, inert) == mine[2:]
            assert session.live_messages([ANON], after(4), inert, 9) == mine[3:]
            assert len(session.live_messages([ANON], FIRST, inert, 2)) == limit - 1

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

    def test_messages_are_found_by_their_keys(self, store: Store) -> None:
        """Whoever's they are."""
        save(store, Changes(messages=[message(1), message(2, owner=ANON), message(3)]))
        with store.session() as session:
            found = sorted(session.messages([2, 3, 99]), key=lambda each: each.key)
            assert session.messages([]) == []
        assert found == [message(2, owner=ANON), message(3)]

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
            assert session.next_due() == after(30)
        save(store, Changes(claim_jobs={ANON: None, ANON + 1: None}))
        with store.session() as session:
            assert session.claim_jobs([ADA, BOB], [ANON]) == []
            assert session.next_due() is None

    def test_a_claim_that_was_begun_goes_with_its_anonymous_id(self, store: Store) -> None:
        """The id is erased with the last who claimed it, whoever was about to."""
        claim = ClaimRun(ANON, ADA, NOON, NOON, "m-1")
        save(store, Changes(persons={ADA: person()}, claims={(ANON, NOON): claim}))
        save(store, Changes(claim_jobs={ANON: claiming(owner=BOB)}))
        save(store, Changes(erased_persons=[ADA]))
        with store.session() as session:
            assert session.claim_jobs([BOB], [ANON]) == []
