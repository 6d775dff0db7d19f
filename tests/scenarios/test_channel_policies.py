"""Policies at work, on every store: rate, breaker, batches, async channels, and an outage of an hour."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from threading import Barrier, Event, Thread

import pytest
from tests.rule_files import book_of
from tests.shop import NOON, purchase, thanks

from whereupon import Delivery, DeliveryState, Engine, GiveUp, Retry, RetryLater
from whereupon.delivery.dispatcher import Dispatched
from whereupon.records import ChannelState
from whereupon.scheduling.clocks import FrozenClock

_PATIENCE = 10.0  # seconds; only a failing test ever waits so long
_MINUTE = timedelta(minutes=1)
_BOTH = book_of(
    thanks(whereupon=[{"send": "push", "title": "Hi"}, {"send": "email", "subject": "Hi"}])
)
_PUSH = book_of(thanks())


@pytest.fixture
def clock() -> FrozenClock:
    """Noon, until a test moves it."""
    return FrozenClock(NOON)


@pytest.fixture
def engines(place: str, clock: FrozenClock) -> Iterator[Sequence[Engine]]:
    """Two engines on one store, as in two processes."""
    with ExitStack() as stack:
        first = stack.enter_context(Engine.open(place, rules=_PUSH, clock=clock))
        if place.startswith("memory"):
            yield first, Engine(first.store, _PUSH, clock=clock)
        else:
            yield first, stack.enter_context(Engine.open(place, rules=_PUSH, clock=clock))


def _buy(engine: Engine, number: int) -> None:
    engine.ingest([purchase(each, f"person-{each}") for each in range(number)])


# --- rate -----------------------------------------------------------------------------------------


def test_a_rate_is_kept_by_all_processes_together(
    engines: Sequence[Engine], clock: FrozenClock
) -> None:
    """Two in a minute; after exactly a minute the next two."""
    taken: list[tuple[datetime, str]] = []
    for engine in engines:
        engine.channel(
            "push", lambda each: taken.append((clock.now(), each.person)), rate="2 per 1m"
        )
    _buy(engines[0], 5)
    for second in range(0, 121, 10):
        clock.move_to(NOON + timedelta(seconds=second))
        for engine in engines:
            engine.run_due()
    times = Counter(at for at, _ in taken)
    assert times == {NOON: 2, NOON + _MINUTE: 2, NOON + 2 * _MINUTE: 1}
    assert len({person for _, person in taken}) == 5


def test_places_of_deliveries_that_are_withheld_go_to_others(
    place: str, clock: FrozenClock
) -> None:
    """A rate counts calls, not people who have unsubscribed."""
    taken = list[str]()
    with Engine.open(place, rules=_PUSH, clock=clock) as engine:
        engine.channel("push", lambda each: taken.append(each.person), rate="2 per 1m")
        _buy(engine, 4)
        for number in (0, 1):
            engine.identify(f"person-{number}", traits={"unsubscribed": True})
        assert engine.run_due().dispatched == Dispatched(sent=2, withheld=2)
    assert taken == ["person-2", "person-3"]


# --- breaker --------------------------------------------------------------------------------------


def test_a_channel_that_fails_rests_in_all_processes_and_is_tried_with_one_call(
    engines: Sequence[Engine], clock: FrozenClock
) -> None:
    """What waits costs no attempts meanwhile; a success ends the rest, and a failure begins another one."""
    called, is_up, turns = list[str](), [False], list[tuple[str, int]]()

    def push(delivery: Delivery) -> None:
        called.append(delivery.person)
        if not is_up[0]:
            message = "down"
            raise ConnectionError(message)

    for engine in engines:
        engine.channel("push", push, breaker=(3, "60s"))
        engine.on("channel-down", lambda state: turns.append(("down", state.failures)))
        engine.on("channel-up", lambda state: turns.append(("up", state.failures)))
    _buy(engines[0], 20)
    for engine in engines:
        engine.run_due()
    assert len(called) == 3
    assert turns == [("down", 3)]
    tried = Counter(each.attempts for each in engines[0].deliveries(limit=99))
    assert tried == {1: 3, 0: 17}
    clock.move_to(NOON + _MINUTE)
    for engine in engines:
        engine.run_due()
    assert len(called) == 4  # one probe, in one of the processes
    is_up[0] = True
    clock.move_to(NOON + 2 * _MINUTE)
    for engine in engines:
        engine.run_due()
    assert {each.state for each in engines[0].deliveries(limit=99)} == {DeliveryState.SENT}
    assert turns == [("down", 3), ("up", 0)]


def test_what_is_wrong_with_single_deliveries_makes_no_channel_rest(
    place: str, clock: FrozenClock
) -> None:
    """`GiveUp` says that the channel works; nor do failures count that are not in a row."""
    with Engine.open(place, rules=_PUSH, clock=clock) as engine:

        @engine.channel("push", breaker=(2, 60))
        def push(delivery: Delivery) -> None:
            number = int(delivery.person.rpartition("-")[2])
            if number % 4 in (0, 1):
                message = "no such token"
                raise GiveUp(message)
            if number % 4 == 2:
                message = "hiccup"
                raise ConnectionError(message)

        _buy(engine, 40)
        assert engine.run_due().dispatched == Dispatched(sent=10, retried=10, dead=20)


def test_a_provider_that_limits_calls_makes_the_whole_channel_wait(
    engines: Sequence[Engine], clock: FrozenClock
) -> None:
    """`Retry-After: 90` with a 429 is about all calls, also without a breaker."""
    called = list[str]()

    def push(delivery: Delivery) -> None:
        called.append(delivery.person)
        if len(called) == 1:
            raise RetryLater(after=90, reason="429", channel=True)

    for engine in engines:
        engine.channel("push", push)
    _buy(engines[0], 3)
    for second in (0, 89):
        clock.move_to(NOON + timedelta(seconds=second))
        for engine in engines:
            engine.run_due()
    assert len(called) == 1
    clock.move_to(NOON + timedelta(seconds=90))
    assert engines[1].run_due().dispatched.sent >= 2


# --- an outage ------------------------------------------------------------------------------------

_OUTAGE = timedelta(hours=1)
_PEOPLE = 600


class _Provider:
    """A provider that is down for an hour from noon on; it notes when it got which delivery."""

    def __init__(self, clock: FrozenClock) -> None:
        self._clock = clock
        self.got: dict[str, datetime] = {}
        self.failures = 0

    def send(self, delivery: Delivery) -> None:
        """Take a delivery, or fail."""
        if self._clock.now() < NOON + _OUTAGE:
            self.failures += 1
            message = "no route"
            raise ConnectionError(message)
        self.got[delivery.idempotency_key] = self._clock.now()


@pytest.mark.slow
def test_a_provider_that_is_down_for_an_hour_costs_the_others_nothing_and_loses_nothing(
    place: str, clock: FrozenClock
) -> None:
    """Mail goes at the instant at which it is due; push goes after the hour, with few calls in vain."""
    down, mailed = _Provider(clock), dict[str, datetime]()

    def mail(delivery: Delivery) -> None:
        mailed[delivery.idempotency_key] = clock.now()

    with Engine.open(place, rules=_BOTH, clock=clock) as engine:
        other = Engine(engine.store, _BOTH, clock=clock)
        for each in (engine, other):
            each.channel("push", down, breaker=(5, "60s"), concurrency=4)
            each.channel("email", mail)
        minutes = range(70)
        for minute in minutes:
            clock.move_to(NOON + minute * _MINUTE)
            people = range(minute * _PEOPLE // 60, (minute + 1) * _PEOPLE // 60)
            if minute < 60:
                engine.ingest([purchase(number, f"person-{number}") for number in people])
            for each in (engine, other):
                each.run_due()
        made = {d.idempotency_key: d for d in engine.deliveries(limit=9_999)}
    mails = {key for key, each in made.items() if each.channel == "email"}
    assert {each.state for each in made.values()} == {DeliveryState.SENT}
    assert set(mailed) == mails
    assert set(down.got) == set(made) - mails
    assert len(mails) == len(down.got) == _PEOPLE
    per_minute = Counter(mailed.values())
    assert per_minute == {NOON + minute * _MINUTE: _PEOPLE // 60 for minute in range(60)}
    assert down.failures <= 5 + 4 + 60


def test_a_channel_that_hangs_does_not_keep_what_becomes_due_for_others(place: str) -> None:
    """In the background, too: mail goes while a push hangs, also what comes in only then."""
    hanging, released, mailed = Event(), Event(), [Event(), Event()]

    def push(_: Delivery) -> None:
        hanging.set()
        released.wait(_PATIENCE)

    def mail(delivery: Delivery) -> None:
        mailed[int(delivery.person[-1])].set()

    with Engine.open(place, rules=_BOTH) as engine:
        engine.channel("push", push)
        engine.channel("email", mail)
        engine.start()
        engine.ingest([purchase(0, "person-0")])
        assert hanging.wait(_PATIENCE)
        assert mailed[0].wait(_PATIENCE)
        engine.ingest([purchase(1, "person-1")])
        assert mailed[1].wait(_PATIENCE)
        released.set()


# --- side by side, in batches, and async ----------------------------------------------------------


def test_so_many_calls_run_side_by_side_as_the_policy_says(place: str) -> None:
    """Four calls meet, again and again."""
    meeting = Barrier(4)
    with Engine.open(place, rules=_PUSH) as engine:
        engine.channel("push", lambda _: meeting.wait(_PATIENCE), concurrency=4)
        _buy(engine, 40)
        assert engine.run_due().dispatched == Dispatched(sent=40)


def test_a_batch_is_settled_delivery_by_delivery(place: str, clock: FrozenClock) -> None:
    """By what `send_many` says of each; people who may not be sent it are not in the batch."""
    batches = list[list[str]]()

    class Provider:
        batch_size = 10

        def send_many(self, deliveries: Sequence[Delivery]) -> list[BaseException | None]:
            batches.append([each.person for each in deliveries])
            verdicts = {"person-1": GiveUp("gone"), "person-2": RetryLater(after=60)}
            return [verdicts.get(each.person) for each in deliveries]

    with Engine.open(place, rules=_PUSH, clock=clock) as engine:
        engine.channel("push", Provider())
        _buy(engine, 25)
        engine.identify("person-3", traits={"unsubscribed": True})
        ran = engine.run_due().dispatched
        assert ran == Dispatched(sent=22, retried=1, dead=1, withheld=1)
        (again,) = engine.deliveries(DeliveryState.PENDING)
    assert [len(batch) for batch in batches] == [9, 10, 5]
    assert (again.person, again.attempts) == ("person-2", 1)


@pytest.mark.parametrize("answer", [[None], "ok", 7, [None] * 2 + ["sent"]])
def test_a_batch_of_which_nobody_knows_what_was_sent_is_tried_again(
    answer: object, clock: FrozenClock
) -> None:
    """An answer that fits no delivery is a failure of each; with `None` all were sent."""

    class Provider:
        def send_many(self, _: Sequence[Delivery]) -> object:
            return answer

    with Engine.open("memory://", rules=_PUSH, clock=clock) as engine:
        engine.channel("push", Provider())
        _buy(engine, 3)
        assert engine.run_due().dispatched == Dispatched(retried=3)
        assert "send_many returns None, or a list" in (engine.deliveries()[0].reason or "")


def test_async_channels_run_on_one_loop_side_by_side(place: str) -> None:
    """A function, a `send` and a `send_many`; what they raise counts as elsewhere."""
    loops = set[asyncio.AbstractEventLoop]()

    async def push(delivery: Delivery) -> None:
        loops.add(asyncio.get_running_loop())
        await asyncio.sleep(0)
        if delivery.person == "person-0":
            message = "no such token"
            raise GiveUp(message)

    class Mail:
        async def send_many(self, deliveries: Sequence[Delivery]) -> None:
            loops.add(asyncio.get_running_loop())
            assert len(deliveries) > 1

    with Engine.open(place, rules=_BOTH) as engine:
        engine.channel("push", concurrency=5)(push)
        engine.channel("email", Mail())
        _buy(engine, 20)
        assert engine.run_due().dispatched == Dispatched(sent=39, dead=1)
    assert len(loops) == 1
    assert all(loop.is_closed() for loop in loops)


def test_an_async_call_beyond_its_limit_is_cancelled(clock: FrozenClock) -> None:
    """Unlike a thread it can be ended, so the next call is made at once."""
    cancelled, called = Event(), list[str]()

    async def push(delivery: Delivery) -> None:
        called.append(delivery.person)
        if delivery.person == "person-0":
            try:
                await asyncio.sleep(_PATIENCE)
            finally:
                cancelled.set()

    with Engine.open("memory://", rules=_PUSH, clock=clock, retry=Retry(timeout=1)) as engine:
        engine.channel("push", push)
        _buy(engine, 2)
        assert engine.run_due().dispatched == Dispatched(sent=1, retried=1)
        (late,) = engine.deliveries(DeliveryState.PENDING)
        assert late.reason == "the channel did not come back in 1 s"
        assert cancelled.wait(_PATIENCE)
    assert called == ["person-0", "person-1"]


def test_closing_ends_what_an_async_channel_awaits(clock: FrozenClock) -> None:
    """After the time that a host gives it; the delivery goes out again when its lease is over."""
    awaiting = Event()

    async def push(_: Delivery) -> None:
        awaiting.set()
        await asyncio.sleep(_PATIENCE * 6)

    engine = Engine.open("memory://", rules=_PUSH, clock=clock)
    engine.channel("push", push)
    _buy(engine, 1)
    due = Thread(target=engine.run_due)
    due.start()
    assert awaiting.wait(_PATIENCE)
    engine.close(timeout=0)
    due.join(_PATIENCE)
    assert not due.is_alive()


def test_what_a_process_knows_of_a_channel_is_in_the_store(place: str, clock: FrozenClock) -> None:
    """So a process that starts anew keeps the rest."""
    with Engine.open(place, rules=_PUSH, clock=clock) as engine:

        @engine.channel("push", breaker=(1, "10m"))
        def push(_: Delivery) -> None:
            raise ConnectionError

        _buy(engine, 1)
        engine.run_due()
        with engine.store.session() as session:
            until = NOON + timedelta(minutes=10)
            assert session.channel("push") == ChannelState("push", (), 1, until)


def test_one_delivery_that_is_to_come_again_makes_no_channel_rest(clock: FrozenClock) -> None:
    """A mail server may greylist five recipients in a row."""
    with Engine.open("memory://", rules=_PUSH, clock=clock) as engine:

        @engine.channel("push", breaker=(3, "60s"))
        def push(_: Delivery) -> None:
            raise RetryLater(after=300, reason="greylisted")

        _buy(engine, 9)
        assert engine.run_due().dispatched == Dispatched(retried=9)


def test_a_channel_that_was_attached_is_closed_with_the_engine() -> None:
    """Its connections do not outlive the engine."""
    closed = list[str]()

    class Provider:
        def attach(self, _: object) -> None: ...

        def send(self, _: Delivery) -> None: ...

        def close(self) -> None:
            closed.append("provider")

    with Engine.open("memory://", rules=_PUSH) as engine:
        with pytest.raises(ValueError, match="concurrency"):
            engine.channel("push", Provider(), concurrency=0)
        engine.channel("push", Provider())
    assert closed == ["provider"]  # and not the one that was refused
