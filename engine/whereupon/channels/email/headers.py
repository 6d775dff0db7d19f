"""Headers of a mail as they are sent: in lines of limited length, in ASCII, and without injection.

Whatever a value contains, one header comes of it (RFC 5322 2.2, RFC 2047 for what is not ASCII).
"""

import re
from collections.abc import Sequence
from email.header import Header
from typing import Final, NamedTuple

from whereupon.channels.email.addresses import Address, one_line

_LONGEST_LINE: Final = 900  # RFC 5322 allows 998
_NAME: Final = re.compile(r"[!-9;-~]{1,70}")


class Field(NamedTuple):
    """One header: its name, and its value as it is sent, folded."""

    name: str
    value: str

    @property
    def line(self) -> bytes:
        """As it is sent, with its end of line."""
        return f"{self.name}: {self.value}\r\n".encode()


def text_field(name: str, text: str) -> Field:
    """A header that people read, such as a subject."""
    clean = one_line(text)
    charset = "us-ascii" if _is_plain(clean) else "utf-8"
    header = Header(clean, charset, maxlinelen=76, header_name=name)
    return Field(name, header.encode(linesep="\r\n"))


def token_field(name: str, text: str) -> Field:
    """A header that machines read: ASCII, and never folded within a word."""
    return Field(name, one_line(text).encode("ascii", "replace").decode())


def address_field(name: str, address: Address) -> Field:
    """A header of one address."""
    return Field(name, address.in_header)


def is_header_name(name: str) -> bool:
    """Whether a text can be the name of a header."""
    return _NAME.fullmatch(name) is not None


def _is_plain(text: str) -> bool:
    """Whether a text can be sent as it stands: ASCII, no long words, nothing like an encoded word."""
    return (
        text.isascii()
        and "=?" not in text
        and max(map(len, text.split(" ")), default=0) <= _LONGEST_LINE
    )


def as_bytes(fields: Sequence[Field]) -> bytes:
    """Headers as they are sent."""
    return b"".join(field.line for field in fields)
