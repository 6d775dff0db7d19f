"""The one call that ends a channel's rest: a probe that says nothing about the channel makes way for another."""

from collections import Counter
from datetime import timedelta
from threading import Event, Thread

from tests.rule_files import book_of
from tests.shop import NOON, purchase, thanks

from whereupon import Delivery, DeliveryState, Engine, GiveUp
from whereupon.scheduling.clocks import FrozenClock

_PATIENCE = 10.0  # seconds; only a failing test ever waits so long
_RULES = book_of(thanks())
_PEOPLE = [f"p-{number}" for number in range(6)]


class _Push:
    """A channel that is down until it is told otherwise."""

    def __init__(self) -> None:
        self.called: list[str] = []
        self.is_up = False
        self.refused: set[str] = set()
        self.began, self.released = Event(), Event()
        self.released.set()

    def send(self, delivery: Delivery) -> None:
        self.called.append(delivery.person)
        self.began.set()
        assert self.released.wait(_PATIENCE)
        if delivery.person in self.refused:
            raise GiveUp
        if not self.is_up:
            message = "down"
            raise ConnectionError(message)


def _rested(engine: Engine, push: _Push, clock: FrozenClock, *, concurrency: int = 1) -> list[str]:
    """Bring the channel to the end of its rest; it works by then. Whose deliveries have waited for that."""
    engine.channel("push", push, breaker=(1, "1s"), concurrency=concurrency)
    engine.ingest([purchase(number, person) for number, person in enumerate(_PEOPLE)])
    engine.run_due()
    assert 1 <= len(push.called) <= concurrency
    waiting = sorted({*_PEOPLE} - {*push.called})
    push.is_up = True
    push.called.clear()
    push.began.clear()
    clock.move_to(NOON + timedelta(seconds=1))
    return waiting


def _states(engine: Engine) -> Counter[DeliveryState]:
    return Counter(each.state for each in engine.deliveries())


def test_people_who_may_not_be_sent_anything_do_not_lengthen_a_rest(place: str) -> None:
    """However many of them are first in line; the next who may be sent it is the probe, at once."""
    clock, push = FrozenClock(NOON), _Push()
    with Engine.open(place, rules=_RULES, clock=clock) as engine:
        _rested(engine, push, clock)
        for person in _PEOPLE[1:4]:
            engine.identify(person, traits={"unsubscribed": True})
        engine.run_due()
        assert push.called == _PEOPLE[4:]
        assert engine.status().resting == ()
        assert _states(engine)[DeliveryState.WITHHELD] == 3


def test_a_probe_that_is_given_up_does_not_lengthen_a_rest(place: str) -> None:
    """`GiveUp` speaks only against its delivery, so it neither ends the rest nor begins another."""
    clock, push = FrozenClock(NOON), _Push()
    with Engine.open(place, rules=_RULES, clock=clock) as engine:
        _rested(engine, push, clock)
        push.refused = {*_PEOPLE[1:3]}
        engine.run_due()
        assert push.called == _PEOPLE[1:]
        assert _states(engine)[DeliveryState.DEAD] == 2


def test_what_somebody_finds_waiting_during_a_probe_goes_out_behind_it(place: str) -> None:
    """Both calls of `run_due` return when all is done, though one of them saw the channel rest."""
    clock, push = FrozenClock(NOON), _Push()
    with Engine.open(place, rules=_RULES, clock=clock) as engine:
        waiting = _rested(engine, push, clock, concurrency=2)
        push.released.clear()
        first = Thread(target=engine.run_due)
        first.start()
        assert push.began.wait(_PATIENCE)
        second = Thread(target=engine.run_due)
        second.start()
        push.released.set()
        for thread in (first, second):
            thread.join(_PATIENCE)
        assert sorted(push.called) == waiting


def test_a_probe_whose_call_fails_begins_another_rest(place: str) -> None:
    """So that a provider that is down gets one call, whatever comes first."""
    clock, push = FrozenClock(NOON), _Push()
    with Engine.open(place, rules=_RULES, clock=clock) as engine:
        _rested(engine, push, clock)
        push.is_up = False
        engine.identify(_PEOPLE[1], traits={"unsubscribed": True})
        engine.run_due()
        assert len(push.called) == 1
        assert [each.failures for each in engine.status().resting] == [2]
