"""The dispatcher: deliveries are sent, tried again or given up, and none is lost."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from io import StringIO
from typing import Any

import pytest
from tests.rule_files import book_of
from tests.shop import NOON, purchase, thanks

from whereupon import Delivery, Engine, Retry, RetryLater, UnknownNameError
from whereupon.channels import Console
from whereupon.delivery.dispatcher import Dispatched
from whereupon.records import DeliveryState
from whereupon.scheduling.clocks import FrozenClock

_TRIES = 4
_POLICY = Retry(tries=_TRIES, first=timedelta(seconds=10), longest=timedelta(seconds=25))


class _Channel:
    """Keeps the deliveries that it is given, or raises the error that it is set to."""

    def __init__(self) -> None:
        self.taken: list[Delivery] = []
        self.refusal: Callable[[Delivery], Exception | None] = lambda _: None

    def __call__(self, delivery: Delivery) -> None:
        self.taken.append(delivery)
        refusal = self.refusal(delivery)
        if refusal is not None:
            raise refusal


def _opened(
    clock: FrozenClock, *rules: dict[str, object], store: str = "memory://"
) -> tuple[Engine, _Channel]:
    engine = Engine.open(store, rules=book_of(*(rules or (thanks(),))), clock=clock, retry=_POLICY)
    channel = _Channel()
    engine.channel("push")(channel)
    return engine, channel


def _outbox(engine: Engine) -> list[tuple[DeliveryState, int, datetime]]:
    found = engine.deliveries()
    return [(delivery.state, delivery.attempts, delivery.due_at) for delivery in found]


@pytest.fixture
def opened(clock: FrozenClock, place: str) -> Iterator[tuple[Engine, _Channel]]:
    """An engine on each kind of store, with a rule and a broadcast, and its channel."""
    drop: dict[str, object] = {
        "broadcast": "price-drop",
        "description": "Something is cheaper.",
        "when": "Price Dropped",
        "whereupon": [{"send": "push", "title": "{{ properties.product }}"}],
    }
    engine, channel = _opened(clock, thanks(), drop, store=place)
    with engine:
        yield engine, channel


@pytest.fixture
def clock() -> FrozenClock:
    """Noon, until a test moves it."""
    return FrozenClock(NOON)


def test_what_is_due_is_handed_to_its_channel_once(clock: FrozenClock) -> None:
    """The next round does not find a sent delivery."""
    engine, push = _opened(clock)
    engine.ingest([purchase(1)])
    assert engine.run_due().dispatched == Dispatched(sent=1)
    assert engine.run_due().dispatched == Dispatched()
    assert [(each.person, each.channel, each.content) for each in push.taken] == [
        ("ada", "push", {"title": "Thanks"})
    ]
    assert _outbox(engine) == [(DeliveryState.SENT, 1, NOON)]


def test_a_pause_doubles_up_to_the_longest_with_at_most_a_quarter_more(
    clock: FrozenClock,
) -> None:
    """Exponential backoff; the jitter follows from the key, the same on every machine."""
    engine, _ = _opened(clock)
    engine.ingest([purchase(number) for number in range(200)])
    jitters = set()
    for delivery in engine.deliveries(limit=200):
        for attempts, usual in ((1, 10), (2, 20), (3, 25), (60, 25), (10_000, 25)):
            pause = _POLICY.pause(delivery.idempotency_key, attempts).total_seconds()
            assert usual <= pause <= usual * 1.25
            assert pause == _POLICY.pause(delivery.idempotency_key, attempts).total_seconds()
        jitters.add(_POLICY.pause(delivery.idempotency_key, 1))
    assert len(jitters) > 190  # a burst of failures does not come back as a burst


def test_a_delivery_that_fails_is_tried_again_after_its_pause_and_not_before(
    clock: FrozenClock,
) -> None:
    """Every attempt has the same idempotency key, so that the receiving side can recognise it."""
    engine, push = _opened(clock)
    push.refusal = lambda _: ConnectionError("no route")
    engine.ingest([purchase(1)])
    assert engine.run_due().dispatched == Dispatched(retried=1)
    (failed,) = engine.deliveries()
    assert (failed.state, failed.attempts) == (DeliveryState.PENDING, 1)
    assert failed.reason == "ConnectionError: no route"
    assert failed.due_at == NOON + _POLICY.pause(failed.idempotency_key, 1)
    clock.move_to(failed.due_at - timedelta(microseconds=1))
    assert engine.run_due().dispatched == Dispatched()
    push.refusal = lambda _: None
    clock.move_to(failed.due_at)
    assert engine.run_due().dispatched == Dispatched(sent=1)
    first, second = push.taken
    assert first.idempotency_key == second.idempotency_key


@pytest.mark.parametrize(
    ("asked", "waited"),
    [(timedelta(hours=2), timedelta(hours=2)), (timedelta(0), None), (None, None)],
)
def test_a_channel_that_asks_for_time_gets_at_least_the_usual_pause(
    clock: FrozenClock, asked: timedelta | None, waited: timedelta | None
) -> None:
    """`Retry-After` is honoured, but never makes the pause shorter."""
    engine, push = _opened(clock)
    push.refusal = lambda _: RetryLater(after=asked, reason="429")
    engine.ingest([purchase(1)])
    engine.run_due()
    (delivery,) = engine.deliveries()
    assert delivery.due_at == NOON + (waited or _POLICY.pause(delivery.idempotency_key, 1))
    assert delivery.reason == "429"


def _given_up(engine: Engine, clock: FrozenClock) -> Delivery:
    for _ in range(_TRIES):
        engine.run_due()
        clock.move_to(clock.now() + timedelta(minutes=1))
    (dead,) = engine.deliveries(DeliveryState.DEAD)
    return dead


def test_after_the_last_try_a_delivery_is_dead_and_listed_as_such(clock: FrozenClock) -> None:
    """A dead delivery can be listed, with the last error."""
    engine, push = _opened(clock)
    push.refusal = lambda _: ValueError("no such token")
    engine.ingest([purchase(1)])
    dead = _given_up(engine, clock)
    assert (dead.attempts, dead.reason) == (4, "ValueError: no such token")
    assert engine.deliveries(DeliveryState.PENDING, DeliveryState.SENT) == []
    clock.move_to(NOON + timedelta(days=30))
    assert engine.run_due().dispatched == Dispatched()
    assert len(push.taken) == 4


@pytest.mark.parametrize("store", ["memory://", "sqlite://"])
def test_retrying_a_dead_delivery_sends_it_under_its_old_key(
    clock: FrozenClock, store: str
) -> None:
    """A retry by an operator is not a second message: the receiver may have got the first."""
    engine, push = _opened(clock, store=store)
    push.refusal = lambda _: ValueError("no such token")
    engine.ingest([purchase(1)])
    dead = _given_up(engine, clock)
    push.refusal = lambda _: None
    engine.retry(dead)
    assert engine.run_due().dispatched == Dispatched(sent=1)
    assert {each.idempotency_key for each in push.taken} == {dead.idempotency_key}
    assert _outbox(engine) == [(DeliveryState.SENT, 1, clock.now())]
    assert engine.deliveries(DeliveryState.DEAD) == []


def test_a_delivery_without_a_channel_of_its_name_is_printed_where_the_host_says_so(
    clock: FrozenClock, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first try of a rule needs no configuration but one word."""
    pigeon = book_of(thanks(whereupon=[{"send": "pigeon", "body": "Grüße"}]))
    engine = Engine.open("memory://", rules=pigeon, clock=clock, unknown_channels="console")
    engine.ingest([purchase(1)])
    assert engine.run_due().dispatched == Dispatched(sent=1)
    assert capsys.readouterr().out == '[pigeon] to ada (thanks): {"body":"Grüße"}\n'
    with pytest.raises(ValueError, match="'hold' or 'console', not 'print'"):
        Engine.open("memory://", unknown_channels="print")  # type: ignore[arg-type]


