"""The engine that a backend embeds: the composition of store, rules, fold, outbox and clock.

Every writing call is one transaction. With ``connection=`` it is the host's own, which is neither
committed nor rolled back here.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self, Unpack

from whereupon.broadcasting import schedule_broadcasts
from whereupon.codec import decode
from whereupon.decisions import Decision
from whereupon.delivery import Dispatcher, RetryPolicy, console_channel
from whereupon.errors import UnknownNameError
from whereupon.explaining import Explanation, explain_rule
from whereupon.fold import Folded, Settings
from whereupon.hosting import Options, Ran, settings_for
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
    refuse,
)
from whereupon.loading import open_rules
from whereupon.matching import RuleIndex
from whereupon.messages import Message, Origin, Source
from whereupon.pipeline import Pipeline
from whereupon.ports import Channel, Clock, Session, Settlement, Store
from whereupon.previewing import Preview, preview_identify
from whereupon.rounds import take_step
from whereupon.rules import OnCall, Rule, Rulebook
from whereupon.scheduling import SystemClock, Waker
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
from whereupon.wire import as_text


class Engine:
    """Messages in, decisions and deliveries out, on one store and one rulebook.

    Thread-safe; several engines, in several processes, may share a store.
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
        now = self.clock.now()
        self.store.transact(lambda session: schedule_broadcasts(session, self.pipeline.index, now))

    @classmethod
    def open(
        cls,
        store: object = "sqlite:///whereupon.db",
        *,
        rules: str | Path | Rulebook | None = None,
        clock: Clock | None = None,
        identity: IdentityPolicy | None = None,
        retry: RetryPolicy | None = None,
        digest_key: bytes = b"",
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
            digest_key: the host's secret under which identifiers of deleted people are hashed.
            patience: how long a call waits for other writers before it raises a `StoreError` with
                the code ``busy``; ``?patience=`` in a URL, in seconds, comes first.

        Raises:
            RulesInvalidError: the folder has errors; all of them are in it.
            StoreError: the store cannot be opened.
        """
        book = rules if isinstance(rules, Rulebook) else Rulebook()
        if isinstance(rules, str | Path):
            book = open_rules(Path(rules))
        settings = settings_for(book, identity=identity, digest_key=digest_key)
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

    def track(
        self,
        event: str,
        *,
        user_id: str | None = None,
        anonymous_id: str | None = None,
        properties: Mapping[str, object] | None = None,
        **options: Unpack[Options],
    ) -> Ingested:
        """Record that somebody did something (Segment spec, Track).

        Raises:
            MessageRejectedError: the message cannot be accepted; so for every call of one message.
        """
        body = {"type": "track", "event": event, "properties": properties}
        return self._send({**body, "userId": user_id, "anonymousId": anonymous_id}, options)

    def page(
        self,
        name: str = "",
        *,
        user_id: str | None = None,
        anonymous_id: str | None = None,
        properties: Mapping[str, object] | None = None,
        **options: Unpack[Options],
    ) -> Ingested:
        """Record that somebody saw a page (Segment spec, Page)."""
        body = {"type": "page", "name": name, "properties": properties}
        return self._send({**body, "userId": user_id, "anonymousId": anonymous_id}, options)

    def screen(
        self,
        name: str = "",
        *,
        user_id: str | None = None,
        anonymous_id: str | None = None,
        properties: Mapping[str, object] | None = None,
        **options: Unpack[Options],
    ) -> Ingested:
        """Record that somebody saw an app's screen (Segment spec, Screen)."""
        body = {"type": "screen", "name": name, "properties": properties}
        return self._send({**body, "userId": user_id, "anonymousId": anonymous_id}, options)

    def identify(
        self,
        user_id: str | None = None,
        *,
        anonymous_id: str | None = None,
        traits: Mapping[str, object] | None = None,
        **options: Unpack[Options],
    ) -> Ingested:
        """Say who somebody is (Segment spec, Identify); with an anonymous id it is a claim."""
        body = {"type": "identify", "traits": traits}
        return self._send({**body, "userId": user_id, "anonymousId": anonymous_id}, options)

    def group(
        self,
        group_id: str,
        *,
        user_id: str | None = None,
        anonymous_id: str | None = None,
        traits: Mapping[str, object] | None = None,
        **options: Unpack[Options],
    ) -> Ingested:
        """Relate somebody to an object, and describe it (Segment spec, Group)."""
        body = {"type": "group", "groupId": group_id, "traits": traits}
        return self._send({**body, "userId": user_id, "anonymousId": anonymous_id}, options)

    def alias(self, user_id: str, *, previous_id: str, **options: Unpack[Options]) -> Ingested:
        """Merge the person of ``previous_id`` into that of ``user_id`` (Segment spec, Alias)."""
        return self._send({"type": "alias", "userId": user_id, "previousId": previous_id}, options)

    def _send(self, body: Mapping[str, object], options: Options) -> Ingested:
        wire = {
            **body,
            "messageId": options.get("message_id"),
            "timestamp": options.get("timestamp"),
            "context": options.get("context"),
        }
        ingested = self.ingest(
            [wire],
            source=options.get("source", Source.SERVER),
            connection=options.get("connection"),
        )
        refuse(ingested.rejected)
        return ingested

    def ingest(
        self, batch: Iterable[object], *, source: str = Source.SERVER, connection: object = None
    ) -> Ingested:
        """Take a batch of wire-form messages (dicts in camelCase); bad ones are in the result.

        Args:
            batch: dicts, or JSON texts as bytes, which are kept as they came; a ``batch`` body of the
                Segment spec counts as its items.
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

        Args:
            until: also wake the entries due by then (see `Pipeline.take`).
        """
        if connection is not None:  # the host may still roll it back; then nothing is to be found
            with self.store.session(connection) as session:
                return self.pipeline.take(session, messages, until=until)
        folded = self.store.transact(
            lambda session: self.pipeline.take(session, messages, until=until)
        )
        self.pipeline.committed(folded)
        self._waker.wake()
        return folded

    # --- due work -----------------------------------------------------------------------------

    def run_due(self) -> Ran:
        """Do what is due now: waits that are over, broadcasts, deliveries."""
        now = self.clock.now()
        decisions = [
            told for folded in self.wake(now) for told in folded.told if isinstance(told, Decision)
        ]
        return Ran(decisions, self._dispatcher.dispatch_due())

    def wake(self, until: datetime, *, scheduled: bool = True) -> Iterator[Folded]:
        """Wake entries and broadcasts due by ``until``, one transaction at a time; nothing is sent.

        Args:
            scheduled: whether broadcasts whose time comes are among them.
        """
        moment = self.clock.now()
        while True:
            step = self.store.transact(
                partial(
                    take_step,
                    pipeline=self.pipeline,
                    until=until,
                    scheduled_at=moment if scheduled else None,
                )
            )
            if step is None:
                return
            self.pipeline.committed(step.folded)
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
                "properties": decode(as_text(dict(properties or {}))),
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
            return session.next_due()

    # --- channels -----------------------------------------------------------------------------

    def channel(self, name: str) -> Callable[[Channel], Channel]:
        """Register a function as the channel of that name; ``send: NAME`` hands deliveries to it.

        It gets one `Delivery` and raises to have it tried again (`RetryLater` says when). A name
        without a channel prints to the console.
        """

        def register(function: Channel) -> Channel:
            self._channels[name] = function
            return function

        return register

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
        return self.store.transact(  # it holds whom it asks about, as the identify itself would
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
        if delivery.state is not DeliveryState.DEAD:
            raise UnknownNameError(kind="dead delivery", name=delivery.idempotency_key)
        settlement = Settlement(delivery.key, DeliveryState.PENDING, 0, self.clock.now(), None)
        if connection is None:
            self.store.transact(lambda session: session.settle([settlement]))
            self._waker.wake()
        else:
            with self.store.session(connection) as session:
                session.settle([settlement])

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

        folded = self.store.transact(work)
        self.pipeline.committed(folded)
        self._waker.wake()
        return answer(folded, Reading([message]))

    def requests(self, limit: int = 100) -> list[Request]:
        """What semantic events asked for, and what became of it, newest first."""
        with self.store.session() as session:
            return session.requests(limit)
