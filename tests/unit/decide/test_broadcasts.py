"""Broadcasts: sent at their time, started by allowed senders, once to each person."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.rule_files import book_of
from tests.shop import NOON, news

from whereupon import Engine, UnknownNameError
from whereupon.decide.decisions import Decision, Outcome, Reason
from whereupon.pipeline.audience_rounds import AUDIENCE_CHUNK
from whereupon.pipeline.broadcasts import MOST_NOTED
from whereupon.records import DeliveryState
from whereupon.rules.model import Rulebook
from whereupon.scheduling.clocks import FrozenClock

_NINE_IN_PARIS = {"cron": "0 9 * * *", "timezone": "Europe/Paris"}


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _people(engine: Engine, *names: str) -> None:
    engine.ingest([{"type": "identify", "userId": name} for name in names])


def _sent(engine: Engine, limit: int = 10_000) -> list[tuple[str, datetime]]:
    """Who was sent something and when it was due, oldest first."""
    entered = engine.deliveries(DeliveryState.PENDING, limit=limit)
    return [(delivery.person, delivery.due_at) for delivery in reversed(entered)]


def _wake(engine: Engine, clock: FrozenClock, until: datetime) -> list[Decision]:
    """Let time pass, and do all work at the time at which it is due; no channel is called."""
    explanations = [each for result in engine.wake(until) for each in result.records()]
    clock.move_to(until)
    return [each for each in explanations if isinstance(each, Decision)]


def test_a_daily_broadcast_keeps_its_local_hour_when_the_clocks_change() -> None:
    """Nine in Paris is eight in UTC in winter, and seven in summer."""
    clock = FrozenClock(_at("2026-03-28T00:00:00Z"))
    engine = Engine.open("memory://", rules=book_of(news(when=_NINE_IN_PARIS)), clock=clock)
    _people(engine, "ada")
    for hour in range(24 * 3):
        _wake(engine, clock, _at("2026-03-28T00:00:00Z") + timedelta(hours=hour))
    assert _sent(engine) == [
        ("ada", _at("2026-03-28T08:00:00Z")),
        ("ada", _at("2026-03-29T07:00:00Z")),
        ("ada", _at("2026-03-30T07:00:00Z")),
    ]


@pytest.mark.parametrize(
    ("start", "times"),
    [
        ("2026-03-28T12:00:00Z", ["29T01:30", "30T00:30", "31T00:30"]),
        ("2026-10-24T12:00:00Z", ["25T00:30", "26T01:30", "27T01:30"]),
    ],
    ids=["skipped", "repeated"],
)
def test_a_local_time_that_the_change_skips_or_repeats_comes_once_a_day(
    start: str, times: list[str]
) -> None:
    """Half past two does not exist on one Sunday in Paris, and exists twice on another."""
    at_half_past_two = {"cron": "30 2 * * *", "timezone": "Europe/Paris"}
    clock = FrozenClock(_at(start))
    engine = Engine.open("memory://", rules=book_of(news(when=at_half_past_two)), clock=clock)
    _people(engine, "ada")
    for hour in range(24 * 3):
        _wake(engine, clock, _at(start) + timedelta(hours=hour))
    assert [due.strftime("%dT%H:%M") for _, due in _sent(engine)] == times


def test_a_process_that_slept_sends_late_and_only_once() -> None:
    """The times that passed are merged into one run, and the next run comes at its usual time."""
    clock = FrozenClock(NOON)
    engine = Engine.open("memory://", rules=book_of(news(when={"cron": "0 13 * * *"})), clock=clock)
    _people(engine, "ada")
    clock.move_to(NOON + timedelta(days=5))
    engine.run_due()
    engine.run_due()
    assert len(engine.deliveries()) == 1
    _wake(engine, clock, NOON + timedelta(days=5, hours=1))
    assert len(engine.deliveries()) == 2


def test_a_restart_neither_forgets_nor_repeats_a_scheduled_broadcast(tmp_path: Path) -> None:
    """The next time is a row in the store, which outlives the process."""
    rules, url = book_of(news(when={"cron": "0 13 * * *"})), f"sqlite:///{tmp_path}/shop.db"
    clock = FrozenClock(NOON)
    with Engine.open(url, rules=rules, clock=clock) as engine:
        _people(engine, "ada")
    for hours in (2, 3, 20):
        clock.move_to(NOON + timedelta(hours=hours))
        with Engine.open(url, rules=rules, clock=clock) as engine:
            _wake(engine, clock, clock.now())
            assert _sent(engine) == [("ada", NOON + timedelta(hours=2))]


def _triggered() -> Rulebook:
    return book_of(
        news(
            when="Price Dropped",
            who={"logic": {"==": [{"var": "properties.city"}, {"var": "person.city"}]}},
        )
    )


def test_an_event_from_a_server_starts_a_broadcast_to_those_it_is_meant_for() -> None:
    """`who` may compare each person with the message."""
    clock = FrozenClock(NOON)
    engine = Engine.open("memory://", rules=_triggered(), clock=clock)
    engine.identify("ada", traits={"city": "Oslo"})
    engine.identify("bob", traits={"city": "Rome"})
    engine.track("Price Dropped", user_id="shop", properties={"city": "Oslo"})
    assert _sent(engine) == []  # the audience comes later, in chunks
    (decision,) = _wake(engine, clock, NOON)
    assert (decision.person, decision.outcome) == ("ada", Outcome.ENTERED)
    assert _sent(engine) == [("ada", NOON)]
    assert _wake(engine, clock, NOON + timedelta(days=1)) == []


def test_an_event_from_a_client_starts_no_broadcast_and_says_so() -> None:
    """A browser's write key is public: any visitor could send mail to everybody."""
    clock = FrozenClock(NOON)
    engine = Engine.open("memory://", rules=_triggered(), clock=clock)
    engine.identify("ada", traits={"city": "Oslo"})
    oslo = {"city": "Oslo"}
    ingested = engine.track("Price Dropped", user_id="eve", properties=oslo, source="client")
    (decision,) = ingested.decisions
    assert (decision.outcome, decision.reason) == (Outcome.SKIPPED, Reason.SOURCE)
    assert _wake(engine, clock, NOON + timedelta(days=1)) == []


