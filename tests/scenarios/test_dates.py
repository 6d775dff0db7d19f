"""`when: {date: person.X}`: a date that a person has opens a rule, on every kind of store."""

import pytest
from pydantic import JsonValue
from tests.rule_files import File, broadcast, campaign
from tests.worlds import DAY, HOUR, World, message, world

from whereupon.messages.model import MessageType
from whereupon.ports import Store

TITLE: JsonValue = [{"send": "push", "title": "{{ properties.date }}"}]
WEEK: File = {"date": "person.renews_at", "before": "7d", "at": "09:00"}
PARIS = {"timezone": "Europe/Paris"}
MARCH_25 = 24 * DAY - 4 * HOUR
"""25 March at 08:00 UTC, which is 09:00 in Paris; minutes after noon of 1 March."""


def _rule(when: File = WEEK, **keys: JsonValue) -> File:
    return campaign("renewal", when, **{"whereupon": TITLE, **keys})


@pytest.fixture
def made(home: Store) -> World:
    """A world with a reminder a week before a renewal."""
    return world(_rule(), store=home)


def test_a_date_opens_the_rule_before_the_day_at_a_time_on_the_persons_clock(made: World) -> None:
    """Seven days of the calendar, though the clocks change between; not a microsecond earlier."""
    made.identify("ada", {"renews_at": "2026-04-01", **PARIS})
    made.identify("ben", {"renews_at": "2026-04-01", "timezone": "America/New_York"})
    made.run(MARCH_25 - 1 / 60_000_000)
    assert made.decided == []
    made.run(MARCH_25)
    assert made.moments() == [("ada", "03-25 08:00", "entered")]
    made.run(60 * DAY)
    assert made.moments()[1:] == [("ben", "03-25 13:00", "entered")]
    assert made.titles() == ["2026-04-01", "2026-04-01"]
    assert made.timers() == []


@pytest.mark.parametrize(
    ("when", "moment"),
    [
        ({"date": "person.renews_at", "after": "7d", "at": "09:00"}, "04-08 07:00"),
        ({"date": "person.renews_at", "at": "09:00"}, "04-01 07:00"),
        ({"date": "person.renews_at"}, "03-31 22:00"),
        ({"date": "person.renews_at", "at": "09:00", "timezone": "UTC"}, "04-01 09:00"),
        (
            {"date": "person.renews_at", "at": "09:00", "timezone": {"attribute": "zone"}},
            "04-01 00:00",
        ),
    ],
)
def test_after_a_date_or_on_the_day_itself_on_a_clock_of_its_own(
    home: Store, when: File, moment: str
) -> None:
    """Without a time of day a date is 00:00 on the clock."""
    made = world(_rule(when), store=home)
    made.identify("ada", {"renews_at": "2026-04-01", "zone": "Asia/Tokyo", **PARIS})
    made.run(60 * DAY)
    assert made.moments() == [("ada", moment, "entered")]


def test_the_rules_timezone_comes_before_the_settings_and_the_persons(home: Store) -> None:
    """The trigger's own comes before all of them."""
    settings: File = {"settings": "settings", "timezone": "Asia/Tokyo"}
    at_nine: File = {"date": "person.renews_at", "at": "09:00"}
    made = World(
        [
            settings,
            campaign("a", at_nine),
            campaign("b", at_nine, timezone="Europe/Paris"),
            campaign("c", {**at_nine, "timezone": "UTC"}, timezone="Europe/Paris"),
            campaign("d", {**at_nine, "timezone": "person"}, timezone="Europe/Paris"),
        ],
        home,
    )
    made.identify("ada", {"renews_at": "2026-04-01", "timezone": "America/New_York"})
    made.run(60 * DAY)
    found = [(d.rule, f"{d.timestamp:%m-%d %H:%M}") for d in made.decided]
    assert found == [
        ("a", "04-01 00:00"),
        ("b", "04-01 07:00"),
        ("c", "04-01 09:00"),
        ("d", "04-01 13:00"),
    ]


