"""Messages on which the engine itself fails: they are set aside, listed and taken again; the queue goes on."""

from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import JsonValue
from tests.rule_files import book_of
from tests.shop import NOON, news, purchase, thanks

from whereupon import Engine
from whereupon.conditions import ALWAYS, Data
from whereupon.decide import Notice
from whereupon.decide.decisions import Outcome
from whereupon.messages.arrival import Arrival
from whereupon.messages.model import SenderClass
from whereupon.messages.wire import parse_message
from whereupon.pipeline.ingestion import WireMessage
from whereupon.records import DeliveryState
from whereupon.replay.records import Record, Summary
from whereupon.replay.stream_import import import_messages
from whereupon.replay.stream_replay import Replay
from whereupon.rules.model import Rulebook
from whereupon.scheduling.clocks import FrozenClock

_WAITING = [{"wait": "1h"}, {"track": "waited"}, {"send": "push", "title": "Thanks"}]


def _explodes(data: Data, _history: object) -> bool:
    """A host's condition that fails for some values."""
    person = data["person"]
    assert isinstance(person, dict)
    if _is_poison(data.get("properties")) or _is_poison(person):
        message = "too deep"
        raise RecursionError(message)
    return True


def _is_poison(values: JsonValue) -> bool:
    return isinstance(values, dict) and values.get("number") in {13, 14}


_EXPLODING = replace(ALWAYS, holds=_explodes)


def _fragile(rule: dict[str, object], *more: dict[str, object], who: bool = False) -> Rulebook:
    """Rules, the first of which has such a condition."""
    first, *others = book_of(rule, *more).rules
    broken = replace(first, who=_EXPLODING) if who else replace(first, where=_EXPLODING)
    return Rulebook(rules=(broken, *others))


def _opened(place: str, rules: Rulebook) -> Engine:
    return Engine.open(place, rules=rules, clock=FrozenClock(NOON))


def _messages(engine: Engine) -> int:
    with engine.store.session() as session:
        return session.counts().messages


def test_a_poison_message_is_rejected_and_the_rest_of_its_batch_goes_in(place: str) -> None:
    """The rejection names the message by its place in the batch, with bad messages and duplicates counted."""
    with _opened(place, _fragile(thanks())) as engine:
        bad = {"type": "track", "event": "purchase"}
        batch: list[WireMessage] = [
            bad,
            purchase(1),
            purchase(13),
            purchase(2),
            purchase(14),
            purchase(2),
        ]
        result = engine.ingest(batch)
        assert [(each.index, each.code) for each in result.rejected] == [
            (0, "missing-id"),
            (2, "poison"),
            (4, "poison"),
        ]
        assert "RecursionError: too deep" in result.rejected[1].message
        assert (result.accepted, result.duplicates, _messages(engine)) == (2, 1, 2)
        assert [d.message_id for d in result.decisions] == ["purchase-1", "purchase-2"]


def test_a_batch_of_nothing_but_poison_goes_through(place: str) -> None:
    """The messages are set aside one after another."""
    with _opened(place, _fragile(thanks())) as engine:
        batch = [{**purchase(13), "messageId": f"p-{number}"} for number in range(50)]
        result = engine.ingest(batch)
        assert (result.accepted, len(result.rejected), len(engine.set_aside())) == (0, 50, 50)


@pytest.mark.parametrize("way", ["replay", "import"])
def test_a_summary_counts_what_was_set_aside_as_rejected(place: str, way: str) -> None:
    """The sum of accepted, duplicate and rejected messages is the number of all."""
    numbers = (1, 13, 2, 2)
    arrival = Arrival(NOON, SenderClass.SERVER, lambda: "")
    arrivals = [parse_message(purchase(number), arrival) for number in numbers]
    clock, result = FrozenClock(NOON), list[Record]()
    with Engine.open(place, rules=_fragile(thanks()), clock=clock) as engine:
        summary = Summary()
        if way == "import":
            import_messages(engine, arrivals, result.append, summary)
        else:
            run = Replay(engine, clock, result.append)
            run.feed(arrivals)
            summary = run.finish()
    assert (summary.messages, summary.accepted, summary.duplicates, summary.rejected) == (
        4,
        2,
        1,
        1,
    )
    assert [each.message_id for each in result if isinstance(each, Notice)] == ["purchase-13"]


