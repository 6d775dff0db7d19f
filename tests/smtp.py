"""A mail server for tests: it keeps what it is sent, and can be told to refuse, to hang and to hang up.

with mail_server() as server:
    server.answer("RCPT", "450 4.2.0 later", None)    # then as usual
    ...                                               # a client sends
    (mail,) = server.wait_for(1)
    assert server.counts[str(mail.parsed["Message-ID"])] == 1
"""

import asyncio
import ssl
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import cached_property, lru_cache
from threading import Condition, Event, Thread
from typing import TypeAlias

import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

HANG_UP = "hang up"
"""Instead of an answer the server closes the connection."""

HANG = "hang"
"""The server never answers."""

Answer: TypeAlias = str | None
"""A reply such as ``550 5.1.1 unknown``, `HANG_UP` or `HANG`; None for what the server says by itself."""

_PATIENCE = 60.0  # seconds in which a test that fails ends


@dataclass(frozen=True)
class Received:
    """One message as it arrived.

    Attributes:
        mail_from, recipients: the envelope.
        options: what the client said beside ``MAIL FROM``, such as ``SIZE=1000``.
        content: the message as it was sent.
    """

    mail_from: str
    recipients: tuple[str, ...]
    options: tuple[str, ...]
    content: bytes

    @cached_property
    def parsed(self) -> EmailMessage:
        """The message, parsed."""
        return message_from_bytes(self.content, _class=EmailMessage, policy=policy.default)

    def part(self, kind: str) -> str:
        """The text of its first part of that kind, such as ``html``, its lines ended by line feeds."""
        for part in self.parsed.walk():
            if part.get_content_type() == f"text/{kind}":
                return str(part.get_content()).replace("\r\n", "\n")
        message = f"there is no text/{kind}"
        raise LookupError(message)


@dataclass(frozen=True)
class ServerOptions:
    """What a server demands and offers.

    Attributes:
        security: ``none``, ``starttls`` or ``tls``.
        logins: passwords by user name; a client has to log in if there are any.
        login_in_clear: whether it takes a login without TLS, too.
        host: the name in its certificate.
        trusted: whether the certificate is of the authority that `trust` trusts.
    """

    security: str = "none"
    logins: dict[str, str] = field(default_factory=dict)
    login_in_clear: bool = False
    smtputf8: bool = True
    size_limit: int = 10_000_000
    host: str = "localhost"
    trusted: bool = True


