"""Checks of ``[server]``: whether `whereupon serve` could begin, and who would reach it."""

import socket
from collections.abc import Iterator
from contextlib import closing
from ipaddress import ip_address

from whereupon.config import Config
from whereupon.config.server import ServerOptions
from whereupon.doctor.channel_checks import missing_packages
from whereupon.doctor.findings import error, ok, warning
from whereupon.ports import Finding


def check_server(config: Config) -> Iterator[Finding]:
    """Whether its packages are there, and its ports are free; nothing without the table."""
    options = config.settings.server
    if options is None:
        return
    yield from missing_packages("serve", "whereupon serve")
    yield _port(options.host, options.port, "port")
    if options.metrics_port is not None:
        for number in range(options.processes):
            yield _port("127.0.0.1", options.metrics_port + number, "metrics_port")
    yield from _exposure(options)
    if config.settings.public_url is None:
        advice = 'Set public_url = "https://…", by which browsers and people reach the server.'
        yield warning("The server does not know its own address.", advice)


def _port(host: str, port: int, name: str) -> Finding:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with closing(socket.create_server((host, port), family=family)):
            return ok(f"The {name} {port} of {host} is free.")
    except PermissionError:
        said = f"The {name} {port} of {host} may not be opened by this user."
        return error(said, "Take one above 1023, and let the proxy have the other.")
    except OSError as taken:
        reason = (taken.strerror or str(taken)).partition(" (while")[0]
        said = f"The {name} {port} of {host} cannot be opened: {reason}."
        return warning(said, "That is right if the server runs already; else take another one.")


def _exposure(options: ServerOptions) -> Iterator[Finding]:
    try:
        is_local = ip_address(options.host).is_loopback
    except ValueError:
        is_local = options.host == "localhost"
    if not is_local:
        said = f"The server listens on {options.host}, and speaks no TLS."
        yield warning(said, "Let only a proxy that ends TLS reach this port.")
    if options.proxy_headers and options.forwarded_allow_ips.strip() == "*":
        said = "Every client is believed when it says whose address it has (forwarded_allow_ips)."
        yield warning(said, "Name the addresses of your proxies.")
