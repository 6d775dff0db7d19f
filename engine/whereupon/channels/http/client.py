"""A client for guarded requests: one resolution, every address checked, and the connection to a checked address.

TLS is verified for the name, though the connection goes to an address. One deadline holds for all of a request,
from the connection to the last byte. At most 64 KB of an answer are read, and nothing of it is decompressed.
"""

import selectors
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse, IncompleteRead
from ipaddress import ip_address
from threading import Lock, Timer
from time import monotonic
from typing import Final, TypeAlias
from urllib.parse import urlsplit
from weakref import finalize

from whereupon.channels.http.answers import HttpAnswer
from whereupon.channels.http.guard import Address, Guard, Target
from whereupon.errors import WhereuponError
from whereupon.runtime.forks import ForkAware, watch_forks

MOST_BYTES: Final = 64 * 1024
_MOST_IDLE = 64
_IDLE_SECONDS = 55.0  # below what servers and balancers usually wait

Resolve: TypeAlias = Callable[[str, int], Sequence[str]]
"""The addresses of a name, as texts; raises `OSError` if there are none."""


class HttpFailedError(WhereuponError):
    """A request without an answer: a name without address, a refused connection, TLS, a time-out.

    Attributes:
        reason: one sentence, without the path of the URL.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


def addresses_of(host: str, port: int) -> list[str]:
    """What the system says of a name, once each, in its order."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


class _Pinned(HTTPConnection):
    """A connection to an address, with TLS for the name of the target."""

    def __init__(
        self, at: tuple[str, int], target: Target, context: ssl.SSLContext | None, timeout: float
    ) -> None:
        super().__init__(*at, timeout=timeout)
        self._target = target
        self._context = context
        self.idle_since = 0.0

    def connect(self) -> None:
        """Connect, and verify the certificate for the name (SNI is sent for names only)."""
        super().connect()
        if self._context is not None:
            self.sock = self._context.wrap_socket(self.sock, server_hostname=self._target.host)

    def is_usable(self) -> bool:
        """Whether an idle connection is still open, and silent."""
        if self.sock is None or monotonic() - self.idle_since > _IDLE_SECONDS:
            return False
        with selectors.DefaultSelector() as selector:
            selector.register(self.sock, selectors.EVENT_READ)
            return not selector.select(0)


_Place: TypeAlias = tuple[str, str, int, Address]
_Request: TypeAlias = tuple[str, str, bytes | None, Mapping[str, str]]
_CLOSED_MEANWHILE = (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError)


