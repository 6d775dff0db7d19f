"""Deliveries of mails, a channel that sends them to a test's server, and keys that sign them."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import JsonValue
from tests.shop import NOON
from tests.smtp import MailServer, trust

from whereupon.channels import Email
from whereupon.records import Delivery

KEY = "0123456789abcdef" * 2
SENDER = "Shop <hello@shop.example>"
CONTENT: dict[str, JsonValue] = {"subject": "Welcome", "text": "Hello Ada"}


def mail_of(
    content: dict[str, JsonValue] | None = None,
    recipient: dict[str, JsonValue] | None = None,
    key: str = KEY,
) -> Delivery:
    """A delivery to Ada."""
    return Delivery(
        key=1,
        idempotency_key=key,
        rule="welcome",
        person_key=1,
        person="ada",
        channel="email",
        due_at=NOON,
        content=CONTENT if content is None else content,
        recipient={"email": "ada@example.com"} if recipient is None else recipient,
    )


@contextmanager
def email_to(server: MailServer, **settings: object) -> Iterator[Email]:
    """A channel to a server of the test's own, with its security and login."""
    options = server.options
    for user, password in options.logins.items():
        settings = {"username": user, "password": password, **settings}
    settings = {"security": options.security, "tls_context": trust(), "sender": SENDER, **settings}
    channel = Email("localhost", server.port, **settings)  # type: ignore[arg-type]
    try:
        yield channel
    finally:
        channel.close()


@lru_cache
def private_key(kind: str) -> str:
    """A key of ``rsa`` or ``ed25519``, in PEM; the same for the whole run."""
    made = rsa.generate_private_key(65537, 2048) if kind == "rsa" else None
    key = made or ed25519.Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
