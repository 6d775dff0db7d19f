"""Any two stores agree: the same changes lead to the same answers."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue
from tests.examples import examples
from tests.servers import Server

from whereupon.messages.model import Message, MessageType, Origin, SenderClass
from whereupon.ports import HistoryNeed, Session, Settlement, Store
from whereupon.records import (
    BroadcastRun,
    Changes,
    ClaimJob,
    ClaimRun,
    Delivery,
    DeliveryState,
    EndReason,
    Entry,
    EntryEnd,
    EntryState,
    Identifier,
    IdKind,
    KeysAsked,
    Merge,
    Person,
    Request,
    RequestOutcome,
    RetainedKind,
    RetentionCutoff,
    SkippedList,
    Skips,
    StoredMessage,
    Tombstone,
)
from whereupon.storage import open_store
from whereupon.testing.contracts.samples import FIRST, LAST, NOON, ODD

PERSONS = [1, 2, 3]
ANONYMOUS = [11, 12]
NAMES = ["buy", "view", ""]
RULES = ["socks", "shoes"]
DIGESTS = [b"a", b"b"]

Happening: TypeAlias = Changes | list[Settlement] | datetime

instants = st.integers(-3, 3).map(lambda minutes: NOON + timedelta(minutes=minutes))
persons = st.sampled_from(PERSONS)
waiting = st.sampled_from(ANONYMOUS)
rules = st.sampled_from(RULES)
small = st.integers(0, 5)
json_objects: st.SearchStrategy[Mapping[str, JsonValue]] = st.dictionaries(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=3),
    st.one_of(st.none(), st.integers(), st.sampled_from([1.5, "🧦", True, [{}]])),
    max_size=2,
)
settlements = st.builds(
    Settlement,
    key=st.integers(1, 40),
    state=st.sampled_from(DeliveryState),
    attempts=small,
    due_at=instants,
    reason=st.sampled_from([None, "timeout"]),
)


@st.composite
def messages(draw: st.DrawFn, key: int) -> StoredMessage:
    """A message of a person, of an anonymous id, or of neither."""
    owner = draw(st.sampled_from([0, *PERSONS, *ANONYMOUS]))
    properties = Message(
        message_id=f"m-{key}",
        type=draw(st.sampled_from([MessageType.TRACK, MessageType.PAGE])),
        name=draw(st.sampled_from(NAMES)),
        user_id=draw(st.sampled_from([None, "ada"])),
        anonymous_id=None,
        target_id=None,
        timestamp=draw(instants),
        received_at=NOON,
        original_timestamp=draw(st.none() | instants),
        source=draw(st.sampled_from(SenderClass)),
        origin=Origin.LIVE,
        body=b"{}",
    )
    return StoredMessage(key, owner, properties)


@st.composite
def entries(draw: st.DrawFn, key: int) -> Entry:
    """A new entry."""
    person, rule = draw(persons), draw(rules)
    return Entry(
        key=key,
        rule=rule,
        digest=f"d-{rule}",  # which is one rule's alone
        person_key=person,
        entrant=person,
        occasion=f"m-{key}",
        timestamp=draw(instants),
        entered_at=NOON,
        retroactive=draw(st.booleans()),
        slot=draw(st.sampled_from([None, f"slot-{key}"])),
        state=EntryState.ACTIVE,
        address="0",
        due_at=draw(instants),
        facts=draw(json_objects),
        message_key=draw(st.sampled_from([0, key])),
        source=draw(st.sampled_from(SenderClass)),
    )


@st.composite
def deliveries(draw: st.DrawFn, key: int) -> Delivery:
    """A delivery in any state."""
    return Delivery(
        key=key,
        idempotency_key=f"i-{key}",
        rule=draw(rules),
        person_key=draw(persons),
        person="ada",
        channel="push",
        due_at=draw(instants),
        content=draw(json_objects),
        state=draw(st.sampled_from(DeliveryState)),
    )


@st.composite
def stories(draw: st.DrawFn) -> list[Happening]:
    """A story of a store: changes, settlements, and instants at which deliveries are leased."""
    known_messages: list[int] = []
    known_entries: list[Entry] = []
    new_ids = [(IdKind.USER, f"user-{n}") for n in range(6)]
    new_ids += [(IdKind.ANONYMOUS, f"anon-{key}") for key in ANONYMOUS]
    story: list[Happening] = []
    for step in range(1, draw(st.integers(1, 6)) + 1):
        first = 10 * step
        changes = draw(base_changes(first, new_ids))
        changes.messages = [draw(messages(first + n)) for n in range(draw(small))]
        known_messages += [message.key for message in changes.messages]
        changes.owners = draw(
            st.lists(st.tuples(st.sampled_from([*known_messages, 99]), persons), max_size=2)
        )
        arrived = [message.key for message in changes.messages]
        changes.skipped_lists = {key: draw(lists) for key in arrived if draw(st.booleans())}
        changes.skips = draw(st.lists(skips(known_messages or [99]), max_size=3))
        changes.entries = {first + n: draw(entries(first + n)) for n in range(draw(small))}
        changes.new_entries = set(changes.entries)
        changes.deliveries = [draw(deliveries(first + n)) for n in range(draw(small))]
        if draw(st.booleans()) and known_entries:
            old = draw(st.sampled_from(known_entries))
            changes.entries[old.key] = draw(moves(old))
        known_entries += [changes.entries[key] for key in sorted(changes.new_entries)]
        story += [changes, draw(st.lists(settlements, max_size=2)), draw(instants)]
    return story


ends = st.builds(
    EntryEnd,
    reason=st.sampled_from(EndReason).map(str),
    at=instants,
    detail=st.sampled_from([None, "plan is pro", "Order\u2028Completed"]),
    message_id=st.sampled_from([None, "m-1"]),
)


@st.composite
def moves(draw: st.DrawFn, entry: Entry) -> Entry:
    """A change of an entry."""
    state = draw(st.sampled_from(EntryState))
    due_at = draw(instants) if state is EntryState.ACTIVE else None
    owner = draw(persons)
    ended = None if state is EntryState.ACTIVE else draw(ends)
    return entry.changed(state=state, due_at=due_at, address="3", person_key=owner, ended=ended)


lists = st.builds(
    SkippedList, st.sampled_from(["r1", "r2"]), st.sampled_from([None, "campaign", "broadcast"])
)


@st.composite
def skips(draw: st.DrawFn, keys: list[int]) -> Skips:
    """Skips of a message; the store knows the person by the message."""
    verdict = (draw(rules), "d1", "where", draw(st.sampled_from([None, "a"])), ODD)
    key = draw(st.sampled_from(keys))
    return Skips(key, draw(persons), draw(instants), draw(st.booleans()), (verdict,))


@st.composite
def base_changes(draw: st.DrawFn, first: int, new_ids: list[tuple[IdKind, str]]) -> Changes:
    """Changes without messages, entries and deliveries; an id is new once."""
    known = draw(st.lists(persons, unique=True))
    pair = draw(st.permutations(PERSONS))[:2]
    merge = Merge(pair[0], pair[1], f"user-{pair[1]}", f"merge-{first}", NOON)
    claims = draw(st.lists(claim_runs(), max_size=2))
    met = [new_ids.pop(draw(st.integers(0, len(new_ids) - 1))) for _ in known if new_ids]
    keys = {IdKind.USER: PERSONS, IdKind.ANONYMOUS: ANONYMOUS}
    new = [Identifier(kind, value, draw(st.sampled_from(keys[kind]))) for kind, value in met]
    runs = draw(st.lists(broadcast_runs(), max_size=2))
    places = draw(st.sets(st.tuples(st.sampled_from(DIGESTS), st.sampled_from(DIGESTS))))
    laid = {place: draw(st.none() | tombstones(*place)) for place in places}
    asked = draw(st.lists(requests(), max_size=2))
    return Changes(
        identifiers=new,
        persons={k: Person(k, f"user-{k}", NOON, draw(json_objects), {"a": 1}) for k in known},
        claims={(claim.anonymous_key, claim.since): claim for claim in claims},
        claim_jobs={key: draw(st.none() | claim_jobs(key)) for key in draw(st.sets(waiting))},
        dropped_claims=draw(st.sets(st.tuples(st.sampled_from(ANONYMOUS), instants), max_size=1)),
        merges=[merge] if draw(small) == 0 else [],
        erased_persons=draw(st.lists(persons, max_size=2)) if draw(small) == 0 else [],
        requests={request.key: request for request in asked},
        tombstones=laid,
        runs={(run.rule, run.occasion): run for run in runs},
        rule_versions={"d1": ("socks", str(first).encode())},
    )


@st.composite
def claim_runs(draw: st.DrawFn) -> ClaimRun:
    """A run of claims."""
    return ClaimRun(draw(st.sampled_from(ANONYMOUS)), draw(persons), draw(instants), LAST, "m-1")


@st.composite
def claim_jobs(draw: st.DrawFn, key: int) -> ClaimJob:
    """An unfinished claim."""
    noted = draw(json_objects)
    return ClaimJob(key, draw(persons), 1, draw(instants), (draw(instants), 0), attributes=noted)


@st.composite
def broadcast_runs(draw: st.DrawFn) -> BroadcastRun:
    """A broadcast run, done or not, with or without an opening message."""
    occasion, cursor = draw(st.sampled_from("ab")), draw(st.none() | small)
    due_at, key = draw(instants), draw(st.integers(9, 13))
    return BroadcastRun(draw(rules), "d1", occasion, NOON, due_at, cursor, {"a": 1}, 0, key)


@st.composite
def tombstones(draw: st.DrawFn, digest: bytes, of: bytes) -> Tombstone:
    """A tombstone, for ever or until an instant."""
    return Tombstone(digest, of, draw(st.none() | instants), "deleted")


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """A request of a person's."""
    number, outcome = draw(small), draw(st.sampled_from(RequestOutcome))
    who = f"user-{draw(small)}"
    due_at, expires_at = draw(st.none() | instants), draw(st.none() | instants)
    return Request(
        f"r-{number}",
        "delete",
        "Delete Person",
        who,
        outcome,
        None,
        NOON,
        NOON,
        SenderClass.CLIENT,
        key=number,
        due_at=due_at,
        expires_at=expires_at,
    )


