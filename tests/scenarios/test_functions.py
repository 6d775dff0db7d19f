"""The step `run`, and a `webhook` that says what follows a failure: the entry waits for how its call ends."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from pydantic import JsonValue
from tests.rule_files import book_of
from tests.shop import NOON, news, purchase, thanks

from whereupon import Delivery, Engine, GiveUp, Retry, RetryLater
from whereupon.records import (
    NEVER,
    NO_VALUES,
    DeliveryState,
    Entry,
    EntryState,
    MarkKind,
    RetainedKind,
    RetentionCutoff,
)
from whereupon.replay.stream_replay import Replay
from whereupon.scheduling import FrozenClock

_HOUR = timedelta(hours=1)
_RUN = {"run": "score-lead", "with": {"number": "{{ properties.number }}", "deep": ["{{ event }}"]}}
_TELL = {"send": "push", "title": "{{ run.score-lead.score | default: 'none' }}"}


class _Shop:
    """An engine whose rule runs a function after each purchase, and what was called and sent."""

    def __init__(self, place: str, *steps: object, **rule: object) -> None:
        book = book_of(thanks(whereupon=[*steps], **rule))
        self.clock = FrozenClock(NOON)
        self.engine = Engine.open(place, rules=book, clock=self.clock, retry=Retry(tries=2))
        self.calls: list[Delivery] = []
        self.sent: list[object] = []
        self.engine.channel("push")(lambda delivery: self.sent.append(delivery.content["title"]))

    def returns(self, value: object = None, error: Exception | None = None) -> None:
        """Register the function."""

        def score_lead(delivery: Delivery) -> object:
            self.calls.append(delivery)
            if error is not None:
                raise error
            return value

        self.engine.function("score-lead", score_lead)

    def buy(self, number: int = 1) -> None:
        """Let Ada buy, and do what is due then."""
        self.engine.ingest([purchase(number)])
        self.engine.run_due()

    def later(self, hours: float) -> None:
        """Do what is due some hours after noon."""
        self.clock.move_to(NOON + hours * _HOUR)
        self.engine.run_due()

    def entry(self) -> Entry:
        """The one entry, as the store has it."""
        with self.engine.store.reading() as session:
            (entry,) = session.scan(Entry)
        return entry


@pytest.fixture
def shop(place: str) -> Iterator[Callable[..., _Shop]]:
    """Opens a shop on each kind of store."""
    opened: list[_Shop] = []

    def make(*steps: object, **rule: object) -> _Shop:
        opened.append(_Shop(place, *steps, **rule))
        return opened[-1]

    yield make
    for each in opened:
        each.engine.close()


def test_what_the_function_returns_is_there_in_the_steps_that_follow(
    shop: Callable[..., _Shop],
) -> None:
    """In templates, and in conditions of both forms; all of it in one round of due work."""
    good = {"send": "push", "if": {"run.score-lead.score": {"gt": 50}}, "title": "good"}
    logic = {"logic": {"==": [{"var": "run.score-lead.tags.0"}, "hot"]}}
    branch = {"branch": [{"if": logic, "then": [{"send": "push", "title": "hot"}]}, {"else": []}]}
    bad = {"send": "push", "if": {"not": {"run.score-lead.score": {"gt": 50}}}, "title": "bad"}
    made = shop(_RUN, _TELL, good, branch, bad)
    made.returns({"score": 80, "tags": ["hot"]})
    made.buy()
    assert made.sent == ["80", "good", "hot"]
    assert made.entry().state is EntryState.COMPLETED


def test_the_function_gets_the_person_the_facts_and_what_is_written_beside_it(
    shop: Callable[..., _Shop],
) -> None:
    """With the key by which its host can tell a second call; of kind internal, for people who unsubscribed, too."""
    made = shop(_RUN)
    made.returns(1)
    made.engine.identify("ada", traits={"plan": "pro", "unsubscribed": True})
    made.buy(7)
    (call,) = made.calls
    assert (call.person, call.recipient["plan"], call.channel) == ("ada", "pro", "run:score-lead")
    assert call.content == {"number": "7", "deep": ["purchase"]}
    assert call.facts["properties"] == {"number": 7}
    assert (call.kind.value, len(call.idempotency_key)) == ("internal", 32)


def test_a_crash_between_the_call_and_the_entry_loses_nothing(place: str) -> None:
    """The result is stored with the delivery, and another process goes on with the entry."""
    if place.startswith("memory"):
        pytest.skip("nothing is left of it")
    first = _Shop(place, _RUN, _TELL)
    first.returns({"score": 3})
    first.engine.ingest([purchase(1)])
    waiting = first.entry()
    assert (waiting.address, waiting.trail[-1].kind) == ("0", MarkKind.WAITS)
    first.engine._workers.dispatcher.dispatch_due()  # noqa: SLF001 - and there the process ends
    first.engine.close()
    second = _Shop(place, _RUN, _TELL)
    with second.engine:
        assert second.entry().due_at == NOON
        second.engine.run_due()
        assert (second.sent, second.calls) == (["3"], [])
        assert second.entry().state is EntryState.COMPLETED


def test_a_function_that_raises_is_tried_again_and_the_entry_waits(
    shop: Callable[..., _Shop],
) -> None:
    """Under the same key; only what it returns in the end counts."""
    made = shop(_RUN, _TELL)
    made.returns(error=RetryLater(after=_HOUR))
    made.buy()
    assert (len(made.calls), made.sent, made.entry().state) == (1, [], EntryState.ACTIVE)
    made.returns({"score": 5})
    made.later(2)
    assert made.sent == ["5"]
    assert made.calls[0].idempotency_key == made.calls[1].idempotency_key


def test_without_on_failure_a_run_that_fails_for_good_goes_on_without_a_result(
    shop: Callable[..., _Shop],
) -> None:
    """The entry's trail says why it failed."""
    made = shop(_RUN, _TELL)
    made.returns(error=GiveUp("no such lead"))
    made.buy()
    assert made.sent == ["none"]
    marks = [(mark.kind, mark.detail) for mark in made.entry().trail]
    assert marks == [(MarkKind.WAITS, "score-lead"), (MarkKind.FAILED, "no such lead")]


