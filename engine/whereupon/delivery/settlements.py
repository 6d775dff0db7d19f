"""Recording how calls of channels end: sent, to be tried again, dead, or withheld.

A parcel is what one call gets: one delivery, or several where the channel takes batches. Each delivery of it is
looked at before the call, and settled by its own outcome.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import NamedTuple, TypeAlias

from pydantic import JsonValue

from whereupon.delivery.channel_policy import ChannelPolicy
from whereupon.delivery.channel_rests import Turn, after_calls, is_failure, turn_of
from whereupon.delivery.functions import Returned
from whereupon.delivery.host_code import NotRunError
from whereupon.delivery.lanes import CallEnd, NotTriedError
from whereupon.delivery.monitor import Event, Monitor
from whereupon.delivery.objections import HandOverCheck
from whereupon.delivery.retries import GiveUp, Retry, RetryLater
from whereupon.delivery.settled_counts import Counts
from whereupon.errors import StoreError
from whereupon.messages.times import later
from whereupon.ports import Clock, LeasedNow, Session, Settlement, Store
from whereupon.records import NOTHING, ChannelState, Delivery, DeliveryState
from whereupon.rules.steps.run import function_of
from whereupon.runtime.combined import Combined
from whereupon.runtime.log_lines import log_event

_GONE = (DeliveryState.WITHHELD, DeliveryState.DEAD)
_LOG = logging.getLogger("whereupon.delivery")
_GATHERING = 0.0005
"""Seconds in which calls that were prepared together may end, to share one commit, which takes longer."""


class ChannelTimeoutError(Exception):
    """A channel did not return in time; nobody knows whether it delivered.

    Args:
        seconds: how long the call could take.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the channel did not come back in {seconds:g} s")


class BadOutcomesError(Exception):
    """`send_many` did not return one outcome for each delivery; nobody knows which it sent."""


class Leased(NamedTuple):
    """A delivery, and until when it is kept from other processes.

    Attributes:
        latest: when its call has to begin, so that it is settled within the lease.
        is_probe: whether its call is the one that a channel gets which has rested.
    """

    delivery: Delivery
    until: datetime
    latest: datetime
    is_probe: bool = False


Parcel: TypeAlias = tuple[Leased, ...]
"""What one call gets."""


class _End(NamedTuple):
    """How the call for one delivery ended."""

    delivery: Delivery
    error: BaseException | None
    settlement: Settlement
    leased: Leased


class _Turnover(NamedTuple):
    """The end of a call, and the parcel that the next call is to get."""

    ends: Sequence[_End]
    following: Parcel


