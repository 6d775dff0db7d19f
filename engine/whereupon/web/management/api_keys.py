"""API keys, for admins: listing, making, changing, rotating and revoking them. A secret is shown once."""

from datetime import timedelta
from functools import partial
from typing import Annotated, Literal

from fastapi import Body, Path, Response
from pydantic import AwareDatetime, BaseModel, Field

from whereupon.engine import Engine
from whereupon.operations.api_keys import KeyChanges, NewKey
from whereupon.records import ApiKey, KeyKind, KeyLimit, Scope
from whereupon.web.management.forms import (
    DEFAULT_LIMIT,
    Count,
    Form,
    Limit,
    NameCursor,
    Page,
    Seconds,
    SecondsOrZero,
    as_named_place,
    from_named_place,
    page,
)
from whereupon.web.management.problems import ProblemError
from whereupon.web.management.routing import CallerGiven, EngineGiven, needs, router

routes = router("keys")

KeyId = Annotated[str, Path(pattern=r"^[A-Za-z0-9._-]{1,64}$", examples=["key_0123456789ab"])]


class LimitForm(Form):
    """The most messages that come in under a key, in each process that takes them.

    Attributes:
        messages: their number in a span, on average.
        span_seconds: its length.
        burst: the most messages at once, after a time without any.
    """

    messages: Count = Field(examples=[100])
    span_seconds: Seconds = Field(examples=[1])
    burst: Count = Field(examples=[200])

    def as_limit(self) -> KeyLimit:
        """The limit as the engine knows it."""
        return KeyLimit(self.messages, timedelta(seconds=self.span_seconds), self.burst)


class KeyShown(BaseModel):
    """A key, without its secret.

    Attributes:
        hint: the first characters of its newest secret.
        replaced_until: until when secrets before the newest are good.
        last_used_at: at most a minute late.
        limit: the most messages, in words.
    """

    id: str = Field(examples=["key_0123456789ab"])
    name: str
    kind: str = Field(examples=["server"])
    scopes: list[str]
    state: str = Field(examples=["good"])
    hint: str
    origins: list[str]
    created_at: AwareDatetime
    rotated_at: AwareDatetime | None
    replaced_until: AwareDatetime | None
    expires_at: AwareDatetime | None
    revoked_at: AwareDatetime | None
    last_used_at: AwareDatetime | None
    limit: str | None
    shadow: bool


class NewKeyShown(BaseModel):
    """A key whose secret was made just now.

    Attributes:
        secret: shown this once; null where the answer is repeated for an ``Idempotency-Key``.
    """

    secret: str | None
    key: KeyShown


def _shown(engine: Engine, key: ApiKey) -> KeyShown:
    return KeyShown(
        id=key.id,
        name=key.name,
        kind=key.kind.value,
        scopes=sorted(scope.value for scope in key.scopes),
        state=key.state(engine.clock.now()).value,
        hint=key.hint,
        origins=list(key.origins),
        created_at=key.created_at,
        rotated_at=key.rotated_at,
        replaced_until=key.replaced_until,
        expires_at=key.expires_at,
        revoked_at=key.revoked_at,
        last_used_at=key.last_used_at,
        limit=None if key.limit is None else str(key.limit),
        shadow=key.shadow,
    )


def _new(engine: Engine, made: NewKey) -> NewKeyShown:
    return NewKeyShown(secret=made.secret, key=_shown(engine, made.key))


@routes.get("/keys", **needs(Scope.ADMIN))
def list_keys(
    engine: EngineGiven, limit: Limit = DEFAULT_LIMIT, cursor: NameCursor = None
) -> Page[KeyShown]:
    """All keys, those that are not good too, oldest first."""
    after = None if cursor is None else from_named_place(cursor)
    keys = [key for key in engine.keys.list() if after is None or (key.created_at, key.id) > after]
    shown = partial(_shown, engine)
    return page(keys[: limit + 1], limit, shown, lambda key: as_named_place(key.created_at, key.id))


@routes.get("/keys/{key}", **needs(Scope.ADMIN, 404))
def get_key(key: KeyId, engine: EngineGiven) -> KeyShown:
    """One key."""
    return _shown(engine, engine.keys.get(key))


# --- making -----------------------------------------------------------------------------------------

_NAME = r"^[A-Za-z0-9]([ -~]*[!-~])?$"
_ORIGIN = r"^https?://(\*\.)?[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?(\.[a-z0-9]{1,30}){0,5}(:[1-9][0-9]{0,3})?$"


class _KeyAsked(Form):
    name: str = Field(min_length=1, max_length=100, pattern=_NAME, examples=["shop backend"])
    expires_in_seconds: Seconds | None = Field(default=None, examples=[7_776_000])


