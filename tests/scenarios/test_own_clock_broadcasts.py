"""`{cron: "0 9 * * MON", timezone: person}`: a broadcast at each person's own nine o'clock."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection
from tests.rule_files import File, book_of, broadcast, campaign
from tests.shop import news

from whereupon import Engine
from whereupon.records import BroadcastRun
from whereupon.scheduling.clocks import FrozenClock
from whereupon.storage.sql.database_url import engine_of

HOUR = timedelta(hours=1)
SUNDAY = datetime(2026, 5, 31, tzinfo=UTC)
OPENING = datetime(2026, 5, 31, 19, tzinfo=UTC)
"""When it is nine o'clock on Monday, 1 June, on Kiribati."""

_MONDAYS = {"cron": "0 9 * * MON", "timezone": "person"}
_ZONES = {
    "kiri": "Pacific/Kiritimati",
    "tomo": "Asia/Tokyo",
    "paul": "Europe/Paris",
    "una": None,
    "lena": "America/Los_Angeles",
    "bake": "Etc/GMT+12",
}
_TIMES = {
    "kiri": OPENING,
    "tomo": datetime(2026, 6, 1, 0, tzinfo=UTC),
    "paul": datetime(2026, 6, 1, 7, tzinfo=UTC),
    "una": datetime(2026, 6, 1, 9, tzinfo=UTC),
    "lena": datetime(2026, 6, 1, 16, tzinfo=UTC),
    "bake": OPENING + 26 * HOUR,
}


class Earth:
    """An engine with a weekly broadcast, and people around the earth."""

    def __init__(self, place: str, *others: File, **keys: object) -> None:
        self.place = place
        self.clock = FrozenClock(SUNDAY)
        self.rules = book_of(news(**{"when": _MONDAYS, **keys}), *others)
        self.engine = Engine.open(place, rules=self.rules, clock=self.clock)
        self.engine.ingest(
            {"type": "identify", "userId": name, "traits": {"timezone": zone} if zone else {}}
            for name, zone in _ZONES.items()
        )
        self.engine.run_due()

    def until(self, moment: datetime, step: timedelta = HOUR / 2) -> None:
        """Let time pass, and do due work now and then."""
        while self.clock.now() < moment:
            self.clock.move_to(min(moment, self.clock.now() + step))
            self.engine.run_due()

    def sent(self) -> dict[str, datetime]:
        """When each person was sent it; nobody twice."""
        made = self.engine.deliveries(limit=1000)
        assert len({each.person for each in made}) == len(made)
        return {each.person: each.due_at for each in made}

    def run(self) -> BroadcastRun:
        """The first run."""
        return self.engine.broadcasts.show("news", "news@2026-06-01T09:00").run


@pytest.fixture
def earth(place: str) -> Iterator[Earth]:
    """The earth on each kind of store."""
    made = Earth(place)
    with made.engine:
        yield made


def test_a_broadcast_comes_at_each_persons_own_nine_o_clock(earth: Earth) -> None:
    """One run: from the first zone on earth that has that wall time to the last."""
    earth.until(OPENING + 27 * HOUR)
    assert earth.sent() == _TIMES
    assert (earth.run().admitted, earth.run().state_at(earth.clock.now())) == (6, "done")
    assert [each.occasion for each in earth.engine.runs("news")] == [
        "news@2026-06-08T09:00",
        "news@2026-06-01T09:00",
    ]


def test_the_run_is_open_for_26_hours(earth: Earth) -> None:
    """It is planned before, running meanwhile, and done when the last clocks on earth have shown its time."""
    state = {}
    for moment in (OPENING - HOUR, OPENING, OPENING + 25 * HOUR, OPENING + 26 * HOUR):
        earth.until(moment)
        state[moment - OPENING] = earth.run().state_at(earth.clock.now()).value
    assert list(state.values()) == ["planned", "running", "running", "done"]


def test_each_turn_is_due_work_at_its_own_moment(earth: Earth) -> None:
    """Nothing polls: the engine knows when the next person's turn comes."""
    for moment in sorted(_TIMES.values()):
        assert earth.engine.waiting().work_due == moment
        earth.until(moment, step=48 * HOUR)
    assert earth.sent() == _TIMES


def test_who_is_asked_when_the_turn_comes(place: str) -> None:
    """Not when the run opens: a person may come to meet it, or meet it no more."""
    earth = Earth(place, who={"newsletter": True})
    with earth.engine as engine:
        engine.identify("tomo", traits={"newsletter": True})
        earth.until(OPENING)
        engine.identify("paul", traits={"newsletter": True})
        engine.identify("lena", traits={"newsletter": True})
        earth.until(OPENING + 15 * HOUR)
        engine.identify("lena", traits={"newsletter": False})
        earth.until(OPENING + 27 * HOUR)
        assert earth.sent() == {name: _TIMES[name] for name in ("tomo", "paul")}


