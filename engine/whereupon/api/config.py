"""What the host decides when it opens an engine and with each message, and what a round of due work reports."""

import hmac
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
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
from whereupon.records import BroadcastRun, ChannelState, Request, RulePause
from whereupon.rules.model import Rulebook
from whereupon.runtime.forks import ForkAware, watch_forks


class MessageOptions(TypedDict, total=False):
    """Options of every call that sends one message.

    Attributes:
        message_id: makes recording idempotent for ever; a fresh id by default.
        timestamp: when it happened; now by default. Aware, or ISO 8601 text.
        context: as in the Segment spec.
        source: the class of sender, ``server`` (the default) or ``client``.
        connection: the host's connection, whose transaction is used.
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
        requests: requests that were due, and those that were handed to the host's actions, as they are now.
    """

    decisions: Sequence[Decision] = ()
    dispatched: Dispatched = field(default_factory=Dispatched)
    requests: list[Request] = field(default_factory=list)


def counts_of(ran: Ran) -> dict[str, int]:
    """What a round did, in numbers."""
    dispatched = ran.dispatched
    return {
        "sent": dispatched.sent,
        "retried": dispatched.retried,
        "dead": dispatched.dead,
        "withheld": dispatched.withheld,
    }


@dataclass(frozen=True, slots=True)
class Metrics:
    """Numbers for monitoring.

    Attributes:
        messages: messages that came into this process, by outcome: ``accepted``, ``duplicates``, ``rejected``.
        events: events of this process, by name (see `Engine.on`) and by channel or action.
        backlog: what all processes together have yet to send, hold, or have given up.
    """

    messages: Mapping[str, int]
    events: Mapping[tuple[str, str], int]
    backlog: Sequence[Backlog]


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits in a store, as one engine sees it.

    Attributes:
        deliveries: that are pending, held or dead, of all processes.
        channels: that this process has, as all processes see them.
        work_due: when the first wait or broadcast that this engine may run is due, or was.
        request_due: likewise for requests and actions.
        claims: how many large claims are unfinished; it counts no further than 1,000.
        paused: how many rules, runs of broadcasts, and entries operators have paused.
    """

    deliveries: Sequence[Backlog]
    channels: Sequence[ChannelState]
    work_due: datetime | None
    request_due: datetime | None
    claims: int
    paused: tuple[int, int, int] = (0, 0, 0)


class InFlight(ForkAware):
    """Knows which threads are inside a block, so that another thread can wait for them."""

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
            self._within += Counter()  # drops the threads that have left
            self._changed.notify_all()

    def wait(self, seconds: float) -> bool:
        """Wait until no other thread is inside; whether none is.

        A signal handler may interrupt a thread that is inside; its own thread does not count.
        """
        own = get_ident()
        with self._changed:
            return self._changed.wait_for(
                lambda: not self._within.keys() - {own}, max(0.0, seconds)
            )

    def after_fork_in_child(self) -> None:
        """The threads inside are those of the parent process."""
        self._changed = Condition()
        self._within.clear()


@dataclass(frozen=True, slots=True)
class Status:
    """What stands still.

    Attributes:
        left_alone: entries and broadcasts that this engine does not touch, by rule, and why.
        resting: channels that no process calls now, and until when; see `ChannelPolicy.breaker`.
        pauses: rules that operators have paused.
        paused_runs: runs of broadcasts that operators have paused.
        paused_entries: how many entries are paused by themselves or with their run, by rule.
    """

    left_alone: tuple[LeftAlone, ...] = ()
    resting: tuple[ChannelState, ...] = ()
    pauses: tuple[RulePause, ...] = ()
    paused_runs: tuple[BroadcastRun, ...] = ()
    paused_entries: Mapping[str, int] = field(default_factory=dict)


def rulebook_from(
    rules: str | PathLike[str] | Rulebook, *, secrets: Collection[str] | None = None
) -> Rulebook:
    """The rulebook itself, or that of a folder.

    Args:
        rules: the one or the other.
        secrets: the names of all secrets that the host has; None if they are not known.

    Raises:
        RulesInvalidError: the folder has errors; it lists all of them.
    """
    if isinstance(rules, Rulebook):
        return rules
    from whereupon.rules.loading import open_rules  # noqa: PLC0415 - rule files take a while to import

    return open_rules(Path(rules), secrets=secrets)


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


def with_address(settings: Settings, channel: str, attribute: str | None) -> Settings:
    """The same settings with another attribute that has the addresses of a channel; None for no attribute."""
    others = {name: each for name, each in settings.addresses.items() if name != channel}
    return replace(settings, addresses=others | ({} if attribute is None else {channel: attribute}))


_CHECK = "digest_check"


def is_known_key(session: Session, settings: Settings) -> bool:
    """Whether the store has recorded this digest key as its own, so that nothing needs checking."""
    return session.mark(_CHECK) == _checked(settings.digest_key)


def is_new_to_keys(session: Session) -> bool:
    """Whether nothing in the store is hashed yet, so that it takes any key."""
    return (
        session.audit_head() is None
        and not session.has_tombstones()
        and not session.has_suppressed()
    )


def check_key(session: Session, settings: Settings) -> None:
    """Refuse a digest key under which nothing in the store was hashed: deleted people would come back as unknown.

    A store without tombstones, suppressed addresses and an audit log takes any key.
    """
    own, *former = map(_checked, (settings.digest_key, *settings.former_keys))
    kept = session.mark(_CHECK)
    if kept == own:
        return
    if kept is not None and kept not in former and not is_new_to_keys(session):
        reason = (
            "what is hashed in this store was hashed under another digest_key: give that one, "
            "or give it as a former key where it was changed"
        )
        raise StoreError(code="other-key", reason=reason)
    session.set_mark(_CHECK, own)


def _checked(key: bytes) -> int:
    return int.from_bytes(hmac.digest(key, b"whereupon", "sha256")[:7])
