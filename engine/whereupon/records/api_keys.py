"""API keys: who may call the HTTP service, and what for. A secret is never stored, only its hash."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class KeyKind(StrEnum):
    """Who holds a key: a server, a browser or an app (whose key anybody can read), or an operator."""

    SERVER = "server"
    CLIENT = "client"
    MANAGEMENT = "management"


class Scope(StrEnum):
    """What a key is good for. The last four are the roles of management keys."""

    MESSAGES = "messages"
    SEND = "send"
    READ = "read"
    VIEWER = "viewer"
    EDITOR = "editor"
    APPROVER = "approver"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key, without its secret.

    Attributes:
        id: public; names the key in lists and logs of the audit.
        name: what people call it.
        origins: for a client key, the origins of pages that may use it; none allows every origin.
    """

    id: str
    name: str
    kind: KeyKind
    scopes: frozenset[Scope]
    created_at: datetime
    origins: tuple[str, ...] = ()
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