@pytest.mark.parametrize(
    ("zone", "at"),
    [
        ("Europe/Paris", datetime(2026, 6, 1, 7, tzinfo=UTC)),  # westward: later
        ("Pacific/Kiritimati", datetime(2026, 6, 1, 0, tzinfo=UTC)),  # its nine o'clock has passed
    ],
)
def test_a_zone_that_changes_meanwhile_is_asked_again_and_the_person_is_in_the_run_once(
    earth: Earth, zone: str, at: datetime
) -> None:
    """Whoever flies past nine o'clock gets it when it would have come without the flight."""
    earth.until(OPENING + HOUR)
    earth.engine.identify("tomo", traits={"timezone": zone})
    earth.until(OPENING + 27 * HOUR)
    assert earth.sent() == {**_TIMES, "tomo": at}


def test_a_person_whom_who_has_kept_out_is_asked_again_if_their_clock_shows_the_time_once_more(
    place: str,
) -> None:
    """From Tokyo to Paris between nine o'clock there and here."""
    earth = Earth(place, who={"newsletter": True})
    with earth.engine as engine:
        earth.until(_TIMES["tomo"] + HOUR)
        engine.identify("tomo", traits={"newsletter": True, "timezone": "Europe/Paris"})
        earth.until(OPENING + 27 * HOUR)
        assert earth.sent() == {"tomo": _TIMES["paul"]}


def test_a_zone_that_makes_the_turn_come_sooner_does_so(earth: Earth) -> None:
    """From Los Angeles to Paris before nine o'clock in Paris: nine o'clock in Paris."""
    earth.until(OPENING + HOUR)
    earth.engine.identify("lena", traits={"timezone": "Europe/Paris"})
    earth.until(OPENING + 27 * HOUR)
    assert earth.sent() == {**_TIMES, "lena": _TIMES["paul"]}


_TO_PARIS: File = {"set": {"timezone": "Europe/Paris"}}


@pytest.mark.parametrize("waits", [True, False])
def test_a_step_that_changes_the_zone_makes_the_turn_come_sooner(place: str, waits: bool) -> None:
    """Whether due work does it, or a broadcast that lets the person in."""
    moves = campaign("moves", "move", whereupon=[{"wait": "1h"}, _TO_PARIS])
    all_move = broadcast("all-move", "api", who={"far": True}, whereupon=[_TO_PARIS])
    earth = Earth(place, moves, all_move)
    with earth.engine:
        earth.engine.identify("lena", traits={"far": True})
        earth.until(OPENING + HOUR)
        if waits:
            earth.engine.track("move", user_id="lena")
        else:
            earth.engine.trigger("all-move")
        earth.until(OPENING + 27 * HOUR)
        assert earth.sent() == {**_TIMES, "lena": _TIMES["paul"]}


def test_a_person_who_becomes_known_during_the_run_enters_if_their_time_is_still_to_come(
    earth: Earth,
) -> None:
    """A person whose nine o'clock has passed does not."""
    earth.until(OPENING + 10 * HOUR)
    earth.engine.identify("rosa", traits={"timezone": "Europe/Rome"})
    earth.engine.identify("kenji", traits={"timezone": "Asia/Tokyo"})
    earth.until(OPENING + 27 * HOUR)
    assert earth.sent() == {**_TIMES, "rosa": _TIMES["paul"]}


def test_a_run_is_paused_resumed_and_goes_on_late(earth: Earth) -> None:
    """While it is paused it is nobody's turn; then those whose time has passed come at once."""
    earth.until(OPENING + 6 * HOUR)
    earth.engine.broadcasts.pause("news", by="tim")
    earth.until(OPENING + 15 * HOUR)
    assert set(earth.sent()) == {"kiri", "tomo"}
    earth.engine.broadcasts.resume("news", by="tim")
    earth.until(OPENING + 27 * HOUR)
    late = OPENING + 15 * HOUR + HOUR / 2
    assert earth.sent() == {**_TIMES, "paul": late, "una": late}


def test_a_run_is_cancelled_while_it_is_open(earth: Earth) -> None:
    """Nobody more is let in, and nothing of it is left to wait."""
    earth.until(OPENING + 6 * HOUR)
    earth.engine.broadcasts.cancel("news", by="tim")
    earth.until(OPENING + 27 * HOUR)
    assert set(earth.sent()) == {"kiri", "tomo"}
    assert earth.run().state_at(earth.clock.now()) == "cancelled"
    subject = earth.run().subject
    with earth.engine.store.session() as session:
        assert session.next_timers([subject]) == {}


