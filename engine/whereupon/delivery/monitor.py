"""Reports what becomes of deliveries and of the host's actions: to the log, to hooks, in counters and spans.

A log record has machine keys (``event``, ``rule``, ``channel``, ``attempt``, ``key``) and neither content nor address.
A hook that fails is logged and harms nothing.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from enum import StrEnum
from time import monotonic
from typing import Any, TypeAlias, TypeVar

from whereupon.delivery.measures import Measures
from whereupon.delivery.retries import GiveUp, RetryLater
from whereupon.errors import StoreError, UnknownNameError
from whereupon.messages.times import format_instant
from whereupon.ports import NO_CHANNEL, NoTracer, Span, SpanFacts, Tracer
from whereupon.records import ChannelState, Delivery, Request
from whereupon.runtime.forks import ProcessLock
from whereupon.runtime.log_lines import log_event

Item = TypeVar("Item")

BATCH, ROUND, CALL = "take messages", "do due work", "call"
"""The names of spans; that of a call ends with ``channel`` or ``action``."""

_LOG = logging.getLogger("whereupon.delivery")


class Event(StrEnum):
    """The events that a hook can be registered for."""

    SENT = "delivery-sent"
    FAILED = "delivery-failed"
    DEAD = "delivery-dead"
    WITHHELD = "delivery-withheld"
    CHANNEL_DOWN = "channel-down"
    CHANNEL_UP = "channel-up"
    ACTION_RAN = "action-ran"
    ACTION_FAILED = "action-failed"
    ACTION_DEAD = "action-dead"


_LEVELS: Mapping[Event, int] = {
    Event.SENT: logging.DEBUG,
    Event.ACTION_RAN: logging.DEBUG,
    Event.WITHHELD: logging.INFO,
    Event.CHANNEL_UP: logging.WARNING,
    Event.CHANNEL_DOWN: logging.ERROR,
    Event.FAILED: logging.WARNING,
    Event.ACTION_FAILED: logging.WARNING,
    Event.DEAD: logging.ERROR,
    Event.ACTION_DEAD: logging.ERROR,
}

Hook: TypeAlias = Callable[[Any], object]
"""Gets the `Delivery`, the `Request` of an action, or the `ChannelState`, as it is afterwards."""


class Counting:
    """Counts a failure of the engine's own work that leaves the block (see `Monitor.counting`)."""

    __slots__ = ("_monitor", "_what")

    def __init__(self, monitor: "Monitor", what: str) -> None:
        self._monitor, self._what = monitor, what

    def __enter__(self) -> None:
        """Nothing is to be counted yet."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, Exception):
            self._monitor.count_failure(self._what, error)


class Monitor:
    """Hooks, log, counters and spans of one process.

    Attributes:
        measures: the counters.
        tracer: begins the spans; the host may set another.
        round: the last round of due work that began, as the tracer knows it.
    """

    def __init__(self) -> None:
        self.measures = Measures()
        self.tracer: Tracer = NoTracer()
        self.round: object = None
        self._hooks: dict[Event, list[Hook]] = {event: [] for event in Event}
        self._lock = ProcessLock()
        self._warned_of: set[str] = set()

    def on(self, event: str, hook: Hook) -> None:
        """Call a function at every event of that name.

        Raises:
            UnknownNameError: there is no such event.
        """
        known = tuple(Event)
        if event not in known:
            raise UnknownNameError(kind="event", name=event, known=known)
        self._hooks[Event(event)].append(hook)

    @property
    def is_traced(self) -> bool:
        """Whether a tracer of the host's gets the spans."""
        return type(self.tracer) is not NoTracer

    def batch(self, size: int) -> AbstractContextManager[Span]:
        """The span of a batch of messages."""
        return self.tracer.span(BATCH, {"messages": size})

    @contextmanager
    def round_of_work(self) -> Iterator[Span]:
        """The span of a round of due work, to which calls belong from now on; a failure is counted."""
        with self.counting("round"), self.tracer.span(ROUND, {}) as span:
            self.round = self.tracer.current()
            yield span

    def counting(self, what: str) -> "Counting":
        """Count a failure of the engine's own work that leaves the block (see `Activity`)."""
        return Counting(self, what)

    def count_failure(self, what: str, error: Exception) -> None:
        """Count a failure of the engine's own work."""
        code = error.code if isinstance(error, StoreError) else ""
        self.measures.count_failure(what, code)

    def watched(
        self,
        kind: str,
        name: str,
        function: Callable[[Item], object],
        facts_of: Callable[[Item], SpanFacts],
    ) -> Callable[[Item], object]:
        """A function of the host's with a span and a duration for each call.

        A call is a child of the last round of due work that began before it.

        Args:
            kind: ``channel`` or ``action``.
            facts_of: what the span says of an item.
        """

        def call(item: Item) -> object:
            began = monotonic()
            try:
                with self.tracer.span(f"{CALL} {kind}", facts_of(item), self.round) as span:
                    try:
                        returned = function(item)
                    except BaseException as error:
                        span.note({"outcome": _outcome_of(error)})
                        raise
                    span.note({"outcome": "returned"})
                    return returned
            finally:
                self.measures.count_call(kind, name, monotonic() - began)

        return call

    def tell_of_delivery(
        self,
        event: Event,
        delivery: Delivery,
        *,
        reason: str | None = None,
        error: str | None = None,
    ) -> None:
        """Report an event of a delivery, with the delivery as it is afterwards."""
        log_event(
            _LOG,
            _LEVELS[event],
            event.value,
            rule=delivery.rule,
            channel=delivery.channel,
            attempt=delivery.attempts,
            key=delivery.idempotency_key,
            reason=reason,
            error=error,
        )
        self._tell(event, delivery.channel, delivery)

    def tell_of_channel(self, event: Event, state: ChannelState) -> None:
        """Report that a channel has begun to rest, or goes on."""
        until = None if state.rests_until is None else format_instant(state.rests_until)
        log_event(
            _LOG,
            _LEVELS[event],
            event.value,
            channel=state.name,
            failures=state.failures,
            until=until,
        )
        self._tell(event, state.name, state)

    def tell_of_action(
        self, event: Event, request: Request, key: str, *, error: str | None = None
    ) -> None:
        """Report an event of an action of the host's."""
        log_event(
            _LOG,
            _LEVELS[event],
            event.value,
            action=request.action,
            attempt=request.attempts,
            key=key,
            error=error,
        )
        self._tell(event, request.action, request)

    def warn_of_held(self, held: Mapping[str, int]) -> None:
        """Warn, once a channel, that deliveries wait for a channel that this process lacks."""
        for channel, number in held.items():
            self.measures.count_event("delivery-held", channel, number)
        with self._lock:
            new = held.keys() - self._warned_of
            self._warned_of |= new
        for channel in sorted(new):
            log_event(
                _LOG,
                logging.WARNING,
                "delivery-held",
                reason=NO_CHANNEL,
                channel=channel,
                deliveries=held[channel],
            )

    def _tell(self, event: Event, name: str, what: Delivery | Request | ChannelState) -> None:
        self.measures.count_event(event.value, name)
        for hook in self._hooks[event]:
            try:
                hook(what)
            except BaseException as error:
                log_event(_LOG, logging.ERROR, "hook-failed", raised=error, of=event.value)
                if isinstance(error, KeyboardInterrupt):
                    raise


def delivery_facts(deliveries: Sequence[Delivery]) -> SpanFacts:
    """What the span of a channel's call says of a delivery, or of a batch of them."""
    delivery, *others = deliveries
    if others:
        return {"channel": delivery.channel, "deliveries": len(deliveries)}
    return {
        "rule": delivery.rule,
        "channel": delivery.channel,
        "attempt": delivery.attempts + 1,
        "key": delivery.idempotency_key,
    }


def action_facts(request: Request) -> SpanFacts:
    """What the span of an action's call says of a request."""
    return {"action": request.action, "attempt": request.attempts + 1}


def _outcome_of(error: BaseException) -> str:
    if isinstance(error, GiveUp):
        return "given-up"
    return "asked-to-wait" if isinstance(error, RetryLater) else "failed"