def test_no_at_with_a_date_time_is_that_instant(home: Store) -> None:
    """A Unix time is an instant, too."""
    made = world(_rule({"date": "person.renews_at"}), store=home)
    made.identify("ada", {"renews_at": "2026-03-02T10:30:00+05:00", **PARIS})
    made.identify("ben", {"renews_at": 1772433000, **PARIS})
    made.run(9 * DAY)
    assert made.moments() == [("ada", "03-02 05:30", "entered"), ("ben", "03-02 06:30", "entered")]


def test_one_entry_a_person_and_value_of_the_date(made: World) -> None:
    """The same date again, written otherwise or moved back to, opens nothing; the database refuses it, too."""
    made.identify("ada", {"renews_at": "2026-04-01", **PARIS})
    made.run(MARCH_25)
    made.identify("ada", {"renews_at": "1 April 2026"}, at=MARCH_25 + 1)
    made.identify("ada", {"renews_at": "2026-05-01"}, at=MARCH_25 + 2)
    made.identify("ada", {"renews_at": "2026-04-01"}, at=MARCH_25 + 3)
    made.identify(
        "ada", {"timezone": "America/New_York"}, at=MARCH_25 + 4
    )  # where 09:00 comes later
    made.run(90 * DAY)
    assert made.moments() == [("ada", "03-25 08:00", "entered")]


def test_a_person_whom_a_date_has_not_let_in_is_asked_again_if_their_clock_shows_its_time_once_more(
    home: Store,
) -> None:
    """From Paris to New York between nine o'clock there and here."""
    made = world(_rule(who={"plan": "pro"}), store=home)
    made.identify("ada", {"renews_at": "2026-04-01", **PARIS})
    made.run(MARCH_25 + HOUR)
    made.identify("ada", {"plan": "pro", "timezone": "America/New_York"}, at=MARCH_25 + HOUR)
    made.run(90 * DAY)
    assert made.moments() == [("ada", "03-25 08:00", "who"), ("ada", "03-25 13:00", "entered")]


def test_moving_the_date_asks_again(made: World) -> None:
    """Earlier or later, before it came or after."""
    made.identify("ada", {"renews_at": "2026-04-01", **PARIS})
    made.identify("ben", {"renews_at": "2026-05-01", **PARIS})
    made.identify("ada", {"renews_at": "2026-04-10"}, at=DAY)
    made.identify("ben", {"renews_at": "2026-03-20"}, at=DAY)
    made.run(60 * DAY)
    expected = [("ben", "03-13 08:00", "entered"), ("ada", "04-03 07:00", "entered")]
    assert made.moments() == expected
    made.identify("ada", {"renews_at": "2027-04-10"}, at=61 * DAY)
    made.run(500 * DAY)
    assert made.moments()[2:] == [("ada", "04-03 07:00", "entered")]


def test_a_date_already_past_when_first_told_fires_nothing(made: World) -> None:
    """Nor does a date of which only the days before it are past."""
    made.identify("ada", {"renews_at": "2026-02-01", **PARIS})
    made.identify("ben", {"renews_at": "2026-03-05", **PARIS})
    made.identify(
        "cid", {"renews_at": "2026-03-08", "timezone": "UTC"}, at=0
    )  # at nine this morning
    made.run(60 * DAY)
    assert made.decided == []


def test_it_fires_late_within_max_age_after_a_standstill(made: World) -> None:
    """As of its own moment; what is older is recorded as skipped."""
    made.identify("ada", {"renews_at": "2026-04-01", **PARIS})
    made.identify("ben", {"renews_at": "2026-03-30", **PARIS})
    made.clock.move_to(made.clock.now().replace(day=26, hour=7))
    made.run(25 * DAY)
    assert made.moments() == [("ben", "03-23 08:00", "entered"), ("ada", "03-25 08:00", "entered")]
    made.identify("cid", {"renews_at": "2026-04-10", **PARIS})
    made.clock.move_to(made.clock.now().replace(month=4, day=9))
    made.run(39 * DAY)
    assert made.moments()[2:] == [("cid", "04-03 07:00", "too-old")]
    (why,) = made.engine.explain("cid", "renewal")
    assert "did not enter renewal at 2026-04-03T07:00:00Z" in why.sentence