def perform(store: Store, story: list[Happening]) -> list[object]:
    """Carry the story out; return what was leased on the way, and what is left."""
    leased: list[object] = []
    for event in story:
        with store.session() as session:
            match event:
                case Changes():
                    session.flush(event)
                case list():
                    session.settle(event)
                case datetime():
                    until = event + timedelta(minutes=1)
                    leased.append(session.lease_deliveries("push", event, until, 2))
    with store.session() as session:
        return [*leased, *ordered_answers(session), *map(by_repr, unordered_answers(session))]


def by_repr(answer: object) -> list[str]:
    """An answer without a defined order, in a fixed order."""
    assert isinstance(answer, list | set)
    return sorted(map(repr, answer))


def ordered_answers(session: Session) -> list[object]:
    """Every read with a defined order."""
    names = frozenset(NAMES)
    needs = [HistoryNeed(1, names, NOON), HistoryNeed(2, frozenset({"buy"}), None)]
    return [
        session.persons_after(1, 9),
        [(claim.since, claim) for claim in session.claims(ANONYMOUS)],
        session.owned_messages([*PERSONS, *ANONYMOUS], NOON - timedelta(minutes=1)),
        [session.waiting_messages(key, (NOON, 15), LAST, 3) for key in (*PERSONS, *ANONYMOUS)],
        session.claim_jobs(PERSONS[:1], ANONYMOUS[:1]),
        session.due_claim_jobs(NOON, 2),
        session.history(needs),
        session.due_entries(NOON, 5),
        session.due_entries(NOON, 5, [f"d-{rule}" for rule in RULES[:2]]),
        session.waiting_versions(),
        sorted(session.count_entries([f"d-{rule}" for rule in RULES]).items()),
        session.next_claim_due(),
        session.waiting_channels(),
        session.waiting_runs(),
        session.has_tombstones(),
        session.rule_version("d1"),
        [session.decided(key, rule, 3) for key in PERSONS for rule in RULES],
        session.merges(PERSONS),
        [session.claimed_messages(key, 2) for key in PERSONS],
        [session.decided_on(key, range(1, 40)) for key in PERSONS],
        session.deliveries([DeliveryState.PENDING, DeliveryState.SENT], 9),
        session.requests(tuple(RequestOutcome), 4),
        [session.request(number) for number in range(6)],
        session.due_requests(NOON, 9, expiring=NOON),
        session.next_request_due(),
        session.count_ran(["delete"], "", FIRST),
        [session.footprint(key) for key in PERSONS],
        session.counts(),
    ]


