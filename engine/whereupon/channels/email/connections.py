"""Connections to a mail server, which are used again and shared by threads.

A connection is one thread's while it sends, and idle between. Idle ones are closed after a while. A child process
begins with none.
"""

import smtplib
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Lock, Timer
from time import monotonic
from typing import Final, Literal, TypeAlias

from whereupon.channels.email.addresses import Address
from whereupon.channels.email.refusals import RefusedError, Stage
from whereupon.runtime.forks import ForkAware, watch_forks

Security: TypeAlias = Literal["starttls", "tls", "none"]

_DONE: Final = (250, 251)
_CLOSING: Final = 421


class UnsafeServerError(Exception):
    """The server does not offer what the channel demands: STARTTLS, or a login."""


class NotTakenError(Exception):
    """The server has said beforehand that it takes no such mail."""


class ConnectionStaleError(Exception):
    """A connection that was used before is closed, and the server has seen nothing of the mail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where mail goes.

    Attributes:
        timeout: seconds that the server may take to connect, and for each answer.
        hello_name: what this machine calls itself; None for its own name.
        context: how TLS is spoken; it verifies the server's certificate.
    """

    host: str
    port: int
    security: Security
    username: str | None
    password: str | None = field(repr=False)
    timeout: float
    hello_name: str | None
    context: ssl.SSLContext


@dataclass(frozen=True, slots=True)
class Envelope:
    """A message for one recipient."""

    sender: Address
    recipient: Address
    content: bytes

    @property
    def is_ascii(self) -> bool:
        """Whether a server takes it without SMTPUTF8."""
        return self.sender.is_ascii and self.recipient.is_ascii


class Connection:
    """One connection, logged in.

    Raises:
        OSError: it cannot be made (with `ssl.SSLError` for a certificate that is not trusted).
        RefusedError: the server refuses it.
        UnsafeServerError: the server does not offer what is demanded.
    """

    def __init__(self, server: Server) -> None:
        self._smtp = _connected(server)
        self._is_used = False
        self.is_broken = False
        self.idle_since = monotonic()
        try:
            _secure(self._smtp, server)
            _log_in(self._smtp, server)
        except BaseException:
            self._smtp.close()
            raise

    @property
    def size_limit(self) -> int | None:
        """Bytes that a message may have; None if the server does not say."""
        said = self._smtp.esmtp_features.get("size", "").split()
        return int(said[0]) if said and said[0].isdigit() and int(said[0]) else None

    @property
    def tls_version(self) -> str | None:
        """Such as ``TLSv1.3``; None without TLS."""
        return self._smtp.sock.version() if isinstance(self._smtp.sock, ssl.SSLSocket) else None

    @property
    def takes_utf8(self) -> bool:
        """Whether it takes addresses with characters beyond ASCII."""
        return self._smtp.has_extn("smtputf8")

    def transmit(self, envelope: Envelope) -> None:
        """Give the server a message.

        Raises:
            NotTakenError: the server does not take it. The connection can be used on.
            RefusedError: the server refuses it. The connection can be used on, unless it is broken.
            ConnectionStaleError: nothing was given to it; make a new connection.
            OSError, smtplib.SMTPException: the connection broke; nobody knows whether the server has it.
        """
        self._check(envelope)
        self._begin(envelope)
        recipient = envelope.recipient.spec
        self._expect(Stage.RECIPIENT, self._smtp.rcpt(recipient))
        try:
            answer = self._smtp.data(envelope.content)
        except smtplib.SMTPDataError as error:
            answer = error.smtp_code, _bytes(error.smtp_error)
        self._expect(Stage.MESSAGE, answer)

    def _check(self, envelope: Envelope) -> None:
        limit, size = self.size_limit, len(envelope.content)
        if limit is not None and size > limit:
            message = f"the mail has {size:,} bytes, and the server takes {limit:,}"
            raise NotTakenError(message)
        if not envelope.is_ascii and not self.takes_utf8:
            message = "an address has characters beyond ASCII before the @, and the server takes none (SMTPUTF8)"
            raise NotTakenError(message)

    def _begin(self, envelope: Envelope) -> None:
        used, self._is_used = self._is_used, True
        try:
            answer = self._smtp.mail(envelope.sender.spec, self._options(envelope))
        except (smtplib.SMTPServerDisconnected, OSError) as error:
            if used:
                raise ConnectionStaleError from error
            raise
        if used and answer[0] == _CLOSING:
            raise ConnectionStaleError
        self._expect(Stage.SENDER, answer)

    def _options(self, envelope: Envelope) -> Sequence[str]:
        options = [] if self.size_limit is None else [f"SIZE={len(envelope.content)}"]
        return options if envelope.is_ascii else [*options, "BODY=8BITMIME", "SMTPUTF8"]

    def _expect(self, stage: Stage, answer: tuple[int, bytes]) -> None:
        code, said = answer
        if code in _DONE:
            return
        self._reset(code)
        raise RefusedError(stage, code, said)

    def _reset(self, code: int) -> None:
        """Make it ready for the next message, after a refusal."""
        if code == _CLOSING:
            self.is_broken = True
            return
        try:
            self._smtp.rset()
        except (OSError, smtplib.SMTPException):
            self.is_broken = True

    def quit(self) -> None:
        """Take leave of the server, and close."""
        try:
            self._smtp.quit()
        except (OSError, smtplib.SMTPException):
            self._smtp.close()

    def drop(self) -> None:
        """Close without a word, as when the connection is broken or another process's."""
        self._smtp.close()