class HttpClient(ForkAware):
    """Makes requests under a guard. Threads may share it; connections are kept and used again.

    Args:
        guard: what may be called.
        timeout: the seconds that a request may take in all.
        ca_file: certificates of authorities (PEM) that are trusted instead of the system's.
        proxy: ``http://host:port`` of a proxy for every request, which is asked to connect to the checked
            address (CONNECT). Proxies of the environment are not used.
        resolve: finds the addresses of a name; the system's resolver by default.

    Raises:
        ValueError: the time is not above zero, or ``proxy`` is no such URL.
    """

    def __init__(
        self,
        guard: Guard,
        *,
        timeout: float = 20.0,
        ca_file: str | None = None,
        proxy: str | None = None,
        resolve: Resolve | None = None,
    ) -> None:
        if not timeout > 0:
            message = f"timeout is a number of seconds above 0, not {timeout}"
            raise ValueError(message)
        self.guard = guard
        self._timeout = timeout
        self._proxy = None if proxy is None else _proxy(proxy)
        self._resolve = resolve or addresses_of
        self._context = ssl.create_default_context(cafile=ca_file)
        self._idle: dict[_Place, list[_Pinned]] = {}
        self._lock = Lock()
        watch_forks(self)
        finalize(self, _close_all, self._idle)

    def after_fork_in_child(self) -> None:
        """Leave the parent's connections alone: a child closes its copies, which ends none of them."""
        self._lock = Lock()
        _close_all(self._idle)

    def close(self) -> None:
        """Close the connections that are kept; the client can be used again."""
        with self._lock:
            _close_all(self._idle)

    def request(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None = None
    ) -> HttpAnswer:
        """Make one request; an answer of any status is returned.

        Args:
            headers: beside ``Host``, ``Content-Length`` and ``Accept-Encoding``, which the client writes.

        Raises:
            RefusedUrlError: the guard does not allow it; nothing was sent.
            HttpFailedError: there was no whole answer. The request may have arrived.
        """
        target = self.guard.read(url)
        ends_at = monotonic() + self._timeout
        addresses = self._addresses(target)
        said = {
            "Host": target.netloc,
            "User-Agent": "whereupon",
            "Accept-Encoding": "identity",
            **{name: value.encode().decode("latin-1") for name, value in headers.items()},
        }

        def ask(address: Address, connection: _Pinned) -> HttpAnswer:
            place = (target.scheme, target.host, target.port, address)
            request = (method, target.path, body, said)
            return self._ask(place, connection, request, ends_at)

        with _told(target, ends_at):
            for address in addresses:
                kept = self._kept((target.scheme, target.host, target.port, address))
                if kept is not None:
                    with suppress(*_CLOSED_MEANWHILE):
                        return ask(address, kept)
            return ask(*self._connected(target, addresses, ends_at))

    def _addresses(self, target: Target) -> list[Address]:
        """The target's addresses, all of them checked; a name is resolved once."""
        if target.address is not None:
            return [target.address]  # the guard has read it
        try:
            found = [ip_address(each) for each in self._resolve(target.host, target.port)]
        except (OSError, ValueError, UnicodeError):
            found = []
        if not found:
            reason = f"{target.host} has no address now"
            raise HttpFailedError(reason)
        self.guard.check(target, found)
        return found

    # --- connections ------------------------------------------------------------------------------------
    def _kept(self, place: _Place) -> _Pinned | None:
        while True:
            with self._lock:
                idle = self._idle.get(place, [])
                connection = idle.pop() if idle else None
            if connection is None or connection.is_usable():
                return connection
            connection.close()

    def _keep(self, place: _Place, connection: _Pinned) -> None:
        connection.idle_since = monotonic()
        with self._lock:
            if sum(map(len, self._idle.values())) >= _MOST_IDLE:
                _close_all(self._idle)
            self._idle.setdefault(place, []).append(connection)

    def _connected(
        self, target: Target, addresses: Sequence[Address], ends_at: float
    ) -> tuple[Address, _Pinned]:
        """A new connection to the first of the addresses that takes one."""
        failed: Exception | None = None
        for number, address in enumerate(addresses):
            left = max(ends_at - monotonic(), 0.001) / (len(addresses) - number)
            context = self._context if target.scheme == "https" else None
            at = self._proxy or (str(address), target.port)
            connection = _Pinned(at, target, context, left)
            if self._proxy is not None:
                connection.set_tunnel(str(address), target.port)
            try:
                connection.connect()
            except (OSError, HTTPException) as error:
                connection.close()
                failed = error
                if isinstance(error, ssl.SSLCertVerificationError):
                    break
            else:
                return address, connection
        raise failed or OSError()

    def _ask(
        self, place: _Place, connection: _Pinned, request: _Request, ends_at: float
    ) -> HttpAnswer:
        """What a connection answers; it is kept for later if the server keeps it open."""
        left = max(ends_at - monotonic(), 0.001)
        connection.sock.settimeout(left)
        watch = Timer(left, _shut, [connection.sock])
        watch.daemon = True
        watch.start()
        try:
            method, path, body, headers = request
            connection.request(method, path, body=body, headers=dict(headers))
            answer = _read(connection.getresponse(), ends_at)
        except BaseException:
            connection.close()
            raise
        finally:
            watch.cancel()
        if answer.is_last:
            connection.close()
        else:
            self._keep(place, connection)
        return answer


def _close_all(idle: dict[_Place, list[_Pinned]]) -> None:
    for each in (connection for connections in idle.values() for connection in connections):
        each.close()
    idle.clear()


def _read(response: HTTPResponse, ends_at: float) -> HttpAnswer:
    body = response.read(MOST_BYTES + 1)
    if monotonic() >= ends_at:
        raise TimeoutError
    is_cut = len(body) > MOST_BYTES
    if not is_cut and response.length:
        raise IncompleteRead(body, response.length)
    answer = HttpAnswer(
        response.status,
        {name.lower(): value for name, value in response.getheaders()},
        body[:MOST_BYTES],
        is_last=is_cut or response.will_close or not response.isclosed(),
    )
    response.close()
    return answer


def _shut(sock: socket.socket) -> None:
    """End what another thread does with a socket; TLS has no say in it."""
    with suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


def _check_time(target: Target, ends_at: float) -> None:
    if monotonic() >= ends_at:
        reason = f"{target.host} did not answer in time"
        raise HttpFailedError(reason)


@contextmanager
def _told(target: Target, ends_at: float) -> Iterator[None]:
    """An error of the network as one of ours, which names the host only."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        reason = f"the certificate of {target.host} is not accepted: {error.verify_message}"
        raise HttpFailedError(reason) from error
    except TimeoutError as error:
        reason = f"{target.host} did not answer in time"
        raise HttpFailedError(reason) from error
    except (OSError, HTTPException) as error:
        _check_time(target, ends_at)
        reason = f"{target.host} gave no whole answer: {type(error).__name__}"
        raise HttpFailedError(reason) from error


def _proxy(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    if (
        parts.scheme != "http"
        or not parts.hostname
        or parts.username
        or parts.path not in {"", "/"}
    ):
        message = "proxy is http://host:port, without user name or path"
        raise ValueError(message)
    return parts.hostname, parts.port or 3128