class MailServer:
    """The server, and what it has received. Any thread may ask it.

    Attributes:
        port: where it listens, on 127.0.0.1.
        counts: how often each message was accepted, by its Message-ID.
        connections: how many were opened.
    """

    def __init__(self, options: ServerOptions) -> None:
        self.options = options
        self.port = 0
        self.counts: Counter[str] = Counter()
        self.connections = 0
        self._messages: list[Received] = []
        self._answers: dict[str, deque[Answer]] = {}
        self._always: dict[str, str] = {}
        self._open: list[SMTP] = []
        self._changed = Condition()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()

    def answer(self, command: str, *answers: Answer) -> None:
        """Answer the next of these commands so, one after the other, and then as usual.

        Args:
            command: ``CONNECT``, ``MAIL``, ``RCPT``, ``DATA`` (its content), ``AFTER-DATA`` (as `DATA`, and the
                message is kept) or ``AUTH``.
        """
        self._answers.setdefault(command, deque()).extend(answers)

    def always_answer(self, command: str, answer: Answer) -> None:
        """Answer all of these commands so, until told otherwise; None for the usual."""
        if answer is None:
            self._always.pop(command, None)
        else:
            self._always[command] = answer

    @property
    def messages(self) -> list[Received]:
        """What was accepted, in the order of arrival."""
        with self._changed:
            return list(self._messages)

    def wait_for(self, number: int) -> list[Received]:
        """The messages, as soon as there are so many."""
        with self._changed:
            arrived = self._changed.wait_for(lambda: len(self._messages) >= number, _PATIENCE)
            assert arrived, f"{len(self._messages)} of {number} messages arrived"
            return list(self._messages)

    @property
    def open_connections(self) -> int:
        """How many are open."""
        with self._changed:
            return len(self._open)

    def wait_until_open(self, number: int) -> None:
        """Wait until so many connections are open."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self._open) == number, _PATIENCE)

    def hang_up(self) -> None:
        """Close every connection, and wait until they are closed."""
        for connection in list(self._open):
            self._loop.call_soon_threadsafe(_abort, connection)
        self.wait_until_open(0)

    # --- what aiosmtpd calls -----------------------------------------------------------------------------
    async def handle_MAIL(  # noqa: N802
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        address: str,
        mail_options: list[str],
    ) -> str:
        """The sender of the envelope."""
        if self.options.logins and not session.authenticated:
            return "530 5.7.0 Authentication required"
        if (answer := await self._answer("MAIL", server)) is not None:
            return answer
        envelope.mail_from = address
        envelope.mail_options.extend(mail_options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self,
        server: SMTP,
        session: Session,  # noqa: ARG002
        envelope: Envelope,
        address: str,
        rcpt_options: list[str],  # noqa: ARG002
    ) -> str:
        """A recipient."""
        if (answer := await self._answer("RCPT", server)) is not None:
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: ARG002, N802
        """The content: it is kept unless it is refused."""
        if (answer := await self._answer("DATA", server)) is not None:
            return answer
        content = envelope.content
        assert isinstance(content, bytes)
        received = Received(
            str(envelope.mail_from or ""),
            tuple(map(str, envelope.rcpt_tos)),
            tuple(envelope.mail_options),
            content,
        )
        with self._changed:
            self._messages.append(received)
            self.counts[str(received.parsed["Message-ID"])] += 1
            self._changed.notify_all()
        return await self._answer("AFTER-DATA", server) or "250 2.0.0 accepted"

    def authenticate(
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        mechanism: str,
        login: object,
    ) -> AuthResult:
        """Whether a login is right."""
        del server, session, envelope, mechanism
        waiting = self._answers.get("AUTH")
        if waiting and (answer := waiting.popleft()) is not None:
            return AuthResult(success=False, handled=False, message=answer)
        assert isinstance(login, LoginPassword)
        known = self.options.logins.get(login.login.decode())
        is_right = known is not None and known == login.password.decode()
        return AuthResult(success=is_right, handled=is_right)

    async def _answer(self, command: str, server: SMTP) -> str | None:
        waiting = self._answers.get(command)
        answer = waiting.popleft() if waiting else self._always.get(command)
        if answer == HANG:
            await self._stop.wait()
        if answer in (HANG, HANG_UP):
            _abort(server)
            return "421 bye"
        return answer

    # --- the server's own thread ---------------------------------------------------------------------
    def run(self, ready: Event) -> None:
        """Serve until `stop`."""
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve(ready))
        finally:
            self._loop.close()

    def stop(self) -> None:
        """Close all connections and end."""
        self._loop.call_soon_threadsafe(self._stop.set)

    async def _serve(self, ready: Event) -> None:
        context = None if self.options.security == "none" else _server_context(self.options)
        implicit = context if self.options.security == "tls" else None
        server = await self._loop.create_server(self._made, "127.0.0.1", self.port, ssl=implicit)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await self._stop.wait()
        server.close()
        for connection in list(self._open):
            _abort(connection)
        await server.wait_closed()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _made(self) -> SMTP:
        options = self.options
        made = _Connection(
            self,
            hostname=options.host,
            data_size_limit=options.size_limit,
            enable_SMTPUTF8=options.smtputf8,
            tls_context=_server_context(options) if options.security == "starttls" else None,
            require_starttls=options.security == "starttls",
            auth_require_tls=not (options.login_in_clear or options.security == "tls"),
            authenticator=self.authenticate if options.logins else None,
            loop=self._loop,
        )
        made.server = self
        return made

    def opened(self, connection: SMTP) -> None:
        """Count a connection, and refuse it if the test says so."""
        with self._changed:
            self.connections += 1
            self._open.append(connection)
            self._changed.notify_all()

    def closed(self, connection: SMTP) -> None:
        """A connection is closed."""
        with self._changed:
            with suppress(ValueError):  # the second of STARTTLS
                self._open.remove(connection)
            self._changed.notify_all()

    def greeting(self) -> str | None:
        """What a new connection is told instead of the usual."""
        waiting = self._answers.get("CONNECT")
        return waiting.popleft() if waiting else self._always.get("CONNECT")


class _Connection(SMTP):
    """One connection of a client's."""

    server: MailServer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self.transport is not None:  # STARTTLS makes the same connection anew
            super().connection_made(transport)
            return
        self.server.opened(self)
        greeting = self.server.greeting()
        if greeting is not None and isinstance(transport, asyncio.WriteTransport):
            transport.write(f"{greeting}\r\n".encode())
            transport.close()
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self.server.closed(self)
        super().connection_lost(error)


def _abort(connection: SMTP) -> None:
    """Close a connection as a crash would."""
    if isinstance(connection.transport, asyncio.WriteTransport):
        connection.transport.abort()


@lru_cache
def _authority(trusted: bool) -> trustme.CA:
    return trustme.CA(organization_name=f"tests, trusted: {trusted}")


@lru_cache
def _server_context_of(host: str, *, trusted: bool) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    _authority(trusted).issue_cert(host).configure_cert(context)
    return context


def _server_context(options: ServerOptions) -> ssl.SSLContext:
    return _server_context_of(options.host, trusted=options.trusted)


def trust() -> ssl.SSLContext:
    """A client's context that trusts the servers of the tests."""
    context = ssl.create_default_context()
    _authority(True).configure_trust(context)
    return context


@contextmanager
def mail_server(options: ServerOptions | None = None, *, port: int = 0) -> Iterator[MailServer]:
    """A server on the loopback for one block.

    Args:
        port: where it listens; 0 for any free one.
    """
    server, ready = MailServer(options or ServerOptions()), Event()
    server.port = port
    thread = Thread(target=server.run, args=(ready,), name="mail server", daemon=True)
    thread.start()
    try:
        assert ready.wait(_PATIENCE)
        yield server
    finally:
        server.stop()
        thread.join(_PATIENCE)