def test_the_console_channel_writes_to_the_given_stream(clock: FrozenClock) -> None:
    """A host may give a stream of its own."""
    engine, _ = _opened(clock)
    shown = StringIO()
    engine.channel("push", Console(shown))
    engine.ingest([purchase(1)])
    engine.run_due()
    assert shown.getvalue() == '[push] to ada (thanks): {"title":"Thanks"}\n'


def test_one_delivery_that_always_fails_does_not_stop_the_others(clock: FrozenClock) -> None:
    """A poison delivery is retried and given up beside the queue, not at its head."""
    engine, push = _opened(clock)
    push.refusal = lambda delivery: KeyError("poison") if delivery.person == "eve" else None
    engine.ingest([purchase(0, "eve"), *(purchase(number, "ada") for number in range(1, 251))])
    assert engine.run_due().dispatched == Dispatched(sent=250, retried=1)
    clock.move_to(NOON + timedelta(minutes=1))
    engine.ingest([purchase(251, "bob")])
    assert engine.run_due().dispatched == Dispatched(sent=1, retried=1)


@pytest.mark.parametrize("store", ["memory://", "sqlite://"])
def test_a_crash_between_lease_and_settlement_only_delays_a_delivery(
    clock: FrozenClock, store: str
) -> None:
    """At least once, never silently: the lease ends, and the key stays."""
    engine, push = _opened(clock, store=store)
    engine.ingest([purchase(1)])
    until = NOON + _POLICY.lease
    with engine.store.session() as session:
        (leased,) = session.lease_deliveries("push", NOON, until, 10)  # and here its process dies
    assert engine.run_due().dispatched == Dispatched()
    clock.move_to(until - timedelta(microseconds=1))
    assert engine.run_due().dispatched == Dispatched()
    clock.move_to(until)
    assert engine.run_due().dispatched == Dispatched(sent=1)
    assert [each.idempotency_key for each in push.taken] == [leased.idempotency_key]
    assert push.taken[0].attempts == 0


