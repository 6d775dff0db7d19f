"""Actions of the host: guarded like the built-in ones, called after the commit, and tried until they succeed."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from threading import Event

import pytest
from pydantic import BaseModel, JsonValue
from tests.rule_files import campaign, guard
from tests.worlds import NOON, World, world

from whereupon.delivery.action_caller import ActionCaller
from whereupon.delivery.action_calls import ActionCall
from whereupon.delivery.lanes import MOST_HANGING, NotTriedError
from whereupon.delivery.monitor import Monitor
from whereupon.delivery.retries import Retry, RetryLater
from whereupon.engine import Engine
from whereupon.errors import RequestError
from whereupon.pipeline.current import CurrentPipeline
from whereupon.records import Request, RequestOutcome


class Closing(BaseModel):
    """The properties of a request to close an account."""

    reason: str
    refund: int = 0


class Bank:
    """A handler that keeps its calls, and fails as often as it is set to."""

    def __init__(self, *failures: Exception) -> None:
        self.orders: list[ActionCall] = []
        self.failures = list(failures)

    def __call__(self, order: ActionCall) -> None:
        """Keep the call, or fail."""
        self.orders.append(order)
        if self.failures:
            raise self.failures.pop(0)


def bank(
    handler: Bank, *, destructive: bool = True, undo: Bank | None = None, **keys: JsonValue
) -> World:
    """A world with an action of the host's."""
    made = world(guard("closing", ["Close Account"], **keys))
    made.engine.action("Close Account", destructive=destructive, properties=Closing, undo=undo)(
        handler
    )
    return made


def ask(made: World, at: float = 1, **changes: JsonValue) -> RequestOutcome:
    """Let ada ask to close her account."""
    (request,) = made.track("Close Account", "ada", {"reason": "moving", **changes}, at=at).requests
    return request.outcome


def test_a_handler_runs_after_the_commit_with_what_was_asked() -> None:
    """It is called in the next round of due work; then the request has run."""
    handler = Bank()
    made = bank(handler)
    assert (ask(made, refund=5), handler.orders) == ("approved", [])
    ran = made.engine.run_due()
    (order,) = handler.orders
    assert order.properties == Closing(reason="moving", refund=5)
    assert (order.person, order.action, order.attempt) == ("ada", "Close Account", 1)
    assert [(each.outcome, each.message) for each in ran.requests] == [("ran", None)]
    made.engine.run_due()
    assert len(handler.orders) == 1


@pytest.mark.parametrize("changes", [{"reason": None}, {"reason": {"a": 1}}, {"refund": "lots"}])
def test_properties_that_do_not_fit_are_refused(changes: dict[str, JsonValue]) -> None:
    """The detail names the property, and quotes no value."""
    made = bank(Bank())
    asked: dict[str, JsonValue] = {"reason": "moving", **changes}
    (request,) = made.track("Close Account", "ada", asked, at=1).requests
    assert (request.outcome, request.reason) == ("refused", "invalid-properties")
    assert "lots" not in (request.detail or "")
    assert next(iter(changes)) in (request.detail or "")


def test_every_guard_has_a_say_in_what_the_host_does() -> None:
    """Identity, source and approvals are checked as for a deletion."""
    handler = Bank()
    made = bank(handler, approvals=1)
    made.track("Close Account", None, {"reason": "x"}, anonymous="anon-1", at=0)
    assert made.requests() == [("Close Account", "refused", "not-identified")]
    assert ask(made) == "held"
    made.engine.run_due()
    assert handler.orders == []
    (request,) = made.engine.requests.list(RequestOutcome.HELD)
    assert made.engine.requests.approve(request.key, by="lena").outcome == "approved"
    made.engine.run_due()
    assert len(handler.orders) == 1


