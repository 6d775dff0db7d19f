"""The channel `Email`: composes a mail of a delivery, and gives it to a mail server."""

import logging
import ssl
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, assert_never

from whereupon.channels.email.addresses import Address, BadAddressError, read_address, read_named
from whereupon.channels.email.checks import check_mail
from whereupon.channels.email.composer import Mail, compose
from whereupon.channels.email.connections import (
    ConnectionPool,
    Envelope,
    NotTakenError,
    Security,
    Server,
    UnsafeServerError,
)
from whereupon.channels.email.content import UNSUBSCRIBE_URL, MailContent, read_content
from whereupon.channels.email.dkim import Dkim
from whereupon.channels.email.refusals import Meaning, RefusedError
from whereupon.delivery.channel_policy import Breaker, ChannelPolicy
from whereupon.delivery.retries import Duration, GiveUp, RetryLater, as_duration
from whereupon.ports import ChannelHost, Finding
from whereupon.ports.host import LinkMaker
from whereupon.records import Delivery, SendKind
from whereupon.runtime.log_lines import log_event
from whereupon.scheduling import SystemClock

_LOG = logging.getLogger("whereupon.channels")

PORTS: Final = {"starttls": 587, "tls": 465, "none": 25}
GREYLISTED: Final = timedelta(minutes=5)
"""How long a mail waits that a server asks to come again."""

KEY: Final = "{key}"
"""Stands in ``bounces`` for the delivery's idempotency key."""


class MailSetupError(Exception):
    """No mail can be sent before a setting is mended. Deliveries wait meanwhile, and none is given up."""


