"""What is asked right before a delivery is handed over to its channel: why it is not handed over now."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from pydantic import JsonValue

from whereupon.decide.caps import CAP, counted_since, full_caps
from whereupon.decide.consent import reason_to_withhold
from whereupon.decide.quiet_hours import QUIET
from whereupon.delivery.address_check import AddressCheck
from whereupon.messages.times import later
from whereupon.ports import Clock, LeasedNow, Session, Settlement
from whereupon.records import (
    NOTHING,
    RULE_PAUSED,
    CountedSend,
    Delivery,
    DeliveryState,
    Exemption,
    SendKind,
)
from whereupon.rules.model import Cap

PAUSE: Final = timedelta(minutes=1)
"""How long a delivery of a rule that is switched off waits before the rule is looked at again."""

QuietUntil: TypeAlias = Callable[[Delivery, Mapping[str, JsonValue], datetime], datetime | None]
"""Until when quiet hours hold a delivery back from a person with these attributes; None if they do not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOverCheck:
    """Asks whether deliveries may be handed over, by the rules and settings in use.

    Args:
        is_paused: whether a rule is switched off.
        caps: gives the caps in use.
    """

    clock: Clock
    is_paused: Callable[[str], bool]
    addresses: AddressCheck
    quiet_until: QuietUntil
    caps: Callable[[], Sequence[Cap]]

    def among(
        self, session: Session, deliveries: Iterable[Delivery], attribute: str | None
    ) -> "Objections":
        """The objections to deliveries that one transaction is about to hand over.

        Args:
            session: what is read from.
            deliveries: all of them.
            attribute: the person's, which has the address; None if the channel's addresses are not known.
        """
        caps, now = self.caps(), self.clock.now()
        keys = {delivery.key for delivery in deliveries if _is_capped(delivery, caps)}
        before = session.sends_before(keys, counted_since(caps, now)) if keys else {}
        return Objections(self, session, attribute, caps, before)


@dataclass(frozen=True, slots=True)
class Objections:
    """Why some of the deliveries of one transaction are not handed over now.

    Attributes:
        before: what counts under caps before each of them, by its key.
        gone: the idempotency keys of those that are withheld, which have given their places back.
    """

    check: HandOverCheck
    session: Session
    attribute: str | None
    caps: Sequence[Cap]
    before: Mapping[int, Sequence[CountedSend]]
    gone: set[str] = field(default_factory=set)

    def to(self, delivery: Delivery, now: LeasedNow) -> Settlement | None:
        """Why a delivery is not handed over now: its rule is off, the person may not be sent it, or not yet.

        Args:
            delivery: as it was leased.
            now: the delivery and its person as they are now.
        """
        instant = self.check.clock.now()
        key, attempts = delivery.key, delivery.attempts
        if now.is_paused:  # it keeps its place in the outbox
            due = delivery.due_at
            return Settlement(key, DeliveryState.PAUSED, attempts, due, RULE_PAUSED)
        if self.check.is_paused(delivery.rule):
            again = later(instant, PAUSE)
            return Settlement(key, DeliveryState.PENDING, attempts, again, delivery.reason)
        reason = self._reason_to_withhold(delivery, now)
        if reason is None:
            until = self.check.quiet_until(delivery, now.attributes or NOTHING, instant)
            if until is not None:
                return Settlement(key, DeliveryState.PENDING, attempts, until, QUIET)
            if not self._is_over(delivery, instant):
                return None
            reason = CAP
        self.gone.add(delivery.idempotency_key)
        state, waiting = DeliveryState.WITHHELD, delivery.awaited_by
        return Settlement(key, state, attempts, instant, reason, awaited_by=waiting)

    def _reason_to_withhold(self, delivery: Delivery, now: LeasedNow) -> str | None:
        """Why the person may not be sent it at all."""
        reason = reason_to_withhold(now.attributes, delivery.kind, delivery.topic)
        if reason is not None or self.attribute is None:
            return reason
        look = self.check.addresses.reason_to_withhold
        return look(self.session, delivery, now, self.attribute)

    def _is_over(self, delivery: Delivery, instant: datetime) -> bool:
        """Whether the person has been sent as much as the caps of now allow; what waits before it goes first."""
        if not _is_capped(delivery, self.caps):
            return False
        counted = self.before.get(delivery.key, ())
        there = (send for send in counted if send.idempotency_key not in self.gone)
        sends = [s if s.is_sent or s.is_withdrawn else s._replace(at=instant) for s in there]
        return bool(full_caps(self.caps, delivery.channel, sends, instant))


def _is_capped(delivery: Delivery, caps: Collection[Cap]) -> bool:
    """Whether some cap holds for a delivery."""
    return (
        bool(caps)
        and delivery.kind is SendKind.MARKETING
        and Exemption.CAP not in delivery.exempt
        and any(cap.concerns(delivery.channel) for cap in caps)
    )