def test_on_failure_exit_ends_the_entry_with_the_reason_step_failed(
    shop: Callable[..., _Shop],
) -> None:
    """When the last try has failed, and not before."""
    made = shop(_RUN | {"on_failure": "exit"}, _TELL)
    made.returns(error=ValueError("down"))
    made.buy()
    assert made.entry().is_inside
    made.later(1)
    ended = made.entry().ended
    assert ended is not None
    assert (ended.reason, ended.detail, made.sent) == ("step-failed", "ValueError: down", [])


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({1, 2}, "score-lead returned what is not JSON: a value of type set"),
        ({"at": NOON}, "score-lead returned what is not JSON: a value of type datetime at at"),
        (
            {"a": [1, {"b": b""}]},
            "score-lead returned what is not JSON: a value of type bytes at a[1].b",
        ),
        ({1: 2}, "score-lead returned what is not JSON: a key that is not a text"),
        ([float("nan")], "score-lead returned what is not JSON: nan at [0]"),
        ("\ud800", "score-lead returned what is not JSON: "),
        ("x" * 40_000, "score-lead returned 40,002 bytes of JSON; at most 32,768 are kept"),
    ],
)
def test_a_value_that_is_not_json_fails_the_call_for_good(value: object, reason: str) -> None:
    """Another call would return no other; the reason says what is wrong, and where."""
    made = _Shop("memory://", _RUN, _TELL)
    with made.engine:
        made.returns(value)
        made.buy()
        (dead,) = made.engine.deliveries(DeliveryState.DEAD)
        assert dead.reason is not None
        assert dead.reason.startswith(reason)
        assert (len(made.calls), made.sent) == (1, ["none"])


