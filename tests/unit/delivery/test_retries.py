"""The retry policy: how long a delivery or an action is tried again, and when it is given up."""

from datetime import timedelta

import pytest
from tests.rule_files import book_of
from tests.shop import NOON, purchase, thanks

from whereupon import Delivery, Engine, Retry, RetryLater
from whereupon.delivery.dispatcher import Dispatched
from whereupon.delivery.retries import GiveUp
from whereupon.records import DeliveryState, RequestOutcome
from whereupon.scheduling.clocks import FrozenClock

_KEY = "8000" + "0" * 28
_TICK = timedelta(microseconds=1)
_SECOND, _HOUR = timedelta(seconds=1), timedelta(hours=1)


def _until_given_up(policy: Retry, key: str = _KEY) -> list[timedelta]:
    pauses: list[timedelta] = []
    while (pause := policy.after_failure(key, len(pauses) + 1, OSError())) is not None:
        pauses.append(pause)
    return pauses


@pytest.mark.parametrize("key", ["0000" + "0" * 28, "ffff" + "f" * 28])
def test_by_default_something_is_tried_for_three_days(key: str) -> None:
    """The pauses grow up to six hours; the jitter adds a day at most."""
    pauses = _until_given_up(Retry(), key)
    assert timedelta(hours=72) <= sum(pauses, timedelta()) < timedelta(hours=97)
    assert timedelta(seconds=10) <= pauses[0] <= timedelta(seconds=12.5)
    assert 6 * _HOUR <= pauses[-1] <= 7.5 * _HOUR


@pytest.mark.parametrize(
    ("enough", "attempts"),
    [
        (timedelta(0), 1),
        (_TICK, 2),
        (10 * _SECOND, 2),
        (10 * _SECOND + _TICK, 3),
        (30 * _SECOND, 3),
        (30 * _SECOND + _TICK, 4),
        (55 * _SECOND, 4),
        (55 * _SECOND + _TICK, 5),
    ],
)
def test_it_is_given_up_when_the_pauses_were_long_enough(enough: timedelta, attempts: int) -> None:
    """After 10, 20, 25 and 25 seconds, without jitter: not earlier, and not later."""
    policy = Retry(first=10 * _SECOND, longest=25 * _SECOND, for_at_least=enough)
    assert len(_until_given_up(policy)) == attempts - 1


def test_the_number_of_tries_can_be_limited() -> None:
    """It ends however short the pauses are; without pauses a number is required."""
    assert len(_until_given_up(Retry(tries=3))) == 2
    assert Retry(tries=3, first=timedelta(0)).gives_up(3)
    with pytest.raises(ValueError, match="tried for ever"):
        Retry(first=timedelta(0))
    with pytest.raises(ValueError, match="tried for ever"):
        Retry(longest=timedelta(0))


def test_a_hundred_thousand_tries_are_counted_in_no_time() -> None:
    """A channel that asks for one attempt a second gets them for three days."""
    policy = Retry(first=_SECOND, longest=_SECOND)
    assert not policy.gives_up(3 * 24 * 3600)
    assert policy.gives_up(3 * 24 * 3600 + 1)


def test_who_asks_for_time_gets_it_where_it_is_more_than_the_pause() -> None:
    """`Retry-After` is a lower limit; a receiver that asks for *at once* does not shorten the pause."""
    policy = Retry()
    usual = policy.pause(_KEY, 3)
    for asked, waited in (
        (usual + _TICK, usual + _TICK),
        (usual, usual),
        (usual - _TICK, usual),
        (timedelta(0), usual),
    ):
        assert policy.after_failure(_KEY, 3, RetryLater(after=asked)) == waited
    assert policy.after_failure(_KEY, 3, RetryLater()) == usual


def test_an_outage_of_two_days_loses_nothing(place: str) -> None:
    """Every delivery goes out when the receiver is back, whenever it was due."""
    clock, taken = FrozenClock(NOON), list[str]()
    back = NOON + timedelta(days=2)

    def push(delivery: Delivery) -> None:
        if clock.now() < back:
            raise ConnectionError
        taken.append(delivery.person)

    with Engine.open(place, rules=book_of(thanks()), clock=clock) as engine:
        engine.channel("push")(push)
        for number in range(3):
            engine.ingest([purchase(number, f"p-{number}")])
            clock.move_to(clock.now() + 12 * _HOUR)
        while clock.now() < NOON + timedelta(days=4):
            engine.run_due()
            clock.move_to(clock.now() + _HOUR)
        assert sorted(taken) == ["p-0", "p-1", "p-2"]
        assert engine.deliveries(DeliveryState.DEAD) == []


