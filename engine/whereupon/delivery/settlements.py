"""Recording how calls of channels end: sent, to be tried again, dead, or withheld."""

import logging
from _thread import LockType
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from threading import Lock

from whereupon.decide.consent import reason_to_withhold
from whereupon.delivery.host_calls import CallEnd, NotRunError, NotTriedError
from whereupon.delivery.monitor import Event, Monitor
from whereupon.delivery.retries import GiveUp, RetryLater, RetryPolicy
from whereupon.errors import StoreError
from whereupon.messages.times import later
from whereupon.ports import Clock, LeasedNow, Session, Settlement, Store
from whereupon.records import Delivery, DeliveryState
from whereupon.runtime.log_lines import log_event

PAUSE = timedelta(minutes=1)
"""How long a delivery of a rule that is switched off waits before the rule is looked at again."""

_LOG = logging.getLogger("whereupon.delivery")


class ChannelTimeoutError(Exception):
    """A channel did not return in time; nobody knows whether it delivered.

    Args:
        seconds: how long the call could take.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the channel did not come back in {seconds:g} s")


@dataclass(slots=True, kw_only=True)
class DeliverySettler:
    """Records how the calls for deliveries end that were leased together (see `host_calls.Settler`)."""

    store: Store
    clock: Clock
    policy: RetryPolicy
    monitor: Monitor
    counts: Counter[DeliveryState]
    leased_until: datetime
    is_paused: Callable[[str], bool]
    lock: LockType = field(default_factory=Lock)

    def settle_and_prepare(
        self, returned: CallEnd[Delivery] | None, following: Delivery | None
    ) -> Delivery | None:
        """Settle one delivery, and look at the next, in one transaction."""
        ends = [] if returned is None else [self._settlement(returned)]
        ready, refused = self.store.transact(
            partial(self._settle_and_prepare, ends=ends, following=following)
        )
        if returned is not None:
            self._tell(returned, ends[0])
        if following is not None and refused is not None:
            self._count(refused.state)
            self.monitor.tell_of_delivery(
                Event.WITHHELD, _settled(following, refused), reason=refused.reason or ""
            )
        return ready

    def _settle_and_prepare(
        self, session: Session, *, ends: list[Settlement], following: Delivery | None
    ) -> tuple[Delivery | None, Settlement | None]:
        """The next delivery as it is to be handed over, or why it is withheld; neither if it is gone."""
        session.settle(ends)
        leased_now = None if following is None else session.leased_now(following.key)
        if following is None or leased_now is None or not self._is_ours(leased_now):
            return None, None
        if self.is_paused(following.rule):
            until = later(self.clock.now(), PAUSE)
            state, tried = DeliveryState.PENDING, following.attempts
            session.settle([Settlement(following.key, state, tried, until, following.reason)])
            return None, None
        kind, topic = following.kind, following.topic
        reason = reason_to_withhold(leased_now.attributes, kind, topic)
        if reason is not None:
            state, now = DeliveryState.WITHHELD, self.clock.now()
            refused = Settlement(following.key, state, following.attempts, now, reason)
            session.settle([refused])
            return None, refused
        person, recipient = leased_now.user_id or following.person, leased_now.attributes or {}
        return following._replace(person=person, recipient=recipient), None

    def _is_ours(self, leased_now: LeasedNow) -> bool:
        """Whether it still waits for this hand-over; another process may have taken it if that took long."""
        return leased_now.state is DeliveryState.PENDING and leased_now.due_at == self.leased_until

    def settle(self, ends: Sequence[CallEnd[Delivery]]) -> None:
        """Settle several deliveries at once."""
        settlements = [self._settlement(end) for end in ends]
        self.store.transact(lambda session: session.settle(settlements))
        for end, settlement in zip(ends, settlements, strict=True):
            self._tell(end, settlement)

    def put_back(self, deliveries: Sequence[Delivery]) -> bool:
        """Release deliveries; if the store cannot, their lease runs out."""
        ends = [Settlement(d.key, d.state, d.attempts, d.due_at, d.reason) for d in deliveries]
        try:
            self.store.transact(lambda session: session.settle(ends))
        except StoreError as error:
            log_event(
                _LOG, logging.WARNING, "put-back-failed", code=error.code, deliveries=len(ends)
            )
            return False
        return True

    def _settlement(self, ended: CallEnd[Delivery]) -> Settlement:
        delivery, error = ended
        attempts, now = delivery.attempts + 1, self.clock.now()
        if error is None:
            return Settlement(delivery.key, DeliveryState.SENT, attempts, now, None)
        reason = _reason_of(error)
        if isinstance(error, NotTriedError):
            state, due_at = DeliveryState.PENDING, later(now, self.policy.first)
            return Settlement(delivery.key, state, delivery.attempts, due_at, reason)
        pause = self.policy.after_failure(delivery.idempotency_key, attempts, error)
        if pause is None:
            return Settlement(delivery.key, DeliveryState.DEAD, attempts, now, reason)
        due_at = later(now, pause)
        return Settlement(delivery.key, DeliveryState.PENDING, attempts, due_at, reason)

    def _tell(self, ended: CallEnd[Delivery], settlement: Settlement) -> None:
        self._count(settlement.state)
        error = ended.error
        if isinstance(error, NotTriedError):
            return
        after = _settled(ended.item, settlement)
        if error is None:
            self.monitor.tell_of_delivery(Event.SENT, after)
            return
        self.monitor.tell_of_delivery(Event.FAILED, after, error=type(error).__name__)
        if settlement.state is DeliveryState.DEAD:
            self.monitor.tell_of_delivery(Event.DEAD, after, error=type(error).__name__)

    def _count(self, state: DeliveryState) -> None:
        with self.lock:
            self.counts[state] += 1


def _settled(delivery: Delivery, end: Settlement) -> Delivery:
    return delivery._replace(
        state=end.state, attempts=end.attempts, due_at=end.due_at, reason=end.reason
    )


def _reason_of(error: BaseException) -> str:
    if isinstance(error, RetryLater | GiveUp | ChannelTimeoutError | NotTriedError | NotRunError):
        return _words_of(error)
    return f"{type(error).__name__}: {_words_of(error)}"


def _words_of(error: BaseException) -> str:
    """The text of an error of the host's, in a form that every database can keep."""
    try:
        said = str(error)
    except Exception as fault:  # noqa: BLE001 - the host's code, too
        return f"(its text cannot be had: {type(fault).__name__})"
    return said.replace("\0", "\N{SYMBOL FOR NULL}").encode("utf-8", "replace").decode()
