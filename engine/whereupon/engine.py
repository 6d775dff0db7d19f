"""The engine that a backend embeds: a store, a rulebook, a clock, and the calls on them.

Every call that writes is one transaction. With ``connection=`` it is the host's own transaction, which the
engine neither commits nor rolls back.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from os import PathLike
from types import TracebackType
from typing import Self

from whereupon.api.address_calls import AddressCalls
from whereupon.api.background import POLL
from whereupon.api.broadcast_calls import BroadcastCalls
from whereupon.api.config import Ran, rulebook_from, settings_for, settings_under
from whereupon.api.host_functions import HostFunctions
from whereupon.api.operator_calls import OperatorCalls
from whereupon.api.parts import UnknownChannels
from whereupon.api.questions import Questions
from whereupon.api.subscription_calls import SubscriptionCalls
from whereupon.decide import BatchResult
from whereupon.delivery.host_secrets import HostSecrets, Secrets
from whereupon.delivery.retries import Retry
from whereupon.identity.algebra import IdentityPolicy
from whereupon.messages.model import Message, Origin, Source
from whereupon.pipeline.fresh_ids import fresh_id
from whereupon.pipeline.ingestion import (
    Ingested,
    WireMessage,
    answer,
    as_source,
    read_batch,
)
from whereupon.ports import Clock, HostTransaction
from whereupon.records import SetAside
from whereupon.rules.model import Retention, Rulebook
from whereupon.runtime.log_lines import log_event
from whereupon.storage import StoreAddress, open_store

_LIVE = Origin.LIVE  # looked up slowly
_LOG = logging.getLogger("whereupon.engine")


class Engine(
    AddressCalls, BroadcastCalls, HostFunctions, OperatorCalls, Questions, SubscriptionCalls
):
    """Messages in, decisions and deliveries out, on one store and one rulebook.

    An engine is thread-safe; several engines, in several processes, may share a store.
    """

    @classmethod
    def open(  # noqa: PLR0913 - one for each thing that a host may decide
        cls,
        store: StoreAddress = "sqlite:///whereupon.db",
        *,
        rules: str | PathLike[str] | Rulebook | None = None,
        clock: Clock | None = None,
        identity: IdentityPolicy | None = None,
        retry: Retry | None = None,
        digest_key: bytes = b"",
        former_keys: Sequence[bytes] = (),
        patience: timedelta = timedelta(seconds=30),
        unknown_channels: UnknownChannels = "hold",
        poll: timedelta = POLL,
        keep: Retention | None = None,
        schema: str | None = None,
        migrate: bool = True,
        public_url: str | None = None,
        secrets: Secrets | None = None,
    ) -> Self:
        """Open an engine.

        Args:
            store: an SQLAlchemy URL or engine, or ``memory://``. Our tables have the prefix
                ``whereupon_`` and stand beside the host's own.
            rules: the rules folder, or a rulebook; without either nothing triggers.
            clock: says the time; the system's clock by default.
            identity: the windows of anonymous activity.
            retry: how deliveries and actions of the host's are retried.
            digest_key: the host's secret. Identifiers of deleted people are hashed under it, and the audit
                log is chained under it. Without a key, a reader of the store can test guesses.
            former_keys: earlier keys; they are still recognised, and nothing new is hashed under them.
            patience: how long a call waits for other writers before it raises a `StoreError` with the
                code ``busy``; ``?patience=`` in a URL, in seconds, comes first.
            unknown_channels: what happens to deliveries for a channel that this process lacks. ``hold``
                leaves them to a process that has it. ``console``, for development, prints them and
                counts them as sent.
            poll: how often the background work looks for due work without being told to.
            keep: how long finished records are kept; by default as long as the rules' settings say. An
                engine without rules prunes nothing by itself.
            schema: the PostgreSQL schema of our tables, for several tenants in one database; by default
                the ``search_path`` decides. ``?schema=`` in a URL comes first.
            migrate: whether to make our tables or bring them up to date; if not, run
                ``whereupon migrate`` beforehand, under a role that may.
            public_url: where the pages of `whereupon.web` are reached, such as
                ``https://shop.example/w``; then `links` makes links to them. It needs a ``digest_key``.
            secrets: what ``{{ secrets.NAME }}`` in a `webhook` step becomes when the call is made: a mapping,
                or a function that is given the name. A rule file that asks for what a mapping lacks has an error.

        Raises:
            RulesInvalidError: the folder has errors; it lists all of them.
            StoreError: the store cannot be opened; the code ``other-key`` says that it was hashed under
                a key that is not among these.
            ValueError: ``public_url`` is no such URL, or there is no ``digest_key``.
        """
        names = HostSecrets(secrets).names
        book = Rulebook() if rules is None else rulebook_from(rules, secrets=names)
        settings = settings_for(
            book, identity=identity, digest_key=digest_key, former_keys=former_keys
        )
        kept = open_store(store, patience=patience.total_seconds(), schema=schema, migrate=migrate)

        def retention(book: Rulebook) -> Retention | None:
            return keep if keep is not None or rules is None else book.settings.keep

        try:
            return cls(
                kept,
                book,
                clock=clock,
                settings=settings,
                retry=retry,
                unknown_channels=unknown_channels,
                poll=poll,
                keep=retention,
                public_url=public_url,
                secrets=secrets,
            )
        except BaseException:
            kept.close()
            raise

    def reload(self, rules: str | PathLike[str] | Rulebook) -> None:
        """Put another rulebook in use, between two batches.

        A batch that is under way is decided under the old rulebook, the next one under the new. People who
        are inside a rule go on with the version that they entered. Broadcasts follow their new schedules.

        Args:
            rules: the rules folder, or a rulebook.

        Raises:
            RulesInvalidError: the folder has errors; then the old rulebook stays in use.
        """
        self._check_open()
        book = rulebook_from(rules, secrets=self.secrets.names)
        self._current.change(
            lambda pipeline: pipeline.with_book(book, settings_under(pipeline.settings, book))
        )
        self._prepare_store()
        self._work.wake_up()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self, *, timeout: float = 30) -> None:
        """Stop the background work, if it was started, and close the store.

        Calls of channels and actions that are in flight come to their end; what waits behind them is put
        back, for any process to take.

        Args:
            timeout: how many seconds to wait for these calls. A call that takes longer is left alone, and
                is made again, under its key, when its lease is over.
        """
        if not self._work.close(timeout):
            log_event(_LOG, logging.WARNING, "close-timeout")
        self._close_channels()
        self.keys.close()
        self._is_closed = True
        self.store.close()

    # --- messages in --------------------------------------------------------------------------

    def ingest(
        self,
        batch: Iterable[WireMessage] | WireMessage,
        *,
        source: Source = "server",
        connection: HostTransaction | None = None,
        yielding: bool = False,
    ) -> Ingested:
        """Take a batch of wire-form messages (dicts in camelCase); the result names the bad ones.

        Args:
            batch: dicts, or JSON texts, which are kept as they came. A ``batch`` body of the Segment spec
                counts as its items. One message or one text need not be put into a list. At most 2,500
                messages and 500 KB.
            source: the class of sender, ``server`` or ``client``.
            connection: the host's connection, whose transaction is used: an SQLAlchemy ``Connection``, or
                one of the driver (`sqlite3`, `psycopg`), such as Django's ``connection.connection``.
            yielding: whether a large batch lets short work of others in between. Then it may take several
                transactions, and if it raises, a part of it may be stored: send the same again. In the
                transaction of a ``connection`` all is one.
        """
        now = self.clock.now()
        reading = read_batch(
            batch,
            received_at=now,
            source=as_source(source),
            origin=_LIVE,
            new_id=fresh_id,
            valid=self._intake.valid,
        )
        taken = self._intake.take(
            reading.messages, connection=connection, yielding=yielding, joint=True, now=now
        )
        answered = answer(taken, reading)
        self._monitor.measures.count_messages(
            answered.accepted, answered.duplicates, len(answered.rejected)
        )
        return answered

    def take(
        self,
        messages: list[Message],
        *,
        until: datetime | None = None,
        connection: HostTransaction | None = None,
    ) -> BatchResult:
        """Take a batch of messages as values, in the order in which they arrived, in one transaction.

        A message that claims many others is recorded at once. Further transactions evaluate what it claims
        (see `claims`), and then the rest of the batch. With a ``connection`` its transaction holds all.

        Args:
            until: also wake the entries that are due by then (see `Pipeline.take`).
        """
        return self._intake.take(messages, until=until, connection=connection)

    def take_again(self, aside: SetAside) -> Ingested:
        """Take a message that was set aside, once the cause of the failure is mended.

        The message goes in as it came, with its id and its source. If it fails again, it stays set aside.
        """
        return self._intake.take_again(aside)

    # --- due work -----------------------------------------------------------------------------

    def run_due(self) -> Ran:
        """Do what is due now: waits that are over, broadcasts, requests, deliveries."""
        self._check_open()
        return self._work.run_due()

    def wake(
        self, until: datetime, *, scheduled: bool = True, opens: bool = True
    ) -> Iterator[BatchResult]:
        """Wake entries, broadcasts and requests due by ``until``, one transaction at a time.

        Nothing is sent, and no action of the host's is called. Work that was due before the clock's time is
        done late, and a wait behind it counts from now; work that is due later is done as of then.

        Args:
            until: an instant, which may lie ahead of the clock.
            scheduled: whether to start broadcasts whose time comes, and to expire requests.
            opens: whether time alone lets people into rules, by a date, by silence or by a segment.
        """
        return self._work.wake(until, scheduled=scheduled, opens=opens)

    def start(self) -> None:
        """Do due work in the background, in one thread that wakes when the next work is due.

        Another thread watches for work that other processes make due (see `Store.watch`).
        """
        self._check_open()
        self._work.start()

    def nudge(self) -> None:
        """Have the background work look for due work at once; without `start` nothing happens.

        A host calls it after it has committed a transaction that it lent. What the engine commits itself
        is noticed without it.
        """
        self._check_open()
        self._work.wake_up()