@pytest.mark.parametrize("value", [0, False, None, "text", 1.5, [1, {"a": None}], {"a": (1, 2)}])
def test_any_value_of_json_is_a_result(place: str, value: object) -> None:
    """Null counts as missing, as it does everywhere in templates."""
    made = _Shop(place, _RUN, {"send": "push", "title": "{{ run.score-lead | default: 'none' }}"})
    with made.engine:
        made.returns(value)
        made.buy()
        kept = made.entry().trail[-1].values["result"]
        assert kept == ({"a": [1, 2]} if isinstance(value, dict) else value)
        assert made.entry().state is EntryState.COMPLETED


def test_an_async_function_works_as_async_channels_do(shop: Callable[..., _Shop]) -> None:
    """On the engine's event loop."""
    made = shop(_RUN, _TELL)

    @made.engine.function("score-lead")
    async def score_lead(delivery: Delivery) -> object:
        await asyncio.sleep(0)
        return {"score": len(delivery.person)}

    made.buy()
    assert made.sent == ["3"]


def test_an_unknown_function_holds_the_call_until_some_process_has_it(
    shop: Callable[..., _Shop],
) -> None:
    """As a delivery for an unknown channel is held."""
    made = shop(_RUN, _TELL)
    made.buy()
    (held,) = made.engine.deliveries(DeliveryState.HELD)
    assert (held.channel, made.sent) == ("run:score-lead", [])
    made.returns({"score": 1})
    made.later(0)
    assert made.sent == ["1"]


def test_an_entry_that_exits_meanwhile_withdraws_the_pending_call(
    shop: Callable[..., _Shop],
) -> None:
    """So the function is not called for nothing."""
    made = shop(_RUN, _TELL, exit=["Cancelled"])
    made.buy()
    made.engine.track("Cancelled", user_id="ada")
    (call,) = made.engine.deliveries(*DeliveryState)
    assert call.state is DeliveryState.WITHHELD
    made.returns(1)
    made.later(1)
    assert (made.calls, made.sent) == ([], [])


def test_an_entry_that_is_paused_goes_on_when_it_is_resumed(shop: Callable[..., _Shop]) -> None:
    """The call is held back with it."""
    made = shop(_RUN, _TELL)
    made.buy()
    made.engine.entries.pause("thanks", by="ops")
    made.returns({"score": 1})
    made.later(1)
    assert (made.calls, made.sent) == ([], [])
    made.engine.entries.resume("thanks", by="ops")
    made.later(2)
    assert (len(made.calls), made.sent) == (1, ["1"])


def test_a_template_that_cannot_be_rendered_fails_the_call_at_once(
    shop: Callable[..., _Shop],
) -> None:
    """Nothing is called, and nobody waits."""
    made = shop(_RUN | {"with": {"x": "{{ properties.no }}"}, "on_failure": "exit"}, _TELL)
    made.returns(1)
    made.buy()
    ended = made.entry().ended
    assert ended is not None
    assert (ended.reason, made.calls) == ("step-failed", [])
    assert str(ended.detail).startswith("template: ")


def test_the_result_of_a_function_that_runs_again_is_the_last(shop: Callable[..., _Shop]) -> None:
    """If the last call fails, there is none."""
    made = shop(_RUN, _TELL, {"wait": "1h"}, _RUN, _TELL, {"wait": "1h"}, _RUN, _TELL)
    for hours, value in enumerate([{"score": 1}, {"score": 2}, object()]):
        made.returns(value)
        made.buy() if not hours else made.later(hours)
    assert made.sent == ["1", "2", "none"]


def test_two_who_become_one_keep_their_calls(shop: Callable[..., _Shop]) -> None:
    """The result comes to the entry that waits for it, whoever it belongs to since."""
    made = shop(_RUN, _TELL)
    made.engine.ingest([purchase(1, "bob")])
    made.engine.run_due()
    made.engine.identify("ada", traits={"plan": "pro"})
    made.engine.alias("ada", previous_id="bob")
    made.returns({"score": 9})
    made.later(1)
    assert ([call.person for call in made.calls], made.sent) == (["ada"], ["9"])


_CALL = {"webhook": "https://hooks.example.com/x"}


