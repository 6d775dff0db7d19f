"""Bounces and complaints that come back by mail: which delivery they are about, and what they say.

Delivery status notifications (RFC 3464) and complaints in the Abuse Reporting Format (RFC 5965), as mail servers and
mailbox providers send them to the envelope's sender. The delivery is found by the Message-ID of our mail, which is
among the headers that come back, or by a key in the address that the bounce was sent to (see ``bounces`` of `Email`).
"""

import re
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage, Message
from typing import Final, NamedTuple

MOST_BYTES: Final = 10 << 20
"""The largest mail that is read."""

_KEY: Final = re.compile(r"(?<![0-9a-f])([0-9a-f]{32})(?![0-9a-f])")
_ABOUT_THE_MAIL: Final = re.compile(r"5\.(?:2\.[23]|3\.4|[67]\.\d+)\b")
"""Final, and not about the address: a full mailbox, the size, the content, a policy (RFC 3463)."""

_STATUS: Final = re.compile(r"([245])\.\d{1,3}\.\d{1,3}")
_COMPLAINTS: Final = frozenset(("abuse", "fraud", "virus", "other"))
_ABOUT_TIME: Final = frozenset(("delayed", "failed"))
_ADDRESSED: Final = ("To", "Delivered-To", "X-Original-To", "Envelope-To")


class Bounce(NamedTuple):
    """What a mail reports of a delivery.

    Attributes:
        key: the delivery's idempotency key.
        metric: ``bounced``, ``deferred``, ``complained`` or ``unsubscribed``.
        permanent: whether the address takes no mail at all.
        reason: the status code and what the server said, without addresses; empty if the mail does not say it.
    """

    key: str
    metric: str
    permanent: bool
    reason: str


def read_bounce(raw: bytes) -> Bounce | None:
    """What a mail that came back reports; None if it is no report, or of no delivery of ours.

    Args:
        raw: the mail, as it came. A vacation note, a read receipt and any other mail is no report.
    """
    mail = message_from_bytes(raw[:MOST_BYTES], _class=EmailMessage, policy=policy.default)
    if mail.get_content_type() != "multipart/report":
        return None
    key = _key_of(mail)
    if key is None:
        return None
    match str(mail.get_param("report-type", "")).lower():
        case "delivery-status":
            return _delivery_status(mail, key)
        case "feedback-report":
            return _complaint(mail, key)
        case _:
            return None


def _delivery_status(mail: EmailMessage, key: str) -> Bounce | None:
    """The worst that is said of a recipient; a mail of ours has one."""
    found = [each for each in map(_of_recipient, _fields(mail, "message/delivery-status")) if each]
    if not found:
        return None
    is_final, reason = max(found, key=lambda each: each[0])
    is_permanent = is_final and _ABOUT_THE_MAIL.match(reason) is None
    return Bounce(key, "bounced" if is_final else "deferred", is_permanent, reason)


def _of_recipient(fields: Message) -> tuple[bool, str] | None:
    """Whether a mail was refused for good, and why; None if the fields are not about a refusal."""
    action = str(fields.get("Action", "")).strip().lower()
    if action not in _ABOUT_TIME:
        return None
    status = _STATUS.search(str(fields.get("Status", "")))
    said = str(fields.get("Diagnostic-Code", "")).partition(";")[2] or ""
    words = re.sub(r"[^\s<>()\"']+@[^\s<>()\"',;]+", "(address)", " ".join(said.split()))[:200]
    is_final = action == "failed" and (status is None or status[1] == "5")
    return is_final, " ".join(filter(None, [status[0] if status else "", words]))


def _complaint(mail: EmailMessage, key: str) -> Bounce | None:
    for fields in _fields(mail, "message/feedback-report"):
        kind = str(fields.get("Feedback-Type", "")).strip().lower()
        if kind in _COMPLAINTS:
            return Bounce(key, "complained", permanent=True, reason=kind)
        if kind.startswith("opt-out"):
            return Bounce(key, "unsubscribed", permanent=True, reason=kind)
    return None


def _fields(mail: EmailMessage, kind: str) -> Iterator[Message]:
    """The groups of fields in the parts of a kind; the parser makes a message of each, or leaves them as text."""
    for part in mail.walk():
        if part.get_content_type() == kind:
            inner = part.get_payload()
            if isinstance(inner, list):
                yield from (each for each in inner if isinstance(each, Message))
            else:
                yield message_from_bytes(part.get_payload(decode=True) or b"")  # type: ignore[arg-type]


def _key_of(mail: EmailMessage) -> str | None:
    """The key of the mail that comes back: by its Message-ID, or by the address that the report was sent to."""
    for part in mail.walk():
        kind = part.get_content_type()
        if kind in ("message/rfc822", "text/rfc822-headers", "message/rfc822-headers"):
            found = _KEY.search(_message_id(part))
            if found is not None:
                return found[1]
    addressed = " ".join(str(mail.get(name, "")) for name in _ADDRESSED)
    found = _KEY.search(addressed)
    return None if found is None else found[1]


def _message_id(part: Message) -> str:
    inner = part.get_payload()
    if isinstance(inner, list) and inner and isinstance(inner[0], Message):
        return str(inner[0].get("Message-ID", ""))
    content = part.get_payload(decode=True)
    return (
        str(message_from_bytes(content).get("Message-ID", "")) if isinstance(content, bytes) else ""
    )
