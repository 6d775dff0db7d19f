"""The inbox: what a channel puts into it, what a host shows of it, and what people have read.

An item is its person's: a merge gives it to the survivor, an erasure takes it. Nobody else can mark it as read.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from functools import partial

from whereupon.errors import UnknownNameError
from whereupon.messages.times import later
from whereupon.ports import Clock, Session, Store
from whereupon.records import Changes, Delivery, InboxItem, is_storable, place_at

_STEP = 1_000
"""Items that one transaction removes."""


class Inboxes:
    """The inboxes of all persons in one store."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def put(self, delivery: Delivery, *, expires: timedelta | None, keep: int) -> bool:
        """Put a delivery into its person's inbox (see `ChannelHost.put_in_inbox`)."""
        now = self._clock.now()
        expires_at = None if expires is None else later(now, expires)
        put = partial(_put, delivery=delivery, now=now, expires_at=expires_at, keep=keep)
        return self._store.transact(put)

    def items(
        self, person: str, *, unread: bool, limit: int, before: str | None
    ) -> list[InboxItem]:
        """See `Engine.inbox`."""
        if limit < 1:
            message = f"limit is at least 1, not {limit}"
            raise ValueError(message)
        place = None if before is None else place_at(before)
        with self._store.reading() as session:
            key = _key_of(session, person)
            now = self._clock.now()
            return (
                []
                if key is None
                else session.inbox(key, limit, now=now, before=place, unread=unread)
            )

    def count_unread(self, person: str) -> int:
        """See `Engine.unread`."""
        with self._store.reading() as session:
            key = _key_of(session, person)
            return 0 if key is None else session.count_unread(key, self._clock.now())

    def item(self, person: str, key: str) -> InboxItem:
        """One item of a person's; raises `UnknownNameError` if the person has no such item."""
        with self._store.reading() as session:
            return _item(session, _key_of(session, person), key)

    def mark_read(self, person: str, keys: Collection[str]) -> int:
        """Mark these items of a person's as read; returns how many of them were unread."""
        mark = partial(_mark, person=person, keys=keys, now=self._clock.now())
        return self._store.transact(mark)


def _key_of(session: Session, user_id: str) -> int | None:
    found = session.identifiers([user_id], []) if is_storable(user_id) else []
    return next((each.key for each in found), None)


def _put(
    session: Session, *, delivery: Delivery, now: datetime, expires_at: datetime | None, keep: int
) -> bool:
    owner = _owner(session, delivery)
    while owner is not None and session.lock([owner], []):
        owner = _owner(session, delivery)
    if owner is None:
        return False
    key, channel = delivery.idempotency_key, delivery.channel
    if session.inbox_item(key) is not None:
        return True
    item = InboxItem(
        key=key,
        person_key=owner,
        rule=delivery.rule,
        channel=channel,
        kind=delivery.kind,
        topic=delivery.topic,
        content=delivery.content,
        created_at=now,
        expires_at=expires_at,
        occasion=delivery.occasion,
    )
    session.flush(Changes(inbox={key: item}))
    if behind := session.inbox_behind(owner, channel, keep, _STEP):
        session.flush(Changes(inbox=dict.fromkeys(behind)))
    return True


def _owner(session: Session, delivery: Delivery) -> int | None:
    """The delivery's person, or who survived a merge with them; None if they are erased."""
    if session.persons([delivery.person_key]):
        return delivery.person_key
    key = _key_of(session, delivery.person)
    merged = [] if key is None else session.merges([key])
    return key if any(each.loser_key == delivery.person_key for each in merged) else None


def _locked(session: Session, person: str) -> int | None:
    """The key of a person, whom nobody else changes until the transaction ends."""
    key = _key_of(session, person)
    while key is not None and session.lock([key], []):
        key = _key_of(session, person)
    return key


def _item(session: Session, owner: int | None, key: str) -> InboxItem:
    item = session.inbox_item(key) if is_storable(key) else None
    if item is None or item.person_key != owner:
        raise UnknownNameError(kind="inbox item", name=key)
    return item


def _mark(session: Session, *, person: str, keys: Collection[str], now: datetime) -> int:
    owner = _locked(session, person)
    found = [each for each in map(session.inbox_item, keys) if each and each.person_key == owner]
    read = {each.key: each._replace(read_at=now) for each in found if each.read_at is None}
    session.flush(Changes(inbox=dict(read)))
    return len(read)