@pytest.mark.parametrize(
    ("on_failure", "error", "sent", "reason"),
    [
        ("continue", GiveUp("gone"), ["after"], "completed"),
        ("exit", GiveUp("gone"), [], "step-failed"),
        ("continue", None, ["after"], "completed"),
        ("exit", None, ["after"], "completed"),
    ],
)
def test_a_webhook_with_on_failure_waits_for_how_its_call_ends(
    shop: Callable[..., _Shop],
    on_failure: str,
    error: Exception | None,
    sent: list[str],
    reason: str,
) -> None:
    """Then the entry goes on or ends; while the channel is away, it stands at the step."""
    made = shop(_CALL | {"on_failure": on_failure}, {"send": "push", "title": "after"})
    made.buy()
    assert (made.sent, made.entry().is_inside) == ([], True)

    @made.engine.channel("webhook")
    def call(_: Delivery) -> None:
        if error is not None:
            raise error

    made.later(0)
    ended = made.entry().ended
    assert ended is not None
    assert (made.sent, ended.reason) == (sent, reason)


def test_a_webhook_without_on_failure_lets_the_entry_go_on_at_once(
    shop: Callable[..., _Shop],
) -> None:
    """Nobody hears how it ended."""
    made = shop(_CALL, {"send": "push", "title": "after"})
    made.buy()
    assert (made.sent, made.entry().trail) == (["after"], ())


def test_what_no_function_may_be_is_refused_when_it_is_registered() -> None:
    """A name that no rule could say, a class, a generator, an option that there is not."""
    with Engine.open("memory://") as engine:
        for name in ("", "score lead", "9", "run:x", "a.b"):
            with pytest.raises(ValueError, match="letters, digits"):
                engine.function(name)
        with pytest.raises(TypeError, match="is a function"):
            engine.function("x", dict)  # type: ignore[arg-type]  # a class

        def generate(_: Delivery) -> Iterator[int]:
            yield 1

        with pytest.raises(TypeError, match="plain function"):
            engine.function("x", generate)
        with pytest.raises(TypeError, match="no option 'address'"):
            engine.function("x", print, address="email")  # type: ignore[call-overload]  # it has none
        with pytest.raises(ValueError, match="concurrency"):
            engine.function("x", print, concurrency=0)


def test_a_call_that_takes_longer_than_its_lease_is_made_again_and_counts_once(
    place: str,
) -> None:
    """As when the process ends after the call and before it is settled: the same key, one way on."""
    made = _Shop(place, _RUN, _TELL)
    with made.engine:
        made.engine.ingest([purchase(1)])
        with made.engine.store.session() as session:
            until = NOON + timedelta(minutes=5)
            (lost,) = session.lease_deliveries("run:score-lead", NOON, until, 9)
        made.returns({"score": 4})
        made.later(0)
        assert (made.calls, made.entry().address) == ([], "0")
        made.later(1)
        assert [call.idempotency_key for call in made.calls] == [lost.idempotency_key]
        assert made.sent == ["4"]


def test_a_call_whose_record_is_gone_has_failed(place: str) -> None:
    """It is not made a second time: nobody knows how the first one ended."""
    made = _Shop(place, _RUN, _TELL)
    with made.engine:
        made.engine.ingest([purchase(1)])
        made.returns(1)
        made.engine._workers.dispatcher.dispatch_due()  # noqa: SLF001 - and no entry wakes
        made.clock.move_to(NOON + timedelta(days=100))
        with made.engine.store.session() as session:
            cutoff = RetentionCutoff(RetainedKind.DELIVERIES, made.clock.now(), made.clock.now())
            assert session.prune(cutoff, 0, 99).gone == 1
        made.engine.run_due()
        assert (len(made.calls), made.sent) == (1, ["none"])
        assert made.entry().trail[-1].detail == "the record of the call is gone"


