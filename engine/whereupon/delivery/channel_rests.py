"""When a channel rests: after failures in a row, or because its provider asks for it. Pure functions."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import TypeAlias

from whereupon.delivery.channel_policy import Breaker
from whereupon.delivery.lanes import NotTriedError
from whereupon.delivery.monitor import Event
from whereupon.delivery.retries import GiveUp, RetryLater
from whereupon.messages.times import later
from whereupon.records import ChannelState

Turn: TypeAlias = tuple[Event, ChannelState]
"""That a channel has begun to rest, or goes on, and its state."""


def is_failure(error: BaseException | None) -> bool:
    """Whether an outcome speaks against the channel.

    `GiveUp`, and `RetryLater` without ``channel``, are only about their delivery: a mail server may ask one
    recipient's mail to come again.
    """
    if isinstance(error, RetryLater):
        return error.channel
    return error is not None and not isinstance(error, NotTriedError | GiveUp)


def after_calls(
    was: ChannelState,
    breaker: Breaker | None,
    errors: Iterable[BaseException | None],
    now: datetime,
) -> ChannelState:
    """A channel's state after one call.

    Args:
        errors: the outcomes of the call's deliveries. It has failed if none of those was sent that say something
            about the channel.
    """
    told = [error for error in errors if error is None or is_failure(error)]
    state = was
    if breaker is not None and told:
        state = _counted(was, breaker, now, failed=None not in told)
    for error in told:
        if isinstance(error, RetryLater) and error.channel and error.after is not None:
            until = max(later(now, error.after), state.rests_until or now)
            state = replace(state, rests_until=until)
    return state


def _counted(was: ChannelState, breaker: Breaker, now: datetime, *, failed: bool) -> ChannelState:
    """The state with one call counted. A success does not end a rest that the provider has asked for."""
    if failed:
        failures = was.failures + 1
        until = later(now, breaker.pause) if failures >= breaker.failures else was.rests_until
        return replace(was, failures=failures, rests_until=until)
    had_rested = was.failures >= breaker.failures
    return replace(was, failures=0, rests_until=None if had_rested else was.rests_until)


def turn_of(
    was: ChannelState, state: ChannelState, breaker: Breaker | None, now: datetime
) -> Turn | None:
    """Whether the channel has begun to rest, or goes on after a rest."""
    if breaker is not None and was.failures >= breaker.failures > state.failures:
        return Event.CHANNEL_UP, state
    begins = state.rests_until is not None and state.rests_until > now
    rested = was.rests_until is not None and was.rests_until > now
    return (Event.CHANNEL_DOWN, state) if begins and not rested else None