def test_what_was_set_aside_is_listed_and_taken_again_once_it_can_be(place: str) -> None:
    """With its old id, source and time: nothing is lost."""
    store = _opened(place, _fragile(thanks())).store
    broken = Engine(store, _fragile(thanks()), clock=FrozenClock(NOON))
    broken.ingest([{**purchase(13), "timestamp": "2026-06-01T10:00:00Z"}], source="client")
    (aside,) = broken.set_aside()
    assert (aside.message_id, aside.user_id, aside.source) == ("purchase-13", "ada", "client")
    assert aside.reason == "RecursionError: too deep"
    assert broken.take_again(aside).rejected[0].code == "poison"
    repaired = Engine(store, book_of(thanks()), clock=FrozenClock(NOON + timedelta(hours=1)))
    result = repaired.take_again(aside)
    assert [(d.message_id, d.outcome, d.timestamp.hour) for d in result.decisions] == [
        ("purchase-13", Outcome.ENTERED, 10)
    ]
    assert repaired.set_aside() == []
    repaired.close()


def test_a_poison_message_that_its_sender_sends_again_is_tried_again(place: str) -> None:
    """It was not recorded, so it is not a duplicate; once it is accepted, it is no longer set aside."""
    store = _opened(place, _fragile(thanks())).store
    broken = Engine(store, _fragile(thanks()), clock=FrozenClock(NOON))
    for _ in range(2):
        assert broken.ingest([purchase(13)]).rejected[0].code == "poison"
    assert len(broken.set_aside()) == 1
    repaired = Engine(store, book_of(thanks()), clock=FrozenClock(NOON))
    assert repaired.ingest([purchase(13)]).accepted == 1
    assert repaired.set_aside() == []
    repaired.close()


def test_what_was_set_aside_of_a_deleted_person_is_deleted(place: str) -> None:
    """Also of an unknown person, if all of their messages were set aside."""
    with _opened(place, _fragile(thanks())) as engine:
        engine.ingest([purchase(13), {**purchase(14, "bob"), "messageId": "of-bob"}])
        engine.track("Delete Person", user_id="ada")
        assert [aside.user_id for aside in engine.set_aside()] == ["bob"]


def test_deletions_and_poison_in_one_batch_are_kept_apart(place: str) -> None:
    """The places in the answer are those of the whole batch."""
    deletion = {"type": "track", "event": "Delete Person", "userId": "eve"}
    with _opened(place, _fragile(thanks())) as engine:
        result = engine.ingest([purchase(1), deletion, purchase(13), deletion, purchase(14)])
        assert [(each.index, each.code) for each in result.rejected] == [
            (2, "poison"),
            (4, "poison"),
        ]


def test_an_entry_that_fails_when_it_is_woken_ends_and_the_others_go_on(place: str) -> None:
    """The log and the answer report it, and no entry behind it waits for ever."""
    waited = thanks(campaign="waited", when="waited")
    waiting = thanks(campaign="slow", whereupon=_WAITING)
    rules = _fragile(waited, waiting, who=True)
    with _opened(place, rules) as engine:
        engine.ingest([purchase(1, "ada"), purchase(2, "bob")])
        engine.identify("bob", traits={"number": 13})
        engine.clock.move_to(NOON + timedelta(hours=2))  # type: ignore[attr-defined]
        result = [each for done in engine.wake(engine.clock.now()) for each in done.emitted]
        assert [each.code for each in result if isinstance(each, Notice)] == ["entry-failed"]
        pending = engine.deliveries(DeliveryState.PENDING)
        assert {each.person for each in pending if each.rule == "slow"} == {"ada"}
        assert list(engine.wake(engine.clock.now())) == []


def test_a_person_on_whom_a_broadcast_fails_is_left_out_and_the_others_get_it(place: str) -> None:
    """One person's attributes do not keep the broadcast from the others."""
    with _opened(place, _fragile(news(), who=True)) as engine:
        for name, number in (("ada", 1), ("bob", 13), ("cy", 2)):
            engine.identify(name, traits={"number": number})
        engine.trigger("news")
        result = [each for done in engine.wake(engine.clock.now()) for each in done.emitted]
        assert [each.code for each in result if isinstance(each, Notice)] == ["person-left-out"]
        assert {each.person for each in engine.deliveries()} == {"ada", "cy"}


@pytest.mark.parametrize("count", [1, 7])
def test_poison_takes_nothing_from_what_stands_around_it(place: str, count: int) -> None:
    """The same messages without it lead to the same decisions."""
    sound = [purchase(number, f"user-{number % 3}") for number in range(12)]
    mixed = list(sound)
    for number in range(count):
        mixed.insert(2 * number, {**purchase(13), "messageId": f"p-{number}"})
    with _opened(place, _fragile(thanks())) as engine:
        result = engine.ingest(mixed)
    with _opened("memory://", _fragile(thanks())) as other:
        expected = other.ingest(sound)
    assert [(d.message_id, d.person, d.reason) for d in result.decisions] == [
        (d.message_id, d.person, d.reason) for d in expected.decisions
    ]
