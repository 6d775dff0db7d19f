"""Values for the contract's tests, and short ways to save them."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast

from pydantic import JsonValue

from whereupon.messages.model import Message, MessageType, Origin, SenderClass
from whereupon.ports import Store
from whereupon.records import (
    BroadcastRun,
    Changes,
    ClaimJob,
    ClaimRun,
    Delivery,
    DeliveryState,
    Device,
    Entry,
    EntryState,
    Identifier,
    IdKind,
    InboxItem,
    OpenSkip,
    Person,
    Relationship,
    Request,
    RequestOutcome,
    SendKind,
    SetAside,
    Skips,
    StoredMessage,
    TimeSkip,
    Tombstone,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
FIRST = datetime(1, 1, 1, tzinfo=UTC)
LAST = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
ADA, BOB, ANON = 1, 2, 3
ODD: dict[str, JsonValue] = {
    "name": "Åda 🧦 \u2028 'quoted'",
    "huge": 2**80,
    "negative": -(2**63) - 1,
    "price": 23.45,
    "none": None,
    "nested": {"list": [1, True, "", {}]},
}


def after(seconds: float) -> datetime:
    """That long after noon."""
    return NOON + timedelta(seconds=seconds)


def message(key: int, *, owner: int = ADA, at: datetime = NOON, name: str = "buy") -> StoredMessage:
    """A track message of a person's."""
    said = Message(
        message_id=f"m-{key}",
        type=MessageType.TRACK,
        name=name,
        user_id="ada",
        anonymous_id=None,
        target_id=None,
        timestamp=at,
        received_at=at,
        original_timestamp=None,
        source=SenderClass.SERVER,
        origin=Origin.LIVE,
        body=b'{"data":{}}',
    )
    return StoredMessage(key, owner, said)


def aside(key: int, *, at: datetime = NOON) -> SetAside:
    """A message on which the engine failed."""
    return SetAside(
        message_id=f"m-{key}",
        user_id="ada",
        anonymous_id="anon-1",
        received_at=NOON,
        source=SenderClass.CLIENT.value,
        origin=Origin.LIVE.value,
        body=b'{"type":"track"}',
        reason="ValueError: no",
        set_aside_at=at,
    )


def saying(stored: StoredMessage, **changes: Any) -> StoredMessage:
    """The same with another message, which differs by these fields."""
    return stored.changed(message=stored.message.changed(**changes))


def person(key: int = ADA, *, user_id: str = "ada") -> Person:
    """A person without attributes."""
    return Person(key, user_id, NOON)


def entry(key: int, *, owner: int = ADA, rule: str = "socks", slot: str | None = None) -> Entry:
    """An entry that waits for a minute, opened by a message of its own key."""
    return Entry(
        key=key,
        rule=rule,
        digest="d1",
        person_key=owner,
        entrant=owner,
        occasion=f"m-{key}",
        timestamp=NOON,
        entered_at=NOON,
        retroactive=False,
        slot=slot,
        state=EntryState.ACTIVE,
        address="1",
        due_at=after(60),
        facts={"event": "buy"},
        message_key=key,
    )


def delivery(key: int, *, owner: int = ADA, due_at: datetime = NOON) -> Delivery:
    """A pending push."""
    return Delivery(key, f"i-{key}", "socks", owner, "ada", "push", due_at, {"title": "Thanks"})


def claiming(key: int = ANON, *, owner: int = ADA, due_at: datetime = LAST) -> ClaimJob:
    """A claim of an anonymous id that is only begun."""
    return ClaimJob(key, owner, message_key=1, due_at=due_at, after=(NOON, 0))


def skips(key: int, *, owner: int = ADA, rule: str = "socks", at: datetime = NOON) -> Skips:
    """One rule's skip of a message."""
    return Skips(key, owner, at, False, ((rule, "d1", "where", "price", {"price": 5}),))


def request(number: int, *, outcome: RequestOutcome = RequestOutcome.HELD) -> Request:
    """Ada asking to be deleted."""
    name, event = f"r-{number}", "Delete Person"
    return Request(
        name,
        "delete-person",
        event,
        "ada",
        outcome,
        None,
        NOON,
        NOON,
        SenderClass.CLIENT,
        key=number,
    )