def bygones(session: Session) -> Iterator[list[object]]:
    """How many records are old, and which are deleted, in steps."""
    for kind in RetainedKind:
        for before in (NOON, LAST):
            old = RetentionCutoff(kind, before, before, frozenset({"socks"}))
            yield [session.count_prunable(old)]
            yield [session.prune(old, after, 3) for after in (0, 3, 20, 30)]
            yield [session.count_prunable(old)]


def unordered_answers(session: Session) -> list[object]:
    """Every other read, and what trimming leaves."""
    users = [f"user-{n}" for n in range(6)]
    return [
        session.known_messages([f"m-{n}" for n in range(70)]),
        session.identifiers(users, [f"anon-{key}" for key in ANONYMOUS]),
        session.identifiers_of(PERSONS[:2]),
        session.persons(PERSONS),
        session.past_entries(RULES, PERSONS),
        session.past_entries(RULES, PERSONS, asked=KeysAsked(RULES[:1], ["once", "active"])),
        session.active_entries(PERSONS),
        session.tombstones(DIGESTS),
        session.tombstones_laid_with(DIGESTS[:1]),
        session.open_requests_of(users),
        [*session.scan(Skips)],
        [each for key in PERSONS for each in session.scan(Skips, key)],
        *bygones(session),
        session.owned_messages([0], FIRST),
        session.messages(range(9, 40, 2)),
        [*session.scan(Skips)],
    ]


@pytest.mark.slow
@examples(60)
@given(stories())
def test_memory_and_sqlite_agree(story: list[Happening]) -> None:
    """Every read returns the same after the same story."""
    assert _answers_of("memory://", story) == _answers_of("sqlite://", story)


@pytest.mark.slow
@examples(40)
@given(story=stories())
def test_memory_and_postgres_agree(server: Server, story: list[Happening]) -> None:
    """The same holds on a database that many writers share."""
    with server.clean() as url:
        assert _answers_of("memory://", story) == _answers_of(url, story)


def _answers_of(url: str, story: list[Happening]) -> list[object]:
    store = open_store(url)
    try:
        return perform(store, story)
    finally:
        store.close()
