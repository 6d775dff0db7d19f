"""API keys: made, checked, rotated and revoked, on every kind of store."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from whereupon import Engine
from whereupon.errors import ApiKeyError, StoreError, UnknownNameError
from whereupon.records import KeyKind, KeyLimit, Scope
from whereupon.scheduling.clocks import FrozenClock

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
THEIRS = "0f9c3d7be6a1428590bd"
"""A secret as other providers make them."""


@pytest.fixture
def clock() -> FrozenClock:
    """Stands at noon."""
    return FrozenClock(NOON)


@pytest.fixture
def engine(place: str, clock: FrozenClock) -> Iterator[Engine]:
    """An engine without rules, on each kind of store."""
    with Engine.open(place, clock=clock) as engine:
        yield engine


@pytest.fixture
def local(clock: FrozenClock) -> Iterator[Engine]:
    """An engine in memory, where the store does not matter."""
    with Engine.open("memory://", clock=clock) as engine:
        yield engine


def refused(engine: Engine, secret: str) -> str | None:
    """Why a secret is not good."""
    return engine.keys.check(secret).refusal


def test_a_new_key_is_good_at_once_and_for_what_it_was_made(engine: Engine) -> None:
    """By its secret, which has 256 bits behind a prefix; the key says everything but that."""
    made = engine.keys.create(" the shop ", kind="server", scopes=["messages", "read"], by="ann")
    assert made.secret.startswith("wk_")
    assert len(made.secret) == 3 + 43
    found = engine.keys.verify(made.secret)
    assert found is not None
    assert (found.id, found.name, found.kind) == (made.key.id, "the shop", KeyKind.SERVER)
    assert found.scopes == {Scope.MESSAGES, Scope.READ}
    assert found.created_at == NOON
    assert made.secret.startswith(found.hint)
    assert engine.keys.list() == [made.key]


def test_an_unknown_secret_is_nobodys(engine: Engine) -> None:
    """Nor is an empty one, a cut one, one with a tail, half a character, or an endless one."""
    secret = engine.keys.create("shop", kind="server").secret
    for other in ("", secret[:-1], f"{secret}x", f" {secret}", "\ud800", "wk_" * 10_000):
        assert engine.keys.verify(other) is None
        assert refused(engine, other) == "unknown-key"


def test_scopes_are_those_of_the_kind(local: Engine) -> None:
    """By default all of a server's, messages of a client, and the least of the roles."""
    scopes = {kind: local.keys.create("x", kind=kind).key.scopes for kind in KeyKind}
    assert scopes == {
        KeyKind.SERVER: {Scope.MESSAGES, Scope.SEND, Scope.READ},
        KeyKind.CLIENT: {Scope.MESSAGES},
        KeyKind.MANAGEMENT: {Scope.VIEWER},
    }
    assert local.keys.create("x", kind="management").secret.startswith("wm_")


def test_a_role_includes_the_ones_below_it(local: Engine) -> None:
    """And no scope of a server's."""
    roles = [Scope.VIEWER, Scope.EDITOR, Scope.APPROVER, Scope.ADMIN]
    for place, role in enumerate(roles):
        key = local.keys.create("x", kind="management", scopes=[role]).key
        assert [each for each in Scope if key.allows(each)] == roles[: place + 1]