def test_a_rules_step_asks_for_nothing_destructive() -> None:
    """Otherwise any sender of an event that triggers the rule, such as a browser, could have it done."""
    step: dict[str, JsonValue] = {"track": "Close Account", "properties": {"reason": "moving"}}
    closing = campaign("closing-time", "left", reentry="every_time", whereupon=[step])
    for destructive, outcome in ((True, "refused"), (False, "approved")):
        handler = Bank()
        made = world(closing)
        made.engine.action("Close Account", destructive=destructive, properties=Closing)(handler)
        (request,) = made.track("left", "ada", at=1, source="client").requests
        assert request.outcome == outcome
        assert (request.reason == "source") is destructive
        made.engine.run_due()
        assert len(handler.orders) == (not destructive)


def test_what_destroys_nothing_needs_no_consent() -> None:
    """The action must be known, its properties valid, and the person identified."""
    handler = Bank()
    made = bank(handler, destructive=False, approvals=2)
    assert ask(made) == "approved"


def test_a_failure_is_tried_again_later_under_the_same_key() -> None:
    """It is recorded and raises nothing; `RetryLater` sets the shortest pause."""
    handler = Bank(ValueError("ada's bank says no"), RetryLater(after=timedelta(hours=2)))
    made = bank(handler)
    ask(made)
    (first,) = made.engine.run_due().requests
    assert (first.outcome, first.reason, first.attempts) == ("approved", "ValueError", 1)
    assert made.engine.run_due().requests == []
    made.clock.move_to(made.clock.now() + timedelta(minutes=1))
    (second,) = made.engine.run_due().requests
    assert second.due_at is not None
    assert second.due_at >= made.clock.now() + timedelta(hours=2)
    made.clock.move_to(second.due_at)
    (third,) = made.engine.run_due().requests
    assert (third.outcome, third.attempts) == ("ran", 3)
    assert len({order.idempotency_key for order in handler.orders}) == 1
    facts = [row.facts for row in made.engine.audit.rows()]
    assert [each["kind"] for each in facts] == ["judged", "failed", "failed", "executed"]
    assert facts[1]["error"] == "ValueError"
    assert "bank" not in repr(facts)


def test_what_fails_again_and_again_is_given_up_and_can_be_retried() -> None:
    """A named operator can retry it, and its attempts start again."""
    handler = Bank(*[OSError()] * 2)
    made = world(guard("closing", ["Close Account"], approvals={"needed": 0, "by": ["lena"]}))
    policy = Retry(tries=2, first=timedelta(seconds=1))
    made.engine = Engine(made.home, made.engine.pipeline.index.book, clock=made.clock, retry=policy)
    made.engine.action("Close Account", destructive=True)(handler)
    ask(made)
    made.engine.run_due()
    made.clock.move_to(made.clock.now() + timedelta(minutes=1))
    (failed,) = made.engine.run_due().requests
    assert (failed.outcome, failed.reason) == ("failed", "OSError")
    with pytest.raises(RequestError, match="not-allowed"):
        made.engine.requests.retry(failed.key, by="eve")
    made.engine.requests.retry(failed.key, by="lena")
    assert [each.outcome for each in made.engine.run_due().requests] == ["ran"]
    with pytest.raises(RequestError, match="not-failed"):
        made.engine.requests.retry(failed.key, by="lena")


def test_a_handler_that_takes_too_long_has_failed() -> None:
    """The engine no longer waits for it and calls it again: at least once."""
    made, done = world(), Event()
    made.engine.action("Close Account", destructive=True, timeout=timedelta(milliseconds=20))(
        lambda _: done.wait(10)
    )
    ask(made)
    (late,) = made.engine.run_due().requests
    done.set()
    assert (late.outcome, late.reason) == ("approved", "TimeoutError")


@pytest.mark.parametrize(("after", "calls"), [(60, 1), (61, 2)], ids=["within", "past"])
def test_a_call_is_leased_for_as_long_as_its_handler_may_take(after: int, calls: int) -> None:
    """The lease is a minute longer, so that a call that has just ended in time is settled; then another process may try."""
    made, orders = world(), list[int]()
    other = Engine(made.home, made.engine.pipeline.index.book, clock=made.clock)

    def take_long(order: ActionCall) -> None:
        orders.append(order.attempt)
        if len(orders) == 1:
            made.clock.move_to(NOON + timedelta(minutes=1 + after))
            other.run_due()

    for engine in (made.engine, other):
        engine.action("Ping", destructive=True, timeout=timedelta(seconds=1))(take_long)
        engine.action("Close Account", destructive=True, timeout=timedelta(hours=1))(take_long)
    ask(made, at=1)
    made.engine.run_due()
    assert len(orders) == calls


