"""The engine that a backend embeds: the composition of store, rules, fold, outbox and clock.

Every writing call is one transaction. With ``connection=`` it is the host's own, which is neither
committed nor rolled back here.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from itertools import takewhile
from os import PathLike
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Literal, Self, TypeAlias

from pydantic import BaseModel

from whereupon.api.config import (
    Metrics,
    Ran,
    Status,
    UnderWay,
    check_key,
    is_known_key,
    settings_for,
)
from whereupon.api.segment_api import Calls
from whereupon.decide import BatchResult, Decisions, Settings, Skipped, Told
from whereupon.delivery.action_calls import Handler, Handlers, Registration, fault_finder
from whereupon.delivery.channel_calls import check_runs
from whereupon.delivery.dispatcher import Dispatched, Dispatcher, RetryPolicy, console_channel
from whereupon.delivery.monitoring import Hook, Monitor
from whereupon.errors import StoreError, UnknownNameError
from whereupon.guards.actions import stance_on
from whereupon.identity.algebra import IdentityPolicy
from whereupon.insight import Explanation, explain_rule
from whereupon.insight.identifying import Identity, identify_person
from whereupon.insight.previewing import Preview, preview_identify
from whereupon.matching import RuleIndex
from whereupon.messages.codec import decode
from whereupon.messages.model import Message, Origin, Source
from whereupon.messages.opening import as_text
from whereupon.messages.semantic_events import Action
from whereupon.messages.times import format_instant
from whereupon.operations.audit_log import Audit
from whereupon.operations.outbox import Outbox
from whereupon.operations.pruning import Pruned, Pruning, kept_since
from whereupon.operations.requests import Requests
from whereupon.operations.scrubbing import Scrubbing
from whereupon.pipeline.batches import Pipeline
from whereupon.pipeline.broadcasts import is_all_scheduled, schedule_broadcasts
from whereupon.pipeline.claim_runner import Claims
from whereupon.pipeline.due_work import REQUESTS_TOGETHER, STEPS_TOGETHER, due_together, take_step
from whereupon.pipeline.ingesting import (
    Ingested,
    Reading,
    answer,
    as_source,
    fresh_id,
    message_of,
    read_batch,
)
from whereupon.ports import Channel, Clock, Session, Store, Watch
from whereupon.records import (
    BroadcastRun,
    BygoneKind,
    Changes,
    Delivery,
    DeliveryState,
    Request,
    SetAside,
)
from whereupon.rules.model import OnCall, Retention, Rule, Rulebook
from whereupon.scheduling import SystemClock, Waker
from whereupon.storage import closed, open_store
from whereupon.storage.patience import one_call

POLL = timedelta(seconds=30)
_GRACE = 5.0
"""Seconds for a round to come to its end when its calls have."""
UnknownChannels: TypeAlias = Literal["hold", "console"]

_LOG = logging.getLogger("whereupon.engine")


class Engine(Calls):
    """Messages in, decisions and deliveries out, on one store and one rulebook.

    Thread-safe; several engines, in several processes, may share a store.

    Attributes:
        requests: what semantic events asked for, to be looked at and decided (see `Requests`).
        audit: the log of all that was asked, decided and done (see `Audit`).
        claims: carries out what large claims have begun; the engine's own calls do so by themselves.
    """

    def __init__(  # noqa: PLR0913 - what `open` decides
        self,
        store: Store,
        rules: Rulebook,
        *,
        clock: Clock | None = None,
        settings: Settings | None = None,
        retry: RetryPolicy | None = None,
        unknown_channels: UnknownChannels = "hold",
        poll: timedelta = POLL,
        keep: Retention | None = None,
    ) -> None:
        self.store = store
        self.clock = clock or SystemClock()
        self.pipeline = Pipeline(RuleIndex(rules), settings or settings_for(rules))
        self._channels: dict[str, Channel] = {}
        self._monitor = Monitor()
        policy, otherwise = retry or RetryPolicy(), _otherwise(unknown_channels)
        self._dispatcher = Dispatcher(
            store,
            self._channels,
            otherwise,
            self.clock,
            policy,
            self._monitor,
            is_paused=self.pipeline.is_paused,
        )
        self._waker = Waker(self._run_and_look_ahead, self.clock, poll)
        self._watch: Watch | None = None
        self._is_closing = self._is_closed = False
        self._rounds = UnderWay()
        self._outbox = Outbox(store, self.clock, self._waker.wake)
        self._handlers = Handlers(store, self.pipeline, self.clock, policy, self._monitor)
        self.claims = Claims(store, self.pipeline)
        self._interrupted: set[int] = set()
        self.requests = Requests(store, self.pipeline, self.clock, self._waker.wake)
        self.audit = Audit(store, self.pipeline)
        self._scrubbing = Scrubbing(store)
        self._pruning = Pruning(store, keep, lambda: self.pipeline.index, self.clock)
        now = self.clock.now()
        settings = self.pipeline.settings
        with self.store.reading() as session:  # mostly there is nothing to write, nor to wait for
            is_known = is_known_key(session, settings)
            is_scheduled = is_all_scheduled(session, self.pipeline.index, now)
        if not is_known:
            self.store.transact(lambda session: check_key(session, settings))
        if not is_scheduled:
            self.store.transact(
                lambda session: schedule_broadcasts(session, self.pipeline.index, now)
            )

    @classmethod
    def open(  # noqa: PLR0913 - one for each thing that a host may decide
        cls,
        store: object = "sqlite:///whereupon.db",
        *,
        rules: str | PathLike[str] | Rulebook | None = None,
        clock: Clock | None = None,
        identity: IdentityPolicy | None = None,
        retry: RetryPolicy | None = None,
        digest_key: bytes = b"",
        former_keys: Sequence[bytes] = (),
        patience: timedelta = timedelta(seconds=30),
        unknown_channels: UnknownChannels = "hold",
        poll: timedelta = POLL,
        keep: Retention | None = None,
        schema: str | None = None,
        migrate: bool = True,
    ) -> Self:
        """Open an engine.

        Args:
            store: an SQLAlchemy URL or engine (our tables are made beside the host's own, with the
                prefix ``whereupon_``), or ``memory://``.
            rules: the rules folder, or a rulebook; without either nothing triggers.
            clock: what says the time; the system's by default.
            identity: the windows of anonymous activity.
            retry: how deliveries, and actions of the host's, are retried.
            digest_key: the host's secret under which identifiers of deleted people are hashed, and
                the audit log is chained. Without one, whoever reads the store can test guesses.
            former_keys: earlier ones; they are still recognised, and nothing new is hashed under them.
            patience: how long a call waits for other writers before it raises a `StoreError` with
                the code ``busy``; ``?patience=`` in a URL, in seconds, comes first.
            unknown_channels: what becomes of deliveries for a name without a channel here: ``hold``
                leaves them to a process that has it, ``console`` prints them and counts them as sent,
                which is for development.
            poll: how often the background work looks for what is due without being told to.
            keep: how long what is done with is kept; by default as long as the rules' settings say.
                An engine that is opened without rules lets go of nothing by itself.
            schema: where our tables are in a database of PostgreSQL, several tenants each in one of
                their own; by default where the ``search_path`` leads. ``?schema=`` in a URL comes first.
            migrate: whether our tables are made, or brought up to date; if not, ``whereupon migrate``
                does it beforehand, under a role that may.

        Raises:
            RulesInvalidError: the folder has errors; all of them are in it.
            StoreError: the store cannot be opened; with the code ``other-key`` it was hashed under
                another key than these.
        """
        book = rules if isinstance(rules, Rulebook) else Rulebook()
        if rules is not None and not isinstance(rules, Rulebook):
            from whereupon.rules.loading import open_rules  # noqa: PLC0415 - rule files take a while to import

            book = open_rules(Path(rules))
        settings = settings_for(
            book, identity=identity, digest_key=digest_key, former_keys=former_keys
        )
        kept = open_store(store, patience=patience.total_seconds(), schema=schema, migrate=migrate)
        if keep is None and rules is not None:
            keep = book.settings.keep
        try:
            return cls(
                kept,
                book,
                clock=clock,
                settings=settings,
                retry=retry,
                unknown_channels=unknown_channels,
                poll=poll,
                keep=keep,
            )
        except BaseException:
            kept.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _check_open(self) -> None:
        if self._is_closed:
            raise closed()

    def close(self, *, timeout: float = 30) -> None:
        """Stop the background work, if it was started, and let go of the store.

        Calls of channels and handlers that are under way come to their end; what waits behind them is
        put back, for any process to take.

        Args:
            timeout: how many seconds to wait for them. What takes longer is left to itself, and is
                done again, under its key, when its lease is over.
        """
        end = monotonic() + timeout
        self._is_closing = True
        self._handlers.stop()
        if self._watch is not None:
            self._watch.stop()
        self._dispatcher.stop()
        if not (self._dispatcher.end(end - monotonic()) & self._handlers.end(end - monotonic())):
            _LOG.warning("close-timeout", extra={"event": "close-timeout"})
        self._waker.stop()
        self._rounds.wait(max(_GRACE, end - monotonic()))
        self._is_closed = True
        self.store.close()

    # --- messages in --------------------------------------------------------------------------

    def ingest(
        self, batch: Iterable[object], *, source: str = Source.SERVER, connection: object = None
    ) -> Ingested:
        """Take a batch of wire-form messages (dicts in camelCase); bad ones are in the result.

        Args:
            batch: dicts, or JSON texts as bytes, which are kept as they came; a ``batch`` body of the
                Segment spec counts as its items. One alone, or one text, need not be put into a list.
                At most 2,500 messages and 500 KB of them.
            source: the class of sender, ``server`` or ``client``.
            connection: the host's own, whose transaction is used: an SQLAlchemy ``Connection``, or one
                of the driver (`sqlite3`, `psycopg`), such as Django's ``connection.connection``.
        """
        reading = read_batch(
            batch,
            received_at=self.clock.now(),
            source=as_source(source),
            origin=Origin.LIVE,
            new_id=fresh_id,
        )
        folded = self.take(reading.messages, connection=connection)
        answered = answer(folded, reading)
        self._monitor.count_messages(
            accepted=answered.accepted,
            duplicates=answered.duplicates,
            rejected=len(answered.rejected),
        )
        return answered

    def take(
        self,
        messages: list[Message],
        *,
        until: datetime | None = None,
        connection: object = None,
    ) -> BatchResult:
        """Take a batch of messages as values, in the order they arrived, in one transaction.

        A message that claims many is recorded at once, and what it claims is put to the rules in further
        transactions (see `claims`), and after those the rest of the batch; with a ``connection`` all is in
        that one's.

        Args:
            until: also wake the entries due by then (see `Pipeline.take`).
        """
        now = self.clock.now()
        if connection is not None:  # the host may still roll it back; then nothing is to be found
            with self.store.session(connection) as session:
                return self.claims.within(
                    session,
                    lambda session: self.pipeline.take(session, messages, until=until, now=now),
                )
        with one_call():
            whole = self._take(messages, until)
            while whole.left:
                begun = len(messages) - whole.left
                whole.join(self._take(messages[begun:], until), begun=begun)
        self._waker.wake()
        return whole

    def _take(self, messages: list[Message], until: datetime | None) -> BatchResult:
        """Take the first of the messages in one transaction, and carry out what they have begun."""
        before, now = list[BatchResult](), self.clock.now()
        folded = self.claims.transact(
            lambda session: self.pipeline.take(
                session, messages, until=until, now=now, in_parts=True
            ),
            before.append,
        )
        folded.told[:0] = [each for part in before for each in part.told]
        left, begun = folded.left, folded.begun
        try:
            for part in self.claims.carry_out(begun):
                folded.join(part)
        except StoreError as error:  # it is done by the next round of due work
            _LOG.warning("claim-interrupted code=%s", error.code)
            self._interrupted.update(begun)
        folded.left = left
        return folded

    # --- due work -----------------------------------------------------------------------------

    def run_due(self) -> Ran:
        """Do what is due now: waits that are over, broadcasts, requests, deliveries."""
        self._check_open()
        with self._rounds:
            return self._run_due()

    def _run_due(self) -> Ran:
        told, dispatched = list[Told | Skipped](), Dispatched()
        steps = takewhile(lambda _: not self._is_closing, self.wake(self.clock.now()))
        for number, folded in enumerate(steps, 1):  # deliveries may be many, and wait in the outbox
            told += (each for each in folded.told if not isinstance(each, Delivery))
            if number % STEPS_TOGETHER == 0:  # what is to be sent does not wait for all else
                dispatched += self._dispatcher.dispatch_due()
        requests = [each for each in told if isinstance(each, Request)]
        ran = Ran(
            Decisions(told),
            dispatched + self._dispatcher.dispatch_due(),
            [*requests, *self._handlers.run_due()],
        )
        if not self._is_closing and self._scrubbing.is_due():
            self.scrub()
        if not self._is_closing:
            self._pruning.run_due()
        return ran

    def wake(self, until: datetime, *, scheduled: bool = True) -> Iterator[BatchResult]:
        """Wake entries, broadcasts and requests due by ``until``, one transaction at a time.

        Nothing is sent, and no handler of the host is called. What was due before the clock's time is done
        late, and a wait behind it counts from now; what is due only after it, is done as of then.

        Args:
            until: an instant, which may lie ahead of the clock.
            scheduled: whether broadcasts whose time comes are among them, and requests that expire.
        """
        while self._interrupted:  # what fails again is still due, a minute after it was begun
            yield from self.claims.carry_out([self._interrupted.pop()])
        while due := self._due_requests(until, expiring=scheduled):
            for moment, now, requests in due_together(due, until, self.clock.now()):
                yield from self._wake_entries(moment, scheduled=scheduled)
                yield self.claims.transact(partial(self._resume, seen=requests, now=now))
        yield from self._wake_entries(until, scheduled=scheduled)

    def _resume(self, session: Session, *, seen: Sequence[Request], now: datetime) -> BatchResult:
        """Judge requests again that were due a moment ago; not those that somebody else has judged since."""
        self.pipeline.prepare_erasing(session)
        if len(seen) == 1:
            there = [session.ledger.request(seen[0].key)]
        else:
            there = [*session.ledger.due_requests(now, REQUESTS_TOGETHER, expiring=now)]
        known = {each.key: each for each in there if each is not None}
        still = [each for each in seen if known.get(each.key) == each]
        return self.pipeline.resume(session, still, now) if still else BatchResult()

    def _due_requests(self, until: datetime, *, expiring: bool) -> list[Request]:
        with self.store.reading() as session:
            return session.ledger.due_requests(
                until, REQUESTS_TOGETHER, expiring=until if expiring else None
            )

    def _wake_entries(self, until: datetime, *, scheduled: bool) -> Iterator[BatchResult]:
        moment = self.clock.now()
        while True:
            take = partial(
                take_step,
                pipeline=self.pipeline,
                until=until,
                now=self.clock.now(),
                scheduled_at=moment if scheduled else None,
            )
            before: list[BatchResult] = []
            step = self.claims.transact(take, before.append)
            yield from before
            if step is None:
                return
            if step.sent_at is not None:
                moment = max(moment, step.sent_at)
            yield step.folded

    def trigger(
        self,
        broadcast: str,
        *,
        properties: Mapping[str, object] | None = None,
        key: str | None = None,
        connection: object = None,
    ) -> None:
        """Start a broadcast whose ``when`` is ``api``.

        It goes, once, to everybody who is known by then and whom its `who` admits as they are when their
        turn comes; whoever becomes known while it is being sent may be sent it too.

        Args:
            properties: what its templates and `who` see as ``properties``.
            key: makes it idempotent: the same key starts it once, ever.

        Raises:
            UnknownNameError: there is no such broadcast, or it does not take ``api``.
        """
        rule = self._callable_broadcast(broadcast)
        now = self.clock.now()
        occasion = f"{rule.id}:{key or fresh_id()}"
        run = BroadcastRun(
            rule=rule.id,
            digest=rule.digest,
            occasion=occasion,
            timestamp=now,
            due_at=now,
            cursor=0,
            facts={
                "timestamp": format_instant(now),
                "properties": decode(as_text(dict(properties or {})).text),
                "context": {},
            },
        )
        changes = Changes(runs={(rule.id, occasion): run})
        changes.wordings[rule.digest] = (rule.id, self.pipeline.index.wording_of(rule))

        def start(session: Session) -> None:
            if not session.has_run(rule.id, occasion):
                session.flush(changes)

        if connection is None:
            self.store.transact(start)
            self._waker.wake()
        else:
            with self.store.session(connection) as session:
                start(session)

    def _callable_broadcast(self, name: str) -> Rule:
        book = self.pipeline.index.book
        known = [r for r in book.rules if any(isinstance(t, OnCall) for t in r.triggers)]
        for rule in known:
            if rule.id == name:
                return rule
        raise UnknownNameError(
            kind="broadcast for `api`", name=name, known=tuple(rule.id for rule in known)
        )

    def runs(self, broadcast: str, *, limit: int = 20) -> list[BroadcastRun]:
        """A broadcast's runs, newest first: to come, under way, done, or missed, and why (`reason`)."""
        with self.store.reading() as session:
            return session.runs_of(broadcast, limit)

    def start(self) -> None:
        """Have due work done in the background, by one thread that wakes when the next is due.

        Another looks whether other processes have made something due (see `Store.watch`).
        """
        self._check_open()
        self._waker.start()
        if self._watch is None or not self._watch.is_alive:
            self._watch = self.store.watch(self._look_ahead)

    def nudge(self) -> None:
        """Have the background work look for what is due at once; without `start` it is nothing.

        For a host that has just committed a transaction that it lent; what the engine commits itself
        is seen without.
        """
        self._check_open()
        self._waker.wake()

    def _run_and_look_ahead(self) -> datetime | None:
        self.run_due()
        return None if self._is_closing else self._next_due()

    def _look_ahead(self) -> None:
        """Wake when something is due that others have made so, and that may be sooner than we knew."""
        due = self._next_due()
        if due is not None:
            self._waker.wake_by(due)

    def _next_due(self) -> datetime | None:
        with self.store.reading() as session:
            due = (
                session.next_due(self._dispatcher.names),
                session.ledger.next_due(self._handlers.names),
                self.pipeline.next_duty(session),
                self._pruning.next_due(session),
            )
        return min((at for at in due if at is not None), default=None)

    def status(self) -> Status:
        """What this engine leaves alone: of rules that it does not have, cannot read, or that are off."""
        with self.store.reading() as session:
            return Status(tuple(self.pipeline.left_alone(session)))

    # --- channels -----------------------------------------------------------------------------

    def channel(self, name: str) -> Callable[[Channel], Channel]:
        """Register a function as the channel of that name; ``send: NAME`` hands deliveries to it.

        It gets one `Delivery` and raises to have it tried again (`RetryLater` says when, `GiveUp`
        that it is of no use). It is called at least once for each, and again, under the same
        idempotency key, where nobody knows whether it came to its end. What is for a name without a
        channel is held until some process has it.

        Raises:
            TypeError: it is no plain function: a call of an ``async`` one does nothing by itself.
        """
        self._check_open()

        def register(function: Channel) -> Channel:
            check_runs(function)
            self._channels[name] = function
            self._waker.wake()
            return function

        return register

    def on(self, event: str, hook: Hook) -> None:
        """Have a function called whenever a delivery, or an action of yours, comes to this.

        ``delivery-sent``, ``delivery-failed`` (one try), ``delivery-dead``, ``delivery-withheld``: it
        gets the `Delivery` as it is afterwards. ``action-ran``, ``action-failed``, ``action-dead``: it
        gets the `Request`. It is called in a thread of the engine's, after the commit; be quick. What
        it raises is logged. The same is in the log, under these keys: ``event``, ``rule``, ``channel``,
        ``attempt``, ``key``.

        Raises:
            UnknownNameError: there is no such event.
        """
        check_runs(hook)
        self._monitor.on(event, hook)

    def metrics(self) -> Metrics:
        """What came in and went out of this process so far, and what waits in the store."""
        return Metrics(self._monitor.messages, self._monitor.counts, self._outbox.backlog())

    # --- actions ------------------------------------------------------------------------------

    def action(
        self,
        name: str,
        *,
        destructive: bool,
        properties: type[BaseModel] | None = None,
        events: Sequence[str] = (),
        needs_user: bool = True,
        undo: Handler | None = None,
        timeout: timedelta = timedelta(seconds=30),
    ) -> Callable[[Handler], Handler]:
        """Register a function that carries out an action of your own, guarded like the built-in ones.

        It is called after the commit, from `run_due`, at least once: again, later and later, until it
        returns; with the same ``idempotency_key`` each time. A replay never calls it.

        Args:
            name: what the event is called that asks for it, exactly.
            destructive: whether every guard has a say, or only that it is known and identified.
            properties: a pydantic model; a message whose properties do not fit is refused.
            events: the events' names, where they are others than ``name``.
            undo: a function that takes it back, for `undo`.
            timeout: a call that takes longer counts as failed, though it may still come to its end.

        Raises:
            ValueError: the name is taken.
            TypeError: it is no plain function, as with `channel`.
        """
        self._check_open()

        def register(function: Handler) -> Handler:
            for called in (function, undo or function):
                check_runs(called)
            action = Action(
                name,
                tuple(events) or (name,),
                needs_user=needs_user,
                destructive=destructive,
                fault_in=fault_finder(properties) if properties is not None else None,
                handled=True,
            )
            settings = self.pipeline.settings
            self.pipeline.settings = replace(
                settings,
                registry=settings.registry.with_action(action),
                stances={
                    **settings.stances,
                    name: stance_on(name, self.pipeline.index.book.guards),
                },
            )
            self._handlers.register(Registration(action, function, properties, undo, timeout))
            return function

        return register

    def undo(self, request: int, *, by: str) -> Request:
        """Take back what a handler of yours did, by the function registered as its ``undo``.

        Raises:
            UnknownNameError: there is no such request.
            RequestError: they may not (``no-actor``, ``not-allowed``), it did not run here or cannot be
                taken back (``no-undo``), or the function failed (``undo-failed``).
        """
        self.requests.check_decider(request, by=by)
        return self._handlers.undo(request, by=by)

    def scrub(self) -> bool:
        """Take the bytes of those erased out of where the database leaves them (see engine/docs/deletions.md).

        It waits for nobody. `run_due` does it, too, after every erasure.

        Returns:
            Whether nothing is left; if not, others were in the way: call it again.
        """
        return self._scrubbing.scrub()

    def prune(self, *, dry_run: bool = False) -> Pruned:
        """Let go, now, of what is done with and older than it is to be kept; `run_due` does it by itself.

        Args:
            dry_run: only count it.
        """
        return self._pruning.prune(dry_run=dry_run)

    def kept_since(self, kind: str) -> datetime | None:
        """Before when some ``skips``, ``deliveries``, ``entries`` or ``set_aside`` are no longer kept.

        None where all of them are.
        """
        with self.store.reading() as session:
            return kept_since(session, BygoneKind(kind))

    # --- questions ----------------------------------------------------------------------------

    def explain(self, person: str, rule: str, *, limit: int = 20) -> list[Explanation]:
        """Why somebody did, or did not, enter a rule: one explanation a message, newest first.

        What is older than it is kept is not among them (`kept_since`).

        Args:
            person: one of their user ids.

        Raises:
            UnknownNameError: nobody is known by that id.
        """
        current = self.pipeline.index.by_id.get(rule)
        with self.store.reading() as session:
            return explain_rule(session, person, rule, current, limit)

    def identity(self, person: str, *, limit: int = 1_000) -> Identity:
        """Who somebody is: their ids, who claimed what by which message, and what that made eligible.

        Args:
            person: one of their user ids.
            limit: how many of the messages that claims brought, newest first.

        Raises:
            UnknownNameError: nobody is known by that id.
        """
        index, policy = self.pipeline.index, self.pipeline.settings.identity
        with self.store.reading() as session:
            return identify_person(session, person, index.book, policy, limit)

    def preview_identify(
        self,
        user_id: str,
        *,
        anonymous_id: str | None = None,
        traits: Mapping[str, object] | None = None,
        timestamp: datetime | str | None = None,
    ) -> Preview:
        """What this identify would claim, and what would then trigger; nothing is written or sent.

        Raises:
            MessageRejectedError: such an identify would not be accepted.
        """
        said: dict[str, object] = {"userId": user_id, "anonymousId": anonymous_id}
        said |= {"traits": traits, "timestamp": timestamp}
        now = self.clock.now()
        return self.claims.transact(  # it holds whom it asks about, as the identify itself would
            lambda session: preview_identify(session, self.pipeline, said, now)
        )

    def deliveries(self, *states: DeliveryState, limit: int = 100) -> list[Delivery]:
        """Deliveries in these states (all by default), newest first."""
        return self._outbox.deliveries(*states, limit=limit)

    def retry(self, delivery: Delivery, *, connection: object = None) -> None:
        """Put a dead delivery back into the outbox, due now, under its old idempotency key.

        Args:
            delivery: one that was listed as dead.
            connection: the host's own, whose transaction is used.

        Raises:
            UnknownNameError: it is not a dead one; what was sent is not sent again.
        """
        self._outbox.retry(delivery, connection=connection)

    def retry_all(
        self,
        *,
        channel: str | None = None,
        rule: str | None = None,
        since: timedelta | None = None,
    ) -> int:
        """Put every dead delivery back, due now, under its old key; how many there were.

        Args:
            channel: only those of this channel.
            rule: only those of this rule.
            since: only those that died no longer ago than this.
        """
        return self._outbox.retry_all(channel=channel, rule=rule, since=since)

    def set_aside(self, limit: int = 100) -> list[SetAside]:
        """Messages on which the engine itself failed (rejected as ``poison``), newest first."""
        with self.store.reading() as session:
            return session.set_aside(limit)

    def take_again(self, aside: SetAside) -> Ingested:
        """Take a message that was set aside, when what made it fail is mended.

        It goes in as it came, by its old id and from its old source; should it fail again, it stays
        set aside.
        """
        message = message_of(aside)

        def work(session: Session) -> BatchResult:
            folded = self.pipeline.take(session, [message], now=self.clock.now())
            if not folded.set_aside:
                session.flush(Changes(taken_again=[aside.ref]))
            return folded

        folded = self.claims.transact(work)
        self._waker.wake()
        return answer(folded, Reading([message]))


def _otherwise(unknown_channels: str) -> Channel | None:
    """What takes the deliveries of a name without a channel."""
    if unknown_channels not in ("hold", "console"):
        message = f"unknown_channels is 'hold' or 'console', not {unknown_channels!r}"
        raise ValueError(message)
    return console_channel() if unknown_channels == "console" else None
