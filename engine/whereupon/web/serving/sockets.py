"""Sockets that listen, and how many connections a process may have open."""

import socket

try:
    import resource
except ModuleNotFoundError:  # not on Windows
    resource = None  # type: ignore[assignment]

_FOR_OTHERS = 128
"""Files that a process needs beside the connections of clients: the database, the log, channels."""
_UNKNOWN = 400


def listen(host: str, port: int) -> socket.socket:
    """A socket that is bound; raises `OSError`.

    Its connections send at once: an answer is written in two parts, and the second would wait for the client to
    acknowledge the first, which takes clients up to 40 ms. asyncio asks for it only on sockets that name TCP.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.create_server((host, port), family=family, backlog=2048)
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return bound


def files_for_connections() -> int:
    """How many connections of clients a process may have open at once, at least one."""
    if resource is None:
        return _UNKNOWN
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return 1 << 30
    return max(1, soft - _FOR_OTHERS)