class ConnectionPool(ForkAware):
    """Connections to one server. Any number of threads may use it.

    Args:
        server: where they lead.
        idle: seconds after which one that nobody uses is closed.
    """

    def __init__(self, server: Server, *, idle: float) -> None:
        self._server = server
        self._idle = idle
        self._resting: list[Connection] = []
        self._lock = Lock()
        self._timer: Timer | None = None
        self._is_closed = False
        watch_forks(self)

    def after_fork_in_child(self) -> None:
        """The connections and the timer are the parent's; closing our copies says nothing to the server."""
        self._lock = Lock()
        self._timer = None
        for connection in self._resting:
            connection.drop()
        self._resting = []

    def use(self, task: Callable[[Connection], None]) -> None:
        """Do something with a connection; one that the server has closed in between is replaced.

        Raises:
            RefusedError, NotTakenError, OSError, smtplib.SMTPException, UnsafeServerError: as the task, and as `Connection`.
        """
        while True:
            connection = self._take()
            try:
                task(connection)
            except ConnectionStaleError:
                connection.drop()
                continue
            except (RefusedError, NotTakenError):
                self._leave(connection)
                raise
            except BaseException:
                connection.drop()
                raise
            self._leave(connection)
            return

    def close(self) -> None:
        """Close the connections that nobody uses; those in use are closed when they are left."""
        with self._lock:
            self._is_closed = True
            if self._timer is not None:
                self._timer.cancel()
            resting, self._resting, self._timer = self._resting, [], None
        for connection in resting:
            connection.quit()

    def _take(self) -> Connection:
        self._close_idle()
        with self._lock:
            self._is_closed = False
            connection = self._resting.pop() if self._resting else None
        return connection or Connection(self._server)

    def _leave(self, connection: Connection) -> None:
        if connection.is_broken:
            connection.drop()
            return
        connection.idle_since = monotonic()
        with self._lock:
            is_kept = not self._is_closed
            if is_kept:
                self._resting.append(connection)
                self._set_timer()
        if not is_kept:
            connection.quit()

    def _set_timer(self) -> None:
        """Close what is idle later, also if nothing is sent any more."""
        if self._timer is None:
            self._timer = Timer(self._idle, self._time_is_up)
            self._timer.daemon = True
            self._timer.name = "idle connections"
            self._timer.start()

    def _time_is_up(self) -> None:
        with self._lock:
            self._timer = None
            if self._resting:
                self._set_timer()
        self._close_idle()

    def _close_idle(self) -> None:
        before = monotonic() - self._idle
        with self._lock:
            old = [each for each in self._resting if each.idle_since <= before]
            self._resting = [each for each in self._resting if each.idle_since > before]
        for connection in old:
            connection.quit()


def _connected(server: Server) -> smtplib.SMTP:
    at, name, seconds = (server.host, server.port), server.hello_name, server.timeout
    try:
        if server.security == "tls":
            return smtplib.SMTP_SSL(
                *at, local_hostname=name, timeout=seconds, context=server.context
            )
        return smtplib.SMTP(*at, local_hostname=name, timeout=seconds)
    except smtplib.SMTPConnectError as error:
        raise RefusedError(Stage.CONNECT, error.smtp_code, _bytes(error.smtp_error)) from error


def _secure(smtp: smtplib.SMTP, server: Server) -> None:
    try:
        smtp.ehlo_or_helo_if_needed()
        if server.security != "starttls":
            return
        if not smtp.has_extn("starttls"):
            message = "the server offers no STARTTLS, and security='starttls' demands it"
            raise UnsafeServerError(message)
        smtp.starttls(context=server.context)
        smtp.ehlo()
    except smtplib.SMTPResponseException as error:
        raise RefusedError(Stage.CONNECT, error.smtp_code, _bytes(error.smtp_error)) from error


def _log_in(smtp: smtplib.SMTP, server: Server) -> None:
    if server.username is None or server.password is None:
        return
    if not smtp.has_extn("auth"):
        message = "the server offers no login, and a username is given"
        raise UnsafeServerError(message)
    try:
        smtp.login(server.username, server.password)
    except smtplib.SMTPResponseException as error:
        raise RefusedError(Stage.LOGIN, error.smtp_code, _bytes(error.smtp_error)) from error


def _bytes(said: bytes | str) -> bytes:
    return said if isinstance(said, bytes) else said.encode()
