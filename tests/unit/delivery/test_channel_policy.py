"""Policies of channels: how they are written, and what is refused with a sentence that says what to write."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.shop import NOON

from whereupon import Engine, Retry
from whereupon.channels import Inbox
from whereupon.delivery.channel_policy import Breaker, ChannelPolicy, Rate, policy_of
from whereupon.records import ChannelState


def test_a_policy_is_what_the_host_says_on_top_of_what_the_channel_says() -> None:
    """A ready channel knows its provider; a function says nothing."""

    class Mail:
        address = "mail"
        policy = ChannelPolicy(concurrency=8, breaker=Breaker(5, timedelta(minutes=1)))

        def send(self, _: object) -> None: ...

    assert policy_of("email", {}, Mail()) == ChannelPolicy(
        concurrency=8, breaker=Breaker(5, timedelta(minutes=1)), address="mail"
    )
    said = policy_of("email", {"breaker": None, "rate": "100 per 1s", "timeout": "10s"}, Mail())
    assert said == ChannelPolicy(
        concurrency=8,
        rate=Rate(100, timedelta(seconds=1)),
        timeout=timedelta(seconds=10),
        address="mail",
    )
    assert policy_of("sms", {}, print) == ChannelPolicy(address="phone")


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("100 per 1s", Rate(100, timedelta(seconds=1))),
        ("500 per 1m", Rate(500, timedelta(minutes=1))),
        ("3 per h", Rate(3, timedelta(hours=1))),
        (" 7  per 2 d ", Rate(7, timedelta(days=2))),
    ],
)
def test_a_rate_is_a_number_and_a_duration(text: str, rate: Rate) -> None:
    """As people say it."""
    assert Rate.of(text) == rate
    assert Rate.of(str(rate)) == rate


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"rate": "fast"}, "a rate is written as '100 per 1s'"),
        ({"rate": "0 per 1s"}, "a rate is written as '100 per 1s'"),
        ({"rate": 100}, "a rate is written as '100 per 1s'"),
        ({"breaker": (0, 60)}, "a breaker is a number of failures and a duration"),
        ({"breaker": 5}, "a breaker is a pair"),
        ({"breaker": (5, "soon")}, "a duration is a whole number and a unit"),
        ({"concurrency": 0}, "concurrency is a whole number from 1 to 1000, not 0"),
        ({"concurrency": True}, "concurrency is a whole number"),
        ({"timeout": 0}, "a timeout is longer than nothing"),
        ({"concurrency": 2.5}, "concurrency is a whole number from 1 to 1000, not 2.5"),
        ({"concurrency": "8"}, "concurrency is a whole number from 1 to 1000, not '8'"),
        ({"timeout": float("inf")}, "a number of seconds that a timedelta can hold; this is inf"),
        ({"timeout": float("nan")}, "a number of seconds that a timedelta can hold; this is nan"),
        ({"retry": "3 times"}, "retry is a Retry, such as"),
        ({"address": 5}, "address is the name of an attribute"),
        ({"timeout": [1]}, "a duration is a timedelta, a number of seconds or a text"),
        ({"concurency": 3}, "a channel has no option 'concurency'; there are: address, breaker"),
    ],
)
def test_a_wrong_option_is_refused_when_the_channel_is_registered(
    options: dict[str, Any], sentence: str
) -> None:
    """Not in the night, at the first delivery."""
    with (
        Engine.open("memory://") as engine,
        pytest.raises((ValueError, TypeError), match=sentence),
    ):
        engine.channel("push", lambda _: None, **options)


def test_a_class_in_place_of_a_channel_is_refused() -> None:
    """To call it would only make an object, and its deliveries would count as sent."""

    class Push:
        def __init__(self, *_: object) -> None: ...

        def send(self, _: object) -> None: ...

    with Engine.open("memory://") as engine:
        with pytest.raises(TypeError, match=r"this is its class: write Push\(\.\.\.\)"):
            engine.channel("push", Push)
        with pytest.raises(TypeError, match=r"this is its class: write Push\(\.\.\.\)"):
            engine.channel("push")(Push)
        with pytest.raises(TypeError, match=r"this is its class: write Inbox\(\.\.\.\)"):
            engine.channel("inbox", Inbox)  # type: ignore[arg-type]  # a host that does not check types


@pytest.mark.parametrize("size", [0, -3, True, 2.5, "many", None])
def test_a_size_of_batches_that_is_no_number_is_refused(size: object) -> None:
    """When the channel is registered, and not when its first delivery is due."""

    class Batches:
        batch_size = size

        def send_many(self, _: object) -> None: ...

    with Engine.open("memory://") as engine, pytest.raises(ValueError, match="batch_size is a"):
        engine.channel("push", Batches())


def test_durations_of_retries_are_texts_too() -> None:
    """Seconds, texts and timedeltas mean the same."""
    texts = Retry(first="10s", longest="6h", for_at_least="3d")
    assert texts == Retry(first=10, longest=timedelta(hours=6), for_at_least=timedelta(hours=72))
    with pytest.raises(ValueError, match="a whole number and a unit"):
        Retry(first="now")


spans = st.timedeltas(timedelta(milliseconds=1), timedelta(days=2))
steps = st.lists(st.tuples(st.integers(0, 10**9), st.integers(1, 9)), min_size=1, max_size=40)


@given(most=st.integers(1, 20), span=spans, steps=steps)
def test_no_span_of_time_ever_has_more_calls_than_the_rate_allows(
    most: int, span: timedelta, steps: list[tuple[int, int]]
) -> None:
    """Whenever calls are wanted; and they are not refused for longer than a span and its fiftieth."""
    state, now, begun = ChannelState("push"), NOON, list[tuple[Any, int]]()
    for pause, wanted in steps:
        now += timedelta(microseconds=pause % (2 * span // timedelta(microseconds=1) + 1))
        allowed = min(wanted, most - state.begun(now, span))
        real = sum(count for at, count in begun if at > now - span - span / 50)
        assert allowed >= min(wanted, most - real)
        if allowed > 0:
            state = state.with_calls(allowed, now, span)
            begun.append((now, allowed))
        else:
            assert now < state.free_at(now, span) <= now + span
        assert len(state.calls) <= 52
    for end, _ in begun:
        assert sum(count for at, count in begun if end - span < at <= end) <= most


@given(st.lists(st.integers(1, 9), min_size=1, max_size=9), st.integers(0, 99))
def test_places_that_are_given_back_are_free_again(counts: list[int], back: int) -> None:
    """The newest first; more than there are is all."""
    state, span = ChannelState("push"), timedelta(hours=1)
    for number, count in enumerate(counts):
        state = state.with_calls(count, NOON + number * timedelta(minutes=5), span)
    now = NOON + len(counts) * timedelta(minutes=5)
    before = state.begun(now, span)
    assert state.without_calls(back).begun(now, span) == max(0, before - back)
