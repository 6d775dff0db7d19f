"""The host's own actions: functions that run after the commit, at least once, until they succeed.

A request that every guard allows waits as a due row, like a delivery. It is leased in one transaction, handed
over outside of any, and settled in another. After a crash the lease runs out, and the function is called again
with the same idempotency key. A failure becomes a record. A replay calls no action.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from time import monotonic

from pydantic import JsonValue

from whereupon.decide import audit_record
from whereupon.delivery.action_calls import (
    Handler,
    Registration,
    audit_facts,
    call_for,
    idempotency_key,
)
from whereupon.delivery.lanes import CallEnd, Lane, NotTriedError, Work
from whereupon.delivery.monitor import Event, Monitor, action_facts
from whereupon.delivery.retries import Retry
from whereupon.errors import RequestError, StoreError
from whereupon.messages.times import later
from whereupon.pipeline.current import CurrentPipeline
from whereupon.ports import Clock, Session, Store
from whereupon.records import Changes, Request, RequestOutcome

_GRACE = timedelta(minutes=1)
"""How much longer than a handler's time-out its lease lasts."""


class ActionCaller:
    """The registered actions, and the round that calls them."""

    def __init__(
        self,
        store: Store,
        current: CurrentPipeline,
        clock: Clock,
        policy: Retry,
        monitor: Monitor,
    ) -> None:
        self._store = store
        self._current = current
        self._clock = clock
        self._policy = policy
        self._monitor = monitor
        self._registered: dict[str, Registration] = {}
        self._lanes: dict[str, Lane[Request]] = {}
        self._settled = deque[Request]()
        self._is_stopped = False

    @property
    def names(self) -> tuple[str, ...]:
        """The actions that this process carries out."""
        return tuple(self._registered)

    def stop(self) -> None:
        """Begin no more calls."""
        self._is_stopped = True
        for lane in [*self._lanes.values()]:
            lane.stop()

    def end(self, seconds: float) -> bool:
        """Wait until no call runs, and then abandon those that do; whether all ended by themselves."""
        until = monotonic() + seconds
        ended = [lane.end(until - monotonic()) for lane in [*self._lanes.values()]]
        return all(ended)

    @property
    def hanging(self) -> dict[str, int]:
        """How many calls hang, by action; those without any are left out."""
        return {name: lane.hanging for name, lane in self._lanes.items() if lane.hanging}

    def register(self, registration: Registration) -> None:
        """Have requests for an action handed to this function."""
        name = registration.action.name
        self._registered[name] = registration
        work = _ActionWork(self, name, self._settled)
        self._lanes[name] = self._lane(name, registration, registration.handler, work)

    def run_due(self) -> list[Request]:
        """Hand over everything that is due by now; each request as it is afterwards."""
        if not self._is_stopped:
            self._hand_over()
        settled = list[Request]()
        while self._settled:
            settled.append(self._settled.popleft())
        return settled

    def _hand_over(self) -> None:
        """Call the actions that have something to do; those of one action one after the other."""
        if not self._registered:
            return
        with self._store.reading() as session:
            due = session.next_request_due(self.names)
        if due is None or due > self._clock.now():
            return
        lanes = [*self._lanes.values()]
        for lane in lanes:
            lane.wake()
        try:
            for lane in lanes:
                lane.join()
        except BaseException:
            for lane in lanes:
                lane.pause()
            raise

    def lease(self, name: str) -> Request | None:
        """Take the next request for an action."""
        now, timeout = self._clock.now(), self._registered[name].timeout
        with self._store.session() as session:
            return session.lease_request((name,), now, now + timeout + _GRACE)

    def _lane(
        self, name: str, registration: Registration, handler: Handler, work: Work[Request]
    ) -> Lane[Request]:
        """What calls a handler with requests.

        A call that cannot be made any more has failed like any other: the host's model may have changed since
        the request was accepted.
        """

        def call(request: Request) -> object:
            return handler(call_for(request, registration)) if request.message else None

        limit = registration.timeout.total_seconds()
        return Lane[Request](
            "action",
            name,
            self._monitor.watched("action", name, call, action_facts),
            work,
            limit=limit,
            key_of=idempotency_key,
            timeout_error=_timeout_error,
        )

    def put_back(self, requests: Sequence[Request]) -> bool:
        """Release requests that were leased and not handed over; whether the store could."""
        now = self._clock.now()

        def work(session: Session) -> None:
            for request in requests:
                _make_due(session, request, now)

        try:
            self._store.transact(work)
        except StoreError:  # their lease runs out
            return False
        return True

    def settle(self, request: Request, failure: BaseException | None) -> Request:
        """Record how a call ended; the request as it is then."""
        now = self._clock.now()
        attempts = request.attempts + 1
        facts = audit_facts(request, self._current.pipeline.settings.digest)
        with self._store.session() as session:
            if isinstance(failure, NotTriedError):
                return _make_due(session, request, later(now, self._policy.first))
            stored = _locked(session, request)
            if failure is None:
                settled = self._succeeded(stored, attempts, now)
                kind = "executed"
            else:
                settled = self._failed(stored, attempts, failure, now)
                kind, facts = "failed", {**facts, "error": type(failure).__name__}
            self._write(session, settled, kind, facts, now)
        self._tell(settled, failure)
        return settled

    def _tell(self, settled: Request, failure: BaseException | None) -> None:
        key = idempotency_key(settled)
        if failure is None:
            self._monitor.tell_of_action(Event.ACTION_RAN, settled, key)
            return
        error = type(failure).__name__
        self._monitor.tell_of_action(Event.ACTION_FAILED, settled, key, error=error)
        if settled.outcome is RequestOutcome.FAILED:
            self._monitor.tell_of_action(Event.ACTION_DEAD, settled, key, error=error)

    def _succeeded(self, request: Request, attempts: int, now: datetime) -> Request:
        if not request.outcome.is_open:  # it was erased or cancelled while it was under way
            return request
        can_undo = self._registered[request.action].undo is not None
        return replace(
            request,
            outcome=RequestOutcome.RAN,
            reason=None,
            detail=None,
            attempts=attempts,
            decided_at=now,
            due_at=None,
            message=request.message if can_undo else None,
        )

    def _failed(
        self,
        request: Request,
        attempts: int,
        failure: BaseException,
        now: datetime,
    ) -> Request:
        if not request.outcome.is_open:
            return request
        failed = replace(request, attempts=attempts, reason=type(failure).__name__, decided_at=now)
        pause = self._policy.after_failure(idempotency_key(request), attempts, failure)
        if pause is None:
            return replace(failed, outcome=RequestOutcome.FAILED, due_at=None)
        return replace(failed, due_at=later(now, pause))

    def undo(self, key: int, *, by: str) -> Request:
        """Take back what a handler did, now, by the function that was registered for it.

        Raises:
            RequestError: it did not run here, or cannot be taken back (``no-undo``).
        """
        with self._store.reading() as session:
            request = session.request(key)
        registration = self._registered.get(request.action) if request else None
        undo = registration.undo if registration else None
        if (
            request is None
            or undo is None
            or request.outcome is not RequestOutcome.RAN
            or request.message is None
        ):
            reason = f"request {key} has nothing that could be undone here"
            raise RequestError(code="no-undo", key=key, reason=reason)
        failure = self._failure_of(request, undo)
        now = self._clock.now()
        facts: dict[str, JsonValue] = {"actor": by}
        if failure is not None:
            facts["error"] = type(failure).__name__
        with self._store.session() as session:
            done = _locked(session, request)
            if failure is None:
                done = replace(done, outcome=RequestOutcome.UNDONE, message=None, decided_at=now)
            self._write(session, done, "undo-failed" if failure else "undone", facts, now)
        if failure is not None:
            reason = f"undoing request {key} failed: {type(failure).__name__}"
            raise RequestError(code="undo-failed", key=key, reason=reason) from failure
        return done

    def _failure_of(self, request: Request, undo: Handler) -> BaseException | None:
        """Call a function once; what it failed on. Calls of the handler that hang do not close it."""
        work = _OneCall([request])
        registration = self._registered[request.action]
        lane = self._lane(f"{request.action} (undo)", registration, undo, work)
        lane.wake()
        lane.join()
        return (
            work.ends[-1].error if work.ends else NotTriedError("the engine was closed meanwhile")
        )

    def _write(
        self,
        session: Session,
        request: Request,
        kind: str,
        facts: Mapping[str, JsonValue],
        now: datetime,
    ) -> None:
        changes = Changes(requests={request.key: request})
        changes.records.append(
            audit_record(request, self._current.pipeline.settings, kind, now, **facts)
        )
        self._current.pipeline.write(session, changes)


