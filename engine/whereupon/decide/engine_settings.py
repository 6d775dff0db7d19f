"""The settings of an engine that deciding depends on, and the hashes that stand for identifiers."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

from pydantic import JsonValue

from whereupon.guards.judge import Policy, default_policy
from whereupon.identity.algebra import IdentityPolicy
from whereupon.messages.semantic_events import Registry


@dataclass(frozen=True, slots=True)
class Settings:
    """What the host decides once: the windows of identity, the actions, the keys of hashes.

    Attributes:
        policies: what guard files say of actions, by the action's name.
        digest_key: the host's secret; without one, a reader of the store can test guesses of identifiers.
        former_keys: earlier secrets, under which tombstones may still be stored.
        stand_ins: what functions return by their names, where no call is waited for, as in a replay; None where
            calls are made.
        addresses: by channel, the attribute of a person that has the address.
    """

    identity: IdentityPolicy = field(default_factory=IdentityPolicy)
    registry: Registry = field(default_factory=Registry)
    policies: Mapping[str, Policy] = field(default_factory=dict)
    digest_key: bytes = field(default=b"", repr=False)
    former_keys: tuple[bytes, ...] = field(default=(), repr=False)
    stand_ins: Mapping[str, JsonValue] | None = None
    addresses: Mapping[str, str] = field(default_factory=lambda: {"email": "email", "sms": "phone"})

    def policy_on(self, action: str) -> Policy:
        """What the guard files say of an action; the default policy if they say nothing."""
        return self.policies.get(action) or default_policy(action)

    def digest(self, kind: str, value: str) -> bytes:
        """The keyed hash (HMAC-SHA256, cut to 16 bytes) that stands for an identifier."""
        return _digest(self.digest_key, kind, value)

    def digests(self, kind: str, value: str) -> list[bytes]:
        """Every hash that may stand for an identifier: by the former keys and before version 0005 of the tables, too."""
        keys = (self.digest_key, *self.former_keys)
        return [
            hashed for key in keys for hashed in (_digest(key, kind, value), _old(key, kind, value))
        ]


def _digest(key: bytes, kind: str, value: str) -> bytes:
    text = f"{kind}:{value}".encode("utf-8", "replace")
    return hmac.digest(key, text, "sha256")[:16]


def _old(key: bytes, kind: str, value: str) -> bytes:
    """The hash that tombstones were kept under before the tables' version 0005."""
    text = f"{kind}:{value}".encode("utf-8", "replace")
    return blake2b(text, key=key[:64], digest_size=16).digest()
