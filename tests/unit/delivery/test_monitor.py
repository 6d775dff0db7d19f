"""Monitoring: deliveries and actions as log records, hooks and numbers."""

import logging
from collections.abc import Callable
from typing import NoReturn

import pytest
from tests.rule_files import book_of
from tests.shop import purchase, thanks

from whereupon import Delivery, Engine, Retry, UnknownNameError
from whereupon.delivery.dispatcher import Dispatched
from whereupon.records import DeliveryState, Request

_SECRET = "ada@example.com"  # noqa: S105 - an address
_RULES = book_of(thanks(whereupon=[{"send": "push", "title": "For {{ person.email }}"}]))


def _refuse(delivery: Delivery) -> NoReturn:
    message = f"no such mailbox: {delivery.recipient['email']}"
    raise ConnectionError(message)


def _opened(tries: int = 2, push: Callable[[Delivery], object] = _refuse) -> Engine:
    engine = Engine.open("memory://", rules=_RULES, retry=Retry(tries=tries))
    engine.channel("push")(push)
    engine.identify("ada", traits={"email": _SECRET})
    engine.ingest([purchase(1)])
    return engine


def test_each_failure_and_each_death_is_a_log_record_without_content_or_address(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The record names machine keys; the error's text may name the person, so only its type is logged."""
    with _opened(tries=1) as engine:
        engine.run_due()
        (dead,) = engine.deliveries(DeliveryState.DEAD)
    seen = [record for record in caplog.records if hasattr(record, "event")]
    assert [(r.event, r.levelno) for r in seen] == [
        ("delivery-failed", logging.WARNING),
        ("delivery-dead", logging.ERROR),
    ]
    for record in seen:
        keys = {name: getattr(record, name) for name in ("rule", "channel", "attempt", "key")}
        assert keys == {
            "rule": "thanks",
            "channel": "push",
            "attempt": 1,
            "key": dead.idempotency_key,
        }
        assert _SECRET not in repr(record.__dict__)
        assert "For " not in repr(record.__dict__)


def test_what_is_withheld_at_the_hand_over_is_logged_with_its_reason(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Every delivery that is not sent leaves a record."""
    caplog.set_level(logging.INFO)
    with _opened() as engine:
        engine.identify("ada", traits={"unsubscribed": True})
        assert engine.run_due().dispatched == Dispatched(withheld=1)
    (seen,) = [r for r in caplog.records if getattr(r, "event", "") == "delivery-withheld"]
    assert seen.reason == "unsubscribed"  # type: ignore[attr-defined]


def test_hooks_are_called_after_the_commit(place: str) -> None:
    """The hook gets the delivery as it is then."""
    seen: list[tuple[str, DeliveryState, int, DeliveryState]] = []
    with Engine.open(place, rules=book_of(thanks()), retry=Retry(tries=1)) as engine:

        def noting(event: str) -> Callable[[Delivery], None]:
            def note(delivery: Delivery) -> None:
                kept = {each.key: each for each in engine.deliveries()}
                seen.append((event, delivery.state, delivery.attempts, kept[delivery.key].state))

            return note

        for event in ("sent", "failed", "dead", "withheld"):
            engine.on(f"delivery-{event}", noting(event))
        engine.channel("push")(lambda delivery: 1 // (delivery.person == "ada"))
        engine.ingest([purchase(1, "ada"), purchase(2, "bob"), purchase(3, "cyd")])
        engine.identify("cyd", traits={"unsubscribed": True})
        engine.run_due()
    assert seen == [
        ("sent", DeliveryState.SENT, 1, DeliveryState.SENT),
        ("failed", DeliveryState.DEAD, 1, DeliveryState.DEAD),
        ("dead", DeliveryState.DEAD, 1, DeliveryState.DEAD),
        ("withheld", DeliveryState.WITHHELD, 0, DeliveryState.WITHHELD),
    ]


@pytest.mark.parametrize("fault", [ValueError, SystemExit])
def test_a_hook_that_fails_is_logged_and_harms_nothing(
    fault: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    """Neither the delivery, nor the deliveries behind it, nor the other hooks suffer."""
    seen: list[Delivery] = []

    def fail(_: Delivery) -> NoReturn:
        raise fault

    with _opened(push=lambda _: None) as engine:
        engine.on("delivery-sent", fail)
        engine.on("delivery-sent", seen.append)
        engine.ingest([purchase(2)])
        assert engine.run_due().dispatched == Dispatched(sent=2)
    assert len(seen) == 2
    assert [getattr(r, "event", None) for r in caplog.records].count("hook-failed") == 2


def test_a_hook_for_an_event_that_there_is_not_is_refused() -> None:
    """The error lists the existing names."""
    with (
        Engine.open("memory://") as engine,
        pytest.raises(UnknownNameError, match="delivery-dead") as caught,
    ):
        engine.on("delivery-died", print)
    assert "delivery-failed" in caught.value.known


def test_actions_of_the_host_are_reported_as_deliveries_are(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each failure is reported, and the last one."""
    seen: list[tuple[str, Request]] = []
    with Engine.open("memory://", retry=Retry(tries=1)) as engine:
        engine.action("Close Account", destructive=False)(_raise)
        engine.action("Open Account", destructive=False)(lambda _: None)
        for event in ("action-ran", "action-failed", "action-dead"):
            engine.on(event, lambda request, event=event: seen.append((event, request)))  # type: ignore[misc]
        engine.track("Close Account", user_id="ada")
        engine.track("Open Account", user_id="ada")
        engine.run_due()
        counts = engine.metrics().events
    in_turn = sorted(seen, key=lambda each: each[1].action)  # no action waits for another one
    assert [(event, request.action) for event, request in in_turn] == [
        ("action-failed", "Close Account"),
        ("action-dead", "Close Account"),
        ("action-ran", "Open Account"),
    ]
    assert counts["action-dead", "Close Account"] == 1
    records = [r for r in caplog.records if getattr(r, "event", "") == "action-dead"]
    assert [(r.action, r.attempt) for r in records] == [("Close Account", 1)]  # type: ignore[attr-defined]


def _raise(_: object) -> NoReturn:
    raise ConnectionError


def test_numbers_say_what_came_in_and_what_went_out(place: str) -> None:
    """Numbers of this process since its start, and the waiting and dead deliveries of the store."""
    with Engine.open(place, rules=book_of(thanks()), retry=Retry(tries=1)) as engine:
        engine.channel("push")(lambda delivery: 1 // (delivery.person == "ada"))
        engine.ingest([purchase(1), purchase(1), {"type": "track"}, purchase(2, "bob")])
        waiting = engine.metrics().backlog
        engine.run_due()
        metrics = engine.metrics()
    assert metrics.messages == {"accepted": 2, "duplicates": 1, "rejected": 1}
    assert metrics.events == {
        ("delivery-sent", "push"): 1,
        ("delivery-failed", "push"): 1,
        ("delivery-dead", "push"): 1,
    }
    assert [(b.state, b.channel, b.number) for b in waiting] == [(DeliveryState.PENDING, "push", 2)]
    assert [(b.state, b.channel, b.number) for b in metrics.backlog] == [
        (DeliveryState.DEAD, "push", 1)
    ]
