"""The engine that a backend embeds: the composition of store, rules, fold, outbox and clock.

Every writing call is one transaction. With ``connection=`` it is the host's own, which is neither
committed nor rolled back here.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import BaseModel

from whereupon.actions import stance_on
from whereupon.auditing import Audit
from whereupon.broadcasting import schedule_broadcasts
from whereupon.calls import Calls
from whereupon.claims import Claims
from whereupon.codec import decode
from whereupon.delivery import Dispatcher, RetryPolicy, console_channel
from whereupon.errors import StoreError, UnknownNameError
from whereupon.explaining import Explanation, explain_rule
from whereupon.fold import Decisions, Folded, Settings
from whereupon.handing import check_runs
from whereupon.handlers import Handler, Handlers, Registration, fault_finder
from whereupon.hosting import Ran, check_key, settings_for
from whereupon.identifying import Identity, identify_person
from whereupon.identity import IdentityPolicy
from whereupon.ingesting import (
    Ingested,
    Reading,
    answer,
    as_source,
    fresh_id,
    message_of,
    read_batch,
)
from whereupon.matching import RuleIndex
from whereupon.messages import Message, Origin, Source
from whereupon.opening import as_text
from whereupon.pipeline import Pipeline
from whereupon.ports import Channel, Clock, Session, Store
from whereupon.previewing import Preview, preview_identify
from whereupon.requests import Requests
from whereupon.rounds import take_step
from whereupon.rules import OnCall, Rule, Rulebook
from whereupon.scheduling import SystemClock, Waker
from whereupon.scrubbing import Scrubbing
from whereupon.semantics import Action
from whereupon.state import (
    BroadcastRun,
    Changes,
    Delivery,
    DeliveryState,
    Request,
    SetAside,
)
from whereupon.stores import open_store
from whereupon.times import format_instant

_LOG = logging.getLogger("whereupon.engine")


class Engine(Calls):
    """Messages in, decisions and deliveries out, on one store and one rulebook.

    Thread-safe; several engines, in several processes, may share a store.

    Attributes:
        requests: what semantic events asked for, to be looked at and decided (see `Requests`).
        audit: the log of all that was asked, decided and done (see `Audit`).
        claims: carries out what large claims have begun; the engine's own calls do so by themselves.
    """

    def __init__(
        self,
        store: Store,
        rules: Rulebook,
        *,
        clock: Clock | None = None,
        settings: Settings | None = None,
        retry: RetryPolicy | None = None,
    ) -> None:
        self.store = store
        self.clock = clock or SystemClock()
        self.pipeline = Pipeline(RuleIndex(rules), settings or settings_for(rules))
        self._channels: dict[str, Channel] = {}
        self._dispatcher = Dispatcher(
            store, self._channels, console_channel(), self.clock, retry or RetryPolicy()
        )
        self._waker = Waker(self._run_and_look_ahead, self.clock)
        self._handlers = Handlers(store, self.pipeline, self.clock, retry or RetryPolicy())
        self.claims = Claims(store, self.pipeline)
        self.requests = Requests(store, self.pipeline, self.clock, self._waker.wake)
        self.audit = Audit(store, self.pipeline)
        self._scrubbing = Scrubbing(store)
        now = self.clock.now()
        self.store.transact(lambda session: check_key(session, self.pipeline.settings))
        self.store.transact(lambda session: schedule_broadcasts(session, self.pipeline.index, now))

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
    ) -> Self:
        """Open an engine.

        Args:
            store: an SQLAlchemy URL or engine (our tables are made beside the host's own, with the
                prefix ``whereupon_``), or ``memory://``.
            rules: the rules folder, or a rulebook; without either nothing triggers.
            clock: what says the time; the system's by default.
            identity: the windows of anonymous activity.
            retry: how deliveries are retried.
            digest_key: the host's secret under which identifiers of deleted people are hashed, and
                the audit log is chained. Without one, whoever reads the store can test guesses.
            former_keys: earlier ones; they are still recognised, and nothing new is hashed under them.
            patience: how long a call waits for other writers before it raises a `StoreError` with
                the code ``busy``; ``?patience=`` in a URL, in seconds, comes first.

        Raises:
            RulesInvalidError: the folder has errors; all of them are in it.
            StoreError: the store cannot be opened; with the code ``other-key`` it was hashed under
                another key than these.
        """
        book = rules if isinstance(rules, Rulebook) else Rulebook()
        if rules is not None and not isinstance(rules, Rulebook):
            from whereupon.loading import open_rules  # noqa: PLC0415 - rule files take a while to import

            book = open_rules(Path(rules))
        settings = settings_for(
            book, identity=identity, digest_key=digest_key, former_keys=former_keys
        )
        kept = open_store(store, patience=patience.total_seconds())
        return cls(kept, book, clock=clock, settings=settings, retry=retry)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the background work, if it was started, and let go of the store."""
        self._waker.stop()
        self.store.close()

    # --- messages in --------------------------------------------------------------------------

    def ingest(
        self, batch: Iterable[object], *, source: str = Source.SERVER, connection: object = None
    ) -> Ingested:
        """Take a batch of wire-form messages (dicts in camelCase); bad ones are in the result.

        Args:
            batch: dicts, or JSON texts as bytes, which are kept as they came; a ``batch`` body of the
                Segment spec counts as its items. One alone need not be put into a list.
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
        return answer(folded, reading)

    def take(
        self,
        messages: list[Message],
        *,
        until: datetime | None = None,
        connection: object = None,
    ) -> Folded:
        """Take a batch of messages as values, in the order they arrived, in one transaction.

        A message that comes alone and claims many is recorded in one, and what it claims is put to the
        rules in further ones (see `claims`); with a ``connection`` all is in that one's.

        Args:
            until: also wake the entries due by then (see `Pipeline.take`).
        """
        if connection is not None:  # the host may still roll it back; then nothing is to be found
            with self.store.session(connection) as session:
                return self.claims.within(
                    session, lambda session: self.pipeline.take(session, messages, until=until)
                )
        before: list[Folded] = []
        folded = self.claims.transact(
            lambda session: self.pipeline.take(session, messages, until=until, in_parts=True),
            before.append,
        )
        folded.told[:0] = [each for part in before for each in part.told]
        self._carry_out(folded)
        self._waker.wake()
        return folded

    def _carry_out(self, folded: Folded) -> None:
        """Carry out what a batch, which is committed, has begun; what fails now is due work later."""
        try:
            for part in self.claims.carry_out(folded.begun):
                folded.join(part)
        except StoreError as error:
            _LOG.warning("claim-interrupted code=%s", error.code)

    # --- due work -----------------------------------------------------------------------------

    def run_due(self) -> Ran:
        """Do what is due now: waits that are over, broadcasts, requests, deliveries."""
        told = [
            each
            for folded in self.wake(self.clock.now())
            for each in folded.told
            if not isinstance(each, Delivery)  # they may be many, and wait in the outbox
        ]
        requests = [each for each in told if isinstance(each, Request)]
        ran = Ran(
            Decisions(told),
            self._dispatcher.dispatch_due(),
            [*requests, *self._handlers.run_due()],
        )
        if self._scrubbing.is_due():
            self.scrub()
        return ran

    def wake(self, until: datetime, *, scheduled: bool = True) -> Iterator[Folded]:
        """Wake entries, broadcasts and requests due by ``until``, one transaction at a time.

        Nothing is sent, and no handler of the host is called.

        Args:
            scheduled: whether broadcasts whose time comes are among them, and requests that expire.
        """
        while (request := self._next_request(until, expiring=scheduled)) is not None:
            due = [at for at in (request.due_at, request.expires_at) if at is not None]
            moment = min([*due, until])
            yield from self._wake_entries(moment, scheduled=scheduled)
            now = max(moment, self.clock.now())
            folded = self.claims.transact(partial(self._resume, seen=request, now=now))
            yield folded
        yield from self._wake_entries(until, scheduled=scheduled)

    def _resume(self, session: Session, *, seen: Request, now: datetime) -> Folded:
        """Judge a request again that was due a moment ago; nothing where somebody else has done so since."""
        self.pipeline.prepare_erasing(session)
        if session.ledger.request(seen.key) != seen:
            return Folded()
        return self.pipeline.resume(session, seen, now)

    def _next_request(self, until: datetime, *, expiring: bool) -> Request | None:
        with self.store.session() as session:
            due = session.ledger.due_requests(until, 1, expiring=until if expiring else None)
        return due[0] if due else None

    def _wake_entries(self, until: datetime, *, scheduled: bool) -> Iterator[Folded]:
        moment = self.clock.now()
        while True:
            take = partial(
                take_step,
                pipeline=self.pipeline,
                until=until,
                scheduled_at=moment if scheduled else None,
            )
            before: list[Folded] = []
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

    def start(self) -> None:
        """Have due work done in the background, by one thread that wakes when the next is due."""
        self._waker.start()

    def nudge(self) -> None:
        """Have the background work look for what is due at once; without `start` it is nothing.

        For a host that has just committed a transaction that it lent; what the engine commits itself
        is seen without.
        """
        self._waker.wake()

    def _run_and_look_ahead(self) -> datetime | None:
        self.run_due()
        with self.store.session() as session:
            due = [at for at in (session.next_due(), session.ledger.next_due()) if at is not None]
        return min(due, default=None)

    # --- channels -----------------------------------------------------------------------------

    def channel(self, name: str) -> Callable[[Channel], Channel]:
        """Register a function as the channel of that name; ``send: NAME`` hands deliveries to it.

        It gets one `Delivery` and raises to have it tried again (`RetryLater` says when). A name
        without a channel prints to the console.

        Raises:
            TypeError: it is no plain function: a call of an ``async`` one does nothing by itself.
        """

        def register(function: Channel) -> Channel:
            check_runs(function)
            self._channels[name] = function
            return function

        return register

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
        """Take the bytes of those erased out of where the database leaves them (see the README).

        It waits for nobody. `run_due` does it, too, after every erasure.

        Returns:
            Whether nothing is left; if not, others were in the way: call it again.
        """
        return self._scrubbing.scrub()

    # --- questions ----------------------------------------------------------------------------

    def explain(self, person: str, rule: str, *, limit: int = 20) -> list[Explanation]:
        """Why somebody did, or did not, enter a rule: one explanation a message, newest first.

        Args:
            person: one of their user ids.

        Raises:
            UnknownNameError: nobody is known by that id.
        """
        current = self.pipeline.index.by_id.get(rule)
        with self.store.session() as session:
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
        with self.store.session() as session:
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
        with self.store.session() as session:
            return session.deliveries(states or tuple(DeliveryState), limit)

    def retry(self, delivery: Delivery, *, connection: object = None) -> None:
        """Put a dead delivery back into the outbox, due now, under its old idempotency key.

        Args:
            delivery: one that was listed as dead.
            connection: the host's own, whose transaction is used.

        Raises:
            UnknownNameError: it is not a dead one; what was sent is not sent again.
        """
        now = self.clock.now()
        if connection is None:
            revived = self.store.transact(lambda session: session.revive(delivery.key, now))
            self._waker.wake()
        else:
            with self.store.session(connection) as session:
                revived = session.revive(delivery.key, now)
        if not revived:
            raise UnknownNameError(kind="dead delivery", name=delivery.idempotency_key)

    def set_aside(self, limit: int = 100) -> list[SetAside]:
        """Messages on which the engine itself failed (rejected as ``poison``), newest first."""
        with self.store.session() as session:
            return session.set_aside(limit)

    def take_again(self, aside: SetAside) -> Ingested:
        """Take a message that was set aside, when what made it fail is mended.

        It goes in as it came, by its old id and from its old source; should it fail again, it stays
        set aside.
        """
        message = message_of(aside)

        def work(session: Session) -> Folded:
            folded = self.pipeline.take(session, [message])
            if not folded.set_aside:
                session.flush(Changes(taken_again=[aside.message_id]))
            return folded

        folded = self.claims.transact(work)
        self._waker.wake()
        return answer(folded, Reading([message]))
