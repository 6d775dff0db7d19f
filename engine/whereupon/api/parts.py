"""What an engine is made of: a store, the rulebook in use, a clock, and the services that work on them."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Literal, TypeAlias

from whereupon.api.background import POLL, BackgroundWork, Workers
from whereupon.api.config import check_key, is_known_key, settings_for
from whereupon.api.intake import Intake
from whereupon.channels.console import Console
from whereupon.decide import BatchResult, Settings
from whereupon.delivery.action_caller import ActionCaller
from whereupon.delivery.dispatcher import Dispatcher
from whereupon.delivery.host_secrets import HostSecrets, Secrets
from whereupon.delivery.link_tokens import TokenSigner
from whereupon.delivery.links import links_at
from whereupon.delivery.monitor import Monitor
from whereupon.delivery.retries import Retry
from whereupon.delivery.subscriptions import SubscriptionDesk
from whereupon.matching import RuleIndex
from whereupon.operations.addresses import Addresses
from whereupon.operations.answers import Answers
from whereupon.operations.api_keys import Keys
from whereupon.operations.audit_log import Audit
from whereupon.operations.broadcasts import Broadcasts
from whereupon.operations.entries import Entries
from whereupon.operations.inbox import Inboxes
from whereupon.operations.outbox import Outbox
from whereupon.operations.pruner import Pruner
from whereupon.operations.requests import Requests
from whereupon.operations.scrubber import Scrubber
from whereupon.pipeline.batches import Pipeline
from whereupon.pipeline.broadcasts import is_all_scheduled, schedule_broadcasts
from whereupon.pipeline.claim_runner import ClaimRunner
from whereupon.pipeline.current import CurrentPipeline
from whereupon.pipeline.freed_places import lets_wait, wake_by_ends
from whereupon.ports import Attachable, Channel, Clock, Store
from whereupon.records import Delivery
from whereupon.rules.model import Retention, Rulebook
from whereupon.scheduling import SystemClock
from whereupon.storage import closed

UnknownChannels: TypeAlias = Literal["hold", "console"]
"""What happens to deliveries for a channel that this process lacks."""

Keep: TypeAlias = Callable[[Rulebook], Retention | None]
"""How long finished records are kept under a rulebook; None for ever."""


class EngineParts:
    """The parts of one engine; the other modules of the package and `Engine` add the public calls.

    Attributes:
        store: where everything is kept.
        clock: says the time.
        requests: what semantic events asked for, to look at and to decide (see `Requests`).
        entries: who is inside which rule, and what to do about it (see `Entries`).
        broadcasts: starts broadcasts (see `Broadcasts`).
        answers: keeps what was answered to requests that may be sent twice (see `Answers`).
        audit: the log of everything that was asked, decided and done (see `Audit`).
        keys: the API keys of those who call the HTTP service (see `Keys`).
        links: makes the links that stand in mails; None without a ``public_url``.
        secrets: what `webhook` steps may ask for.
        claims: carries out large claims in steps; the engine's own calls do so by themselves.
    """

    def __init__(  # noqa: PLR0913 - what `Engine.open` decides
        self,
        store: Store,
        rules: Rulebook,
        *,
        clock: Clock | None = None,
        settings: Settings | None = None,
        retry: Retry | None = None,
        unknown_channels: UnknownChannels = "hold",
        poll: timedelta = POLL,
        keep: Keep | None = None,
        public_url: str | None = None,
        secrets: Secrets | None = None,
    ) -> None:
        self.store = store
        self.clock = clock or SystemClock()
        settings = settings or settings_for(rules)
        self._signer = TokenSigner((settings.digest_key, *settings.former_keys))
        self.links = links_at(public_url, self._signer)
        current = CurrentPipeline(Pipeline(RuleIndex(rules), settings))
        self._current = current
        self._is_closed = False
        self._attached: list[Attachable] = []
        self._monitor = Monitor()
        policy, kept = retry or Retry(), keep or (lambda _: None)
        self.secrets = HostSecrets(secrets)
        self.claims = ClaimRunner(store, current)
        self._workers = self._workers_with(policy, kept, unknown_channels)
        self._work = work = BackgroundWork(
            store, current, self.clock, self._workers, self._monitor, poll
        )
        self._intake = Intake(
            store,
            current,
            self.clock,
            self.claims,
            work.interrupted,
            work.wake_by,
            self._monitor,
        )
        self._desk = SubscriptionDesk(
            store, current, self.clock, self.claims, self._signer, work.wake_up
        )
        self._addresses = Addresses(store, current, self.clock)
        self._inboxes = Inboxes(store, self.clock)
        self._outbox = Outbox(store, self.clock, work.wake_up)
        self.answers = Answers(store, current, self.clock)
        self.requests = Requests(store, current, self.clock, work.wake_up)
        self.keys = Keys(store, current, self.clock)
        self.audit = Audit(store, current, self.clock)
        self.entries = Entries(store, current, self.clock, work.wake_up)
        self.broadcasts = Broadcasts(store, current, self.clock, work.wake_up, self._note)
        self._prepare_store()

    def _look_again(self, gone: Sequence[Delivery]) -> int:
        """Wake the entries that wait for a place under a cap which these deliveries have given back; how many."""
        if not lets_wait(self._current.pipeline.index.book.settings):
            return 0
        work = partial(wake_by_ends, deliveries=gone, at=self.clock.now())
        woken = self.store.transact(work)
        if woken:
            self._work.wake_up()
        return woken

    def _workers_with(
        self, policy: Retry, kept: Keep, unknown_channels: UnknownChannels
    ) -> Workers:
        """The services that do due work."""
        return Workers(
            self.claims,
            Dispatcher(
                self.store,
                _fallback(unknown_channels),
                self.clock,
                policy,
                self._monitor,
                is_paused=self._current.is_paused,
                settings=lambda: self._current.pipeline.settings,
                quiet_until=self._current.quiet_until,
                caps=lambda: self._current.pipeline.index.book.settings.caps,
                when_idle=lambda: self._work.look_ahead(),  # noqa: PLW0108 - it is made below
                when_answered=lambda: self._work.wake_up(),  # noqa: PLW0108 - likewise
                when_gone=self._look_again,
                secrets=self.secrets,
            ),
            ActionCaller(self.store, self._current, self.clock, policy, self._monitor),
            Scrubber(self.store),
            Pruner(
                self.store,
                lambda: kept(self._current.pipeline.index.book),
                lambda: self._current.pipeline.index,
                self.clock,
            ),
        )

    @property
    def pipeline(self) -> Pipeline:
        """The pipeline of the rulebook in use."""
        return self._current.pipeline

    def _prepare_store(self) -> None:
        """Check the digest key, and keep the next time of every scheduled broadcast in the store, and the caps."""
        pipeline, now = self.pipeline, self.clock.now()
        index, settings = pipeline.index, pipeline.settings
        with self.store.reading() as session:  # mostly there is nothing to write, nor to wait for
            is_known = is_known_key(session, settings)
            is_scheduled = is_all_scheduled(session, index, now)
            knows_caps = pipeline.knows_caps(session)
        if not is_known:
            self.store.transact(lambda session: check_key(session, settings))
        if not knows_caps:
            self.store.transact(pipeline.note_caps)
        if not is_scheduled:
            self.store.transact(lambda session: schedule_broadcasts(session, index, now))

    def _note(self, done: BatchResult) -> None:
        """Count what was decided."""
        self._monitor.measures.count_decisions(done.emitted)

    def _check_open(self) -> None:
        if self._is_closed:
            raise closed()


def _fallback(unknown_channels: str) -> Channel | None:
    """The channel for deliveries of channels that this process lacks; None holds them."""
    if unknown_channels not in ("hold", "console"):
        message = f"unknown_channels is 'hold' or 'console', not {unknown_channels!r}"
        raise ValueError(message)
    return Console(warn=False).send if unknown_channels == "console" else None