class Email:
    """Sends mails by SMTP. Any number of threads may call `send`; connections are used again.

    Args:
        host: the mail server. Its certificate has to be valid for this name.
        port: 587 by default; 465 for ``security="tls"``, 25 for ``security="none"``.
        sender: whom mails are from, such as ``Shop <hello@shop.example>``.
        username, password: for a login; None for none.
        security: ``starttls`` (demanded, not only tried), ``tls`` from the start, or ``none``.
        login_in_clear: whether the password may go over a connection without TLS.
        timeout: how long the server may take to connect, and for each answer. Keep it below the
            timeout of the channel's policy.
        idle: how long a connection stays open that nobody uses.
        hello_name: what this machine calls itself to the server; its own name by default.
        ca_file: certificates in PEM to trust instead of the system's.
        tls_context: how TLS is spoken, instead of ``ca_file``.
        reply_to: where answers go.
        dkim: keys that sign each mail.
        bounces: where mails go that cannot be delivered; the sender by default. ``bounces+{key}@shop.example``
            has the delivery's key in it, so that `bounces.read_bounce` finds the delivery of every bounce.
        unsubscribe: whether marketing mails have the headers of one-click unsubscribing (RFC 8058). They need
            `Engine.open(public_url=)`.
        track_clicks, track_opens: whether links in HTML lead over pages of `whereupon.web`, and whether an
            image says that the mail was opened.
        address: the person's attribute with the address.
        name: the person's attribute with the name to show beside it; None to show none.

    Raises:
        ValueError: a setting is wrong.
    """

    policy = ChannelPolicy(concurrency=8, breaker=Breaker(5, timedelta(minutes=1)))
    """What the engine's `channel` does not say otherwise."""

    def __init__(  # noqa: PLR0913 - the settings of a channel, by keyword
        self,
        host: str,
        port: int | None = None,
        *,
        sender: str,
        username: str | None = None,
        password: str | None = None,
        security: Security = "starttls",
        login_in_clear: bool = False,
        timeout: Duration = 20,
        idle: Duration = 30,
        hello_name: str | None = None,
        ca_file: str | None = None,
        tls_context: ssl.SSLContext | None = None,
        reply_to: str | None = None,
        dkim: Dkim | Sequence[Dkim] = (),
        bounces: str | None = None,
        unsubscribe: bool = True,
        track_clicks: bool = False,
        track_opens: bool = False,
        address: str = "email",
        name: str | None = "name",
    ) -> None:
        if security not in PORTS:
            message = f"security is one of {', '.join(PORTS)}; not {security!r}"
            raise ValueError(message)
        if (username is None) != (password is None):
            message = "a login has a username and a password: say both, or neither"
            raise ValueError(message)
        if username is not None and security == "none" and not login_in_clear:
            message = "a login without TLS would show the password: use security='starttls', or say login_in_clear=True"
            raise ValueError(message)
        self.address: str | None = address
        self._name = name
        self._sender = _setting("sender", sender)
        self._reply_to = None if reply_to is None else _setting("reply_to", reply_to)
        self._bounces = bounces
        self._envelope_sender("0" * 32)  # says now if it is wrong
        self._dkim = (dkim,) if isinstance(dkim, Dkim) else tuple(dkim)
        self._unsubscribes = unsubscribe
        self._tracks = (track_clicks, track_opens)
        self._server = Server(
            host=host,
            port=PORTS[security] if port is None else port,
            security=security,
            username=username,
            password=password,
            timeout=_seconds("timeout", timeout),
            hello_name=hello_name,
            context=tls_context or ssl.create_default_context(cafile=ca_file),
        )
        self._pool = ConnectionPool(self._server, idle=_seconds("idle", idle))
        self._host: ChannelHost | None = None
        self._has_warned = False

    def attach(self, host: ChannelHost) -> None:
        """Take the engine, which says the time, makes links, and takes reports of bounces."""
        self._host = host

    def close(self) -> None:
        """Close the connections. A later `send` opens new ones."""
        self._pool.close()

    def check(self) -> list[Finding]:
        """Look whether mail could be sent now: connects, logs in, and sends nothing."""
        has_links = not self._unsubscribes or self._link_maker() is not None
        return check_mail(self._server, self._sender, self._dkim, has_links=has_links)

    def send(self, delivery: Delivery) -> None:
        """Send one mail.

        Raises:
            GiveUp: the server refuses this mail or its recipient for good, the person has no address, or the
                content is not that of a mail.
            RetryLater: the server asks this mail to come again.
            MailSetupError: no mail can be sent with these settings.
            OSError, smtplib.SMTPException, RefusedError: the server is away, busy or broken.
        """
        envelope = self._envelope(delivery)
        try:
            self._pool.use(lambda connection: connection.transmit(envelope))
        except RefusedError as error:
            raise self._outcome(delivery, error) from error
        except NotTakenError as error:
            raise GiveUp(str(error)) from error
        except (UnsafeServerError, ssl.SSLCertVerificationError) as error:
            raise self._set_up_wrongly(delivery, str(error)) from error

    def _envelope(self, delivery: Delivery) -> Envelope:
        to = self._recipient(delivery)
        content = read_content(delivery.content)
        is_marketing = delivery.kind is SendKind.MARKETING
        has_link = self._unsubscribes and is_marketing
        link = self._link(delivery) if has_link or content.asks_for_link else None
        if content.asks_for_link:
            content = self._filled_in(delivery, content, link)
        content = self._tracked(delivery, content)
        mail = Mail(
            delivery=delivery,
            content=content,
            sender=content.sender or self._sender,
            to=to,
            reply_to=content.reply_to or self._reply_to,
            at=self._now(),
            unsubscribe=link if has_link else None,
            domain=self._sender.domain,
        )
        try:
            message = compose(mail, self._dkim)
        except ValueError as error:
            raise GiveUp(str(error)) from error
        return Envelope(self._envelope_sender(delivery.idempotency_key), to, message)

    def _recipient(self, delivery: Delivery) -> Address:
        attributes = delivery.recipient
        said = attributes.get(self.address or "")
        if not isinstance(said, str) or not said.strip():
            reason = f"the person has no {self.address}"
            raise GiveUp(reason)
        name = attributes.get(self._name) if self._name is not None else None
        try:
            return read_address(said, name=name if isinstance(name, str) else "")
        except BadAddressError as error:
            reason = f"the person's {self.address}: {error}"
            raise GiveUp(reason) from error

    def _envelope_sender(self, key: str) -> Address:
        if self._bounces is None:
            return Address(self._sender.local, self._sender.domain)
        return _setting("bounces", self._bounces.replace(KEY, key))

    def _now(self) -> datetime:
        return (SystemClock() if self._host is None else self._host.clock).now()

    def _link(self, delivery: Delivery) -> str | None:
        links = self._link_maker()
        return None if links is None else links.unsubscribe(delivery)

    def _link_maker(self) -> LinkMaker | None:
        """What makes links; without it marketing mails lack theirs, which is said once."""
        links = None if self._host is None else self._host.links
        if links is None and self._unsubscribes and not self._has_warned:
            self._has_warned = True
            log_event(
                _LOG,
                logging.WARNING,
                "email-without-unsubscribe",
                advice="Engine.open(public_url=)",
            )
        return links

    def _filled_in(self, delivery: Delivery, content: MailContent, link: str | None) -> MailContent:
        if link is None:
            said = f"the mail has {UNSUBSCRIBE_URL}, and there is no public_url to make the link of"
            raise self._set_up_wrongly(delivery, said)
        return content.with_link(link)

    def _tracked(self, delivery: Delivery, content: MailContent) -> MailContent:
        clicks, opens = self._tracks
        links = self._link_maker() if clicks or opens else None
        if content.html is None or links is None:
            return content
        return replace(
            content, html=links.rewrite(content.html, delivery, clicks=clicks, opens=opens)
        )

    def _outcome(self, delivery: Delivery, error: RefusedError) -> Exception:
        """What the server's refusal means."""
        match error.meaning:
            case Meaning.LATER:
                return error
            case Meaning.SOON:
                return RetryLater(after=GREYLISTED, reason=str(error))
            case Meaning.OURS:
                return self._set_up_wrongly(delivery, str(error))
            case Meaning.BOUNCED:
                if self._host is not None:
                    self._host.report(delivery.idempotency_key, "bounced", reason=str(error))
                return GiveUp(str(error))
            case Meaning.REFUSED:
                return GiveUp(str(error))
            case _:
                assert_never(error.meaning)

    def _set_up_wrongly(self, delivery: Delivery, said: str) -> MailSetupError:
        log_event(
            _LOG,
            logging.ERROR,
            "email-setup",
            channel=delivery.channel,
            key=delivery.idempotency_key,
            reason=said,
        )
        return MailSetupError(said)


def _setting(name: str, said: str) -> Address:
    try:
        return read_named(said)
    except BadAddressError as error:
        message = f"{name}: {error}"
        raise ValueError(message) from error


def _seconds(name: str, said: Duration) -> float:
    seconds = as_duration(said).total_seconds()
    if seconds <= 0:
        message = f"{name} is longer than nothing"
        raise ValueError(message)
    return seconds