@dataclass(slots=True, kw_only=True)
class DeliverySettler:
    """Records how the calls of one channel end (see `lanes.Work`)."""

    channel: str
    store: Store
    clock: Clock
    policy: ChannelPolicy
    retry: Retry
    monitor: Monitor
    counts: Counts
    objections: HandOverCheck
    when_answered: Callable[[], object] = lambda: None
    """Called when an entry is due that has waited for a delivery's end."""
    when_gone: Callable[[Sequence[Delivery]], int] = lambda _: 0
    """Called with deliveries that are withheld now, or dead; how many entries are due by it."""
    has_failed: bool = field(default=False, init=False)
    """Whether the stored state counts failures, as far as this process knows."""
    rests_until: datetime | None = field(default=None, init=False)
    """Until when the channel rests, as far as this process knows."""
    _together: Combined[_Turnover, Parcel] = field(init=False)

    def __post_init__(self) -> None:
        self._together = Combined(self._settle_and_prepare, gathering=_GATHERING)

    def settle_and_prepare(
        self, ended: CallEnd[Parcel] | None, following: Parcel | None
    ) -> Parcel | None:
        """Settle one parcel, and look at the next, in one transaction.

        Threads that ask for it at the same time share one, and none goes on before its commit.
        """
        ends = [] if ended is None else [*self._ends(ended)]
        return self._together.ask(_Turnover(ends, following or ())) or None

    def _settle_and_prepare(self, asked: Sequence[_Turnover]) -> Sequence[Parcel]:
        prepared, refused, turns = self.store.transact(partial(self._turn_over, asked=asked))
        self._tell_all([end for each in asked for end in each.ends], turns)
        for delivery, end in refused:
            self.counts.add(end)
            after, reason = _settled(delivery, end), end.reason or ""
            self.monitor.tell_of_delivery(Event.WITHHELD, after, reason=reason)
        self._wake_entries(refused)
        return prepared

    def _turn_over(
        self, session: Session, *, asked: Sequence[_Turnover]
    ) -> tuple[list[Parcel], list[tuple[Delivery, Settlement]], list[Turn]]:
        """What of the next parcels is to be handed over, what is withheld, and how the channel turned."""
        session.settle(end.settlement for each in asked for end in each.ends)
        keys = [leased.delivery.key for each in asked for leased in each.following]
        rests = bool(keys) and self._rests(session, [each.ends for each in asked])
        found = session.leased_now(keys) if keys else {}
        facts = self._facts(session, [each.following for each in asked])
        objections = self.objections.among(session, _deliveries_of(asked), self.policy.address)
        prepared, refused = list[Parcel](), list[tuple[Delivery, Settlement]]()
        ended = list[Settlement]()
        for each in asked:
            ready = list[Leased]()
            for leased in each.following:
                now = found.get(leased.delivery.key)
                if now is None or not _is_ours(now, leased):
                    continue
                if (rests and not leased.is_probe) or self.clock.now() > leased.latest:
                    ended.append(_as_it_was(leased.delivery))
                elif (end := objections.to(leased.delivery, now)) is None:
                    delivery = _addressed(leased.delivery, now)
                    delivery = delivery.changed(facts=facts.get(delivery.awaited_by, NOTHING))
                    ready.append(leased._replace(delivery=delivery))
                else:
                    ended.append(end)
                    if end.state is DeliveryState.WITHHELD:
                        refused.append((leased.delivery, end))
            prepared.append(tuple(ready))
        session.settle(ended)
        turns = self._note_failures(session, [each.ends for each in asked])
        dropped = [
            each.following
            for each, ready in zip(asked, prepared, strict=True)
            if each.following and not ready
        ]
        self._allow_other_probe(session, [*dropped, *map(_without_word, (a.ends for a in asked))])
        self._give_back_places(session, len(keys) - sum(map(len, prepared)))
        return prepared, refused, turns

    def _facts(
        self, session: Session, parcels: Sequence[Parcel]
    ) -> Mapping[int | None, Mapping[str, JsonValue]]:
        """What opened the entries that wait for a function, by their keys; nothing for any other channel."""
        if function_of(self.channel) is None:
            return {}
        waiting = (leased.delivery.awaited_by for parcel in parcels for leased in parcel)
        keys = {key for key in waiting if key is not None}
        return {entry.key: entry.facts for entry in session.entries(keys)} if keys else {}

    def settle(self, ends: Sequence[CallEnd[Parcel]]) -> None:
        """Settle several parcels at once."""
        settled = [each for end in ends for each in self._ends(end)]

        def work(session: Session) -> list[Turn]:
            session.settle(end.settlement for end in settled)
            turns = self._note_failures(session, [settled])
            self._allow_other_probe(session, [_without_word(settled)])
            return turns

        self._tell_all(settled, self.store.transact(work))

    def put_back(self, parcels: Sequence[Parcel]) -> bool:
        """Release deliveries; if the store cannot, their lease runs out."""
        ends = [_as_it_was(leased.delivery) for parcel in parcels for leased in parcel]

        def work(session: Session) -> None:
            session.settle(ends)
            self._give_back_places(session, len(ends))
            self._allow_other_probe(session, parcels)

        try:
            self.store.transact(work)
        except StoreError as error:
            log_event(
                _LOG, logging.WARNING, "put-back-failed", code=error.code, deliveries=len(ends)
            )
            return False
        return True

    # --- what the channel's state says --------------------------------------------------------

    def _rests(self, session: Session, calls: Sequence[Sequence[_End]]) -> bool:
        """Whether a call has made the channel rest, one of these or one in another process.

        The row is locked later: behind every other lock.
        """
        until, breaker, now = self.rests_until, self.policy.breaker, self.clock.now()
        if breaker is not None or any(is_failure(end.error) for ends in calls for end in ends):
            state = session.channel(self.channel)
            self.know(state)
            for ends in calls:
                state = after_calls(state, breaker, [end.error for end in ends], now)
            until = state.rests_until
        return until is not None and now < until

    def know(self, state: ChannelState) -> None:
        """Take notice of the channel's state."""
        self.has_failed, self.rests_until = state.failures > 0, state.rests_until

    def _give_back_places(self, session: Session, places: int) -> None:
        """Calls that were not begun leave their places under the rate to others."""
        if places and self.policy.rate is not None:
            state = session.lock_channel(self.channel)
            session.put_channel(state.without_calls(places))

    def _allow_other_probe(self, session: Session, parcels: Sequence[Sequence[Leased]]) -> None:
        """End the rests that probes began which say nothing about the channel: another probe may be made."""
        rests = {each.until for parcel in parcels for each in parcel if each.is_probe}
        if rests and (state := session.lock_channel(self.channel)).rests_until in rests:
            state = replace(state, rests_until=None)
            session.put_channel(state)
            self.know(state)

    def _note_failures(self, session: Session, calls: Sequence[Sequence[_End]]) -> list[Turn]:
        """Keep what calls say about the channel; where it begins to rest, and where it goes on."""
        errors = [[end.error for end in ends] for ends in calls if ends]
        has_failed = any(is_failure(error) for each in errors for error in each)
        if not has_failed and not (errors and self.has_failed):
            return []
        now, was = self.clock.now(), session.lock_channel(self.channel)
        state, turns = was, list[Turn]()
        for each in errors:
            before, state = state, after_calls(state, self.policy.breaker, each, now)
            if (turn := turn_of(before, state, self.policy.breaker, now)) is not None:
                turns.append(turn)
        self.know(state)
        if state != was:
            session.put_channel(state)
        return turns

    # --- how calls end ------------------------------------------------------------------------

    def _ends(self, end: CallEnd[Parcel]) -> Iterator[_End]:
        result = end.returned.value if isinstance(end.returned, Returned) else None
        for leased, error in zip(end.item, _outcomes(end), strict=True):
            ended = self._settlement(leased.delivery, error)
            if leased.delivery.awaited_by is not None:
                ended = replace(ended, awaited_by=leased.delivery.awaited_by, result=result)
            yield _End(leased.delivery, error, ended, leased)

    def _settlement(self, delivery: Delivery, error: BaseException | None) -> Settlement:
        attempts, now = delivery.attempts + 1, self.clock.now()
        if error is None:
            return Settlement(delivery.key, DeliveryState.SENT, attempts, now, None)
        reason = _reason_of(error)
        if isinstance(error, NotTriedError):
            state, due_at = DeliveryState.PENDING, later(now, self.retry.first)
            return Settlement(delivery.key, state, delivery.attempts, due_at, reason)
        pause = self.retry.after_failure(delivery.idempotency_key, attempts, error)
        if pause is None:
            return Settlement(delivery.key, DeliveryState.DEAD, attempts, now, reason)
        return Settlement(delivery.key, DeliveryState.PENDING, attempts, later(now, pause), reason)

    def _tell_all(self, ends: Sequence[_End], turns: Sequence[Turn]) -> None:
        for end in ends:
            self._tell(end)
        for turn in turns:
            self.monitor.tell_of_channel(*turn)
        self._wake_entries([(end.delivery, end.settlement) for end in ends])

    def _wake_entries(self, ends: Sequence[tuple[Delivery, Settlement]]) -> None:
        if any(end.wakes is not None for _, end in ends):
            self.when_answered()
        if gone := [delivery for delivery, end in ends if end.state in _GONE]:
            self.counts.let_on(self.when_gone(gone))

    def _tell(self, end: _End) -> None:
        self.counts.add(end.settlement)
        if isinstance(end.error, NotTriedError):
            return
        after = _settled(end.delivery, end.settlement)
        if end.error is None:
            self.monitor.tell_of_delivery(Event.SENT, after)
            return
        error = type(end.error).__name__
        self.monitor.tell_of_delivery(Event.FAILED, after, error=error)
        if after.state is DeliveryState.DEAD:
            self.monitor.tell_of_delivery(Event.DEAD, after, error=error)


