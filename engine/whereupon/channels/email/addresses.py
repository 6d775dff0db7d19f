"""Addresses of mail (RFC 5322, 6531): read from text, and written for an envelope and for a header.

An address is ``local@domain``, without comments or quoted local parts. Whether anybody lives there is for the
server to say.
"""

import re
from dataclasses import dataclass
from email.header import Header
from typing import Final

_ATOMS: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.\u0080-\U0010ffff-]+")
_LABEL: Final = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
_NAMED: Final = re.compile(r"\s*(?P<name>[^<>]*?)\s*<(?P<address>[^<>]*)>\s*")
_UNPRINTED: Final = re.compile("[\0-\x20\x7f-\x9f\u2028\u2029]+")
_LONGEST_LOCAL: Final = 64  # octets, RFC 5321 4.5.3.1
_LONGEST_DOMAIN: Final = 253
_LONGEST_PLAIN_NAME: Final = 60
"""Longer display names are written as encoded words, which can be folded."""


class BadAddressError(ValueError):
    """A text is not an address. The error does not quote it."""


@dataclass(frozen=True, slots=True)
class Address:
    """One address.

    Attributes:
        local: what stands before the ``@``; it may have characters beyond ASCII.
        domain: in ASCII: one of another script as its A-label (``xn--…``).
        name: shown beside the address; may be empty.
    """

    local: str
    domain: str
    name: str = ""

    @property
    def spec(self) -> str:
        """The address alone."""
        return f"{self.local}@{self.domain}"

    @property
    def is_ascii(self) -> bool:
        """Whether a server takes it without the extension SMTPUTF8."""
        return self.local.isascii()

    @property
    def in_header(self) -> str:
        """The address with its name, as a header has it; folded where it is long."""
        if not self.name:
            return self.spec
        if self.name.isascii() and len(self.name) <= _LONGEST_PLAIN_NAME:
            quoted = self.name.replace("\\", "\\\\").replace('"', '\\"')
            return f'"{quoted}" <{self.spec}>'
        name = Header(self.name, "utf-8", header_name="Reply-To").encode(linesep="\r\n")
        return f"{name}\r\n <{self.spec}>"


def one_line(text: str) -> str:
    """The text without control characters and line breaks, and with what UTF-8 cannot hold replaced."""
    return _UNPRINTED.sub(" ", text).strip().encode("utf-8", "replace").decode()


def read_address(text: str, *, name: str = "") -> Address:
    """Read an address without a name.

    Args:
        name: what to show beside it.

    Raises:
        BadAddressError: it is not an address.
        ModuleNotFoundError: its domain is not ASCII, and the extra ``email`` is not installed.
    """
    local, at, domain = text.strip().rpartition("@")
    is_local = _ATOMS.fullmatch(local) and not (
        local[0] == "." or local[-1] == "." or ".." in local
    )
    if not at or not is_local or _UNPRINTED.search(local):
        message = "it is not an e-mail address, such as ada@shop.example"
        raise BadAddressError(message)
    if len(local.encode("utf-8", "replace")) > _LONGEST_LOCAL:
        message = f"it is not an e-mail address: more than {_LONGEST_LOCAL} characters before the @"
        raise BadAddressError(message)
    return Address(local.encode("utf-8", "replace").decode(), _ascii_domain(domain), one_line(name))


def read_named(text: str) -> Address:
    """Read an address that may have a name: ``Shop <hello@shop.example>``, or ``hello@shop.example``.

    Raises:
        BadAddressError: it is neither.
    """
    named = _NAMED.fullmatch(text)
    if named is None:
        return read_address(text)
    name = named["name"]
    if len(name) > 1 and name[0] == name[-1] == '"':
        name = re.sub(r"\\(.)", r"\1", name[1:-1])
    return read_address(named["address"], name=name)


def _ascii_domain(domain: str) -> str:
    written = domain.lower()
    if not domain.isascii():
        try:
            import idna  # noqa: PLC0415 - of an extra, for domains of other scripts
        except ModuleNotFoundError as error:
            message = "domains beyond ASCII need the package idna: pip install 'whereupon[email]'"
            raise ModuleNotFoundError(message) from error
        try:
            written = idna.encode(domain, uts46=True).decode("ascii")
        except (idna.IDNAError, UnicodeError) as error:
            message = "it is not an e-mail address: its domain is not a domain name"
            raise BadAddressError(message) from error
    labels = written.split(".")
    if len(written) > _LONGEST_DOMAIN or not all(map(_LABEL.fullmatch, labels)):
        message = "it is not an e-mail address: its domain is not a domain name"
        raise BadAddressError(message)
    return written
