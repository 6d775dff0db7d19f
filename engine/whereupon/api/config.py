"""What the host decides when it opens an engine, and says with a message; and what a round tells it."""

import hmac
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from os import PathLike
from pathlib import Path
from threading import Condition, get_ident
from typing import TypedDict

from whereupon.decide import Settings
from whereupon.decide.decisions import Decision
from whereupon.delivery.dispatcher import Dispatched
from whereupon.errors import StoreError
from whereupon.guards.judge import policy_on
from whereupon.identity.algebra import IdentityPolicy
from whereupon.messages.model import Source
from whereupon.messages.semantic_events import Action, Registry
from whereupon.pipeline.work_scope import LeftAlone
from whereupon.ports import Backlog, HostTransaction, Session
from whereupon.records import Request
from whereupon.rules.model import Rulebook
from whereupon.runtime.forks import ForkAware, watch_forks


class MessageOptions(TypedDict, total=False):
    """What every message call takes besides its own.

    Attributes:
        message_id: makes recording idempotent for ever; a fresh one by default.
        timestamp: when it happened; now by default. Aware, or ISO 8601 text.
        context: as in the Segment spec.
        source: the class of sender, ``server`` (the default) or ``client``.
        connection: the host's own, whose transaction is used.
    """

    message_id: str
    timestamp: datetime | str
    context: Mapping[str, object]
    source: Source
    connection: HostTransaction | None


@dataclass(frozen=True, slots=True)
class Ran:
    """What a round of due work did.

    Attributes:
        decisions: what waits and broadcasts led to.
        dispatched: how the deliveries went.
        requests: what became of requests whose time had come, and of those handed to the host.
    """

    decisions: Sequence[Decision] = ()
    dispatched: Dispatched = field(default_factory=Dispatched)
    requests: list[Request] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Metrics:
    """Numbers for whoever watches the engine.

    Attributes:
        messages: that came in here, by outcome: ``accepted``, ``duplicates``, ``rejected``.
        events: what happened here, by its name (see `Engine.on`) and the channel's or the action's.
        backlog: what every process together has yet to send, holds or has given up.
    """

    messages: Mapping[str, int]
    events: Mapping[tuple[str, str], int]
    backlog: Sequence[Backlog]


class InFlight(ForkAware):
    """Knows which threads are within a block, so that another thread can wait for them."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._within: Counter[int] = Counter()
        watch_forks(self)

    def __enter__(self) -> None:
        with self._changed:
            self._within[get_ident()] += 1

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._within[get_ident()] -= 1
            self._within += Counter()  # without those that have left
            self._changed.notify_all()

    def wait(self, seconds: float) -> bool:
        """Wait until no other thread is within; whether that is so.

        A handler of a signal may interrupt the very thread that is.
        """
        own = get_ident()
        with self._changed:
            return self._changed.wait_for(
                lambda: not self._within.keys() - {own}, max(0.0, seconds)
            )

    def after_fork_in_child(self) -> None:
        """They are the parent's."""
        self._changed = Condition()
        self._within.clear()


@dataclass(frozen=True, slots=True)
class Status:
    """How things stand, as far as one engine goes.

    Attributes:
        left_alone: entries and broadcasts that this engine does not touch, by rule, and why.
    """

    left_alone: tuple[LeftAlone, ...] = ()


def rulebook_from(rules: str | PathLike[str] | Rulebook) -> Rulebook:
    """The rulebook itself, or that of a folder.

    Raises:
        RulesInvalidError: the folder has errors; it lists all of them.
    """
    if isinstance(rules, Rulebook):
        return rules
    from whereupon.rules.loading import open_rules  # noqa: PLC0415 - rule files take a while to import

    return open_rules(Path(rules))


def settings_for(
    book: Rulebook,
    *,
    identity: IdentityPolicy | None = None,
    digest_key: bytes = b"",
    former_keys: Sequence[bytes] = (),
) -> Settings:
    """The settings of deciding under a rulebook's guard files."""
    settings = Settings(
        identity=identity or IdentityPolicy(),
        registry=Registry(),
        digest_key=digest_key,
        former_keys=tuple(former_keys),
    )
    return settings_under(settings, book)


def settings_under(settings: Settings, book: Rulebook) -> Settings:
    """The same settings under another rulebook's guard files."""
    named = {name for guard in book.guards for name in guard.actions}
    names = {action.name for action in settings.registry.actions} | named
    return replace(settings, policies={name: policy_on(name, book.guards) for name in names})


def with_action(settings: Settings, action: Action, book: Rulebook) -> Settings:
    """The same settings with one more action of the host's.

    Raises:
        ValueError: the name is taken.
    """
    return replace(
        settings,
        registry=settings.registry.with_action(action),
        policies={**settings.policies, action.name: policy_on(action.name, book.guards)},
    )


_CHECK = "digest_check"


def is_known_key(session: Session, settings: Settings) -> bool:
    """Whether the store remembers the key as its own, so that there is nothing to check."""
    return session.mark(_CHECK) == _checked(settings.digest_key)


def check_key(session: Session, settings: Settings) -> None:
    """Refuse a key under which nothing in the store was hashed: the deleted would come back unknown.

    A store without tombstones and without an audit log takes any key.
    """
    own, *former = map(_checked, (settings.digest_key, *settings.former_keys))
    kept = session.mark(_CHECK)
    if kept == own:
        return
    is_new = session.audit_head() is None and not session.has_tombstones()
    if kept is not None and kept not in former and not is_new:
        reason = (
            "what is hashed in this store was hashed under another digest_key: give that one, "
            "or give it as a former key where it was changed"
        )
        raise StoreError(code="other-key", reason=reason)
    session.set_mark(_CHECK, own)


def _checked(key: bytes) -> int:
    return int.from_bytes(hmac.digest(key, b"whereupon", "sha256")[:7])
