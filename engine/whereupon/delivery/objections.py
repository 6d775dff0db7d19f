"""What is asked right before a delivery is handed over to its channel: why it is not handed over now."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
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

SendsBefore: TypeAlias = Mapping[int, Sequence[CountedSend]]
"""What counts under caps before each of some deliveries, by its key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Objections:
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

    def sends_before(self, session: Session, deliveries: Iterable[Delivery]) -> SendsBefore:
        """What counts before each of the deliveries, as far as a cap holds for any of them."""
        caps = self.caps()
        keys = {delivery.key for delivery in deliveries if _is_capped(delivery, caps)}
        return session.sends_before(keys, counted_since(caps, self.clock.now())) if keys else {}

    def to(
        self,
        session: Session,
        delivery: Delivery,
        now: LeasedNow,
        attribute: str | None,
        counted: Iterable[CountedSend],
    ) -> Settlement | None:
        """Why a delivery is not handed over now: its rule is off, the person may not be sent it, or not yet.

        Args:
            session: what is read from.
            delivery: as it was leased.
            now: the delivery and its person as they are now.
            attribute: the person's, which has the address; None if the channel's addresses are not known.
            counted: what counts before it under caps.
        """
        instant = self.clock.now()
        key, attempts = delivery.key, delivery.attempts
        if now.is_paused:  # it keeps its place in the outbox
            due = delivery.due_at
            return Settlement(key, DeliveryState.PAUSED, attempts, due, RULE_PAUSED)
        if self.is_paused(delivery.rule):
            again = later(instant, PAUSE)
            return Settlement(key, DeliveryState.PENDING, attempts, again, delivery.reason)
        reason = reason_to_withhold(now.attributes, delivery.kind, delivery.topic)
        if reason is None and attribute is not None:
            reason = self.addresses.reason_to_withhold(session, delivery, now, attribute)
        if reason is None:
            until = self.quiet_until(delivery, now.attributes or NOTHING, instant)
            if until is not None:
                return Settlement(key, DeliveryState.PENDING, attempts, until, QUIET)
            if not self._is_over(delivery, counted, instant):
                return None
            reason = CAP
        state, waiting = DeliveryState.WITHHELD, delivery.awaited_by
        return Settlement(key, state, attempts, instant, reason, awaited_by=waiting)

    def _is_over(
        self, delivery: Delivery, counted: Iterable[CountedSend], instant: datetime
    ) -> bool:
        """Whether the person has been sent as much as the caps of now allow; what waits before it goes first."""
        caps = self.caps()
        if not _is_capped(delivery, caps):
            return False
        sends = [each if each.is_sent else each._replace(at=instant) for each in counted]
        return bool(full_caps(caps, delivery.channel, sends, instant))


def _is_capped(delivery: Delivery, caps: Collection[Cap]) -> bool:
    """Whether some cap holds for a delivery."""
    return (
        bool(caps)
        and delivery.kind is SendKind.MARKETING
        and Exemption.CAP not in delivery.exempt
        and any(cap.concerns(delivery.channel) for cap in caps)
    )
