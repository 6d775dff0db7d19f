"""Deliveries: messages for a channel, in the outbox."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from pydantic import JsonValue

from whereupon.messages.metrics import Metric
from whereupon.messages.model import id_in_ref
from whereupon.messages.structs import Frozen
from whereupon.records.people import NOTHING


class SendKind(StrEnum):
    """Why a delivery is sent. ``transactional`` and ``internal`` do not depend on the person's consent."""

    MARKETING = "marketing"
    TRANSACTIONAL = "transactional"
    INTERNAL = "internal"


class Exemption(StrEnum):
    """What a delivery goes out in spite of, since its rule says so."""

    QUIET_HOURS = "quiet_hours"
    CAP = "cap"


NO_EXEMPTION: Final = frozenset[Exemption]()


class DeliveryState(StrEnum):
    """Where a delivery is.

    ``held`` is due and waits for a process that has its channel. ``paused`` stands still since an operator paused
    its entry or its broadcast's run. ``withheld`` is never given to a channel
    (the person is unsubscribed, a template's variable is missing). ``dead`` was given up after the last try.
    """

    PENDING = "pending"
    HELD = "held"
    PAUSED = "paused"
    SENT = "sent"
    DEAD = "dead"
    WITHHELD = "withheld"


WITHDRAWN = "withdrawn"
"""The reason of a delivery whose entry, or whose broadcast's run, ended before it was sent."""

RULE_PAUSED = "rule-paused"
"""The reason of a delivery that is paused since its rule was; it waits again when the rule is resumed."""

WAITING = (DeliveryState.PENDING, DeliveryState.HELD, DeliveryState.PAUSED)
"""The states of a delivery that may still be sent."""


class Delivery(Frozen, frozen=True):
    """One message for a channel, in the outbox.

    Attributes:
        idempotency_key: the same for every try, and on every machine that decides the same messages.
        person: the person's first user id, for the channel to address.
        recipient: the person's attributes; event data never enters it. The store keeps them as they were
            when the delivery was made; a channel gets them as they are when it is called.
        reason: why it is held, withheld or dead, or the error of the last try.
        topic: what it is about; the person may have opted out of it.
        occasion: of its entry; None if the entry was erased.
        reports: what was reported of it after it was handed over.
        address_digest: the keyed hash of the address that it was handed over to, if that is not the one among
            the attributes that the store keeps.
        awaited_by: the key of the entry that waits until it is sent or given up; None if no entry does.
        result: what the function of a `run` step returned.
        texts: the digest of the rule's version whose texts it has, if they are live (`content: live`).
        exempt: what it goes out in spite of, by the version of the rule that its entry followed.
        facts: what templates read of the message that opened its entry. Only the function of a `run` step gets
            them; the store does not keep them with the delivery.
        is_leased: whether a process calls the channel with it, or is about to; until `due_at` at the latest.
    """

    key: int
    idempotency_key: str
    rule: str
    person_key: int
    person: str
    channel: str
    due_at: datetime
    content: Mapping[str, JsonValue]
    recipient: Mapping[str, JsonValue] = NOTHING
    state: DeliveryState = DeliveryState.PENDING
    reason: str | None = None
    attempts: int = 0
    occasion: str | None = None
    kind: SendKind = SendKind.MARKETING
    topic: str | None = None
    reports: frozenset[Metric] = frozenset()
    address_digest: bytes | None = None
    awaited_by: int | None = None
    result: JsonValue = None
    facts: Mapping[str, JsonValue] = NOTHING
    texts: str | None = None
    exempt: frozenset[Exemption] = NO_EXEMPTION
    is_leased: bool = False

    @property
    def message_id(self) -> str | None:
        """Of the message that opened its entry, or the scheduled broadcast's rule and time."""
        return None if self.occasion is None else id_in_ref(self.occasion)


COUNTED_STATES = (*WAITING, DeliveryState.SENT)
"""The states of a delivery that takes a place under a cap; a withheld or dead one has given it back.

But one that was withdrawn while its channel was called may still arrive: it keeps its place until the call has ended,
or its lease.
"""


class CountedSend(NamedTuple):
    """A marketing delivery to a person as caps count it (see `COUNTED_STATES`).

    Attributes:
        at: when it was sent; of one that waits, when it is due, which is when it was made if nobody has tried it.
        is_sent: whether it was sent, or waits.
        is_leased: whether its channel may be called with it now, until `at`.
        is_withdrawn: whether it was withdrawn meanwhile; then it counts until `at` alone.
    """

    idempotency_key: str
    person_key: int
    channel: str
    at: datetime
    is_sent: bool
    is_leased: bool = False
    is_withdrawn: bool = False

    @classmethod
    def of(cls, delivery: Delivery) -> "CountedSend | None":
        """The delivery as it counts; None if it does not."""
        is_withdrawn = delivery.state is DeliveryState.WITHHELD and delivery.is_leased
        is_counted = delivery.state in COUNTED_STATES or is_withdrawn
        if delivery.kind is not SendKind.MARKETING or not is_counted:
            return None
        whose = delivery.idempotency_key, delivery.person_key, delivery.channel
        is_sent = delivery.state is DeliveryState.SENT
        return cls(*whose, delivery.due_at, is_sent, delivery.is_leased, is_withdrawn)

    def withdrawn(self) -> "CountedSend | None":
        """The same after it was withdrawn; None if it does not count any more."""
        if self.is_sent:
            return self
        return self._replace(is_withdrawn=True) if self.is_leased else None
