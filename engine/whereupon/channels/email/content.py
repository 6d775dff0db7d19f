"""What a rule says of a mail: the keys of its step ``send: email``, read from a delivery's content.

Nothing is ignored: a key that no mail has is a permanent failure, which names it.
"""

import html as markup
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from pydantic import JsonValue

from whereupon.channels.email.addresses import Address, BadAddressError, one_line, read_named
from whereupon.channels.email.headers import is_header_name
from whereupon.channels.email.html_text import text_of
from whereupon.delivery.retries import GiveUp

UNSUBSCRIBE_URL: Final = "%unsubscribe_url%"
"""Stands in a text or HTML for the link to unsubscribe."""

KEYS: Final = ("subject", "preheader", "text", "body", "html", "from", "reply_to", "headers")

_OWN_HEADERS: Final = re.compile(
    r"(from|sender|to|cc|bcc|subject|date|message-id|reply-to|return-path|received|mime-version|auto-submitted"
    r"|dkim-signature|feedback-id|content-.*|list-(id|unsubscribe.*)|resent-.*)",
    re.IGNORECASE,
)
_BODY_BEGINS: Final = re.compile(r"<body\b[^>]*>", re.IGNORECASE)
_LONGEST_HEADER: Final = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class MailContent:
    """What is said in a mail.

    Attributes:
        text: None to make it from the HTML.
        html: None for a mail of text alone.
        preheader: what a mailbox shows beside the subject.
        sender, reply_to: None for the channel's own.
        headers: more headers, by name.
    """

    subject: str
    text: str | None
    html: str | None
    preheader: str = ""
    sender: Address | None = None
    reply_to: Address | None = None
    headers: Mapping[str, str]

    @property
    def asks_for_link(self) -> bool:
        """Whether the link to unsubscribe stands in it."""
        return UNSUBSCRIBE_URL in (self.text or "") or UNSUBSCRIBE_URL in (self.html or "")

    def with_link(self, url: str) -> "MailContent":
        """The content with a link in place of `UNSUBSCRIBE_URL`."""
        text = None if self.text is None else self.text.replace(UNSUBSCRIBE_URL, url)
        escaped = markup.escape(url)
        html = None if self.html is None else self.html.replace(UNSUBSCRIBE_URL, escaped)
        return replace(self, text=text, html=html)

    @property
    def plain(self) -> str:
        """The text part; it begins with the preheader where there is no HTML to hold it."""
        if self.text is None:
            return text_of(self.html or "")
        if self.html is None and self.preheader:
            return f"{self.preheader}\n\n{self.text}"
        return self.text

    @property
    def page(self) -> str | None:
        """The HTML with its preheader, which is not displayed in the mail itself."""
        if self.html is None or not self.preheader:
            return self.html
        hidden = f'<div style="display:none;max-height:0;overflow:hidden">{markup.escape(self.preheader)}</div>'
        begins = _BODY_BEGINS.search(self.html)
        at = begins.end() if begins else 0
        return self.html[:at] + hidden + self.html[at:]


def read_content(content: Mapping[str, JsonValue]) -> MailContent:
    """Read the content of a delivery.

    Raises:
        GiveUp: it has a key that no mail has, lacks one, or has one of a wrong kind.
    """
    unknown = sorted(content.keys() - set(KEYS))
    if unknown:
        reason = f"an e-mail has no {', '.join(unknown)}; its keys are {', '.join(KEYS)}"
        raise GiveUp(reason)
    said = {key: _text(key, value) for key, value in content.items() if key != "headers"}
    if "text" in said and "body" in said:
        reason = "text and body are the same part of an e-mail: leave one out"
        raise GiveUp(reason)
    text, html = said.get("text", said.get("body")), said.get("html")
    subject = one_line(said.get("subject", ""))
    if not subject:
        reason = "an e-mail needs a subject"
        raise GiveUp(reason)
    if text is None and html is None:
        reason = "an e-mail needs a text or an html"
        raise GiveUp(reason)
    return MailContent(
        subject=subject,
        text=text,
        html=html,
        preheader=one_line(said.get("preheader", "")),
        sender=_address("from", said.get("from")),
        reply_to=_address("reply_to", said.get("reply_to")),
        headers=_headers(content.get("headers")),
    )


def _text(key: str, value: JsonValue) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        reason = f"{key} of an e-mail is a text"
        raise GiveUp(reason)
    return str(value)


def _address(key: str, said: str | None) -> Address | None:
    if said is None:
        return None
    try:
        return read_named(said)
    except BadAddressError as error:
        reason = f"{key} of the e-mail: {error}"
        raise GiveUp(reason) from error


def _headers(said: JsonValue) -> dict[str, str]:
    if said is None:
        return {}
    if not isinstance(said, Mapping):
        reason = "headers of an e-mail is a mapping of names to texts"
        raise GiveUp(reason)
    read: dict[str, str] = {}
    for name, value in said.items():
        if not is_header_name(name) or _OWN_HEADERS.fullmatch(name):
            reason = f"headers of an e-mail cannot have {one_line(name)[:60]!r}: it is the channel's own, or no name of a header"
            raise GiveUp(reason)
        read[name] = one_line(_text(f"header {name}", value))[:_LONGEST_HEADER]
    return read