def test_a_slow_channel_keeps_its_deliveries_from_everybody_else(clock: FrozenClock) -> None:
    """Deliveries that take longer than a lease are settled on the way, or another process would send them again."""
    engine, push = _opened(clock)
    other, others_push = (
        Engine(engine.store, book_of(thanks()), clock=clock, retry=_POLICY),
        _Channel(),
    )
    other.channel("push")(others_push)

    def slow(delivery: Delivery) -> None:
        push(delivery)
        clock.move_to(clock.now() + timedelta(minutes=1))
        other.run_due()

    engine.channel("push")(slow)
    engine.ingest([purchase(number) for number in range(20)])
    assert engine.run_due().dispatched == Dispatched(sent=20)
    assert len({delivery.key for delivery in push.taken}) == 20
    assert others_push.taken == []


@pytest.mark.parametrize("store", ["memory://", "sqlite://"])
def test_a_channel_may_call_the_engine_itself(clock: FrozenClock, store: str) -> None:
    """No transaction is open while a channel is called; what the channel records triggers in the same round."""
    welcome = thanks(campaign="echo", when="Push Sent", reentry="once")
    engine, push = _opened(clock, thanks(), welcome, store=store)

    def echoing(delivery: Delivery) -> None:
        push(delivery)
        own_id = f"sent-{delivery.idempotency_key}"
        engine.track("Push Sent", user_id=delivery.person, message_id=own_id)

    engine.channel("push")(echoing)
    engine.ingest([purchase(1)])
    assert engine.run_due().dispatched == Dispatched(sent=2)
    assert [delivery.rule for delivery in push.taken] == ["thanks", "echo"]


def test_a_delivery_to_an_unsubscribed_person_is_withheld(clock: FrozenClock) -> None:
    """They enter campaigns, and are sent nothing; the outbox says why."""
    engine, push = _opened(clock)
    engine.identify("ada", traits={"unsubscribed": True})
    engine.ingest([purchase(1)])
    assert engine.run_due().dispatched == Dispatched()
    (withheld,) = engine.deliveries()
    assert (withheld.state, withheld.reason) == (DeliveryState.WITHHELD, "unsubscribed")
    assert push.taken == []


def test_what_a_deleted_person_was_to_be_sent_is_gone(clock: FrozenClock) -> None:
    """A retry that waits is erased with its person."""
    engine, push = _opened(clock)
    push.refusal = lambda _: ConnectionError("no route")
    engine.ingest([purchase(1)])
    engine.run_due()
    engine.track("Delete Person", user_id="ada")
    clock.move_to(NOON + timedelta(days=1))
    assert engine.run_due().dispatched == Dispatched()
    assert (engine.deliveries(), len(push.taken)) == ([], 1)


@pytest.mark.parametrize("store", ["memory://", "sqlite://"])
def test_a_person_deleted_while_being_sent_something_stays_deleted(
    clock: FrozenClock, store: str
) -> None:
    """Settling an erased delivery does nothing."""
    engine, push = _opened(clock, store=store)

    def deleting(delivery: Delivery) -> None:
        push(delivery)
        engine.track("Delete Person", user_id=delivery.person)

    engine.channel("push")(deleting)
    engine.ingest([purchase(1), purchase(2)])
    engine.run_due()
    assert engine.deliveries() == []


