"""How whereupon is served over HTTP: the table ``[server]`` of the configuration, and the options of `Server`."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """How requests are taken.

    Attributes:
        host: the address to listen on; nobody else's computer reaches the default.
        port: of TCP; 0 for any that is free.
        processes: how many processes share the port. More than one needs a database of which they share one.
        threads: how many requests for messages a process works on at once.
        drain: how long requests are still taken after the end was asked for, while a balancer notices it.
        grace: how long requests under way may take to end afterwards.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    processes: int = 1
    threads: int = 8
    drain: timedelta = timedelta(seconds=5)
    grace: timedelta = timedelta(seconds=30)