def _deliveries_of(asked: Sequence[_Turnover]) -> Iterator[Delivery]:
    return (leased.delivery for each in asked for leased in each.following)


def _outcomes(end: CallEnd[Parcel]) -> Sequence[BaseException | None]:
    """One for each delivery: what `send_many` returned, or how the call ended."""
    if end.error is not None or (len(end.item) == 1 and not isinstance(end.returned, Outcomes)):
        return [end.error] * len(end.item)
    assert isinstance(end.returned, Outcomes)  # noqa: S101 - only `send_many` gets several
    return end.returned.of(len(end.item))


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What `send_many` returned."""

    returned: object

    def of(self, number: int) -> Sequence[BaseException | None]:
        """The outcomes of so many deliveries; without a list, all were sent."""
        if self.returned is None:
            return [None] * number
        listed = self.returned if isinstance(self.returned, Sequence) else ()
        if len(listed) != number or any(
            each is not None and not isinstance(each, BaseException) for each in listed
        ):
            message = f"send_many returns None, or a list with None or an exception for each of {number} deliveries"
            return [BadOutcomesError(message)] * number
        return listed


def _without_word(ends: Sequence[_End]) -> Parcel:
    """What a call got that says nothing about the channel: each delivery was given up, or not tried."""
    if any(end.error is None or is_failure(end.error) for end in ends):
        return ()
    return tuple(end.leased for end in ends)


def _is_ours(now: LeasedNow, leased: Leased) -> bool:
    """Whether it still waits for this hand-over; another process may have taken it if that took long."""
    return now.state is DeliveryState.PENDING and now.due_at == leased.until


def _as_it_was(delivery: Delivery) -> Settlement:
    """What releases a delivery that was leased."""
    return Settlement(
        delivery.key, delivery.state, delivery.attempts, delivery.due_at, delivery.reason
    )


def _addressed(delivery: Delivery, now: LeasedNow) -> Delivery:
    """The delivery to the person as they are now."""
    person = now.user_id or delivery.person
    return delivery.changed(person=person, recipient=now.attributes or {})


def _settled(delivery: Delivery, end: Settlement) -> Delivery:
    ended = delivery.changed(state=end.state, attempts=end.attempts, due_at=end.due_at)
    return ended.changed(reason=end.reason, result=end.result)


_OURS = (RetryLater, GiveUp, ChannelTimeoutError, NotTriedError, NotRunError, BadOutcomesError)


def _reason_of(error: BaseException) -> str:
    words = _words_of(error)
    return words if isinstance(error, _OURS) else f"{type(error).__name__}: {words}"


def _words_of(error: BaseException) -> str:
    """The text of an error of the host's, in a form that every database can keep."""
    try:
        said = str(error)
    except Exception as fault:  # noqa: BLE001 - the host's code, too
        return f"(its text cannot be had: {type(fault).__name__})"
    return said.replace("\0", "\N{SYMBOL FOR NULL}").encode("utf-8", "replace").decode()