WRONG: list[tuple[dict[str, object], str]] = [
    ({"kind": "robot"}, "bad-kind"),
    ({"name": "  "}, "bad-name"),
    ({"name": "a\x1b[31m"}, "bad-name"),
    ({"name": "a" * 101}, "bad-name"),
    ({"scopes": ["admin"]}, "bad-scope"),
    ({"kind": "client", "scopes": ["send"]}, "bad-scope"),
    ({"kind": "management", "scopes": ["messages"]}, "bad-scope"),
    ({"scopes": ["no-such"]}, "bad-scope"),
    ({"origins": ["https://shop.example"]}, "bad-origin"),
    ({"kind": "client", "origins": ["shop.example"]}, "bad-origin"),
    ({"kind": "client", "origins": ["https://shop.example/path"]}, "bad-origin"),
    ({"kind": "client", "origins": ["https://user@shop.example"]}, "bad-origin"),
    ({"kind": "client", "origins": ["*"]}, "bad-origin"),
    ({"kind": "client", "origins": [""]}, "bad-origin"),
    ({"kind": "client", "origins": ["https://shop.example:port"]}, "bad-origin"),
    ({"expires": NOON}, "bad-expiry"),
    ({"expires": timedelta()}, "bad-expiry"),
    ({"expires": datetime(2030, 1, 1)}, "bad-expiry"),  # noqa: DTZ001 - that is what is wrong
    ({"limit": "fast"}, "bad-limit"),
    ({"limit": "0 per 1s"}, "bad-limit"),
    ({"limit": "10 per 0s"}, "bad-limit"),
    ({"limit": "10 per 999999999d"}, "bad-limit"),
    ({"key_id": "a:b"}, "bad-id"),
    ({"key_id": "wk_looks_like_a_secret"}, "bad-id"),
    ({"adopt": "short"}, "weak-secret"),
    ({"adopt": "a" * 40}, "weak-secret"),
    ({"adopt": "abcabcabcabcabcabcabc"}, "weak-secret"),
    ({"adopt": "abcdefghijklmnopqrstuvwxyz"}, "weak-secret"),
    ({"adopt": "1234567890123456"}, "weak-secret"),
    ({"adopt": f"{THEIRS}:x"}, "bad-secret"),
    ({"adopt": f"{THEIRS} "}, "bad-secret"),
    ({"adopt": f"{THEIRS}ä"}, "bad-secret"),
    ({"adopt": THEIRS * 30}, "bad-secret"),
    ({"adopt": THEIRS, "kind": "management"}, "bad-secret"),
]


@pytest.mark.parametrize(("given", "code"), WRONG)
def test_a_key_that_cannot_be_is_refused(
    local: Engine, given: dict[str, object], code: str
) -> None:
    """The code says what is wrong, no sentence quotes a secret, and nothing is kept."""
    wanted: dict[str, object] = {"name": "x", "kind": "server", **given}
    name = str(wanted.pop("name"))
    with pytest.raises(ApiKeyError) as caught:
        local.keys.create(name, **wanted)  # type: ignore[arg-type]
    assert caught.value.code == code
    secret = str(given.get("adopt", "nothing that is said"))
    assert secret not in str(caught.value)
    assert list(local.keys.list()) == []
    assert list(local.audit.rows()) == []


def test_origins_are_compared_as_browsers_write_them(local: Engine) -> None:
    """Without case and the usual port; a star stands for one or more labels, and for nothing else."""
    origins = ["https://Shop.Example:443/", "http://localhost:8080", "https://*.shop.example"]
    key = local.keys.create("page", kind="client", origins=origins).key
    assert key.origins == (
        "https://shop.example",
        "http://localhost:8080",
        "https://*.shop.example",
    )
    good = ("https://shop.example", "http://localhost:8080", "https://a.b.shop.example")
    bad = (
        *("http://shop.example", "https://shop.example.evil.example", "https://evilshop.example"),
        *("https://shop.example:444", "https://evil.example/.shop.example", "null", "", None),
        *("https://.shop.example", "https://evil.example:1.shop.example", "http://localhost"),
        "https://user@.shop.example",
    )
    assert [each for each in good if not key.allows_origin(each)] == []
    assert [each for each in bad if key.allows_origin(each)] == []
    anybodys = local.keys.create("app", kind="client").key
    assert [each for each in (*good, *bad) if not anybodys.allows_origin(each)] == []


def test_a_key_expires_by_the_engines_clock(engine: Engine, clock: FrozenClock) -> None:
    """To the microsecond."""
    secret = engine.keys.create("shop", kind="server", expires=MINUTE).secret
    clock.move_to(NOON + MINUTE - timedelta(microseconds=1))
    assert engine.keys.verify(secret) is not None
    clock.move_to(NOON + MINUTE)
    assert engine.keys.verify(secret) is None
    assert refused(engine, secret) == "expired-key"