def _locked(session: Session, request: Request) -> Request:
    """The request as it is now; it may have been erased or cancelled while it was under way."""
    session.lock_requests()
    return session.request(request.key) or request


def _make_due(session: Session, request: Request, due_at: datetime) -> Request:
    """Release a request that was not tried, unless it has ended meanwhile; the request as it is then."""
    stored = _locked(session, request)
    if stored.outcome.is_open:
        stored = replace(stored, due_at=due_at)
        session.flush(Changes(requests={stored.key: stored}))
    return stored


@dataclass(frozen=True, slots=True)
class _ActionWork:
    """Leases requests for one action, and records how their calls end (see `lanes.Work`)."""

    actions: ActionCaller
    name: str
    settled: deque[Request]

    def take(self, _free: int) -> Sequence[Request]:
        """The next request."""
        request = self.actions.lease(self.name)
        return [] if request is None else [request]

    def settle_and_prepare(
        self, ended: CallEnd[Request] | None, following: Request | None
    ) -> Request | None:
        """Record the call that has returned; the next request needs no second look."""
        if ended is not None:
            self.settle([ended])
        return following

    def settle(self, ends: Sequence[CallEnd[Request]]) -> None:
        """Record calls, one transaction each: each is a row of the audit log."""
        self.settled.extend(self.actions.settle(end.item, end.error) for end in ends)

    def put_back(self, requests: Sequence[Request]) -> bool:
        """Release requests whose turn did not come."""
        return self.actions.put_back(requests)


@dataclass(frozen=True, slots=True)
class _OneCall:
    """Has one request called for, notes how the call ends, and records nothing."""

    requests: list[Request]
    ends: list[CallEnd[Request]] = field(default_factory=list)

    def take(self, _free: int) -> Sequence[Request]:
        """The request, once."""
        return [self.requests.pop()] if self.requests else []

    def settle_and_prepare(
        self, ended: CallEnd[Request] | None, following: Request | None
    ) -> Request | None:
        """Note the call that has returned."""
        if ended is not None:
            self.ends.append(ended)
        return following

    def settle(self, ends: Sequence[CallEnd[Request]]) -> None:
        """Note calls that did not return."""
        self.ends.extend(ends)

    def put_back(self, _: Sequence[Request]) -> bool:
        """Nothing was taken."""
        return True


def _timeout_error(seconds: float) -> TimeoutError:
    return TimeoutError(f"it took longer than {seconds:g} s")
