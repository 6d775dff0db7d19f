"""API keys: who may call the HTTP service, and what for. A secret is never stored, only its hash."""

from dataclasses import dataclass
from datetime import datetime, timedelta
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


ROLES = (Scope.VIEWER, Scope.EDITOR, Scope.APPROVER, Scope.ADMIN)
"""The roles; each includes those before it. So approver and admin decide requests, viewer and editor do not."""

SCOPES_OF = {
    KeyKind.SERVER: frozenset({Scope.MESSAGES, Scope.SEND, Scope.READ}),
    KeyKind.CLIENT: frozenset({Scope.MESSAGES}),
    KeyKind.MANAGEMENT: frozenset(ROLES),
}
"""The scopes that a key of a kind may have."""


class KeyState(StrEnum):
    """Whether a key is good at a time."""

    GOOD = "good"
    EXPIRED = "expired"
    REVOKED = "revoked"


MOST_AT_LIMIT = 1_000_000_000
"""The most messages that a limit may allow."""
_LONGEST_SPAN = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class KeyLimit:
    """The most messages that come in under a key, in each process that takes them.

    Attributes:
        messages: their number in a span, on average.
        span: its length.
        burst: the most messages at once, after a time without any.
    """

    messages: int
    span: timedelta
    burst: int

    def __post_init__(self) -> None:
        are_counts = all(1 <= count <= MOST_AT_LIMIT for count in (self.messages, self.burst))
        if not are_counts or not timedelta() < self.span <= _LONGEST_SPAN:
            message = f"a limit has 1 to {MOST_AT_LIMIT} messages, at once too, in a span of at most a year"
            raise ValueError(message)

    def __str__(self) -> str:
        return f"{self.messages} per {self.span.total_seconds():g}s, {self.burst} at once"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key, without its secret.

    Attributes:
        id: public; names the key in lists, logs and metrics. For Customer.io's Track API it is the site id.
        name: what people call it.
        kind: who holds it.
        scopes: what it is good for, as it was made; `allows` counts what a role includes.
        hint: the first characters of its newest secret.
        created_at: when it was made.
        rotated_at: when its newest secret was made; None if that is the first.
        replaced_until: until when secrets before the newest are good; None if there are none.
        expires_at: from when on it is not good; None for never.
        revoked_at: when it was revoked; None if it is not.
        last_used_at: when it was used last, at most a minute late; None if it never was.
        replaced_used_at: when a secret before the newest was used last, likewise.
        origins: for a client key, the origins of pages that may use it; none allows every origin.
        limit: the most messages; None for any number.
        shadow: whether what is over the limit is only counted, and comes in all the same.
    """

    id: str
    name: str
    kind: KeyKind
    scopes: frozenset[Scope]
    created_at: datetime
    hint: str = ""
    origins: tuple[str, ...] = ()
    rotated_at: datetime | None = None
    replaced_until: datetime | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    replaced_used_at: datetime | None = None
    limit: KeyLimit | None = None
    shadow: bool = False

    def state(self, now: datetime) -> KeyState:
        """Whether it is good at a time."""
        if self.revoked_at is not None:
            return KeyState.REVOKED
        is_over = self.expires_at is not None and self.expires_at <= now
        return KeyState.EXPIRED if is_over else KeyState.GOOD

    def allows(self, scope: Scope) -> bool:
        """Whether the key has a scope, or a role that includes it."""
        if scope not in ROLES:
            return scope in self.scopes
        return not self.scopes.isdisjoint(ROLES[ROLES.index(scope) :])

    def allows_origin(self, origin: str | None) -> bool:
        """Whether a page of this origin may use the key.

        Args:
            origin: the header of that name, as the browser sent it (RFC 6454). Without it, a key that names
                origins is refused: every browser sends it with what a page posts.
        """
        if not self.origins:
            return True
        sent = (origin or "").lower()
        return any(_is_of(sent, allowed) for allowed in self.origins)


def _is_of(origin: str, allowed: str) -> bool:
    scheme, star, site = allowed.partition("*.")
    if not star:
        return origin == allowed
    label = origin.removeprefix(scheme).removesuffix(f".{site}")
    return (
        origin == f"{scheme}{label}.{site}"
        and label != ""
        and label.isascii()
        and not set(label) & set("/:@")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSecret:
    """A secret of a key. A key that was rotated has several for a time.

    Attributes:
        digest: its SHA-256.
        key_id: whose it is.
        ends_at: from when on it is not good; None for the newest of its key.
    """

    digest: bytes
    key_id: str
    ends_at: datetime | None = None
