"""Signatures of mails by DKIM (RFC 6376; RFC 8463 for Ed25519), made by `cryptography`, the extra ``dkim``.

Headers and body are canonicalized as ``relaxed/relaxed``. What says who sends a mail, what it is about and how to
unsubscribe is signed; headers that could be added to deceive are signed once more than they occur.
"""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from whereupon.channels.email.headers import Field

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

SIGNED: Final = (
    *("from", "to", "subject", "date", "message-id", "reply-to"),
    *("mime-version", "content-type", "content-transfer-encoding"),
    *("list-unsubscribe", "list-unsubscribe-post", "list-id", "feedback-id", "auto-submitted"),
)
OVERSIGNED: Final = ("from", "to", "subject", "date", "reply-to")
"""Signed once more than they occur, so that another one breaks the signature (RFC 6376 8.15)."""

_SHORTEST_RSA: Final = 1024  # bits, RFC 8301
_NAME: Final = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*")
_ON_A_LINE: Final = 4  # names
_COLON: Final = ":\r\n  "
_BLANKS: Final = re.compile(rb"[ \t]+")
_FOLDS: Final = re.compile(r"\r\n(?=[ \t])")
_NO_EXTRA: Final = "DKIM needs the package cryptography: pip install 'whereupon[dkim]'"


@dataclass(frozen=True)
class Dkim:
    """A key that signs mails for a domain.

    Its public half stands in DNS, under `dns_name`. The domain of ``sender`` has to be this domain or one below
    it; otherwise the signature says nothing for DMARC.

    Attributes:
        domain: in whose name mails are signed.
        selector: which of the domain's keys it is.
        private_key: PEM, without a password: RSA of at least 1,024 bits (2,048 are usual), or Ed25519.

    Raises:
        ValueError: the key or a name is not one.
        ModuleNotFoundError: the extra ``dkim`` is not installed.
    """

    domain: str
    selector: str
    private_key: str = field(repr=False)

    def __post_init__(self) -> None:
        for said, value in (("domain", self.domain), ("selector", self.selector)):
            if not _NAME.fullmatch(value):
                message = f"the DKIM {said} is a name of DNS, such as shop.example; not {value!r}"
                raise ValueError(message)
        _ = self._key

    @property
    def dns_name(self) -> str:
        """Where the public key has to stand in DNS, as a TXT record."""
        return f"{self.selector}._domainkey.{self.domain}"

    @property
    def dns_record(self) -> str:
        """The TXT record of the public key."""
        from cryptography.hazmat.primitives import serialization as form  # noqa: PLC0415

        public = self._key.public_key()
        if self._is_rsa:
            shape = (form.Encoding.DER, form.PublicFormat.SubjectPublicKeyInfo)
        else:
            shape = (form.Encoding.Raw, form.PublicFormat.Raw)
        kind = "rsa" if self._is_rsa else "ed25519"
        return f"v=DKIM1; k={kind}; p={_base64(public.public_bytes(*shape))}"

    @property
    def bits(self) -> int | None:
        """The length of an RSA key; None for Ed25519."""
        return getattr(self._key, "key_size", None)

    @cached_property
    def _key(self) -> "RSAPrivateKey | Ed25519PrivateKey":
        try:
            from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
            from cryptography.hazmat.primitives.asymmetric import ed25519, rsa  # noqa: PLC0415
            from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
                load_pem_private_key,
            )
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(_NO_EXTRA) from error
        try:
            key = load_pem_private_key(self.private_key.encode(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            message = "the DKIM private_key is a private key in PEM, without a password"
            raise ValueError(message) from None  # the cause may quote it
        if isinstance(key, ed25519.Ed25519PrivateKey):
            return key
        if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= _SHORTEST_RSA:
            return key
        message = f"the DKIM private_key is RSA of at least {_SHORTEST_RSA} bits, or Ed25519"
        raise ValueError(message)

    @cached_property
    def _is_rsa(self) -> bool:
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415

        return isinstance(self._key, RSAPrivateKey)

    def signature(self, fields: Sequence[Field], body: bytes, at: datetime) -> Field:
        """The header that signs a mail.

        Args:
            fields: all headers of the mail, in their order.
            body: in lines that end with CR LF.
            at: when it is signed.
        """
        signed = _signed_of(fields)
        names = [name for name, _ in signed]
        lines = [":".join(names[i : i + _ON_A_LINE]) for i in range(0, len(names), _ON_A_LINE)]
        algorithm = "rsa-sha256" if self._is_rsa else "ed25519-sha256"
        said = (
            f"v=1; a={algorithm}; c=relaxed/relaxed; d={self.domain}; s={self.selector};\r\n"
            f" t={int(at.timestamp())}; h={_COLON.join(lines)};\r\n"
            f" bh={_base64(sha256(_relaxed_body(body)).digest())};\r\n b="
        )
        header = _relaxed("dkim-signature", said).removesuffix(b"\r\n")
        data = b"".join(_relaxed(name, value) for name, value in signed if value is not None)
        made = _base64(self._sign(data + header))
        folded = "\r\n  ".join(made[i : i + 72] for i in range(0, len(made), 72))
        return Field("DKIM-Signature", said + folded)

    def _sign(self, data: bytes) -> bytes:
        from cryptography.hazmat.primitives import hashes  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric import padding, rsa  # noqa: PLC0415

        key = self._key
        if isinstance(key, rsa.RSAPrivateKey):
            return key.sign(data, padding.PKCS1v15(), hashes.SHA256())
        return key.sign(sha256(data).digest())  # RFC 8463 3: of the hash


def _signed_of(fields: Sequence[Field]) -> list[tuple[str, str | None]]:
    """The headers that are signed, the last of a name first; None for one that does not occur."""
    found = [(name, f.value) for name in SIGNED for f in reversed(fields) if f.name.lower() == name]
    return [*found, *((name, None) for name in OVERSIGNED)]


def _relaxed(name: str, value: str) -> bytes:
    """A header as it is signed (RFC 6376 3.4.2)."""
    unfolded = _BLANKS.sub(b" ", _FOLDS.sub("", value).encode()).strip(b" ")
    return name.encode() + b":" + unfolded + b"\r\n"


def _relaxed_body(body: bytes) -> bytes:
    """A body as it is signed (RFC 6376 3.4.4)."""
    lines = [_BLANKS.sub(b" ", line).rstrip(b" ") for line in body.split(b"\r\n")]
    while lines and not lines[-1]:
        lines.pop()
    return b"".join(line + b"\r\n" for line in lines)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
