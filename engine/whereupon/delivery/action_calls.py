"""The host's own actions: functions that run after the commit, at least once, until they succeed.

A request that every guard agreed to waits as a due row, like a delivery. It is leased in one
transaction, handed over outside of any, and settled in another; a crash between leaves the lease to
run out, and the handler is called again with the same idempotency key. A failure becomes a record.
A replay never comes here.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256
from queue import Empty, SimpleQueue
from threading import Condition, Thread, get_ident
from typing import TypeAlias

from pydantic import BaseModel, JsonValue, ValidationError

from whereupon.decide import recorded
from whereupon.delivery.channel_calls import error_of
from whereupon.delivery.dispatcher import RetryPolicy
from whereupon.delivery.monitoring import Event, Monitor
from whereupon.errors import RequestError
from whereupon.messages.codec import encode_canonically
from whereupon.messages.model import Message
from whereupon.messages.semantic_events import Action
from whereupon.messages.times import later
from whereupon.pipeline.current import CurrentPipeline
from whereupon.ports import Clock, Session, Store
from whereupon.records import Changes, Request, RequestOutcome
from whereupon.runtime.forking import OfProcess, watch

_GRACE = timedelta(minutes=1)
"""How much longer than a handler's time-out its lease lasts."""


@dataclass(frozen=True, slots=True)
class ActionCall:
    """What a handler is asked to do.

    Attributes:
        person: the user id that the message carried.
        properties: the message's, as the action's model; a mapping where it has none.
        idempotency_key: the same for every try, and for the undoing.
        attempt: counts from 1.
    """

    action: str
    person: str | None
    properties: BaseModel | Mapping[str, JsonValue]
    idempotency_key: str
    asked_at: datetime
    attempt: int


Handler: TypeAlias = Callable[[ActionCall], object]
"""Carries an order out; raising means try again, `RetryLater` says when."""


@dataclass(frozen=True, slots=True)
class Registration:
    """One action of the host's: how it is carried out, and taken back where it can be."""

    action: Action
    handler: Handler
    model: type[BaseModel] | None
    undo: Handler | None
    timeout: timedelta


def fault_finder(model: type[BaseModel]) -> Callable[[Mapping[str, JsonValue]], str]:
    """What is wrong with properties, in words that quote none of them."""

    def fault_in(properties: Mapping[str, JsonValue]) -> str:
        try:
            model.model_validate(dict(properties))
        except ValidationError as error:
            found = error.errors(include_url=False, include_input=False, include_context=False)
            places = (".".join(map(str, each["loc"])) or "properties" for each in found)
            return "; ".join(
                f"{place}: {each['type']}" for place, each in zip(places, found, strict=True)
            )
        return ""

    return fault_in


_Done: TypeAlias = "SimpleQueue[BaseException | None]"


class _LeftError(Exception):
    """A call was left to itself; nobody writes down how it ends."""


