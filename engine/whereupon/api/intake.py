"""Messages in: one batch is one transaction, and large claims follow it in steps."""

import logging
from collections.abc import Callable
from datetime import datetime
from functools import partial
from time import monotonic

from whereupon.decide import BatchResult
from whereupon.delivery.monitor import Monitor
from whereupon.errors import StoreError
from whereupon.messages.arrival import Validated
from whereupon.messages.model import Message
from whereupon.messages.times import FIRST_INSTANT
from whereupon.pipeline.claim_runner import ClaimRunner
from whereupon.pipeline.current import CurrentPipeline
from whereupon.pipeline.ingestion import Ingested, Reading, answer, message_of
from whereupon.pipeline.joint_takes import MOST, JointTake
from whereupon.pipeline.portions import PORTION, in_portions
from whereupon.ports import Clock, HostTransaction, Session, Store
from whereupon.records import Changes, SetAside
from whereupon.runtime.log_lines import log_event
from whereupon.storage.deadline import one_call

_LOG = logging.getLogger("whereupon.engine")


class Intake:
    """Takes batches of messages.

    Attributes:
        valid: the ids and names that were found valid, so that a call does not check them again.

    Args:
        interrupted: gets the anonymous keys of claims that could not be carried out to their ends.
        wake_by: called with the instant at which due work may come of a batch first.
    """

    def __init__(
        self,
        store: Store,
        current: CurrentPipeline,
        clock: Clock,
        claims: ClaimRunner,
        interrupted: set[int],
        wake_by: Callable[[datetime], None],
        monitor: Monitor,
    ) -> None:
        self.valid = Validated()
        self._store = store
        self._current = current
        self._clock = clock
        self._claims = claims
        self._interrupted = interrupted
        self._wake_by = wake_by
        self._monitor = monitor

    def take(
        self,
        messages: list[Message],
        *,
        until: datetime | None = None,
        connection: HostTransaction | None = None,
        yielding: bool = False,
        joint: bool = False,
        now: datetime | None = None,
    ) -> BatchResult:
        """Take a batch of messages as values (see `Engine.take`, and of ``yielding`` `Engine.ingest`).

        Args:
            now: what the clock has just said; None to ask it.
            joint: whether a few messages may be taken with those of other threads. The result then has the changes
                of all.
        """
        monitor = self._monitor
        try:
            if monitor.is_traced:
                with monitor.batch(len(messages)) as span:
                    whole = self._taken(messages, until, connection, now, yielding, joint)
                    span.note({"accepted": whole.accepted, "duplicates": len(whole.duplicates)})
            else:
                whole = self._taken(messages, until, connection, now, yielding, joint)
        except Exception as error:
            monitor.count_failure("ingest", error)
            raise
        monitor.measures.count_decisions(whole.emitted)
        return whole

    def _taken(
        self,
        messages: list[Message],
        until: datetime | None,
        connection: HostTransaction | None,
        now: datetime | None,
        yielding: bool,
        joint: bool,
    ) -> BatchResult:
        if connection is not None:  # the host may still roll it back, so nothing is woken
            with self._store.session(connection) as session:
                return self._take_all(self._claims.within(session), messages, until, now)
        whole = self._take_all(self._claims, messages, until, now, yielding=yielding, joint=joint)
        if (due := whole.due_at) is not None:
            self._wake_by(due)
        return whole

    def _take_all(
        self,
        claims: ClaimRunner,
        messages: list[Message],
        until: datetime | None,
        now: datetime | None,
        *,
        yielding: bool = False,
        joint: bool = False,
    ) -> BatchResult:
        began = monotonic()
        whole = self._take(claims, messages, until, now, began, yielding=yielding, joint=joint)
        if whole.left:
            with one_call(began):
                while whole.left:
                    done = len(messages) - whole.left
                    rest, how = messages[done:], {"yielding": yielding, "joint": joint}
                    part = self._take(claims, rest, until, None, began, **how)
                    whole.join(part, offset=done)
        return whole

    def _take(
        self,
        claims: ClaimRunner,
        messages: list[Message],
        until: datetime | None,
        now: datetime | None,
        began: float,
        *,
        yielding: bool,
        joint: bool,
    ) -> BatchResult:
        """Take the first of the messages in one transaction, and carry out the claims that they begin.

        Args:
            began: when the call began (see `one_call`).
        """
        before: list[BatchResult] = []
        now, pipeline = now or self._clock.now(), self._current.pipeline
        if joint and until is None and 0 < len(messages) <= MOST:
            result = claims.transact(JointTake(pipeline, messages, now), before.append)
        else:
            is_long = yielding and len(messages) > PORTION and self._store.is_awaited() is not None
            take = partial(pipeline.take, until=until, now=now, chunked=True)
            work = partial(self._take_alone, take, messages, is_long=is_long)
            result = claims.transact(work, before.append, alone=is_long)
        if before:
            result.emitted[:0] = [each for part in before for each in part.emitted]
            result.parts_due_at = FIRST_INSTANT
        if begun := result.unfinished:
            with one_call(began):
                self._carry_out(claims, begun, result)
        return result

    def _take_alone(
        self,
        take: Callable[..., BatchResult],
        messages: list[Message],
        session: Session,
        *,
        is_long: bool,
    ) -> BatchResult:
        take = partial(take, session)
        return in_portions(take, messages, self._store.is_awaited) if is_long else take(messages)

    def _carry_out(self, claims: ClaimRunner, begun: list[int], result: BatchResult) -> None:
        """Carry claims out that a batch began, each chunk in a transaction."""
        left = result.left
        try:
            for part in claims.carry_out(begun):
                result.join(part)
        except StoreError as error:
            if claims is not self._claims:
                raise
            log_event(
                _LOG, logging.WARNING, "claim-interrupted", code=error.code
            )  # due work goes on
            self._interrupted.update(begun)
        result.left = left

    def take_again(self, aside: SetAside) -> Ingested:
        """Take a message that was set aside (see `Engine.take_again`)."""
        message, pipeline = message_of(aside), self._current.pipeline

        def work(session: Session) -> BatchResult:
            result = pipeline.take(session, [message], now=self._clock.now())
            if not result.set_aside:
                session.flush(Changes(resumed=[aside.ref]))
            return result

        result = self._claims.transact(work)
        self._wake_by(FIRST_INSTANT)
        return answer(result, Reading([message]))
