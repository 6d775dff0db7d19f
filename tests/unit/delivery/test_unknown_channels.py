"""Deliveries for a name without a channel in this process: held, reported, and left to a process that has it."""

import logging

import pytest
from tests.rule_files import book_of
from tests.shop import NOON, purchase, thanks

from whereupon import Delivery, Engine
from whereupon.delivery.dispatcher import Dispatched
from whereupon.records import DeliveryState
from whereupon.scheduling.clocks import FrozenClock

_BOTH = book_of(
    thanks(whereupon=[{"send": "push", "title": "Hi"}, {"send": "pigeon", "body": "Hi"}])
)


def _states(engine: Engine) -> dict[str, tuple[DeliveryState, str | None, int]]:
    found = engine.deliveries(limit=1_000)
    return {each.channel: (each.state, each.reason, each.attempts) for each in found}


_HELD = (DeliveryState.HELD, "no-channel", 0)


def test_a_delivery_without_a_channel_is_held_and_never_printed_or_sent(
    place: str, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """There is one warning for each channel, however often the outbox is read."""
    with Engine.open(place, rules=_BOTH) as engine:
        engine.channel("push")(lambda _: None)
        for number in range(3):
            engine.ingest([purchase(number)])
            assert engine.run_due().dispatched == Dispatched(sent=1)
        assert _states(engine) == {"push": (DeliveryState.SENT, None, 1), "pigeon": _HELD}
        assert len(engine.deliveries(DeliveryState.HELD)) == 3
        backlog = engine.metrics().backlog
    assert capsys.readouterr().out == ""
    assert [(each.state, each.channel, each.number) for each in backlog] == [
        (DeliveryState.HELD, "pigeon", 3)
    ]
    events = [getattr(record, "event", None) for record in caplog.records]
    assert events.count("delivery-held") == 1


def test_what_is_held_goes_out_when_its_channel_appears(place: str) -> None:
    """In the same process, also for a channel that is registered after the first round."""
    taken: list[str] = []
    with Engine.open(place, rules=_BOTH) as engine:
        engine.ingest([purchase(1)])
        assert engine.run_due().dispatched == Dispatched()
        assert set(_states(engine).values()) == {_HELD}
        for name in ("push", "pigeon"):
            engine.channel(name)(lambda delivery: taken.append(delivery.channel))
        assert engine.run_due().dispatched == Dispatched(sent=2)
        assert set(_states(engine).values()) == {(DeliveryState.SENT, None, 1)}
    assert sorted(taken) == ["pigeon", "push"]


def test_a_process_without_a_channel_leaves_its_deliveries_to_one_that_has_it(
    database: str,
) -> None:
    """In a rolling deploy the old process neither takes them nor keeps them from the new one."""
    taken: list[Delivery] = []
    with Engine.open(database, rules=_BOTH) as old, Engine.open(database, rules=_BOTH) as new:
        old.channel("push")(lambda _: None)
        new.channel("pigeon")(taken.append)
        new.ingest([purchase(number) for number in range(110)])
        assert old.run_due().dispatched == Dispatched(sent=110)
        assert new.run_due().dispatched == Dispatched(sent=110)
        new.ingest([purchase(number) for number in range(110, 220)])
        assert new.run_due().dispatched == Dispatched(sent=110)
    assert len({delivery.key for delivery in taken}) == 220


def test_what_is_not_due_yet_is_not_held(place: str) -> None:
    """A channel that is registered in time causes no warning."""
    with Engine.open(place, rules=_BOTH, clock=FrozenClock(NOON)) as engine:
        with engine.store.session() as session:
            assert session.hold_deliveries("pigeon", NOON, 10) == 0
        engine.ingest([purchase(1)])
        with engine.store.session() as session:
            assert session.waiting_channels().pending == {"push": NOON, "pigeon": NOON}
            assert session.hold_deliveries("pigeon", NOON, 10) == 1
            assert [*session.waiting_channels().held] == ["pigeon"]


def test_who_is_erased_leaves_nothing_that_is_held(place: str) -> None:
    """A held delivery was not sent; it is erased with its person, as a waiting one is."""
    with Engine.open(place, rules=_BOTH) as engine:
        engine.ingest([purchase(1)])
        engine.run_due()
        engine.track("Delete Person", user_id="ada")
        assert engine.deliveries() == []


def test_where_all_is_due_a_process_without_channels_stays_quiet(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A console without channels does not warn of what it prints."""
    caplog.set_level(logging.WARNING)
    with Engine.open("memory://", rules=_BOTH, unknown_channels="console") as engine:
        engine.ingest([purchase(1)])
        assert engine.run_due().dispatched == Dispatched(sent=2)
    assert caplog.records == []