def test_a_message_of_the_person_comes_after_what_was_due_before_it(made: World) -> None:
    """Though no due work was done in between: the date is moved too late."""
    made.identify("ada", {"renews_at": "2026-04-01", **PARIS})
    made.identify("ada", {"renews_at": "2026-06-01"}, at=MARCH_25 + 1)
    assert made.moments() == [("ada", "03-25 08:00", "entered")]


def test_a_removed_attribute_or_a_value_that_is_no_date_fires_nothing(made: World) -> None:
    """A value that becomes a date again does."""
    made.identify("ada", {"renews_at": "2026-04-01", **PARIS})
    made.identify("ben", {"renews_at": "2026-04-01", **PARIS})
    made.identify("ada", {"renews_at": None}, at=DAY)
    made.identify("ben", {"renews_at": "soon"}, at=DAY)
    made.identify("cid", {"renews_at": ["2026-04-01"], **PARIS}, at=DAY)
    made.run(50 * DAY)
    assert made.decided == []
    made.identify("ada", {"renews_at": "2026-06-01"}, at=51 * DAY)
    made.run(100 * DAY)
    assert made.moments() == [("ada", "05-25 07:00", "entered")]


def test_a_birthday_comes_every_year_and_29_february_counts_as_the_28th(home: Store) -> None:
    """In common years; once in each."""
    made = world(_rule({"date": "person.born", "at": "10:00", "every": "year"}), store=home)
    made.identify("ada", {"born": "1992-02-29"})
    made.identify("ben", {"born": "1980-03-02T03:00:00"})
    for year in range(1, 5):
        made.run(year * 366 * DAY)
    dates = [(d.person, d.timestamp.date().isoformat()) for d in made.decided]
    assert dates == [
        ("ben", "2026-03-02"),
        ("ada", "2027-02-28"),
        ("ben", "2027-03-02"),
        ("ada", "2028-02-29"),
        ("ben", "2028-03-02"),
        ("ada", "2029-02-28"),
        ("ben", "2029-03-02"),
        ("ada", "2030-02-28"),
        ("ben", "2030-03-02"),
    ]
    assert {d.timestamp.hour for d in made.decided} == {10}


def test_a_corrected_birthday_asks_again_in_the_same_year(home: Store) -> None:
    """It is another value of the date; one that is past already waits for the next year."""
    made = world(_rule({"date": "person.born", "every": "year"}), store=home)
    made.identify("ada", {"born": "1990-03-10"})
    made.run(15 * DAY)
    made.identify("ada", {"born": "1990-03-20"}, at=15 * DAY)
    made.run(30 * DAY)
    made.identify("ada", {"born": "1990-03-05"}, at=30 * DAY)
    made.run(400 * DAY)
    assert [d.timestamp.date().isoformat() for d in made.decided] == [
        "2026-03-10",
        "2026-03-20",
        "2027-03-05",
    ]


def test_who_reentry_and_exits_work_as_everywhere(home: Store) -> None:
    """They are asked at the moment, and what the moment opened ends as any entry does."""
    rule = _rule(
        {"date": "person.renews_at"},
        who={"plan": "pro"},
        reentry="once",
        exit="Cancelled",
        whereupon=[{"wait": "1d"}, {"send": "push", "title": "Hi"}],
    )
    made = world(rule, store=home)
    for name, plan in (("ada", "pro"), ("ben", "free"), ("cid", "pro")):
        made.identify(name, {"renews_at": "2026-03-10", "plan": plan})
    made.run(9 * DAY)
    made.track("Cancelled", "cid", at=9 * DAY)
    made.identify("ada", {"renews_at": "2026-03-20"}, at=12 * DAY)
    made.run(30 * DAY)
    assert made.verdicts == [
        ("ada", "renewal", "entered"),
        ("ben", "renewal", "who"),
        ("cid", "renewal", "entered"),
        ("ada", "renewal", "reentry"),
    ]
    assert made.titles() == ["Hi"]


