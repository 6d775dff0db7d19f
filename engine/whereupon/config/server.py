"""How whereupon is served over HTTP: the table ``[server]`` of the configuration, and the options of `Server`."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

_LARGEST_PORT = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """How requests are taken. Limits hold for each process.

    Attributes:
        host: the address to listen on; nobody else's computer reaches the default.
        port: of TCP; 0 for any that is free.
        processes: how many processes share the port. More than one needs a database that they share.
        threads: how many requests are worked on at once, beside management and health.
        work: whether the process does due work, too.
        drain: how long requests are still taken after the end was asked for, while a balancer notices it.
        grace: how long requests under way may take to end afterwards.
        header_timeout: from a new connection, or the first byte of a further request, to the end of the headers.
        body_timeout: from the end of the headers to the end of the body.
        idle_timeout: from an answer to the first byte of the next request on the connection.
        write_timeout: how long a client may take to read an answer.
        max_connections: open connections. When there are more, the one that has waited longest for a request is
            closed; if all are busy, the new one is answered with 503.
        max_connections_per_address: of one address, likewise; 0 for any number. Behind a proxy all have its address.
        max_header_bytes: of the request line and all headers.
        max_headers: how many there may be.
        queue_bytes: bodies that are being received, wait or are worked on, all together.
        queue_share: the largest part of it that the requests of one key may take.
        wait: how long a request of a client key waits for room in the queue, and how long for the limit of its key,
            before it is refused.
        log_every: of the requests that succeed, one in so many is logged; 0 for none. Others are always logged.
        proxy_headers: whether ``X-Forwarded-For`` and ``X-Forwarded-Proto`` of a trusted proxy are believed.
        forwarded_allow_ips: the addresses of trusted proxies, with commas between; networks such as ``10.0.0.0/8`` too.
        root_path: where a proxy has mounted the server, if it takes that part of the path away.
        metrics_port: of TCP, on 127.0.0.1; the process with the number N has its metrics on this port and N.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    processes: int = 1
    threads: int = 8
    work: bool = True
    drain: timedelta = timedelta(seconds=5)
    grace: timedelta = timedelta(seconds=30)
    header_timeout: timedelta = timedelta(seconds=10)
    body_timeout: timedelta = timedelta(seconds=30)
    idle_timeout: timedelta = timedelta(seconds=75)
    write_timeout: timedelta = timedelta(seconds=30)
    max_connections: int = 16_000
    max_connections_per_address: int = 0
    max_header_bytes: int = 32_768
    max_headers: int = 100
    queue_bytes: int = 64 << 20
    queue_share: float = 0.25
    wait: timedelta = timedelta(seconds=10)
    log_every: int = 1
    proxy_headers: bool = False
    forwarded_allow_ips: str = "127.0.0.1,::1"
    root_path: str = ""
    metrics_port: int | None = None

    def __post_init__(self) -> None:
        """Refuse what no server can do; raises `ValueError`."""
        for names, holds, rule in _RULES:
            for name in names:
                value = getattr(self, name)
                if value is not None and not holds(value):
                    message = f"{name} {rule}"
                    raise ValueError(message)


_ZERO = timedelta()
_RULES: tuple[tuple[tuple[str, ...], Callable[[Any], bool], str], ...] = (
    (
        ("processes", "threads", "max_connections", "max_header_bytes", "max_headers"),
        lambda number: number >= 1,
        "is at least 1",
    ),
    (
        ("header_timeout", "body_timeout", "idle_timeout", "write_timeout"),
        lambda time: time > _ZERO,
        "is longer than 0",
    ),
    (("drain", "grace", "wait"), lambda time: time >= _ZERO, "is not negative"),
    (
        ("max_connections_per_address", "log_every"),
        lambda number: number >= 0,
        "is not negative",
    ),
    (("queue_bytes",), lambda size: size >= 1 << 20, "is at least 1048576, the size of one body"),
    (("queue_share",), lambda share: 0 < share <= 1, "is more than 0, and at most 1"),
    (("port",), lambda port: 0 <= port <= _LARGEST_PORT, "is between 0 and 65535"),
    (("metrics_port",), lambda port: 1 <= port <= _LARGEST_PORT, "is between 1 and 65535"),
    (
        ("root_path",),
        lambda path: not path or (path.startswith("/") and not path.endswith("/")),
        "begins with a slash, and does not end with one",
    ),
)