def test_what_a_handler_was_given_is_recorded_without_anybodys_data() -> None:
    """The names of the properties, and a keyed hash."""
    made = bank(Bank())
    ask(made)
    made.engine.run_due()
    executed = [row.facts for row in made.engine.audit.rows()][-1]
    assert executed["properties"] == ["reason"]
    assert len(str(executed["properties_hash"])) == 32
    assert not {"ada", "moving"} & set(map(str, executed.values()))


def test_what_can_be_undone_is_undone_once() -> None:
    """The function that is registered for it is called with the same key."""
    handler, undo = Bank(), Bank(ValueError())
    made = bank(handler, undo=undo)
    ask(made)
    (ran,) = made.engine.run_due().requests
    with pytest.raises(RequestError, match="undo-failed"):
        made.engine.undo(ran.key, by="lena")
    assert made.engine.undo(ran.key, by="lena").outcome == "undone"
    assert {order.idempotency_key for order in undo.orders} == {handler.orders[0].idempotency_key}
    with pytest.raises(RequestError, match="no-undo"):
        made.engine.undo(ran.key, by="lena")


@pytest.mark.parametrize(("by", "code"), [("", "no-actor"), ("eve", "not-allowed")])
def test_only_who_may_decide_takes_back_what_was_done(by: str, code: str) -> None:
    """The audit log names the operator; the guard file says who is allowed."""
    undo = Bank()
    made = bank(Bank(), undo=undo, approvals={"needed": 0, "by": ["lena"]})
    ask(made)
    (request,) = made.engine.run_due().requests
    with pytest.raises(RequestError) as caught:
        made.engine.undo(request.key, by=by)
    assert (caught.value.code, undo.orders) == (code, [])
    assert made.engine.undo(request.key, by="lena").outcome == "undone"


def test_an_erased_persons_requests_are_cancelled() -> None:
    """No request that names them waits for a handler."""
    handler = Bank()
    made = bank(handler)
    ask(made)
    made.track("Delete Person", "ada", at=2)
    made.engine.run_due()
    assert handler.orders == []
    assert ("Close Account", "cancelled", "person-erased") in made.requests()


def put_back(caller: ActionCaller, request: Request) -> None:
    """Release a request, as when the engine is closed before its turn."""
    caller.put_back([request])


def not_tried(caller: ActionCaller, request: Request) -> None:
    """Release a request whose action hangs."""
    caller.settle(request, NotTriedError())


@pytest.mark.parametrize("release", [put_back, not_tried])
def test_a_request_that_is_erased_while_it_is_leased_stays_erased(
    release: Callable[[ActionCaller, Request], None],
) -> None:
    """What is released is the request as it is stored, not the copy that was leased with the person's data."""
    made = bank(Bank())
    ask(made)
    with made.home.session() as session:
        leased = session.lease_request(["Close Account"], made.clock.now(), NOON)
    assert leased is not None
    made.track("Delete Person", "ada", at=2)
    before = made.engine.requests.show(leased.key)
    assert (before.outcome, before.person, before.message) == ("cancelled", None, None)
    current = CurrentPipeline(made.engine.pipeline)
    release(ActionCaller(made.home, current, made.clock, Retry(), Monitor()), leased)
    assert made.engine.requests.show(leased.key) == before


@pytest.mark.parametrize("failures", [[], [ValueError()]], ids=["undone", "failed"])
def test_undoing_brings_no_data_of_an_erased_person_back(failures: list[Exception]) -> None:
    """The person may be erased while the function is called."""
    made, undo = world(), Bank(*failures)

    def erase_meanwhile(call: ActionCall) -> None:
        made.track("Delete Person", "ada", at=2)
        undo(call)

    made.engine.action("Ping", destructive=False, undo=erase_meanwhile)(Bank())
    made.track("Ping", "ada", at=1)
    (ran,) = made.engine.run_due().requests
    with suppress(RequestError):
        made.engine.undo(ran.key, by="lena")
    after_it = made.engine.requests.show(ran.key)
    assert (len(undo.orders), after_it.person, after_it.message) == (1, None, None)


