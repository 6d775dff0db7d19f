"""Channels that rest are listed, so that whoever is on call sees why nothing leaves."""

from datetime import timedelta

from tests.rule_files import book_of
from tests.scenarios.commands import whereupon
from tests.shop import NOON, purchase, thanks

from whereupon import Delivery, Engine, RetryLater
from whereupon.messages.times import format_instant
from whereupon.scheduling.clocks import FrozenClock

_RULES = book_of(
    thanks(whereupon=[{"send": "push"}, {"send": "email"}, {"send": "sms"}, {"send": "chat"}])
)


def _fail(_: Delivery) -> None:
    message = "down"
    raise ConnectionError(message)


def _wait(_: Delivery) -> None:
    raise RetryLater(after=7200, channel=True)


def _register(engine: Engine) -> None:
    """Two channels that rest, one that works, and one whose breaker has not had enough."""
    engine.channel("push", _fail, breaker=(1, "1h"))
    engine.channel("email", _wait)
    engine.channel("sms", lambda _: None, breaker=(1, "1h"))
    engine.channel("chat", _fail, breaker=(2, "1h"))


def test_status_lists_channels_that_rest_until_they_go_on(place: str) -> None:
    """By name; a channel that works is none of them, nor is one whose rest is over."""
    clock = FrozenClock(NOON)
    with Engine.open(place, rules=_RULES, clock=clock) as engine:
        _register(engine)
        assert engine.status().resting == ()
        engine.ingest([purchase(1)])
        engine.run_due()
        found = [(each.name, each.failures, each.rests_until) for each in engine.status().resting]
        assert found == [
            ("email", 0, NOON + timedelta(hours=2)),
            ("push", 1, NOON + timedelta(hours=1)),
        ]
        clock.move_to(NOON + timedelta(hours=1))
        assert [each.name for each in engine.status().resting] == ["email"]


def test_the_command_says_until_when_a_channel_rests_and_why(database: str) -> None:
    """In a process of its own that has no channels; as lines and as JSON."""
    with Engine.open(database, rules=_RULES) as engine:
        _register(engine)
        engine.ingest([purchase(1)])
        engine.run_due()
        email, push = (
            format_instant(each.rests_until) for each in engine.status().resting if each.rests_until
        )
    shown = whereupon("status", "--store", database)
    assert shown.stdout.splitlines()[-2:] == [
        f"channel email rests until {email}, as its provider asked",
        f"channel push rests until {push}, after 1 failure in a row",
    ]
    assert whereupon("status", "--store", database, "--json").records[-2:] == [
        {"kind": "resting", "channel": "email", "failures": 0, "until": email},
        {"kind": "resting", "channel": "push", "failures": 1, "until": push},
    ]