def test_a_revoked_key_is_not_good_any_more(engine: Engine, clock: FrozenClock) -> None:
    """At once in this process, with all its secrets; it stays in the list, and stays as it is."""
    made = engine.keys.create("shop", kind="server")
    rotated = engine.keys.rotate(made.key.id)
    assert engine.keys.verify(rotated.secret) is not None
    engine.keys.write_uses()
    revoked = engine.keys.revoke(made.key.id, by="ann")
    assert refused(engine, made.secret) == refused(engine, rotated.secret) == "revoked-key"
    clock.move_to(NOON + MINUTE)
    assert engine.keys.revoke(made.key.id) == revoked == engine.keys.get(made.key.id)
    assert revoked.revoked_at == NOON
    for call in (engine.keys.rotate, engine.keys.change):
        with pytest.raises(ApiKeyError) as caught:
            call(made.key.id)
        assert caught.value.code == "key-revoked"


def test_both_secrets_are_good_while_they_overlap(engine: Engine, clock: FrozenClock) -> None:
    """Under the id of one key; then the new one alone."""
    made = engine.keys.create("shop", kind="server")
    rotated = engine.keys.rotate(made.key.id, overlap=MINUTE)
    assert rotated.secret != made.secret
    assert rotated.key.replaced_until == NOON + MINUTE
    for secret in (made.secret, rotated.secret):
        found = engine.keys.verify(secret)
        assert found is not None
        assert found.id == made.key.id
    clock.move_to(NOON + MINUTE)
    assert refused(engine, made.secret) == "replaced-secret"
    assert engine.keys.verify(rotated.secret) is not None


def test_a_second_rotation_lengthens_no_overlap(engine: Engine, clock: FrozenClock) -> None:
    """What was to end ends; an overlap of nothing ends all at once."""
    key = engine.keys.create("shop", kind="server")
    second = engine.keys.rotate(key.key.id, overlap=MINUTE)
    third = engine.keys.rotate(key.key.id, overlap=10 * MINUTE)
    clock.move_to(NOON + 2 * MINUTE)
    assert [refused(engine, each.secret) for each in (key, second, third)] == [
        "replaced-secret",
        None,
        None,
    ]
    fourth = engine.keys.rotate(key.key.id, overlap=timedelta())
    assert [refused(engine, each.secret) for each in (second, third, fourth)] == [
        "replaced-secret",
        "replaced-secret",
        None,
    ]
    with pytest.raises(ApiKeyError, match="bad-overlap"):
        engine.keys.rotate(key.key.id, overlap=-MINUTE)


def test_a_key_that_has_expired_is_not_rotated(local: Engine, clock: FrozenClock) -> None:
    """Its new secret would not be good; a later expiry makes the key good again."""
    made = local.keys.create("shop", kind="server", expires=MINUTE)
    clock.move_to(NOON + MINUTE)
    with pytest.raises(ApiKeyError, match="key-expired"):
        local.keys.rotate(made.key.id)
    local.keys.change(made.key.id, expires=None)
    assert local.keys.verify(made.secret) is not None


def test_a_key_is_changed_without_a_new_secret(engine: Engine) -> None:
    """What is not named stays."""
    made = engine.keys.create("page", kind="client", origins=["https://a.example"])
    engine.keys.change(made.key.id, limit="100 per 1m", shadow=True, by="ann")
    changed = engine.keys.change(made.key.id, name="pages", origins=[])
    assert changed.limit == KeyLimit(100, MINUTE, burst=100)
    assert (changed.name, changed.origins, changed.shadow) == ("pages", (), True)
    assert engine.keys.verify(made.secret) == changed
    with pytest.raises(ApiKeyError, match="bad-scope"):
        engine.keys.change(made.key.id, scopes=["send"])


def test_a_secret_of_another_provider_is_adopted_once(engine: Engine) -> None:
    """With the id that the applications have; of the secret only four characters are shown."""
    made = engine.keys.create("old", kind="server", adopt=THEIRS, key_id="site-1")
    assert (made.secret, made.key.id, made.key.hint) == (THEIRS, "site-1", THEIRS[:4])
    assert engine.keys.verify(THEIRS) == made.key
    for again, code in (({"adopt": THEIRS}, "secret-in-use"), ({"key_id": "site-1"}, "id-in-use")):
        with pytest.raises(ApiKeyError) as caught:
            engine.keys.create("again", kind="server", **again)  # type: ignore[arg-type]
        assert caught.value.code == code
        assert THEIRS not in str(caught.value)
    assert len(engine.keys.list()) == 1