class _UnspeakableError(Exception):
    """An error that cannot be printed."""

    def __str__(self) -> str:
        message = "no words"
        raise ValueError(message)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (
            RuntimeError("half \ud800, nothing \0"),
            "RuntimeError: half ?, nothing \N{SYMBOL FOR NULL}",
        ),
        (_UnspeakableError(), "_UnspeakableError: (its text cannot be had: ValueError)"),
        (RetryLater(after=timedelta.max), "asked to wait"),
        (RetryLater(after=1e9), "asked to wait"),
    ],
)
def test_any_error_of_a_channel_is_settled_and_stops_nobody(
    opened: tuple[Engine, _Channel], error: Exception, reason: str
) -> None:
    """Otherwise the deliveries beside it would be sent again, and the queue would stop."""
    engine, push = opened
    push.refusal = lambda delivery: error if delivery.person == "ada" else None
    engine.ingest([purchase(1), purchase(2, "bob")])
    assert engine.run_due().dispatched == Dispatched(sent=1, retried=1)
    assert engine.run_due().dispatched == Dispatched()
    (failed,) = engine.deliveries(DeliveryState.PENDING)
    assert (failed.person, failed.attempts, failed.reason) == ("ada", 1, reason)


def test_a_channel_may_ask_for_seconds_as_the_header_says(clock: FrozenClock) -> None:
    """`Retry-After: 120` is a number."""
    engine, push = _opened(clock)
    push.refusal = lambda _: RetryLater(after=120)
    engine.ingest([purchase(1)])
    engine.run_due()
    assert _outbox(engine) == [(DeliveryState.PENDING, 1, NOON + timedelta(minutes=2))]
    with pytest.raises(TypeError, match="a timedelta or a number of seconds; this is str"):
        RetryLater(after="120")  # type: ignore[arg-type]


async def _later(_: object) -> None:
    """What a host with an event loop would write."""


def _bit_by_bit(_: object) -> Iterator[None]:
    yield


def _handed_on(function: Any, delivery: Delivery) -> object:
    return function(delivery)


@pytest.mark.parametrize("function", [_bit_by_bit, None])
def test_what_would_do_nothing_when_called_is_refused_at_once(
    clock: FrozenClock, function: Any
) -> None:
    """Its deliveries would count as sent, and no person would have received them."""
    engine, _ = _opened(clock)
    with pytest.raises(TypeError):
        engine.channel("push")(function)
    for handler in (function, _later):
        with pytest.raises(TypeError):
            engine.action("Close Account", destructive=True)(handler)


@pytest.mark.parametrize("function", [_later, _bit_by_bit])
def test_a_call_that_has_yet_to_run_is_no_delivery(clock: FrozenClock, function: Any) -> None:
    """Also if it cannot be known at the registration, since a plain function returns the coroutine."""
    engine, _ = _opened(clock)
    engine.channel("push")(partial(_handed_on, function))
    engine.ingest([purchase(1)])
    assert engine.run_due().dispatched == Dispatched(retried=1)
    (failed,) = engine.deliveries()
    assert failed.reason is not None
    assert "write a plain function" in failed.reason


def test_a_delivery_that_was_listed_as_dead_is_retried_once(
    clock: FrozenClock, opened: tuple[Engine, _Channel]
) -> None:
    """Two operators who look at one list do not send it twice."""
    engine, push = opened
    push.refusal = lambda _: RuntimeError("down")
    engine.ingest([purchase(1)])
    for _ in range(_TRIES):
        engine.run_due()
        clock.move_to(clock.now() + timedelta(hours=1))
    (listed,) = engine.deliveries(DeliveryState.DEAD)
    push.refusal = lambda _: None
    engine.retry(listed)
    assert engine.run_due().dispatched == Dispatched(sent=1)
    with pytest.raises(UnknownNameError):
        engine.retry(listed)
    assert engine.run_due().dispatched == Dispatched()


def test_what_an_erasure_withheld_while_it_was_being_sent_is_not_tried_again(
    clock: FrozenClock, opened: tuple[Engine, _Channel]
) -> None:
    """Its content was erased with the person of the triggering message; no empty delivery is sent."""
    engine, push = opened

    def erase(_: Delivery) -> Exception:
        engine.track("Delete Person", user_id="ada", timestamp=NOON + timedelta(hours=1))
        return RuntimeError("down")

    push.refusal = erase
    engine.identify("bob")
    engine.track("Price Dropped", user_id="ada", properties={"product": "socks"})
    engine.run_due()
    clock.move_to(NOON + timedelta(days=1))
    assert engine.run_due().dispatched == Dispatched()
    (kept,) = engine.deliveries()
    assert (kept.person, kept.state, kept.content) == ("bob", DeliveryState.WITHHELD, {})