class _SenderAsked(_KeyAsked):
    limit: LimitForm | None = None
    shadow: bool = Field(
        default=False, description="Whether what is over the limit is counted only."
    )


class ServerKeyAsked(_SenderAsked):
    """A key for a server; without scopes it has all three."""

    kind: Literal["server"] = Field(examples=["server"])
    scopes: list[Literal["messages", "send", "read"]] = Field(default=[], examples=[["messages"]])


class ClientKeyAsked(_SenderAsked):
    """A key for a browser or an app, which anybody can read; it sends messages, and nothing else."""

    kind: Literal["client"] = Field(examples=["client"])
    origins: list[Annotated[str, Field(pattern=_ORIGIN)]] = Field(
        default=[], max_length=50, examples=[["https://shop.example"]]
    )


class ManagementKeyAsked(_KeyAsked):
    """A key for this API, with a role. It sends no messages, so it has no limit of them."""

    kind: Literal["management"] = Field(examples=["management"])
    role: Literal["viewer", "editor", "approver", "admin"] = Field(examples=["viewer"])


KeyAsked = Annotated[
    ServerKeyAsked | ClientKeyAsked | ManagementKeyAsked, Body(discriminator="kind")
]


@routes.post("/keys", status_code=201, **needs(Scope.ADMIN, 400, 409))
def create_key(
    asked: KeyAsked, engine: EngineGiven, caller: CallerGiven, response: Response
) -> NewKeyShown:
    """Make a key. Its secret is in this answer, and nowhere else."""
    expires = asked.expires_in_seconds
    made = engine.keys.create(
        asked.name,
        kind=KeyKind(asked.kind),
        scopes=_scopes(asked),
        origins=asked.origins if isinstance(asked, ClientKeyAsked) else (),
        expires=None if expires is None else timedelta(seconds=expires),
        limit=_limit(asked),
        shadow=isinstance(asked, _SenderAsked) and asked.shadow,
        by=caller.name,
    )
    response.headers["Location"] = f"/api/keys/{made.key.id}"
    return _new(engine, made)


def _limit(asked: _KeyAsked) -> KeyLimit | None:
    given = asked.limit if isinstance(asked, _SenderAsked) else None
    return None if given is None else given.as_limit()


def _scopes(asked: _KeyAsked) -> list[str]:
    if isinstance(asked, ManagementKeyAsked):
        return [asked.role]
    return [*asked.scopes] if isinstance(asked, ServerKeyAsked) else []


# --- changing ---------------------------------------------------------------------------------------


class KeyChangesAsked(Form):
    """What to change of a key; what is left out stays."""

    name: str | None = Field(
        default=None, min_length=1, max_length=100, pattern=_NAME, examples=["shop backend"]
    )
    limit: LimitForm | None = Field(default=None, description="Null for no limit.")
    shadow: bool | None = None


@routes.patch("/keys/{key}", **needs(Scope.ADMIN, 400, 404, 409))
def change_key(
    key: KeyId, asked: KeyChangesAsked, engine: EngineGiven, caller: CallerGiven
) -> KeyShown:
    """Change what a key is called, and what it may take; its secret stays."""
    is_limited = asked.limit is not None or asked.shadow
    if is_limited and engine.keys.get(key).kind is KeyKind.MANAGEMENT:
        detail = "a management key sends no messages, so it has no limit of them"
        raise ProblemError(status=409, code="no-messages", detail=detail)
    changes = KeyChanges()
    if asked.name is not None:
        changes["name"] = asked.name
    if "limit" in asked.model_fields_set:
        changes["limit"] = None if asked.limit is None else asked.limit.as_limit()
    if asked.shadow is not None:
        changes["shadow"] = asked.shadow
    return _shown(engine, engine.keys.change(key, by=caller.name, **changes))


class RotationAsked(Form):
    """For how long the secrets before the new one stay good; 0 ends them at once."""

    overlap_seconds: SecondsOrZero = Field(default=86_400, examples=[86_400])


@routes.post("/keys/{key}/rotate", **needs(Scope.ADMIN, 400, 404, 409))
def rotate_key(
    key: KeyId, asked: RotationAsked, engine: EngineGiven, caller: CallerGiven
) -> NewKeyShown:
    """Make a new secret for a key; the old one is good until the overlap is over."""
    overlap = timedelta(seconds=asked.overlap_seconds)
    return _new(engine, engine.keys.rotate(key, overlap=overlap, by=caller.name))


@routes.post("/keys/{key}/revoke", **needs(Scope.ADMIN, 404, 409))
def revoke_key(key: KeyId, engine: EngineGiven, caller: CallerGiven) -> KeyShown:
    """Revoke a key with all its secrets, for ever."""
    return _shown(engine, engine.keys.revoke(key, by=caller.name))
