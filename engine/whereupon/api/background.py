"""Due work: waits that are over, broadcasts, requests, deliveries, pruning; on demand or in the background."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import takewhile
from time import monotonic

from whereupon.api.config import InFlight, Ran, Waiting, counts_of
from whereupon.decide import BatchResult, Decisions, Emitted, Unread
from whereupon.delivery.action_caller import ActionCaller
from whereupon.delivery.dispatcher import Dispatched, Dispatcher
from whereupon.delivery.monitor import Monitor
from whereupon.messages.times import later
from whereupon.operations.pruner import Pruner
from whereupon.operations.scrubber import Scrubber
from whereupon.pipeline.claim_runner import ClaimRunner
from whereupon.pipeline.current import CurrentPipeline
from whereupon.pipeline.due_work import REQUESTS_TOGETHER, STEPS_TOGETHER, due_together, take_step
from whereupon.pipeline.sweeps import paused_runs
from whereupon.ports import Clock, Session, Store, Watch
from whereupon.records import Delivery, Request
from whereupon.scheduling import Waker

POLL = timedelta(seconds=30)
"""How often the background work looks for due work by default."""

_A_DAY = timedelta(days=1)
"""An unfinished claim is due sooner."""
_MOST_CLAIMS = 1_000

_GRACE = 5.0
"""Seconds that a round has to end after its calls have ended."""


@dataclass(frozen=True, slots=True)
class Workers:
    """The services that do due work, each its own kind."""

    claims: ClaimRunner
    dispatcher: Dispatcher
    actions: ActionCaller
    scrubbing: Scrubber
    pruning: Pruner


class BackgroundWork:
    """Does due work, and wakes one thread when the next is due.

    Attributes:
        interrupted: anonymous keys of claims that this process began and could not end; the next round
            goes on with them.
    """

    def __init__(
        self,
        store: Store,
        current: CurrentPipeline,
        clock: Clock,
        workers: Workers,
        monitor: Monitor,
        poll: timedelta = POLL,
    ) -> None:
        self._store = store
        self._current = current
        self._clock = clock
        self._workers = workers
        self._monitor = monitor
        self._waker = Waker(self._run_and_look_ahead, clock, poll)
        self._watch: Watch | None = None
        self._rounds = InFlight()
        self.is_closing = False
        self.interrupted: set[int] = set()

    def start(self) -> None:
        """Do due work in one thread, and watch in another for work that other processes make due."""
        self._waker.start()
        if self._watch is None or not self._watch.is_alive:
            self._watch = self._store.watch(self.look_ahead)

    def wake_up(self) -> None:
        """Have the background thread look for due work at once; nothing happens without `start`."""
        self._waker.wake()

    def wake_by(self, instant: datetime) -> None:
        """Have it look at an instant, or before; at once if that has passed."""
        self._waker.wake_by(instant)

    def close(self, timeout: float) -> bool:
        """Begin nothing more, and wait for the calls and rounds in flight.

        Args:
            timeout: seconds.

        Returns:
            Whether every call ended in time.
        """
        end = monotonic() + timeout
        dispatcher, actions = self._workers.dispatcher, self._workers.actions
        self.is_closing = True
        actions.stop()
        if self._watch is not None:
            self._watch.stop()
        dispatcher.stop()
        has_ended = dispatcher.end(end - monotonic()) & actions.end(end - monotonic())
        self._waker.stop()
        self._rounds.wait(max(_GRACE, end - monotonic()))
        return has_ended

    def run_due(self) -> Ran:
        """Do what is due now (see `Engine.run_due`)."""
        with self._rounds:
            return self._round()

    def _round(self, *, wait: bool = True) -> Ran:
        """Do what is due.

        Args:
            wait: whether to wait for the channels.
        """
        with self._monitor.round_of_work() as span:
            ran = self._done(wait=wait)
            span.note(counts_of(ran))
            return ran

    def _done(self, *, wait: bool) -> Ran:
        emitted, dispatched = list[Emitted | Unread](), Dispatched()
        while True:
            done = self._woken_and_sent(emitted, wait=wait)
            dispatched += done
            if not done.awaited or self.is_closing:  # else entries have become due
                break
        requests = [each for each in emitted if isinstance(each, Request)]
        ran = Ran(Decisions(emitted), dispatched, [*requests, *self._workers.actions.run_due()])
        if not self.is_closing and self._workers.scrubbing.is_due():
            self._workers.scrubbing.scrub()
        if not self.is_closing:
            self._workers.pruning.run_due()
        return ran

    def _woken_and_sent(self, emitted: list[Emitted | Unread], *, wait: bool) -> Dispatched:
        """Wake what is due, add what that emitted, and hand over what is due then."""
        dispatcher, dispatched = self._workers.dispatcher, Dispatched()
        steps = takewhile(lambda _: not self.is_closing, self.wake(self._clock.now()))
        for number, result in enumerate(steps, 1):
            # Deliveries may be many. They wait in the outbox, not here.
            emitted += (each for each in result.emitted if not isinstance(each, Delivery))
            if number % STEPS_TOGETHER == 0:  # deliveries do not wait for all other work
                dispatched += dispatcher.dispatch_due(wait=wait)
        return dispatched + dispatcher.dispatch_due(wait=wait)

    def wake(
        self, until: datetime, *, scheduled: bool = True, opens: bool = True
    ) -> Iterator[BatchResult]:
        """Wake entries, broadcasts and requests due by ``until`` (see `Engine.wake`)."""
        for result in self._wake(until, scheduled=scheduled, opens=opens):
            self._monitor.measures.count_decisions(result.emitted)
            yield result

    def _wake(self, until: datetime, *, scheduled: bool, opens: bool) -> Iterator[BatchResult]:
        while self.interrupted:  # a claim that fails again is due work a minute after it was begun
            yield from self._workers.claims.carry_out([self.interrupted.pop()])
        while due := self._due_requests(until, expiring=scheduled):
            for moment, now, requests in due_together(due, until, self._clock.now()):
                yield from self._wake_entries(moment, scheduled=scheduled, opens=opens)
                resume = partial(self._resume, seen=requests, now=now)
                yield self._workers.claims.transact(resume)
        yield from self._wake_entries(until, scheduled=scheduled, opens=opens)

    def _resume(self, session: Session, *, seen: Sequence[Request], now: datetime) -> BatchResult:
        """Judge requests again, except those that another process has judged since they were seen."""
        pipeline = self._current.pipeline
        pipeline.prepare_erasing(session)
        if len(seen) == 1:
            there = [session.request(seen[0].key)]
        else:
            there = [*session.due_requests(now, REQUESTS_TOGETHER, expiring=now)]
        known = {each.key: each for each in there if each is not None}
        still = [each for each in seen if known.get(each.key) == each]
        return pipeline.resume(session, still, now) if still else BatchResult()

    def _due_requests(self, until: datetime, *, expiring: bool) -> list[Request]:
        with self._store.reading() as session:
            return session.due_requests(
                until, REQUESTS_TOGETHER, expiring=until if expiring else None
            )

    def _wake_entries(
        self, until: datetime, *, scheduled: bool, opens: bool
    ) -> Iterator[BatchResult]:
        moment = self._clock.now()
        while True:
            take = partial(
                take_step,
                pipeline=self._current.pipeline,
                until=until,
                now=self._clock.now(),
                scheduled_at=moment if scheduled else None,
                opens=opens,
            )
            before: list[BatchResult] = []
            step = self._workers.claims.transact(take, before.append)
            yield from before
            if step is None:
                return
            if step.sent_at is not None:
                moment = max(moment, step.sent_at)
            yield step.result

    def _run_and_look_ahead(self) -> datetime | None:
        with self._rounds:
            self._round(wait=False)
        return None if self.is_closing else self.next_due()

    def look_ahead(self) -> None:
        """Wake for work that another process or a channel has made due; nothing happens without `start`."""
        with self._rounds:
            if self._watch is None or self.is_closing:
                return
            due = self.next_due()
        if due is not None:
            self._waker.wake_by(due)

    def hanging(self) -> dict[tuple[str, str], int]:
        """How many calls hang in this process, by ``channel`` or ``action`` and by name."""
        channels, actions = self._workers.dispatcher.hanging, self._workers.actions.hanging
        return {("channel", name): n for name, n in channels.items()} | {
            ("action", name): n for name, n in actions.items()
        }

    def waiting(self) -> Waiting:
        """What waits in the store (see `Engine.waiting`)."""
        with self._store.reading() as session:
            return Waiting(
                session.backlog(),
                [session.channel(name) for name in self._workers.dispatcher.registered],
                self._current.pipeline.next_duty(session),
                session.next_request_due(self._workers.actions.names),
                len(session.due_claim_jobs(later(self._clock.now(), _A_DAY), _MOST_CLAIMS)),
                (
                    len(session.rule_pauses()),
                    len(paused_runs(session)),
                    sum(session.count_paused().values()),
                ),
            )

    def next_due(self) -> datetime | None:
        """When the next work is due in the store; None if none is."""
        with self._store.reading() as session:
            due = (
                session.next_claim_due(),
                self._workers.dispatcher.next_due(session),
                session.next_request_due(self._workers.actions.names),
                self._current.pipeline.next_duty(session),
                self._workers.pruning.next_due(session),
            )
        return min((at for at in due if at is not None), default=None)