def test_a_channel_that_gives_up_is_not_asked_again(place: str) -> None:
    """A delivery that can never succeed is dead at once, with the channel's text."""

    def push(_: Delivery) -> None:
        raise GiveUp("no such mailbox")  # noqa: EM101, TRY003 - as a channel would write it

    with Engine.open(place, rules=book_of(thanks())) as engine:
        engine.channel("push")(push)
        engine.ingest([purchase(1)])
        assert engine.run_due().dispatched == Dispatched(dead=1)
        (dead,) = engine.deliveries(DeliveryState.DEAD)
    assert (dead.attempts, dead.reason) == (1, "no such mailbox")


@pytest.mark.parametrize("ends", [False, True])
def test_an_action_of_the_hosts_is_tried_as_long_as_a_delivery(*, ends: bool) -> None:
    """Both follow one policy, and both can be given up at once."""
    clock = FrozenClock(NOON)
    tries = 0

    def close(_: object) -> None:
        nonlocal tries
        tries += 1
        if ends:
            raise GiveUp
        raise ConnectionError

    with Engine.open("memory://", clock=clock) as engine:
        engine.action("Close Account", destructive=False)(close)
        engine.track("Close Account", user_id="ada")
        while clock.now() < NOON + timedelta(days=5):
            engine.run_due()
            clock.move_to(clock.now() + _HOUR / 6)
        (request,) = engine.requests()
    assert request.outcome is RequestOutcome.FAILED
    assert tries == (1 if ends else len(_until_given_up(Retry())) + 1)


def _dead(place: str, clock: FrozenClock) -> Engine:
    """An engine with three dead deliveries: two pushes, one of which died a day ago, and an email."""
    mail = thanks(campaign="mail", when="Mailed", whereupon=[{"send": "email", "subject": "Hi"}])
    engine = Engine.open(place, rules=book_of(thanks(), mail), clock=clock, retry=Retry(tries=1))

    def refuse(_: Delivery) -> None:
        raise ConnectionError

    engine.channel("push")(refuse)
    engine.channel("email")(refuse)
    engine.ingest([purchase(1)])
    engine.run_due()
    clock.move_to(NOON + timedelta(days=1))
    engine.ingest([purchase(2)])
    engine.track("Mailed", user_id="ada")
    engine.run_due()
    assert len(engine.deliveries(DeliveryState.DEAD)) == 3
    return engine


@pytest.mark.parametrize(
    ("which", "count"),
    [
        ({}, 3),
        ({"channel": "push"}, 2),
        ({"channel": "pigeon"}, 0),
        ({"rule": "mail"}, 1),
        ({"rule": "mail", "channel": "push"}, 0),
        ({"since": _HOUR}, 2),
        ({"since": timedelta(days=1)}, 3),
        ({"since": timedelta(days=1) - _TICK}, 2),
        ({"since": _HOUR, "channel": "push"}, 1),
    ],
)
def test_dead_deliveries_are_put_back_all_at_once(
    place: str, which: dict[str, object], count: int
) -> None:
    """All of them, or those of a channel, of a rule, or of the last hours; each under its old key."""
    clock = FrozenClock(NOON)
    with _dead(place, clock) as engine:
        before = {d.idempotency_key: d.attempts for d in engine.deliveries()}
        assert engine.retry_all(**which) == count  # type: ignore[arg-type]
        pending = engine.deliveries(DeliveryState.PENDING)
        assert len(pending) == count
        assert {d.attempts for d in pending} <= {0}
        assert {d.idempotency_key for d in pending} <= before.keys()
        for name in ("push", "email"):
            engine.channel(name)(lambda _: None)
        assert engine.run_due().dispatched == Dispatched(sent=count)
        assert engine.retry_all(**which) == 0  # type: ignore[arg-type]
