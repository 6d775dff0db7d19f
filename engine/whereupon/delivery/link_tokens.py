"""Signed tokens of links: what a mail's reader may ask for without logging in.

A token says what it is for, which delivery it stands in, and what its kind needs besides. All of it is signed with
HMAC-SHA256, cut to 16 bytes, under a key that is derived from the host's `digest_key`. A token has no time at which it
expires. It names nobody: a person is a number of the store's and a keyed hash of a user id. The hash ties the token
to the person, so that in a store where the number is another person's the token is nobody's.

Nothing here reads a store or a clock.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

from whereupon.errors import LinkError
from whereupon.records import Delivery

_LABEL = b"whereupon links"
_TAG = 16
_OWNER = 8
_HEX_KEY = 16
_AS_TEXT = 0x80
MOST_CHARACTERS = 4_096
"""A longer token is refused unread."""


class TokenKind(IntEnum):
    """What a token is for; its first byte. Another form of a token gets another number."""

    UNSUBSCRIBE = 1
    CLICK = 2
    OPEN = 3


class UnsubscribeToken(NamedTuple):
    """What a token for unsubscribing says.

    Attributes:
        delivery: the idempotency key of the delivery in which it stands.
        person_key: the person's, when it was made.
        topic: of the delivery.
        signer: the key under which it is signed.
        owner: the keyed hash of one of the person's user ids.
    """

    delivery: str
    person_key: int
    topic: str | None
    signer: bytes
    owner: bytes

    def is_of(self, user_ids: Iterable[str]) -> bool:
        """Whether the token was made for a person who has these user ids."""
        mine = [hmac.compare_digest(_owner(self.signer, each), self.owner) for each in user_ids]
        return any(mine)


class ClickToken(NamedTuple):
    """What a token of a click says: the delivery's idempotency key, and where the link leads."""

    delivery: str
    url: str


@dataclass(frozen=True, slots=True)
class TokenSigner:
    """Makes tokens under the host's key, and reads those made under it or under a former key.

    Args:
        secrets: the host's `digest_key`, then the former ones. An empty one signs and verifies nothing.
    """

    secrets: Collection[bytes] = field(repr=False)

    def unsubscribe(self, delivery: Delivery) -> str:
        """A token for unsubscribing: under 100 characters if topic and key are short (26 bytes of topic)."""
        signer = self._signer()
        number = delivery.person_key.to_bytes(8).lstrip(b"\0")
        parts = [_owner(signer, delivery.person), bytes([len(number)]), number]
        topic = b"" if delivery.topic is None else b"\1" + delivery.topic.encode()
        return self._signed(TokenKind.UNSUBSCRIBE, delivery, b"".join([*parts, topic]))

    def click(self, delivery: Delivery, url: str) -> str:
        """A token of a click on a link that leads to an URL; raises `ValueError` if that is too long."""
        return self._signed(TokenKind.CLICK, delivery, url.encode())

    def opened(self, delivery: Delivery) -> str:
        """A token of an open."""
        return self._signed(TokenKind.OPEN, delivery, b"")

    def read_unsubscribe(self, token: str) -> UnsubscribeToken:
        """Read a token for unsubscribing; raises `LinkError` if it is not one."""
        signer, delivery, rest = self._read(TokenKind.UNSUBSCRIBE, token)
        owner, length = rest[:_OWNER], rest[_OWNER]
        number, topic = rest[_OWNER + 1 :][:length], rest[_OWNER + 1 + length :]
        said = topic[1:].decode() if topic else None
        return UnsubscribeToken(delivery, int.from_bytes(number), said, signer, owner)

    def read_click(self, token: str) -> ClickToken:
        """Read a token of a click; raises `LinkError` if it is not one."""
        _, delivery, url = self._read(TokenKind.CLICK, token)
        return ClickToken(delivery, url.decode())

    def read_opened(self, token: str) -> str:
        """The idempotency key of the delivery that was opened; raises `LinkError` if it is no such token."""
        return self._read(TokenKind.OPEN, token)[1]

    # --- signatures -----------------------------------------------------------------------------

    @property
    def can_sign(self) -> bool:
        """Whether there is a secret to sign with."""
        return bool(next(iter(self.secrets), b""))

    def _signers(self) -> list[bytes]:
        return [hmac.digest(secret, _LABEL, "sha256") for secret in self.secrets if secret]

    def _signer(self) -> bytes:
        if not self.can_sign:
            message = "links are signed under the host's secret: give digest_key to Engine.open"
            raise ValueError(message)
        return self._signers()[0]

    def _signed(self, kind: TokenKind, delivery: Delivery, rest: bytes) -> str:
        content = bytes([kind]) + _delivery_part(delivery.idempotency_key) + rest
        token = _as_text(content + _tag(self._signer(), content))
        if len(token) > MOST_CHARACTERS:
            message = f"a token has at most {MOST_CHARACTERS:,} characters; this would have {len(token):,}"
            raise ValueError(message)
        return token

    def _read(self, kind: TokenKind, token: str) -> tuple[bytes, str, bytes]:
        """The key that verifies a token, its delivery, and the rest of it."""
        raw = _as_bytes(token)
        content, tag = raw[:-_TAG], raw[-_TAG:]
        signers = [s for s in self._signers() if hmac.compare_digest(_tag(s, content), tag)]
        if not signers or content[0] != kind:  # what is signed is whole
            raise LinkError
        length = content[1] & ~_AS_TEXT
        named, rest = content[2 : 2 + length], content[2 + length :]
        return signers[0], named.decode() if content[1] & _AS_TEXT else named.hex(), rest


def _tag(signer: bytes, content: bytes) -> bytes:
    return hmac.digest(signer, content, "sha256")[:_TAG]


def _owner(signer: bytes, user_id: str) -> bytes:
    return hmac.digest(signer, b"person:" + user_id.encode("utf-8", "replace"), "sha256")[:_OWNER]


def _delivery_part(key: str) -> bytes:
    """An idempotency key, which is 32 hexadecimal digits unless it was made elsewhere."""
    try:
        raw = bytes.fromhex(key)
    except ValueError:
        raw = b""
    if len(raw) == _HEX_KEY and raw.hex() == key:
        return bytes([_HEX_KEY]) + raw
    text = key.encode()
    if len(text) >= _AS_TEXT:
        message = "an idempotency key in a link has at most 127 bytes"
        raise ValueError(message)
    return bytes([_AS_TEXT | len(text)]) + text


def _as_text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _as_bytes(token: str) -> bytes:
    """The bytes of a token; of all texts that base64 reads as these bytes, only one is a token."""
    if len(token) > MOST_CHARACTERS:
        raise LinkError
    try:
        raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except (Base64Error, ValueError):
        raise LinkError from None
    if len(raw) <= _TAG or _as_text(raw) != token:
        raise LinkError
    return raw
