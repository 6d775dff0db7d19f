"""`reentry: {once_per: day}`, `week` and `month`: one entry in each part of the calendar on the person's clock."""

from pydantic import JsonValue
from tests.rule_files import File, campaign
from tests.worlds import DAY, HOUR, World, after, world

from whereupon.ports import Store
from whereupon.records import Entry, RetainedKind, RetentionCutoff

PARIS: File = {
    "settings": "settings",
    "timezone": {"attribute": "timezone", "else": "Europe/Paris"},
}


def visits(home: Store, once_per: str, **keys: JsonValue) -> World:
    """A campaign on each visit, once per part of the calendar. It is Sunday 1 March 2026, 12:00 UTC."""
    rule = campaign("visit", "Visited", reentry={"once_per": once_per}, **keys)
    return world(PARIS, rule, store=home)


def outcomes(made: World, *times: float) -> list[str]:
    """What becomes of a visit at each of these times."""
    for at in times:
        made.track("Visited", "ada", at=at)
    return made.outcomes


def test_once_per_day_is_a_calendar_day_on_the_person_s_clock(home: Store) -> None:
    """At 23:59 and at 00:00 in Paris are two days, though a minute apart; 00:00 and 23:59 are one."""
    night = 11 * HOUR  # midnight in Paris
    made = visits(home, "day")
    assert outcomes(made, night - 1, night, night + 1, night + DAY - 1, night + DAY) == [
        "entered",
        "entered",
        "reentry",
        "reentry",
        "entered",
    ]


def test_once_per_1d_stays_24_rolling_hours(home: Store) -> None:
    """Midnight means nothing to it."""
    night = 11 * HOUR
    made = visits(home, "1d")
    assert outcomes(made, night - 1, night, night + DAY - 2, night + DAY - 1) == [
        "entered",
        "reentry",
        "reentry",
        "entered",
    ]


def test_once_per_week_is_a_calendar_week_from_monday_on(home: Store) -> None:
    """Sunday 23:59 and Monday 00:00 are two weeks; Monday and the Sunday after are one."""
    monday = 11 * HOUR
    made = visits(home, "week")
    assert outcomes(made, monday - 1, monday, monday + 7 * DAY - 1, monday + 7 * DAY) == [
        "entered",
        "entered",
        "reentry",
        "entered",
    ]


def test_once_per_month_is_a_calendar_month(home: Store) -> None:
    """The first of March to the last, whose midnight is an hour earlier by then, in UTC."""
    april = 30 * DAY + 10 * HOUR
    made = visits(home, "month")
    assert outcomes(made, 0, 11 * HOUR, april - 1, april) == [
        "entered",
        "reentry",
        "reentry",
        "entered",
    ]


def test_each_person_has_a_clock_of_their_own(home: Store) -> None:
    """The same two instants are one day in New York, and two in Tokyo."""
    made = visits(home, "day")
    for user, zone in (("ada", "America/New_York"), ("ben", "Asia/Tokyo")):
        made.identify(user, {"timezone": zone}, at=0)
    for at in (0, 6 * HOUR):
        for user in ("ada", "ben"):
            made.track("Visited", user, at=at)
    assert [(d.person, d.reason) for d in made.decided] == [
        ("ada", None),
        ("ben", None),
        ("ada", "reentry"),
        ("ben", None),
    ]


def test_a_rule_s_own_timezone_comes_before_the_settings(home: Store) -> None:
    """At 00:30 in Paris it is still the same day in UTC."""
    made = visits(home, "day", timezone="UTC")
    assert outcomes(made, 0, 11.5 * HOUR, 12 * HOUR) == ["entered", "reentry", "entered"]


def test_late_messages_go_by_their_own_time(home: Store) -> None:
    """Yesterday's visit that arrives today is yesterday's; a second one of yesterday is refused."""
    made = visits(home, "day")
    made.track("Visited", "ada", at=DAY)
    made.track("Visited", "ada", at=0, arrives=DAY + 1)
    made.track("Visited", "ada", at=1, arrives=DAY + 2)
    assert made.outcomes == ["entered", "entered", "reentry"]


def test_claimed_messages_go_by_their_own_time(home: Store) -> None:
    """Two visits of two days, and one more of the second, before the person was known."""
    made = visits(home, "day", retroactive=True)
    for at in (0, DAY, DAY + 1):
        made.track("Visited", anonymous="anon-1", at=at)
    made.identify("ada", anonymous="anon-1", at=DAY + 2)
    assert made.outcomes == ["entered", "entered", "reentry"]


def test_a_move_to_another_timezone_lets_nobody_in_sooner(home: Store) -> None:
    """An entry counts for the day of the clock then, and for that of the clock now."""
    made = visits(home, "day")
    made.identify("ada", {"timezone": "Asia/Tokyo"}, at=0)
    made.track("Visited", "ada", at=8 * HOUR)  # 2 March, 05:00 in Tokyo
    made.identify("ada", {"timezone": "America/New_York"}, at=9 * HOUR)
    made.track(
        "Visited", "ada", at=10 * HOUR
    )  # 1 March, 17:00, as the first one was, on this clock
    made.track("Visited", "ada", at=DAY)  # 2 March in New York
    made.track("Visited", "ada", at=2 * DAY)
    assert made.outcomes == ["entered", "reentry", "reentry", "entered"]


def test_of_two_people_who_become_one_the_later_entry_of_a_day_ends(home: Store) -> None:
    """As with any other re-entry that would have refused the second."""
    steps: JsonValue = [{"wait": "30d"}, {"send": "push", "title": "Hello"}]
    made = visits(home, "day", whereupon=steps)
    made.track("Visited", "ada", at=0)
    made.track("Visited", "ben", at=HOUR)
    made.track("Visited", "ben", at=DAY)
    made.alias("ada", "ben", at=DAY + 1)
    with home.session() as session:
        entries = list(session.scan(Entry))
    ended = sorted((e.timestamp, e.ended.reason if e.ended else None) for e in entries)
    assert ended == [(after(0), None), (after(HOUR), "merged"), (after(DAY), None)]


def test_an_entry_is_kept_as_long_as_it_keeps_its_person_out(home: Store) -> None:
    """Retention drops an entry of a day behind, and keeps one of this month."""
    made = visits(home, "month")
    made.track("Visited", "ada", at=0)
    for days, left in ((20, 1), (90, 0)):
        cutoff = RetentionCutoff(RetainedKind.ENTRIES, after(DAY * days), after(DAY * days))
        with home.session() as session:
            session.prune(cutoff, 0, 1 << 60)
        with home.session() as session:
            assert len(list(session.scan(Entry))) == left
