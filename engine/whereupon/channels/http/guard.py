"""What requests of a channel may reach: https on port 443 of public hosts, and what a host allows besides.

Rules say which URL is called, and data stands in its path. So a URL must not lead into the network of the host
(server-side request forgery, SSRF). Only plain URLs are read: a host in letters, digits, hyphens and dots, or
an address in its usual form. What parsers read differently is refused.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, TypeAlias
from urllib.parse import quote

from whereupon.errors import WhereuponError

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

_URL: Final = re.compile(r"(?i:(https?))://([^/?#]+)([^#]*)(?:#.*)?", re.DOTALL)
_UNCLEAN: Final = re.compile(r"[\x00-\x1f\x7f]")
_LONGEST_NAME: Final = 253  # characters (RFC 1035)
_AUTHORITY: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")
_LABEL: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_NUMERIC: Final = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
_LOCAL_NAMES: Final = (
    *("localhost", "local", "internal", "intranet", "lan", "home.arpa", "localdomain"),
    *("corp", "home", "private", "onion", "invalid"),
)
_PORTS: Final = {"http": 80, "https": 443}
_UNICAST6: Final = IPv6Network("2000::/3")
_EMBEDDING: Final = IPv6Network("::ffff:0:0/96")
# Beside what Python calls not global; whatever its version.
_NOT_PUBLIC: Final = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",
        "100.64.0.0/10",  # shared by providers (RFC 6598); the metadata of Alibaba Cloud
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's own, from within its machines
        "169.254.0.0/16",  # link-local; the metadata of most clouds
        "172.16.0.0/12",
        "192.0.0.0/24",  # protocol assignments (RFC 6890)
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT relays
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
        "2001::/23",  # protocol assignments, Teredo and ORCHID
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: holds an IPv4 address
        "2620:4f:8000::/48",  # AS112
        "3ffe::/16",  # 6bone
        "3fff::/20",  # documentation
    )
)
# Where a service of the host's own may be: an allowed name may lead there, and nowhere else that is not public.
_OWN: Final = tuple(
    ip_network(network)
    for network in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "100.64.0.0/10"),
        *("::1/128", "fc00::/7"),
    )
)
_METADATA: Final = frozenset(
    map(ip_address, ("100.100.100.200", "fd00:ec2::254", "fd20:ce::254", "169.254.169.254"))
)


class RefusedUrlError(WhereuponError):
    """A request that must not be made; nothing was sent.

    Attributes:
        reason: one sentence without the path of the URL, which may hold a secret.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes.

    Attributes:
        host: in lower case; an IPv6 address without brackets.
        path: with the query, percent-encoded; begins with a slash.
    """

    scheme: str
    host: str
    port: int
    path: str

    @property
    def address(self) -> Address | None:
        """The host, if it is an address."""
        return _as_address(self.host)

    @property
    def netloc(self) -> str:
        """What stands in the header ``Host``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


def read_url(url: str) -> Target:
    """A URL as a target; its host may be any.

    Raises:
        RefusedUrlError: it is not a plain ``http`` or ``https`` URL.
    """
    if _UNCLEAN.search(url) is not None:
        reason = "a URL holds no control character"
        raise RefusedUrlError(reason)
    parts = _URL.fullmatch(url)
    if parts is None:
        reason = "a URL begins with https:// and a host"
        raise RefusedUrlError(reason)
    scheme, authority, path = parts[1].lower(), parts[2], parts[3]
    found = _AUTHORITY.fullmatch(authority)
    if found is None:
        reason = (
            "the host of a URL is a name in ASCII letters, digits, hyphens and dots (xn--… for any other), or an "
            "address, and a port; without user name, password, zone or percent signs"
        )
        raise RefusedUrlError(reason)
    port = _PORTS[scheme] if found[2] is None else int(found[2])
    if not 0 < port < 1 << 16:
        reason = f"{port} is not a port"
        raise RefusedUrlError(reason)
    path = path if path.startswith("/") else f"/{path}"
    return Target(scheme, _host(found[1]), port, quote(path, safe="/?%:@!$&'()*+,;=-._~[]"))


def _host(text: str) -> str:
    """The host of a URL in lower case, without brackets."""
    if text.startswith("["):
        try:
            return str(IPv6Address(text[1:-1]))
        except ValueError:
            reason = f"{text} is not an IPv6 address"
            raise RefusedUrlError(reason) from None
    labels = text.split(".")
    if _NUMERIC.fullmatch(labels[-1] or labels[-2:][0]):
        try:
            return str(IPv4Address(text))
        except ValueError:
            reason = f"write the address {text} as four decimal numbers, such as 192.0.2.7"
            raise RefusedUrlError(reason) from None
    if len(text) > _LONGEST_NAME or not all(map(_LABEL.fullmatch, labels)):
        reason = f"{text[:80]} is not the name of a host; write it without a dot at its end"
        raise RefusedUrlError(reason)
    return text.lower()


def is_public(address: Address) -> bool:
    """Whether an address is a public unicast one; a mapped one is judged as the address within it.

    Of IPv6, 2000::/3 is in use (IANA); all else is refused, also what translates to IPv4 (64:ff9b::/96).
    """
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return False
        if address in _EMBEDDING:
            return is_public(IPv4Address(address.packed[-4:]))
        if address not in _UNICAST6:
            return False
    is_special = any(address in network for network in _NOT_PUBLIC if _same(address, network))
    return address.is_global and not address.is_multicast and not is_special


