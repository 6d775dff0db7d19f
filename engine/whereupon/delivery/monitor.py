"""Reports what becomes of deliveries and of the host's actions: to the log, to the host's hooks, and in counters.

A log record has machine keys (``event``, ``rule``, ``channel``, ``attempt``, ``key``) and neither content nor address.
A hook that fails is logged and harms nothing.
"""

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, TypeAlias

from whereupon.errors import UnknownNameError
from whereupon.messages.times import format_instant
from whereupon.ports import NO_CHANNEL
from whereupon.records import ChannelState, Delivery, Request
from whereupon.runtime.forks import ProcessLock
from whereupon.runtime.log_lines import log_event

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


class Monitor:
    """Hooks, log and counters of one process."""

    def __init__(self) -> None:
        self._hooks: dict[Event, list[Hook]] = {event: [] for event in Event}
        self._lock = ProcessLock()
        self._counts: Counter[tuple[str, str]] = Counter()
        self._messages: Counter[str] = Counter()
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
    def counts(self) -> dict[tuple[str, str], int]:
        """How often each event happened, by its name and the channel's or the action's."""
        with self._lock:
            return dict(self._counts)

    @property
    def messages(self) -> dict[str, int]:
        """How many messages came in, by outcome."""
        with self._lock:
            return dict(self._messages)

    def count_messages(self, **outcomes: int) -> None:
        """Count messages that came in."""
        with self._lock:
            self._messages.update(outcomes)

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
        with self._lock:
            self._counts[str(event), name] += 1
        for hook in self._hooks[event]:
            try:
                hook(what)
            except BaseException as error:
                log_event(_LOG, logging.ERROR, "hook-failed", raised=error, of=event.value)
                if isinstance(error, KeyboardInterrupt):
                    raise
