"""The look at an address right before a hand-over: whether it is suppressed, and which one it is."""

from collections.abc import Callable
from dataclasses import dataclass

from whereupon.decide import Settings
from whereupon.decide.addresses import SUPPRESSED, address_digest, address_digests, handed_over_to
from whereupon.ports import LeasedNow, Session
from whereupon.records import NOTHING, Delivery


@dataclass(frozen=True, slots=True)
class AddressCheck:
    """Looks addresses up under the keys of an engine.

    Args:
        settings: gives the settings in use.
    """

    settings: Callable[[], Settings]

    def reason_to_withhold(
        self, session: Session, delivery: Delivery, now: LeasedNow, attribute: str
    ) -> str | None:
        """Why a delivery is not handed over to its person's address of now; None if it may be.

        If it may be, and the address is not the one that the store knows of the delivery, its hash is written
        down: a later bounce is about that address.

        Args:
            delivery: as it is stored.
            attribute: the person's, which has the address.
        """
        settings, value = self.settings(), (now.attributes or NOTHING).get(attribute)
        if now.is_suppressing:
            digests = address_digests(settings, delivery.channel, value)
            if digests and session.suppressed(delivery.channel, digests) is not None:
                return SUPPRESSED
        if delivery.address_digest is None and delivery.recipient.get(attribute) == value:
            return None
        digest = address_digest(settings, delivery.channel, value)
        if digest is not None and digest != handed_over_to(settings, delivery, NOTHING):
            session.note_address(delivery.key, digest)
        return None