def run(occasion: str, *, at: datetime = NOON, cursor: int | None = 0) -> BroadcastRun:
    """A run of the news."""
    return BroadcastRun("news", "d1", occasion, at, at, cursor, {"event": "cron"})


def inbox_item(key: str, *, owner: int = ADA, at: datetime = NOON) -> InboxItem:
    """An unread item of a person's inbox, which never expires."""
    kind = SendKind.TRANSACTIONAL
    return InboxItem(key, owner, "news", "inbox", kind, "offers", ODD, at, occasion="m-1")


def open_skip(key: int, *, owner: int = ADA, rule: str = "socks") -> OpenSkip:
    """A skip that stays open for half an hour, and is of use for three days."""
    return OpenSkip(key, rule, owner, after(30), LAST, True)


def time_skip(key: int, *, owner: int = ADA, rule: str = "socks") -> TimeSkip:
    """A skip that time alone led to."""
    said = (rule, "d1", "who", "plan is pro", ODD)
    return TimeSkip(key, owner, "segment/recent@2026-03-01T12:00:00Z", NOON, LAST, said)


def save(store: Store, changes: Changes) -> None:
    """Write changes in a session of their own."""
    with store.session() as session:
        session.flush(changes)


def save_tombstones(store: Store, *tombstones: Tombstone) -> None:
    """Write tombstones."""
    save(
        store,
        Changes(
            tombstones={(tombstone.digest, tombstone.of): tombstone for tombstone in tombstones}
        ),
    )


def save_entries(store: Store, *entries: Entry) -> None:
    """Write new entries."""
    keys = {e.key for e in entries}
    save(store, Changes(entries={e.key: e for e in entries}, new_entries=keys))


def all_of(owner: int, *, start: int) -> Changes:
    """One of everything that a person can have; keys from ``start`` on."""
    user_id = "ada" if owner == ADA else f"user-{owner}"
    anonymous = start + 1
    return Changes(
        messages=[message(start, owner=owner), message(anonymous + 1, owner=anonymous)],
        identifiers=[
            Identifier(IdKind.USER, user_id, owner),
            Identifier(IdKind.ANONYMOUS, f"anon-{anonymous}", anonymous),
        ],
        persons={owner: person(owner, user_id=user_id)},
        claims={(anonymous, NOON): ClaimRun(anonymous, owner, NOON, NOON, f"m-{start}")},
        claim_jobs={anonymous: claiming(anonymous, owner=owner)},
        skips=[skips(start, owner=owner)],
        open_skips={(start, "socks"): open_skip(start, owner=owner)},
        timers={(owner, "segment/lapsed"): after(start)},
        time_skips=[time_skip(start, owner=owner)],
        entries={start: entry(start, owner=owner)},
        new_entries={start},
        deliveries=[delivery(start, owner=owner)],
        devices={f"t-{owner}": Device(f"t-{owner}", owner, "ios", {}, NOON)},
        relationships={Relationship(owner, "1", "acme"): True},
        inbox={f"i-{start}": inbox_item(f"i-{start}", owner=owner)},
    )


def seen(store: Store) -> list[object]:
    """What a session tells of the persons, ids and keys that `all_of` makes; nothing is changed."""
    keys = [*range(1, 40), 99]
    anonymous = [f"anon-{key}" for key in keys]
    with store.session() as session:
        answers = [
            session.identifiers(["ada", "user-2", "user-99"], anonymous),
            session.identifiers_of(keys),
            session.persons(keys),
            session.claims(keys),
            session.claim_jobs(keys, keys),
            session.owned_messages(keys, FIRST),
            session.active_entries(keys),
            session.due_entries(LAST, 99),
            session.waiting_versions(),
            session.deliveries(list(DeliveryState), 99),
            session.scan(InboxItem),
            session.open_skips(keys, FIRST),
            session.timers(keys, LAST),
            [session.decided(key, "socks", 99) for key in keys],
            [session.counts(), session.next_claim_due()],
        ]
    return [sorted(map(repr, cast("list[object]", answer))) for answer in answers]