def _same(address: Address, network: Network) -> bool:
    return address.version == network.version


def _as_address(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Guard:
    """Says which URLs and addresses may be called.

    Attributes:
        origins: allowed beside https on port 443. Its host may be ``*`` or begin with ``*.``.
        networks: whose addresses are allowed for every name.
    """

    origins: tuple[Target, ...] = ()
    networks: tuple[Network, ...] = ()

    @classmethod
    def from_texts(cls, allow: Iterable[str]) -> "Guard":
        """A guard that also allows what these texts name.

        Args:
            allow: origins (``http://hooks.internal:8080``, ``https://*.partner.example:8443``,
                ``https://*:8443`` for that port of every public host), names of hosts, and networks
                (``10.1.0.0/16``).

        Raises:
            ValueError: a text is none of these.
        """
        if isinstance(allow, str):
            message = f"allow is a list of texts, such as [{allow!r}]"
            raise ValueError(message)  # noqa: TRY004 - as every other wrong text
        origins: list[Target] = []
        networks: list[Network] = []
        for text in allow:
            found = _as_network(text)
            if found is None:
                origins.append(_as_origin(text))
            else:
                networks.append(found)
        return cls(tuple(origins), tuple(networks))

    def read(self, url: str) -> Target:
        """The target of a URL that may be called as far as its text says.

        Raises:
            RefusedUrlError: it may not.
        """
        target = read_url(url)
        if self._origin(target) is None:
            if target.scheme != "https":
                reason = f"{target.host} would be called without TLS: write https://, or allow http://{target.netloc}"
                raise RefusedUrlError(reason)
            if target.port != _PORTS["https"]:
                reason = (
                    f"port {target.port} of {target.host} is not 443: allow https://{target.netloc}"
                )
                raise RefusedUrlError(reason)
        if not self._is_own(target) and target.address is None and _is_local(target.host):
            reason = f"{target.host} is a name of a private network: allow {target.scheme}://{target.netloc}"
            raise RefusedUrlError(reason)
        if target.address is not None:
            self.check(target, [target.address])
        return target

    def check(self, target: Target, addresses: Iterable[Address]) -> None:
        """Refuse a target if any of its addresses may not be called.

        Raises:
            RefusedUrlError: the error names the address.
        """
        for address in addresses:
            if not self._allows(target, address):
                reason = (
                    f"{target.host} is at {address}, which is not a public address: "
                    f"allow {target.scheme}://{target.netloc}, or a network"
                )
                raise RefusedUrlError(reason)

    def _allows(self, target: Target, address: Address) -> bool:
        inner = _unwrapped(address)
        if is_public(address) or any(
            inner in network for network in self.networks if _same(inner, network)
        ):
            return True
        if inner in _METADATA or not self._is_own(target):
            return False
        return any(inner in network for network in _OWN if _same(inner, network))

    def _is_own(self, target: Target) -> bool:
        """Whether the host has named this target, so that it may be within its own network."""
        origin = self._origin(target)
        return origin is not None and origin.host != "*"

    def _origin(self, target: Target) -> Target | None:
        """What allows the target; names come before ``*``."""
        found = [each for each in self.origins if _covers(each, target)]
        return next((each for each in found if each.host != "*"), found[0] if found else None)


def _covers(origin: Target, target: Target) -> bool:
    if (origin.scheme, origin.port) != (target.scheme, target.port):
        return False
    if origin.host == "*":
        return True
    if origin.host.startswith("*."):
        return target.address is None and target.host.endswith(origin.host[1:])
    return origin.host == target.host


def _is_local(host: str) -> bool:
    """Whether a name is one that no public host has."""
    return "." not in host or any(f".{host}".endswith(f".{name}") for name in _LOCAL_NAMES)


def _unwrapped(address: Address) -> Address:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _as_network(text: str) -> Network | None:
    if "://" in text:
        return None
    try:
        return ip_network(text)
    except ValueError:
        if "/" not in text:
            return None
        message = f"{text!r} in allow is not a network, such as 10.1.0.0/16, nor an origin, such as http://host:8080"
        raise ValueError(message) from None


def _as_origin(text: str) -> Target:
    url = text if "://" in text else f"https://{text}"
    star = "*." if "://*." in url else "*" if "://*" in url else ""
    try:
        read = read_url(url.replace("://*", "://x", 1))
    except RefusedUrlError as error:
        message = f"{text!r} in allow is not an origin, such as http://hooks.internal:8080: {error.reason}"
        raise ValueError(message) from None
    if read.path != "/" or (star == "*" and read.host != "x"):
        message = f"{text!r} in allow is more than an origin: write {read.scheme}://, the host and the port"
        raise ValueError(message)
    host = f"*{read.host[1:]}" if star else read.host
    return Target(read.scheme, host, read.port, "/")


def check_url(guard: Guard, url: str) -> None:
    """Check the URL that a channel is made with, as far as its text says.

    Raises:
        ValueError: it may not be called.
    """
    try:
        guard.read(url)
    except RefusedUrlError as error:
        raise ValueError(error.reason) from None


def origin_of(url: str) -> str:
    """The scheme, host and port of a URL, for an allow-list."""
    return "/".join(url.split("/", 3)[:3])
