"""What a provider's request takes from a delivery: its content's keys, and the person's address."""

from collections.abc import Collection

from pydantic import JsonValue

from whereupon.delivery.retries import GiveUp
from whereupon.records import Delivery


def check_keys(delivery: Delivery, known: Collection[str]) -> None:
    """Give up on content that the channel would have to leave out.

    Raises:
        GiveUp: the reason names the keys, and those that are known.
    """
    unknown = sorted(delivery.content.keys() - set(known))
    if unknown:
        reason = (
            f"this channel does not know {', '.join(unknown)}; it knows {', '.join(sorted(known))}"
        )
        raise GiveUp(reason)


def text_of(value: JsonValue) -> str:
    """A value of the content as text; nothing for null."""
    return value if isinstance(value, str) else "" if value is None else str(value)


def address_of(delivery: Delivery, attribute: str) -> str:
    """The person's address, from an attribute.

    Raises:
        GiveUp: the person has none (``no-address``).
    """
    found = delivery.recipient.get(attribute)
    text = "" if isinstance(found, bool | dict | list) else text_of(found).strip()
    if not text:
        reason = f"no-address: the person has no {attribute}"
        raise GiveUp(reason)
    return text
