"""The message of a mail, as the server gets it: headers, a text, the HTML beside it, signatures.

The body is sent as quoted-printable or base64 and never as 8bit, so that no server on the way has to change what
is signed.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Final

from whereupon.channels.email.addresses import Address
from whereupon.channels.email.content import MailContent
from whereupon.channels.email.dkim import Dkim
from whereupon.channels.email.headers import (
    Field,
    address_field,
    as_bytes,
    text_field,
    token_field,
)
from whereupon.records import Delivery, SendKind

_POLICY: Final = policy.SMTP.clone(cte_type="7bit")
_KEY: Final = re.compile(r"[0-9A-Za-z._-]{1,64}")
_UNNAMED: Final = re.compile(r"[^A-Za-z0-9-]+")
_DENSE: Final = 5  # where more than one character in so many is not ASCII, base64 is shorter
_SENDER_ID: Final = 15  # characters at most, by Gmail's description of Feedback-ID


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """All that a message is made of.

    Attributes:
        delivery: whose it is.
        content: what is said; its links are filled in.
        sender, to: whom it is from, and whom it goes to.
        at: when it is sent.
        unsubscribe: the link for the header `List-Unsubscribe`; None for none.
        domain: of the Message-ID and of the list: the domain of the channel's own sender.
    """

    delivery: Delivery
    content: MailContent
    sender: Address
    to: Address
    reply_to: Address | None
    at: datetime
    unsubscribe: str | None
    domain: str


def message_id(key: str, domain: str) -> str:
    """The Message-ID of a delivery: the same for every try, so that a mailbox can tell a repeated mail.

    Args:
        key: the delivery's idempotency key.
        domain: of the sender.

    Raises:
        ValueError: the key has characters that a Message-ID cannot have.
    """
    if not _KEY.fullmatch(key):
        text = "a Message-ID is made of a key of letters, digits and . _ -"
        raise ValueError(text)
    return f"<{key}@{domain}>"


def compose(mail: Mail, keys: Sequence[Dkim]) -> bytes:
    """The message, in lines that end with CR LF.

    Args:
        keys: each signs it.
    """
    root = _body(mail.content, mail.delivery.idempotency_key)
    body = root.as_bytes().partition(b"\r\n\r\n")[2]
    parts = [Field(name, str(root[name])) for name in ("MIME-Version", "Content-Type")]
    encoding = root["Content-Transfer-Encoding"]
    if encoding is not None:
        parts.append(Field("Content-Transfer-Encoding", str(encoding)))
    fields = [*_fields(mail), *parts]
    signatures = [key.signature(fields, body, mail.at) for key in keys]
    return as_bytes([*signatures, *fields]) + b"\r\n" + body


def _fields(mail: Mail) -> list[Field]:
    delivery = mail.delivery
    fields = [
        address_field("From", mail.sender),
        address_field("To", mail.to),
        text_field("Subject", mail.content.subject),
        token_field("Date", format_datetime(mail.at)),
        token_field("Message-ID", message_id(delivery.idempotency_key, mail.domain)),
        token_field("Auto-Submitted", "auto-generated"),  # RFC 3834: no answers by machines
    ]
    if mail.reply_to is not None:
        fields.append(address_field("Reply-To", mail.reply_to))
    if delivery.kind is SendKind.MARKETING:
        fields += _of_a_list(delivery, mail.domain)
    if mail.unsubscribe is not None:
        fields.append(token_field("List-Unsubscribe", f"<{mail.unsubscribe}>"))
        fields.append(token_field("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"))
    return [*fields, *(text_field(*header) for header in mail.content.headers.items())]


def _of_a_list(delivery: Delivery, domain: str) -> list[Field]:
    """List-Id (RFC 2919) by the topic, and Feedback-ID, under which Gmail counts complaints by rule."""
    parts = (delivery.rule, delivery.topic or "none", delivery.channel)
    sender = domain.replace(".", "-")[:_SENDER_ID]
    feedback = token_field("Feedback-ID", ":".join([*map(_as_word, parts), sender]))
    if delivery.topic is None:
        return [feedback]
    return [feedback, token_field("List-Id", f"<{_as_word(delivery.topic)}.{domain}>")]


def _as_word(name: str) -> str:
    return _UNNAMED.sub("-", name).strip("-")[:60] or "none"


def _body(content: MailContent, key: str) -> EmailMessage:
    """The parts; the text comes first, since a reader shows the last that it can."""
    root = EmailMessage(_POLICY)
    _set_text(root, content.plain, "plain")
    html = content.page
    if html is not None:
        root.make_alternative()
        page = EmailMessage(_POLICY)
        _set_text(page, html, "html")
        del page["MIME-Version"]
        root.attach(page)
        root.set_boundary(f"=_{key}")  # neither encoding has such a line
    root["MIME-Version"] = "1.0"
    return root


def _set_text(part: EmailMessage, text: str, kind: str) -> None:
    clean = text.encode("utf-8", "replace").decode()
    beyond = len(clean.encode()) - len(clean)
    encoding = "base64" if beyond * _DENSE > len(clean) else "quoted-printable"
    part.set_content(clean, subtype=kind, charset="utf-8", cte=encoding)
    del part["MIME-Version"]
