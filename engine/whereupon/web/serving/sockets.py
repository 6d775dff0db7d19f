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
    """A socket that is bound; raises `OSError`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=2048)


def files_for_connections() -> int:
    """How many connections of clients a process may have open at once, at least one."""
    if resource is None:
        return _UNKNOWN
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return 1 << 30
    return max(1, soft - _FOR_OTHERS)