def test_after_a_standstill_each_person_whose_time_has_passed_gets_it_late_in_order(
    earth: Earth,
) -> None:
    """As of now; those whose time is still to come get it on time."""
    earth.until(OPENING + 15 * HOUR, step=40 * HOUR)
    late = OPENING + 15 * HOUR
    assert earth.sent() == dict.fromkeys(("kiri", "tomo", "paul", "una"), late)
    earth.until(OPENING + 27 * HOUR)
    assert earth.sent() == {**_TIMES, **dict.fromkeys(("kiri", "tomo", "paul", "una"), late)}


def test_who_is_later_than_late_does_not_get_it_and_that_is_recorded_with_its_reason(
    place: str,
) -> None:
    """Lateness counts from each person's own time."""
    earth = Earth(place, when={**_MONDAYS, "late": "6h"})
    with earth.engine as engine:
        earth.until(OPENING + 17 * HOUR, step=40 * HOUR)
        assert set(earth.sent()) == {"paul", "una"}
        earth.until(OPENING + 27 * HOUR)
        assert set(earth.sent()) == {"paul", "una", "lena", "bake"}
        (explained,) = [
            e for e in engine.explain("kiri", "news") if e.timestamp < earth.clock.now()
        ]
        assert explained.reason == "too-old"
        assert explained.sentence.endswith(
            "when it was that time on their clock: nobody was awake at that time, and it was too late to make "
            "up for it (limit 6h)."
        )


def test_a_run_says_how_far_it_is(earth: Earth) -> None:
    """How many have entered, and whose turn is still to come."""
    earth.until(OPENING + 6 * HOUR)
    progress = earth.engine.broadcasts.show("news", "news@2026-06-01T09:00")
    assert (progress.run.admitted, progress.ahead) == (2, 4)


def test_explain_says_when_a_persons_turn_comes(earth: Earth) -> None:
    """And of one whose turn was, that they were in the audience, at their own time."""
    earth.until(OPENING + 6 * HOUR)
    said = {
        name: next(e for e in earth.engine.explain(name, "news") if "06-01" in e.message_id)
        for name in ("lena", "tomo")
    }
    assert said["lena"].reason == "pending"
    assert "and comes at 2026-06-01T16:00:00Z" in said["lena"].sentence
    assert "was in the audience of news of 2026-06-01T00:00:00Z" in said["tomo"].sentence


def test_a_run_that_closed_too_long_ago_is_missed_as_a_whole(place: str) -> None:
    """Its row says so, and the next one is planned."""
    earth = Earth(place, when={**_MONDAYS, "late": "6h"})
    with earth.engine as engine:
        earth.until(OPENING + 33 * HOUR, step=80 * HOUR)
        assert earth.sent() == {}
        runs = {each.occasion: each.reason for each in engine.runs("news")}
        assert runs == {"news@2026-06-01T09:00": "missed", "news@2026-06-08T09:00": None}


def test_of_missed_days_each_person_gets_the_newest_alone(place: str) -> None:
    """After three days without a process a daily broadcast comes once to each person."""
    earth = Earth(place, when={"cron": "0 9 * * *", "timezone": "person"})
    with earth.engine:
        earth.until(OPENING + 76 * HOUR, step=200 * HOUR)
        made = earth.engine.deliveries(limit=1000)
        assert sorted(each.person for each in made) == sorted(_ZONES)


def test_a_daily_broadcast_opens_before_the_one_before_has_closed(place: str) -> None:
    """Each person gets one a day, at nine o'clock."""
    earth = Earth(place, when={"cron": "0 9 * * *", "timezone": "person"})
    with earth.engine as engine:
        earth.until(OPENING + 52 * HOUR)
        days = {
            name: sorted(
                each.due_at for each in engine.deliveries(limit=1000) if each.person == name
            )
            for name in _ZONES
        }
        day = timedelta(days=1)
        whole = {name: [at, at + day, at + 2 * day] for name, at in _TIMES.items()}
        assert days == {
            name: [at for at in times if at <= earth.clock.now()] for name, times in whole.items()
        }


def test_a_restart_at_any_time_changes_nothing(database: str) -> None:
    """The run and its timers are rows."""
    earth = Earth(database)
    for _ in range(9):
        earth.until(earth.clock.now() + 5 * HOUR, step=5 * HOUR / 3)
        earth.engine.close()
        earth.engine = Engine.open(database, rules=earth.rules, clock=earth.clock)
    with earth.engine:
        assert earth.sent().keys() == _TIMES.keys()
        slack = 5 * HOUR / 3
        assert all(_TIMES[name] <= at < _TIMES[name] + slack for name, at in earth.sent().items())


def test_a_person_who_is_erased_is_not_waited_for(earth: Earth) -> None:
    """Nothing of them is left, and the run ends."""
    earth.until(OPENING + HOUR)
    earth.engine.track("Delete Person", user_id="lena")
    earth.until(OPENING + 27 * HOUR)
    assert earth.sent() == {name: at for name, at in _TIMES.items() if name != "lena"}
    assert earth.run().state_at(earth.clock.now()) == "done"


