"""Signatures of Standard Webhooks (standardwebhooks.com, specification 1.0.0, symmetric: ``v1``)."""

import hmac
from base64 import b64decode, b64encode
from binascii import Error
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Final

_PREFIX: Final = "whsec_"
_SHORTEST = 24


def key_of(secret: str) -> bytes:
    """The key in a secret: ``whsec_`` and base64, or base64 alone.

    Raises:
        ValueError: it is neither, or shorter than the 24 bytes that the specification asks for.
    """
    try:
        key = b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (Error, ValueError):
        message = "a secret is whsec_ and base64; this one is not base64"
        raise ValueError(message) from None
    if len(key) < _SHORTEST:
        message = f"a secret has at least {_SHORTEST} bytes; this one has {len(key)}"
        raise ValueError(message)
    return key


def signed_headers(
    keys: Iterable[bytes], *, message_id: str, timestamp: int, body: bytes
) -> Mapping[str, str]:
    """The headers of a request: its id and time, and a signature under each key, with spaces between.

    Args:
        timestamp: of this attempt, in seconds since 1970.
    """
    said = {"webhook-id": message_id, "webhook-timestamp": str(timestamp)}
    content = f"{message_id}.{timestamp}.".encode() + body
    signatures = [b64encode(hmac.digest(key, content, sha256)).decode() for key in keys]
    if signatures:
        said["webhook-signature"] = " ".join(f"v1,{each}" for each in signatures)
    return said