def test_in_a_wait_that_starts_anew_each_round_calls_anew(shop: Callable[..., _Shop]) -> None:
    """Each with a key of its own."""
    again = {"event": "Score", "again": True, "then": [_RUN, _TELL]}
    made = shop({"wait_for": [again], "up_to": "forever"})
    made.returns({"score": 1})
    made.buy()
    for hours in (1, 2):
        made.clock.move_to(NOON + hours * _HOUR)
        made.engine.track("Score", user_id="ada")
        made.engine.run_due()
    assert made.sent == ["1", "1"]
    assert len({call.idempotency_key for call in made.calls}) == 2
    assert made.entry().is_inside


def test_a_function_that_is_slow_holds_up_nobody_else(shop: Callable[..., _Shop]) -> None:
    """Whoever waits for it costs nothing until it is called, and other steps go on."""
    made = shop(_RUN, _TELL)
    made.returns(error=RetryLater(after=_HOUR))
    for number in range(5):
        made.engine.ingest([purchase(number, f"user-{number}")])
    made.engine.run_due()
    with made.engine.store.reading() as session:
        assert [entry.due_at for entry in session.scan(Entry)] == [NEVER] * 5
    assert made.engine.waiting().work_due is None


def test_a_broadcast_may_call_a_function_for_each_person(place: str) -> None:
    """Each entry waits for its own call."""
    rule = news(whereupon=[_RUN | {"with": {}}, _TELL | {"kind": "internal"}])
    with Engine.open(place, rules=book_of(rule), clock=FrozenClock(NOON)) as engine:
        sent: dict[str, object] = {}
        engine.function("score-lead", lambda call: {"score": len(call.person)})
        engine.channel("push")(lambda each: sent.__setitem__(each.person, each.content["title"]))
        for name in ("ada", "grace"):
            engine.identify(name)
        engine.trigger("news", key="one")
        engine.run_due()
        engine.run_due()
    assert sent == {"ada": "3", "grace": "5"}


def test_a_replay_calls_nothing_and_a_mapping_says_what_functions_return() -> None:
    """The call is told, as a delivery; without a word on it the function returns nothing."""
    said: dict[str, list[object]] = {}
    told: dict[str, JsonValue] = {"score-lead": {"score": 7}}
    for name, results in (("told", told), ("untold", NO_VALUES)):
        records: list[object] = []
        rule = thanks(
            whereupon=[_RUN | {"on_failure": "exit"}, _CALL | {"on_failure": "exit"}, _TELL]
        )
        clock = FrozenClock(NOON)
        with Engine.open("memory://", rules=book_of(rule), clock=clock) as engine:
            engine.function("score-lead", lambda _: pytest.fail("it was called"))
            replay = Replay(engine, clock, records.append, functions=results)
            engine.ingest([purchase(1)])
            replay.finish(timedelta(days=1))
            made = engine.deliveries(DeliveryState.PENDING)
        said[name] = [(each.channel, each.content.get("title")) for each in reversed(made)]
    assert said["told"] == [("run:score-lead", None), ("webhook", None), ("push", "7")]
    assert said["untold"][-1] == ("push", "none")


def test_with_stand_ins_a_test_of_the_hosts_own_needs_no_function(place: str) -> None:
    """What they return is said beforehand."""
    made = _Shop(place, _RUN, _TELL)
    with made.engine:
        made.engine.stand_in({"score-lead": {"score": 6}})
        made.buy()
        assert made.sent == ["6"]


def test_explain_says_what_became_of_a_call(shop: Callable[..., _Shop]) -> None:
    """That nobody has the function, that it was run, and that it was given up and ended the entry."""
    made = shop(_RUN | {"on_failure": "exit"}, _TELL)
    made.buy()
    assert "the function score-lead is held, since no process has it" in _told(made)
    made.returns({"score": 1})
    made.later(0)
    assert "the function score-lead was run at 2026-06-01T12:00:00Z; push “1” was sent" in _told(
        made
    )
    made.returns(error=GiveUp("no such lead"))
    made.buy(2)
    assert _told(made).endswith("since a call was given up: no such lead.")


def _told(made: _Shop) -> str:
    """The last sentence about Ada's purchases."""
    return max(made.engine.explain("ada", "thanks"), key=lambda each: each.message_id).sentence