@pytest.mark.parametrize("hours", [6, 14])
def test_two_persons_who_become_one_get_it_once(earth: Earth, hours: int) -> None:
    """Whether or not one of them had it already."""
    earth.until(OPENING + hours * HOUR)
    earth.engine.alias("paul", previous_id="tomo")
    earth.until(OPENING + 27 * HOUR)
    made = earth.engine.deliveries(limit=1000)
    assert len([each for each in made if each.person in {"paul", "tomo"}]) == 1 + (hours == 14)


def test_processes_that_work_at_once_let_each_person_in_once_at_their_own_time(
    database: str,
) -> None:
    """The run's row is held by one of them at a time, and its count is exact."""
    earth = Earth(database)
    with ExitStack() as open_ones:
        opened = (Engine.open(database, rules=earth.rules, clock=earth.clock) for _ in range(2))
        engines = [earth.engine, *map(open_ones.enter_context, opened)]
        open_ones.enter_context(earth.engine)
        while earth.clock.now() < OPENING + 27 * HOUR:
            earth.clock.move_to(earth.clock.now() + HOUR)
            with ThreadPoolExecutor(len(engines)) as threads:
                for ran in [threads.submit(each.run_due) for each in engines]:
                    ran.result()
        assert earth.sent() == _TIMES
        assert (earth.run().admitted, earth.run().state_at(earth.clock.now())) == (6, "done")


@pytest.fixture
def host(postgres: str) -> Iterator[Connection]:
    """A host's own transaction on PostgreSQL."""
    database, _ = engine_of(postgres, patience=30)
    with database.connect() as connection, connection.begin():
        yield connection
    database.dispose()


_IN_ROME = {"timezone": "Europe/Rome"}
_DAILY = {"cron": "0 9 * * *", "timezone": "person"}


def test_a_person_who_becomes_known_while_the_run_opens_is_in_it(
    postgres: str, host: Connection
) -> None:
    """Another process makes everybody's turns before the transaction commits that makes the person known."""
    earth = Earth(postgres)
    with (
        earth.engine,
        Engine.open(postgres, rules=earth.rules, clock=earth.clock) as other,
    ):
        other.run_due()
        earth.until(OPENING - timedelta(minutes=1))
        earth.engine.identify("rosa", traits=_IN_ROME, connection=host)
        earth.clock.move_to(OPENING)
        other.run_due()
        assert earth.run().is_open
        host.commit()
        earth.until(OPENING + 27 * HOUR)
        assert earth.sent() == {**_TIMES, "rosa": _TIMES["paul"]}


def test_a_person_who_becomes_known_while_a_run_is_planned_and_opens_at_once_is_in_it(
    postgres: str, host: Connection
) -> None:
    """After a standstill the runs of two days open; the transaction began before the second one was stored."""
    earth = Earth(postgres, when=_DAILY)
    with earth.engine as engine:
        earth.clock.move_to(OPENING + 30 * HOUR)
        engine.identify("rosa", traits=_IN_ROME, connection=host)
        engine.run_due()
        host.commit()
        earth.until(OPENING + 46 * HOUR)
        (sent,) = (each for each in engine.deliveries(limit=100) if each.person == "rosa")
        assert sent.due_at == _TIMES["paul"] + 24 * HOUR


def test_a_person_who_becomes_known_under_older_rules_while_the_run_opens_is_in_it(
    postgres: str, host: Connection
) -> None:
    """The transaction knows nothing of the broadcast, which a process with newer rules opens meanwhile."""
    earth = Earth(postgres)
    clock = FrozenClock(OPENING - timedelta(minutes=1))
    with Engine.open(postgres, rules=book_of(), clock=clock) as older:
        older.identify("rosa", traits=_IN_ROME, connection=host)
    earth.clock.move_to(OPENING)
    with Engine.open(postgres, rules=earth.rules, clock=earth.clock) as newer, earth.engine:
        newer.run_due()
        assert not earth.run().is_open
        host.commit()
        newer.run_due()
        earth.until(OPENING + 27 * HOUR)
        assert earth.sent() == {**_TIMES, "rosa": _TIMES["paul"]}


def test_a_transaction_that_does_not_end_keeps_a_run_from_opening_for_an_hour(
    postgres: str, host: Connection
) -> None:
    """It may be one that a host has forgotten."""
    earth = Earth(postgres)
    earth.clock.move_to(OPENING)
    with earth.engine, Engine.open(postgres, rules=earth.rules, clock=earth.clock) as other:
        other.track("view", anonymous_id="anon-1", connection=host)
        other.run_due()
        assert not earth.run().is_open
        earth.clock.move_to(OPENING + HOUR)
        other.run_due()
        assert earth.run().is_open
