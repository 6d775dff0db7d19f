"""Whatever is done with keys, every process says of every secret what a simple model says."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from hypothesis import given
from hypothesis import strategies as st

from whereupon import Engine
from whereupon.errors import ApiKeyError
from whereupon.operations.key_cache import FRESH
from whereupon.operations.key_checks import KeyChecks
from whereupon.records import KeyKind
from whereupon.scheduling.clocks import FrozenClock

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
MINUTES = st.integers(0, 10).map(lambda n: timedelta(minutes=n))


@dataclass
class Key:
    """What is known of a key: its secrets, each with its end, its own end, and whether it is revoked."""

    id: str
    secrets: dict[str, datetime | None]
    expires_at: datetime | None
    is_revoked: bool = False


@dataclass
class World:
    """An engine, another process on its store, and the model."""

    engine: Engine
    clock: FrozenClock
    ticks: float = 0.0
    keys: list[Key] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.other = KeyChecks(self.engine.store, self.clock, lambda: self.ticks)

    def refusal(self, key: Key, secret: str) -> str | None:
        """What the model says."""
        now, end = self.clock.now(), key.secrets[secret]
        if key.is_revoked:
            return "revoked-key"
        if key.expires_at is not None and key.expires_at <= now:
            return "expired-key"
        return "replaced-secret" if end is not None and end <= now else None

    def check(self) -> None:
        """Compare all three, for every secret there ever was."""
        self.ticks += FRESH
        for key in self.keys:
            for secret in key.secrets:
                said = self.refusal(key, secret)
                for process in (self.engine.keys, self.other):
                    found = process.check(secret)
                    assert found.key is not None
                    assert (found.key.id, found.refusal) == (key.id, said)


Act: TypeAlias = Callable[[World], None]


def create(kind: KeyKind, lasts: timedelta | None) -> Act:
    """Make a key."""

    def act(world: World) -> None:
        made = world.engine.keys.create("key", kind=kind, expires=lasts or None)
        end = world.clock.now() + lasts if lasts else None
        world.keys.append(Key(made.key.id, {made.secret: None}, end))

    return act


def rotate(place: int, overlap: timedelta) -> Act:
    """Rotate a key; one that is not good is refused."""

    def act(world: World) -> None:
        if not world.keys:
            return
        key, now = world.keys[place % len(world.keys)], world.clock.now()
        is_good = not key.is_revoked and (key.expires_at is None or key.expires_at > now)
        try:
            made = world.engine.keys.rotate(key.id, overlap=overlap)
        except ApiKeyError:
            assert not is_good
            return
        assert is_good
        for secret, end in key.secrets.items():
            key.secrets[secret] = min(end or now + overlap, now + overlap)
        key.secrets[made.secret] = None

    return act


def revoke(place: int) -> Act:
    """Revoke a key, perhaps again."""

    def act(world: World) -> None:
        if world.keys:
            key = world.keys[place % len(world.keys)]
            world.engine.keys.revoke(key.id)
            key.is_revoked = True

    return act


def wait(time: timedelta) -> Act:
    """Let time pass."""
    return lambda world: world.clock.move_to(world.clock.now() + time)


PLACES = st.integers(0, 5)
ACTS = st.one_of(
    st.builds(create, st.sampled_from(KeyKind), st.none() | MINUTES),
    st.builds(rotate, PLACES, MINUTES),
    st.builds(revoke, PLACES),
    st.builds(wait, MINUTES),
)


@given(acts=st.lists(ACTS, max_size=12))
def test_every_process_says_of_every_secret_what_the_model_says(acts: list[Act]) -> None:
    """In any order of making, rotating, revoking and waiting; and the audit log stays whole."""
    clock = FrozenClock(NOON)
    with Engine.open("memory://", clock=clock) as engine:
        world = World(engine, clock)
        for act in acts:
            act(world)
            world.check()
        assert engine.audit.verify() == []
        assert {key.id for key in engine.keys.list()} == {key.id for key in world.keys}
        world.other.close()