def test_an_event_without_a_person_may_start_a_broadcast_and_claiming_it_starts_no_second() -> None:
    """A broadcast sees a message when it comes in, whether or not it has a person."""
    clock = FrozenClock(NOON)
    engine = Engine.open("memory://", rules=book_of(news(when="Price Dropped")), clock=clock)
    _people(engine, "ada")
    engine.track("Price Dropped", anonymous_id="anon-1")
    _wake(engine, clock, NOON)
    engine.identify("ada", anonymous_id="anon-1")
    _wake(engine, clock, NOON + timedelta(hours=1))
    assert _sent(engine) == [("ada", NOON)]


def test_an_audience_of_many_chunks_survives_a_restart_and_gets_it_once_each(
    tmp_path: Path,
) -> None:
    """The next process goes on where the first one stopped."""
    url, rules, clock = f"sqlite:///{tmp_path}/shop.db", book_of(news()), FrozenClock(NOON)
    names = [f"person-{number}" for number in range(AUDIENCE_CHUNK * 5 // 2)]
    with Engine.open(url, rules=rules, clock=clock) as engine:
        _people(engine, *names)
        engine.trigger("news", key="june")
        first = next(engine.wake(NOON))  # one chunk, and here the process ends
        assert len(first.emitted) == 2 * AUDIENCE_CHUNK
    with Engine.open(url, rules=rules, clock=clock) as engine:
        assert len(_sent(engine)) == AUDIENCE_CHUNK
        _wake(engine, clock, NOON)
        assert sorted(person for person, _ in _sent(engine)) == sorted(names)
        with engine.store.session() as session:
            assert session.waiting_runs() == []


@pytest.mark.parametrize("count", [0, 1, AUDIENCE_CHUNK - 1, AUDIENCE_CHUNK, AUDIENCE_CHUNK + 1])
def test_a_chunk_that_is_just_full_is_not_the_end(count: int) -> None:
    """Nobody at the edge of a chunk is missed, and a broadcast without an audience ends, too."""
    clock = FrozenClock(NOON)
    engine = Engine.open("memory://", rules=book_of(news()), clock=clock)
    _people(engine, *(f"person-{number}" for number in range(count)))
    engine.trigger("news")
    decisions = _wake(engine, clock, NOON)
    assert sum(decision.outcome is Outcome.ENTERED for decision in decisions) == count
    with engine.store.session() as session:
        assert session.waiting_runs() == []
    if not count:
        assert [decision.reason for decision in decisions] == [Reason.WHO]


def test_people_who_come_between_two_chunks_get_it_once_too() -> None:
    """The audience is read in the order in which people became known."""
    clock = FrozenClock(NOON)
    engine = Engine.open("memory://", rules=book_of(news()), clock=clock)
    _people(engine, *(f"person-{number}" for number in range(AUDIENCE_CHUNK + 1)))
    engine.trigger("news")
    next(engine.wake(NOON))
    _people(engine, "late", "person-0")
    _wake(engine, clock, NOON)
    people = [person for person, _ in _sent(engine)]
    assert len(people) == len(set(people)) == AUDIENCE_CHUNK + 2


def test_a_call_with_a_key_starts_a_broadcast_once_ever() -> None:
    """A host that does not know whether its call succeeded may call again."""
    clock = FrozenClock(NOON)
    engine = Engine.open("memory://", rules=book_of(news()), clock=clock)
    _people(engine, "ada")
    engine.trigger("news", key="june")
    engine.trigger("news", key="june")
    _wake(engine, clock, NOON)
    engine.trigger("news", key="june")
    _wake(engine, clock, NOON + timedelta(hours=1))
    assert len(_sent(engine)) == 1
    engine.trigger("news", key="july")
    _wake(engine, clock, NOON + timedelta(hours=2))
    engine.trigger("news")
    _wake(engine, clock, NOON + timedelta(hours=3))
    assert len(_sent(engine)) == 3


def test_what_a_call_says_is_seen_by_who_and_by_the_templates() -> None:
    """The properties are the host's own, for this one sending."""
    clock = FrozenClock(NOON)
    rule = news(
        who={"logic": {"in": [{"var": "person.user"}, {"var": "properties.users"}]}},
        whereupon=[{"send": "email", "subject": "About {{ properties.topic }}"}],
    )
    engine = Engine.open("memory://", rules=book_of(rule), clock=clock)
    engine.identify("ada", traits={"user": "ada"})
    engine.identify("bob", traits={"user": "bob"})
    engine.trigger("news", properties={"topic": "socks", "users": ["bob", "cho"]})
    _wake(engine, clock, NOON)
    (delivery,) = engine.deliveries()
    assert (delivery.person, delivery.content) == ("bob", {"subject": "About socks"})


@pytest.mark.parametrize("name", ["nws", "daily", "thanks"])
def test_calling_what_takes_no_calls_names_those_that_do(name: str) -> None:
    """A misspelt name must not fail silently."""
    rules = book_of(news(), news(broadcast="daily", when={"cron": "0 13 * * *"}))
    engine = Engine.open("memory://", rules=rules)
    with pytest.raises(UnknownNameError, match="news") as caught:
        engine.trigger(name)
    assert (caught.value.name, caught.value.known) == (name, ("news",))


def _edited(tmp_path: Path, after: Rulebook) -> list[tuple[str, datetime]]:
    """An engine that was scheduled for one o'clock under one rulebook, and woken a day later under another."""
    url, clock = f"sqlite:///{tmp_path}/shop.db", FrozenClock(NOON)
    before = book_of(news(when={"cron": "0 13 * * *"}))
    with Engine.open(url, rules=before, clock=clock) as engine:
        _people(engine, "ada")
    clock.move_to(NOON + timedelta(minutes=10))
    with Engine.open(url, rules=after, clock=clock) as engine:
        _wake(engine, clock, NOON + timedelta(hours=23))
        return _sent(engine)


def test_a_broadcast_that_is_edited_before_its_time_follows_the_new_version(
    tmp_path: Path,
) -> None:
    """The schedule belongs to the rule, not to its old version."""
    later = news(when={"cron": "0 15 * * *"})
    assert _edited(tmp_path, book_of(later)) == [("ada", NOON + timedelta(hours=3))]


def test_a_broadcast_that_is_switched_off_before_its_time_is_not_sent(tmp_path: Path) -> None:
    """`active: false` also stops what was scheduled before."""
    off = news(when={"cron": "0 13 * * *"}, active=False)
    assert _edited(tmp_path, book_of(off)) == []


def test_a_broadcast_that_is_removed_before_its_time_is_not_sent(tmp_path: Path) -> None:
    """A rule that is no longer in the rulebook lets nobody in."""
    assert _edited(tmp_path, Rulebook()) == []


@pytest.mark.parametrize("when", ["api", "Price Dropped"])
def test_a_broadcast_that_gives_up_its_schedule_before_its_time_is_not_sent(
    when: str, tmp_path: Path
) -> None:
    """The time belonged to the old version, which is no longer valid."""
    assert _edited(tmp_path, book_of(news(when=when))) == []


@pytest.mark.parametrize(
    ("after", "sent"),
    [
        (news(when={"cron": "0 13 * * *"}, active=False), []),
        (news(when="api"), []),
        (news(when={"cron": "0 13 * * *"}, description="x"), [{"subject": "News"}]),
        (
            news(
                when={"cron": "0 15 * * *"},
                whereupon=[{"send": "email", "subject": "Other news"}],
            ),
            [{"subject": "Other news"}],
        ),
    ],
    ids=["switched off", "no schedule", "described", "edited"],
)
def test_a_broadcast_edited_while_its_time_passed_unnoticed_follows_the_new_version(
    after: dict[str, object], sent: list[dict[str, object]], tmp_path: Path
) -> None:
    """It is sent late, if at all, and in its new version."""
    url, clock = f"sqlite:///{tmp_path}/shop.db", FrozenClock(NOON)
    with Engine.open(url, rules=book_of(news(when={"cron": "0 13 * * *"})), clock=clock) as engine:
        _people(engine, "ada")
    clock.move_to(NOON + timedelta(hours=2))
    with Engine.open(url, rules=book_of(after), clock=clock) as engine:
        _wake(engine, clock, NOON + timedelta(hours=2))
        assert [delivery.content for delivery in engine.deliveries()] == sent


def test_a_broadcast_called_up_before_it_was_edited_is_sent_as_it_was(tmp_path: Path) -> None:
    """The run had started, and the caller meant the version of that time."""
    url, clock = f"sqlite:///{tmp_path}/shop.db", FrozenClock(NOON)
    with Engine.open(url, rules=book_of(news()), clock=clock) as engine:
        _people(engine, "ada")
        engine.trigger("news")
    edited = news(whereupon=[{"send": "email", "subject": "Other news"}])
    with Engine.open(url, rules=book_of(edited), clock=clock) as engine:
        _wake(engine, clock, NOON)
        assert [delivery.content for delivery in engine.deliveries()] == [{"subject": "News"}]


def test_a_broadcast_that_is_cut_short_by_a_edited_rule_ends_as_it_began() -> None:
    """One run has one text, even if the rule is edited between two chunks."""
    clock = FrozenClock(NOON)
    engine = Engine.open("memory://", rules=book_of(news()), clock=clock)
    _people(engine, *(f"person-{number}" for number in range(AUDIENCE_CHUNK + 1)))
    engine.trigger("news")
    next(engine.wake(NOON))
    edited = news(whereupon=[{"send": "email", "subject": "Other news"}])
    other = Engine(engine.store, book_of(edited), clock=clock)
    _wake(other, clock, NOON)
    found = other.deliveries(limit=AUDIENCE_CHUNK * 2)
    assert {str(delivery.content) for delivery in found} == {"{'subject': 'News'}"}
    assert len(found) == AUDIENCE_CHUNK + 1


@pytest.mark.parametrize("survivor", [0, AUDIENCE_CHUNK])
def test_somebody_merged_between_two_chunks_is_sent_one_copy(survivor: int) -> None:
    """A person has one entry for each run, whichever of two ids survives the merge."""
    clock = FrozenClock(NOON)
    engine = Engine.open("memory://", rules=book_of(news()), clock=clock)
    names = [f"person-{number}" for number in range(AUDIENCE_CHUNK + 1)]
    _people(engine, *names)
    engine.trigger("news", key="today")
    chunks = engine.wake(NOON)
    next(chunks)
    loser = names[AUDIENCE_CHUNK - survivor]
    engine.alias(names[survivor], previous_id=loser)
    list(chunks)
    people = {person for person, _ in _sent(engine)}
    assert len(_sent(engine)) == len(people) == AUDIENCE_CHUNK


# --- missed -----------------------------------------------------------------------------------------


def _down(place: str, file: dict[str, object], *, until: str) -> tuple[Engine, FrozenClock]:
    """An engine that starts again after no process was running since noon on the first of June."""
    clock = FrozenClock(NOON)
    with Engine.open(place, rules=book_of(file), clock=clock) as engine:
        _people(engine, "ada")
    clock.move_to(_at(until))
    return Engine.open(place, rules=book_of(file), clock=clock), clock


def _runs(engine: Engine) -> list[tuple[str, str | None, bool]]:
    """Time, reason and completion of every run, oldest first."""
    runs = reversed(engine.runs("news", limit=10_000))
    return [(f"{run.timestamp:%dT%H:%M}", run.reason, run.cursor is None) for run in runs]


def test_of_times_that_were_missed_only_the_newest_is_made_up_for(database: str) -> None:
    """The other times are kept, with the reason why they were not sent."""
    engine, clock = _down(database, news(when={"cron": "0 13 * * *"}), until="2026-06-04T15:00:00Z")
    with engine:
        _wake(engine, clock, clock.now())
        assert _sent(engine) == [("ada", _at("2026-06-04T15:00:00Z"))]
        assert _runs(engine) == [
            ("01T13:00", "overtaken", True),
            ("02T13:00", "overtaken", True),
            ("03T13:00", "overtaken", True),
            ("04T13:00", None, True),
            ("05T13:00", None, False),
        ]
        explanations = engine.explain("ada", "news")
        assert [each.reason for each in explanations] == ["pending", None, *["overtaken"] * 3]
        assert explanations[-1].sentence.endswith(
            "nobody was awake at its time, and a newer one went out instead."
        )


@pytest.mark.parametrize(
    ("late", "sent"), [({}, 1), ({"late": "2h"}, 1), ({"late": "119m"}, 0), ({"late": "1s"}, 0)]
)
def test_what_was_missed_is_made_up_for_only_within_the_limit(
    database: str, late: dict[str, object], sent: int
) -> None:
    """The limit is a day unless the rule names another; a time at the limit is still sent."""
    file = news(when={"cron": "0 13 * * *", **late})
    engine, clock = _down(database, file, until="2026-06-02T15:00:00Z")
    with engine:
        _wake(engine, clock, clock.now())
        assert len(_sent(engine)) == sent
        why = "overtaken" if sent else "missed"
        assert _runs(engine)[:2] == [
            ("01T13:00", why, True),
            ("02T13:00", None if sent else "missed", True),
        ]
        assert _runs(engine)[-1] == ("03T13:00", None, False)


def test_a_weekly_broadcast_is_not_made_up_for_days_later(database: str) -> None:
    """The default limit is a day; the next run is on time."""
    file = news(when={"cron": "0 13 * * MON"})
    engine, clock = _down(database, file, until="2026-06-04T12:00:00Z")
    with engine:
        _wake(engine, clock, clock.now())
        assert _sent(engine) == []
        assert _runs(engine) == [("01T13:00", "missed", True), ("08T13:00", None, False)]


def test_of_a_long_standstill_so_many_times_are_kept() -> None:
    """A broadcast every minute does not leave a million rows after a month without a process."""
    clock = FrozenClock(NOON)
    engine = Engine.open("memory://", rules=book_of(news(when={"cron": "* * * * *"})), clock=clock)
    clock.move_to(NOON + timedelta(days=30, seconds=30))
    engine.run_due()
    explanations = _runs(engine)
    assert len(explanations) == MOST_NOTED + 2
    assert explanations[-2:] == [("01T12:00", None, True), ("01T12:01", None, False)]