class Handlers(OfProcess):
    """The registered handlers, and the round that calls them."""

    def __init__(
        self,
        store: Store,
        current: CurrentPipeline,
        clock: Clock,
        policy: RetryPolicy,
        monitor: Monitor,
    ) -> None:
        self._store = store
        self._current = current
        self._clock = clock
        self._policy = policy
        self._monitor = monitor
        self._registered: dict[str, Registration] = {}
        self._is_stopped = False
        self._under_way: dict[_Done, int] = {}
        self._changed = Condition()
        watch(self)

    def after_fork_in_child(self) -> None:
        """The calls that are under way are the parent's."""
        self._under_way = {}
        self._changed = Condition()

    @property
    def names(self) -> tuple[str, ...]:
        """The actions that this process carries out."""
        return tuple(self._registered)

    def stop(self) -> None:
        """Begin no more calls."""
        self._is_stopped = True

    def end(self, seconds: float) -> bool:
        """Wait so long until no call is under way, and then leave those that are to themselves.

        Returns:
            Whether there were none.
        """
        with self._changed:
            if self._changed.wait_for(lambda: not self._elsewhere(), max(0.0, seconds)):
                return True
            for done in self._elsewhere():
                done.put(_LeftError())
        return False

    def _elsewhere(self) -> "list[_Done]":
        """The calls that other threads wait for: a signal's handler may interrupt one that does."""
        own = get_ident()
        return [done for done, waits in self._under_way.items() if waits != own]

    def register(self, registration: Registration) -> None:
        """Have orders for an action handed to this function."""
        self._registered[registration.action.name] = registration

    def run_due(self) -> list[Request]:
        """Hand over everything that is due by now; what became of each."""
        settled: list[Request] = []
        while self._registered and not self._is_stopped:
            request = self._lease()
            if request is None:
                break
            failure = self._call(request, self._registered[request.action].handler)
            if isinstance(failure, _LeftError):
                break
            settled.append(self._settle(request, failure))
        return settled

    def _lease(self) -> Request | None:
        now = self._clock.now()
        longest = max(each.timeout for each in self._registered.values())
        with self._store.session() as session:
            return session.ledger.lease_approved(
                tuple(self._registered), now, now + longest + _GRACE
            )

    def _call(self, request: Request, handler: Handler) -> BaseException | None:
        """Call a handler in a thread of its own; one that takes too long is left to itself."""
        registration = self._registered[request.action]
        if request.message is None:
            return None
        make = partial(_order, request, request.message, registration)
        limit = registration.timeout.total_seconds()
        with self._waiting() as done:
            Thread(target=_carry_out, args=(handler, make, done), daemon=True).start()
            try:
                return done.get(timeout=limit)
            except Empty:
                return TimeoutError(f"it took longer than {limit:g} s")

    @contextmanager
    def _waiting(self) -> "Iterator[_Done]":
        done: _Done = SimpleQueue()
        with self._changed:
            self._under_way[done] = get_ident()
        try:
            yield done
        finally:
            with self._changed:
                del self._under_way[done]
                self._changed.notify_all()

    def _settle(self, request: Request, failure: BaseException | None) -> Request:
        now = self._clock.now()
        attempts = request.attempts + 1
        told = _told(request, self._current.pipeline.settings.digest)
        with self._store.session() as session:
            session.ledger.hold()
            stored = session.ledger.request(request.key) or request
            if failure is None:
                settled = self._succeeded(stored, attempts, now)
                kind, facts = "executed", told
            else:
                settled = self._failed(stored, attempts, failure, now)
                kind, facts = "failed", {**told, "error": type(failure).__name__}
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
            request = session.ledger.request(key)
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
        failure = self._call(request, undo)
        now = self._clock.now()
        done = replace(request, outcome=RequestOutcome.UNDONE, message=None, decided_at=now)
        facts: dict[str, JsonValue] = {"actor": by}
        if failure is not None:
            done, facts = request, {**facts, "error": type(failure).__name__}
        with self._store.session() as session:
            self._write(session, done, "undo-failed" if failure else "undone", facts, now)
        if failure is not None:
            reason = f"undoing request {key} failed: {type(failure).__name__}"
            raise RequestError(code="undo-failed", key=key, reason=reason) from failure
        return done

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
            recorded(request, self._current.pipeline.settings, kind, now, **facts)
        )
        self._current.pipeline.write(session, changes)


def idempotency_key(request: Request) -> str:
    """32 hexadecimal digits that stand for a request, whoever tries it."""
    return sha256(f"{request.action}\n{request.key}".encode()).hexdigest()[:32]


def _carry_out(
    handler: Handler, make: Callable[[], ActionCall], done: "SimpleQueue[BaseException | None]"
) -> None:
    """Call a handler with its order; an order that cannot be made any more has failed like any other.

    The host's model may have changed since the request was accepted.
    """
    done.put(error_of(lambda _: handler(make()), None))


def _order(request: Request, message: Message, registration: Registration) -> ActionCall:
    properties: BaseModel | Mapping[str, JsonValue] = message.data
    if registration.model is not None:
        properties = registration.model.model_validate(dict(message.data))
    return ActionCall(
        action=request.action,
        person=request.person,
        properties=properties,
        idempotency_key=idempotency_key(request),
        asked_at=request.asked_at or request.timestamp,
        attempt=request.attempts + 1,
    )


def _told(request: Request, digest: Callable[[str, str], bytes]) -> dict[str, JsonValue]:
    """What the handler was told, without anybody's data: the names of properties, and a keyed hash."""
    data = dict(request.message.data) if request.message else {}
    hashed = digest("properties", encode_canonically(data).decode("utf-8", "replace")).hex()
    return {
        "idempotency_key": idempotency_key(request),
        "attempt": request.attempts + 1,
        "properties": list[JsonValue](sorted(data)),
        "properties_hash": hashed,
    }
