"""The limits of connections, as the event loop counts."""

from dataclasses import dataclass
from typing import Self

from whereupon.config.server import ServerOptions


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of connections, with times in seconds (see `ServerOptions`)."""

    header_timeout: float
    body_timeout: float
    idle_timeout: float
    write_timeout: float
    header_bytes: int
    headers: int
    connections: int
    per_address: int

    @classmethod
    def from_options(cls, options: ServerOptions, *, connections: int) -> Self:
        """The limits, with as many connections as the process may have files."""
        return cls(
            options.header_timeout.total_seconds(),
            options.body_timeout.total_seconds(),
            options.idle_timeout.total_seconds(),
            options.write_timeout.total_seconds(),
            options.max_header_bytes,
            options.max_headers,
            connections,
            options.max_connections_per_address,
        )