def test_a_replay_calls_no_handler() -> None:
    """Waking does the engine's own due work, and calls no function of the host's."""
    handler = Bank()
    made = bank(handler)
    ask(made)
    made.run(9_999)
    assert handler.orders == []


def test_a_request_is_decided_where_its_handler_is_not_known() -> None:
    """A command line has the guard files, but none of the host's functions."""
    handler = Bank()
    made = bank(handler, approvals=1)
    ask(made)
    elsewhere = Engine(made.home, made.engine.pipeline.index.book, clock=made.clock)
    (request,) = elsewhere.requests.list(RequestOutcome.HELD)
    assert elsewhere.requests.approve(request.key, by="lena").outcome == "approved"
    assert elsewhere.run_due().requests == []
    made.engine.run_due()
    assert len(handler.orders) == 1


@pytest.mark.parametrize("name", ["Delete Person", "User Deleted", "Close Account"])
def test_a_name_is_taken_once(name: str) -> None:
    """The built-in actions and their events cannot be replaced."""
    made = bank(Bank())
    with pytest.raises(ValueError, match="already"):
        made.engine.action(name, destructive=False)(Bank())
    assert made.clock.now() == NOON


class StricterClosing(Closing):
    """The same properties with a stricter type."""

    iban: str


def test_a_request_that_no_longer_fits_the_model_fails_alone(tmp_path: Path) -> None:
    """The model changed after the request: that one request fails, as a record."""
    url = f"sqlite:///{tmp_path / 'bank.db'}"
    with Engine.open(url) as engine:
        engine.action("Close Account", destructive=False, properties=Closing)(Bank())
        engine.track("Close Account", user_id="ada", properties={"reason": "moving"})
    handler = Bank()
    with Engine.open(url) as engine:
        engine.action("Close Account", destructive=False, properties=StricterClosing)(handler)
        engine.track("Close Account", user_id="bob", properties={"reason": "moving", "iban": "X"})
        done = {each.person: (each.outcome, each.reason) for each in engine.run_due().requests}
    assert done == {"ada": ("approved", "ValidationError"), "bob": ("ran", None)}
    assert [order.person for order in handler.orders] == ["bob"]


def test_an_action_that_hangs_in_many_calls_is_not_called_until_one_returns() -> None:
    """As for a channel: requests that were not tried are put off, and no attempt is counted."""
    called: list[str | None] = []
    let_go = Event()

    def hang(call: ActionCall) -> None:
        called.append(call.person)
        let_go.wait(60)

    made = world()
    made.engine.action("Ping", destructive=False, timeout=timedelta(milliseconds=20))(hang)
    for number in range(MOST_HANGING + 1):
        made.track("Ping", f"user-{number}", at=number / 100)
        made.engine.run_due()
    try:
        assert called == [f"user-{number}" for number in range(MOST_HANGING)]
        tried = {each.person: each.attempts for each in made.engine.requests.list()}
        assert tried == {**dict.fromkeys(called, 1), f"user-{MOST_HANGING}": 0}
    finally:
        let_go.set()


def test_what_an_action_did_can_be_undone_while_the_action_hangs() -> None:
    """Undoing is another function, so the calls of the action do not count against it."""
    made, undo, let_go = world(), Bank(), Event()

    def hang(call: ActionCall) -> None:
        if call.person != "ada":
            let_go.wait(60)

    made.engine.action("Ping", destructive=False, undo=undo, timeout=timedelta(milliseconds=20))(
        hang
    )
    made.track("Ping", "ada", at=0)
    (ran,) = made.engine.run_due().requests
    try:
        for number in range(MOST_HANGING):
            made.track("Ping", f"user-{number}", at=(number + 1) / 100)
            made.engine.run_due()
        assert made.engine.undo(ran.key, by="lena").outcome == "undone"
        assert [call.person for call in undo.orders] == ["ada"]
    finally:
        let_go.set()