def test_of_two_who_merge_each_value_opens_one_entry(made: World) -> None:
    """The survivor's date counts."""
    for name in ("ada", "ada-2"):
        made.identify(name, {"renews_at": "2026-04-01", **PARIS})
    made.alias("ada", "ada-2", at=DAY)
    made.run(60 * DAY)
    assert made.moments() == [("ada", "03-25 08:00", "entered")]


def test_of_two_who_merge_after_one_entered_the_other_does_not_enter_again(made: World) -> None:
    """The value was met by one of them."""
    made.identify("ada", {"renews_at": "2026-04-01", "timezone": "America/New_York"})
    made.identify("ada-2", {"renews_at": "2026-04-01", **PARIS})
    made.run(MARCH_25 + 1)
    made.alias("ada", "ada-2", at=MARCH_25 + 2)
    made.run(60 * DAY)
    assert made.moments() == [("ada-2", "03-25 08:00", "entered")]


def test_an_erased_person_has_no_date(made: World) -> None:
    """Nothing of the timer is left."""
    made.identify("ada", {"renews_at": "2026-04-01", **PARIS})
    made.track("Delete Person", "ada", at=DAY)
    assert made.timers() == []
    made.run(60 * DAY)
    assert made.decided == []


def test_people_who_are_there_already_are_armed_when_the_rule_is_new(home: Store) -> None:
    """A date that has passed before opens nothing."""
    made = world(store=home)
    made.identify("ada", {"renews_at": "2026-04-01", **PARIS})
    made.identify("ben", {"renews_at": "2026-03-09", **PARIS})
    made.run(5 * DAY)
    made.change_rules(_rule())
    made.run(60 * DAY)
    assert made.moments() == [("ada", "03-25 08:00", "entered")]


def test_nobody_anonymous_has_a_date_until_they_are_known(made: World) -> None:
    """Then it is armed."""
    made.identify(None, {"renews_at": "2026-04-01", **PARIS}, anonymous="anon-1")
    made.run(DAY)
    assert made.timers() == []
    made.identify("ada", {}, anonymous="anon-1", at=DAY)
    made.run(60 * DAY)
    assert made.moments() == [("ada", "03-25 08:00", "entered")]


@pytest.mark.parametrize("size", [1, 2, 9])
def test_the_outcome_does_not_depend_on_which_messages_share_a_batch(
    home: Store, size: int
) -> None:
    """Dates are told, come, and are moved within one batch of a replay."""
    made = world(_rule({"date": "person.renews_at"}), store=home)
    dates = ["2026-03-03", "2026-03-05", "2026-03-20", "2026-03-03", "2026-03-07", "2026-03-30"]
    told = [
        message(
            f"m-{place}",
            type_=MessageType.IDENTIFY,
            user="ada",
            at=2 * place * DAY,
            data={"renews_at": date},
        )
        for place, date in enumerate(dates)
    ]
    for first in range(0, len(told), size):
        part = told[first : first + size]
        made.decided += made.engine.take(part, until=part[-1].received_at).decisions
        made.clock.move_to(part[-1].received_at)
    made.run(60 * DAY)
    found = [date for _, date, _ in made.moments()]
    assert found == ["03-03 00:00", "03-05 00:00", "03-30 00:00"]


def test_a_date_that_a_rules_own_step_sets_opens_a_rule(home: Store) -> None:
    """As one that a message brings."""
    trial = campaign("trial", "Signed Up", whereupon=[{"set": {"renews_at": "2026-03-20"}}])
    made = world(_rule(), trial, store=home)
    made.track("Signed Up", "ada")
    made.run(60 * DAY)
    assert made.verdicts == [("ada", "trial", "entered"), ("ada", "renewal", "entered")]


def test_what_a_browser_dated_starts_no_broadcast(home: Store) -> None:
    """Nothing that a browser sends may, now or later."""
    rule = _rule({"date": "person.renews_at"}, whereupon=[{"track": "Sale Started"}])
    made = world(rule, broadcast("sale", "Sale Started"), store=home)
    made.identify("ada", {"renews_at": "2026-03-05"}, source="client")
    made.run(60 * DAY)
    assert made.verdicts == [("ada", "renewal", "entered"), ("ada", "sale", "source")]
    assert made.titles() == []
