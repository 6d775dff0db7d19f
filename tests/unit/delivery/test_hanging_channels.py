"""Calls that hang: given up after a time limit, tried again under the same key, without delay for others."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from threading import Event, Thread

import pytest
from tests.rule_files import book_of
from tests.shop import NOON, purchase, thanks

from whereupon import Delivery, Engine, Retry
from whereupon.delivery.dispatcher import Dispatched
from whereupon.delivery.lanes import MOST_HANGING
from whereupon.records import DeliveryState
from whereupon.scheduling.clocks import FrozenClock

_PATIENCE = 10.0  # seconds; only a failing test ever waits so long
_LIMIT = timedelta(seconds=1)  # long for a call that does nothing, however busy the machine is
_POLICY = Retry(first=timedelta(seconds=10), timeout=_LIMIT)
_BOTH = thanks(whereupon=[{"send": "push", "title": "Hi"}, {"send": "email", "subject": "Hi"}])


class _Hanging:
    """A channel whose calls hang until they are released, except those after a number."""

    def __init__(self, calls: int) -> None:
        self.taken: list[Delivery] = []
        self.called, self.let_go, self.came_back = Event(), Event(), Event()
        self._calls = calls

    def __call__(self, delivery: Delivery) -> None:
        self.taken.append(delivery)
        if len(self.taken) <= self._calls:
            self.called.set()
            self.let_go.wait(_PATIENCE)
            self.came_back.set()


@pytest.fixture
def clock() -> FrozenClock:
    """Noon, until a test moves it."""
    return FrozenClock(NOON)


@pytest.fixture
def hanging() -> Iterator[_Hanging]:
    """A channel that hangs in its first call, and is released at the end."""
    channel = _Hanging(1)
    yield channel
    channel.let_go.set()


def _opened(clock: FrozenClock, push: _Hanging, policy: Retry = _POLICY) -> Engine:
    engine = Engine.open("memory://", rules=book_of(_BOTH), clock=clock, retry=policy)
    engine.channel("push")(push)
    engine.channel("email")(lambda _: None)
    return engine


def _pushes(engine: Engine) -> list[tuple[DeliveryState, int, str | None]]:
    found = [d for d in engine.deliveries(limit=1_000) if d.channel == "push"]
    return [(d.state, d.attempts, d.reason) for d in found]


def test_a_delivery_whose_channel_hangs_is_tried_again_under_its_key(
    clock: FrozenClock, hanging: _Hanging
) -> None:
    """It is unknown whether the first call delivered; the receiver can recognise the key."""
    engine = _opened(clock, hanging)
    engine.ingest([purchase(1)])
    assert engine.run_due().dispatched == Dispatched(sent=1, retried=1)
    reason = "the channel did not come back in 1 s"
    assert _pushes(engine) == [(DeliveryState.PENDING, 1, reason)]
    clock.move_to(NOON + timedelta(minutes=1))
    assert engine.run_due().dispatched == Dispatched(sent=1)
    assert len({delivery.idempotency_key for delivery in hanging.taken}) == 1
    assert _pushes(engine) == [(DeliveryState.SENT, 2, None)]


@pytest.mark.slow
def test_a_channel_that_hangs_for_ever_ends_in_a_dead_letter(clock: FrozenClock) -> None:
    """It is not tried for ever; an operator may have it tried again."""
    hanging = _Hanging(1_000)
    engine = _opened(clock, hanging, Retry(tries=2, timeout=_LIMIT))
    engine.ingest([purchase(1)])
    engine.run_due()
    clock.move_to(NOON + timedelta(hours=1))
    assert engine.run_due().dispatched == Dispatched(dead=1)
    hanging.let_go.set()


def test_a_channel_that_hangs_holds_up_neither_other_channels_nor_messages(
    clock: FrozenClock, hanging: _Hanging
) -> None:
    """While the push hangs, the emails are sent and a message is recorded."""
    engine = _opened(clock, hanging, Retry(timeout=timedelta(seconds=_PATIENCE)))
    mailed = Event()
    engine.channel("email")(lambda _: mailed.set())
    engine.ingest([purchase(1)])
    round_ = Thread(target=engine.run_due)
    round_.start()
    assert hanging.called.wait(_PATIENCE)
    assert mailed.wait(_PATIENCE)
    assert engine.ingest([purchase(2)]).accepted == 1
    hanging.let_go.set()
    round_.join(_PATIENCE)
    assert {state for state, _, _ in _pushes(engine)} == {DeliveryState.SENT}


def test_what_waits_behind_a_call_that_hangs_is_put_off_and_not_counted_as_tried(
    clock: FrozenClock, hanging: _Hanging
) -> None:
    """A hundred deliveries are not a hundred time-outs."""
    engine = _opened(clock, hanging)
    engine.ingest([purchase(number) for number in range(100)])
    engine.run_due()
    assert len(hanging.taken) == 1
    tried = sorted(attempts for _, attempts, _ in _pushes(engine))
    assert tried == [0] * 99 + [1]
    clock.move_to(NOON + timedelta(minutes=1))
    assert engine.run_due().dispatched == Dispatched(sent=100)


@pytest.mark.slow
def test_a_channel_that_hangs_in_many_calls_is_not_called_until_one_comes_back(
    clock: FrozenClock,
) -> None:
    """Otherwise every retry would leave one more thread behind."""
    hanging = _Hanging(MOST_HANGING)
    engine = _opened(clock, hanging)
    for number in range(MOST_HANGING + 2):
        engine.ingest([purchase(number)])
        engine.run_due()
        clock.move_to(clock.now() + timedelta(seconds=1))
    assert len(hanging.taken) == MOST_HANGING
    calls = [thread for thread in threading.enumerate() if thread.name == "to push"]
    hanging.let_go.set()
    for call in calls:
        call.join(_PATIENCE)
    clock.move_to(clock.now() + timedelta(hours=7))
    engine.run_due()
    assert {state for state, _, _ in _pushes(engine)} == {DeliveryState.SENT}


def test_a_call_that_comes_back_too_late_changes_nothing(
    clock: FrozenClock, hanging: _Hanging
) -> None:
    """It was counted as failed, and it is tried again whatever it returns now."""
    engine = _opened(clock, hanging)
    engine.ingest([purchase(1)])
    engine.run_due()
    before = _pushes(engine)
    hanging.let_go.set()
    assert hanging.came_back.wait(_PATIENCE)
    engine.run_due()
    assert _pushes(engine) == before