def test_an_unknown_key_is_said_without_quoting_a_secret(local: Engine) -> None:
    """For somebody may have typed a secret in place of the id."""
    secret = local.keys.create("shop", kind="server").secret
    for call in (local.keys.get, local.keys.revoke, local.keys.rotate, local.keys.change):
        with pytest.raises(UnknownNameError) as caught:
            call(secret)
        assert secret[4:] not in str(caught.value)
        with pytest.raises(UnknownNameError, match="key_0123456789ab"):
            call("key_0123456789ab")


def test_uses_are_written_at_most_once_a_minute(engine: Engine, clock: FrozenClock) -> None:
    """The last one, and apart from it the last one of a secret that was replaced."""
    made = engine.keys.create("shop", kind="server")
    assert engine.keys.get(made.key.id).last_used_at is None
    engine.keys.verify(made.secret)
    engine.keys.write_uses()
    clock.move_to(NOON + MINUTE / 2)
    engine.keys.verify(made.secret)
    engine.keys.write_uses()
    assert engine.keys.get(made.key.id).last_used_at == NOON
    new = engine.keys.rotate(made.key.id)
    clock.move_to(NOON + MINUTE)
    engine.keys.verify(made.secret)
    clock.move_to(NOON + 2 * MINUTE)
    engine.keys.verify(new.secret)
    engine.keys.write_uses()
    found = engine.keys.get(made.key.id)
    assert found.last_used_at == NOON + 2 * MINUTE
    assert found.replaced_used_at == NOON + MINUTE


def test_a_refused_secret_is_no_use(engine: Engine) -> None:
    """Neither of a revoked key nor of an unknown one."""
    made = engine.keys.create("shop", kind="server")
    engine.keys.revoke(made.key.id)
    assert refused(engine, made.secret) == "revoked-key"
    engine.keys.write_uses()
    assert engine.keys.get(made.key.id).last_used_at is None


def test_a_closed_engine_knows_no_key(place: str) -> None:
    """It says that it is closed, and has written when keys were used."""
    engine = Engine.open(place)
    secret = engine.keys.create("shop", kind="server").secret
    engine.keys.verify(secret)
    engine.close()
    with pytest.raises(StoreError, match="closed"):
        engine.keys.verify(secret)
    if place == "memory://":
        return
    with Engine.open(place) as again:
        (key,) = again.keys.list()
        assert key.last_used_at is not None


def test_every_change_is_in_the_audit_log(engine: Engine) -> None:
    """Who did it, and what the key is; the chain holds, and no row has a secret or its hash."""
    made = engine.keys.create("shop", kind="client", origins=["https://a.example"], by="ann")
    rotated = engine.keys.rotate(made.key.id, by="ben")
    engine.keys.change(made.key.id, limit=KeyLimit(5, MINUTE, 10), by="cyd")
    engine.keys.revoke(made.key.id, by="dan")
    rows = [row.facts for row in engine.audit.rows()]
    assert [(row["kind"], row["actor"], row["key"]) for row in rows] == [
        ("key-created", "ann", made.key.id),
        ("key-rotated", "ben", made.key.id),
        ("key-changed", "cyd", made.key.id),
        ("key-revoked", "dan", made.key.id),
    ]
    assert rows[0]["origins"] == ["https://a.example"]
    assert rows[2]["limit"] == "5 per 60s, 10 at once"
    assert engine.audit.verify() == []
    for secret in (made.secret, rotated.secret):
        assert secret not in str(rows)
        assert secret[8:] not in str(rows)


@pytest.mark.parametrize("limit", [(0, 1, 1), (1, 0, 1), (1, 1, 0), (2**31, 1, 1), (1, 367, 1)])
def test_a_limit_that_no_store_could_keep_cannot_be_made(limit: tuple[int, int, int]) -> None:
    """Neither none at all, nor more than a billion messages, nor a span of more than a year."""
    messages, days, burst = limit
    with pytest.raises(ValueError, match="a limit has 1 to 1000000000 messages"):
        KeyLimit(messages, timedelta(days=days), burst)
