"""Addresses of persons, and the keyed hashes by which they are suppressed."""

import re
import unicodedata
from collections.abc import Mapping
from email.utils import parseaddr
from typing import Final

from pydantic import JsonValue

from whereupon.decide.engine_settings import Settings
from whereupon.records import Delivery

ADDRESSES: Final = {"email": "email", "sms": "phone"}
"""The attribute of the person that has the address on a channel of that name, unless the channel says another."""

SUPPRESSED = "suppressed"
"""The reason for which a delivery to a suppressed address is withheld."""

_PHONE = re.compile(r"\+?[\d\s().\-/]{5,}")
_INTERNATIONAL = re.compile(r"^00")


def normalized_address(value: JsonValue) -> str | None:
    """An address in the one form in which it is hashed; None if the value is no address.

    An e-mail address is lower-cased as a whole: RFC 5321 lets the part before ``@`` depend on case, and no mailbox
    that people use does. Its Unicode is NFC, and its domain is in the form of the DNS (IDNA). A phone number is its
    digits after the international prefix (E.164). Anything else, such as a token, is trimmed only.
    """
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    text = unicodedata.normalize("NFC", str(value)).strip()
    if "@" in text:
        return _mail_address(parseaddr(text)[1] or text) if "<" in text else _mail_address(text)
    if _PHONE.fullmatch(text):
        return _INTERNATIONAL.sub("", re.sub(r"\D", "", text)) or None
    return text or None


def _mail_address(text: str) -> str:
    local, _, domain = text.strip().lower().rpartition("@")
    try:
        domain = domain.encode("idna").decode()
    except UnicodeError:  # no name of the DNS: it is compared as it is
        return f"{local}@{domain}"
    return f"{local}@{domain}"


def address_digest(settings: Settings, channel: str, value: JsonValue) -> bytes | None:
    """The keyed hash that stands for an address on a channel; None if the value is no address."""
    address = normalized_address(value)
    return None if address is None else settings.digest(_kind(channel), address)


def address_digests(settings: Settings, channel: str, value: JsonValue) -> list[bytes]:
    """Every hash that may stand for an address, by the former keys, too; none if the value is no address."""
    address = normalized_address(value)
    return [] if address is None else settings.digests(_kind(channel), address)


def _kind(channel: str) -> str:
    return f"address:{channel}"


def handed_over_to(
    settings: Settings, delivery: Delivery, fallback: Mapping[str, JsonValue]
) -> bytes | None:
    """The keyed hash of the address that a delivery was handed over to; None if nobody knows it.

    Args:
        delivery: as it is stored.
        fallback: may have the address as ``recipient``, for a channel whose attribute is not known here.
    """
    if delivery.address_digest is not None:
        return delivery.address_digest
    attribute = settings.addresses.get(delivery.channel)
    value = fallback.get("recipient") if attribute is None else delivery.recipient.get(attribute)
    return address_digest(settings, delivery.channel, value)
