"""Conditions over time in every place where a condition stands, on every store."""

import pytest
from pydantic import JsonValue
from tests.rule_files import File, broadcast, campaign, segment
from tests.worlds import DAY, HOUR, after, world

from whereupon.ports import Store

TODAY = "2026-03-01"
SETTINGS: File = {
    "settings": "settings",
    "timezone": {"attribute": "timezone", "else": "Asia/Tokyo"},
}
ON_DAY: JsonValue = {"at": {"on_day": "0d"}}


def test_who_compares_a_date_with_now_and_explain_says_what_it_saw(home: Store) -> None:
    """The reason has the words of the condition, the date, the time and the timezone."""
    made = world(campaign("soon", "x", who={"renews_at": {"in_next": "7d"}}), store=home)
    made.identify("ada", {"renews_at": "2026-03-09", "timezone": "Europe/Paris"})
    made.track("x", "ada")
    made.track("x", "ada", at=DAY)
    assert made.outcomes == ["who", "entered"]
    assert made.decided[0].condition == "renews_at is in the next 7d"
    assert made.decided[0].values == {
        "person.renews_at": "2026-03-09",
        "timestamp": "2026-03-01T12:00:00Z",
        "person.timezone": "Europe/Paris",
    }
    sentences = [each.sentence for each in made.engine.explain("ada", "soon")]
    assert any("renews_at is in the next 7d" in each for each in sentences)


@pytest.mark.parametrize(
    ("timezone", "outcome"),
    [
        ("Pacific/Kiritimati", "where"),
        ("Pacific/Pago_Pago", "entered"),
        ("Nowhere/Land", "entered"),
        (None, "entered"),
    ],
)
def test_an_unknown_or_missing_timezone_of_a_person_counts_as_else(
    home: Store, timezone: JsonValue, outcome: str
) -> None:
    """Noon in UTC is today in Tokyo and in Samoa, and tomorrow in Kiritimati."""
    made = world(SETTINGS, campaign("today", "x", where=ON_DAY), store=home)
    made.identify("ada", {"timezone": timezone})
    made.track("x", "ada", {"at": TODAY})
    assert made.outcomes == [outcome]


def test_many_rules_of_one_event_are_decided_alike_by_the_index_and_one_by_one(home: Store) -> None:
    """A rule with a clock of its own among rules that go by the person's."""
    days: list[JsonValue] = [f"2026-03-{day:02}" for day in range(1, 4)]
    rules = [
        campaign(f"r{number:02}{place}", "x", where=ON_DAY, **own)
        for number in range(30)
        for place, own in enumerate(({}, {"timezone": "Pacific/Kiritimati"}))
    ]
    made = world(SETTINGS, *rules, store=home)
    made.identify("ada", {"timezone": "Pacific/Pago_Pago"})
    for day in days:
        made.track("x", "ada", {"at": day})
    entered = [(d.rule[-1], d.rule) for d in made.decided if d.reason is None]
    assert [place for place, _ in sorted(entered)] == ["0"] * 30 + ["1"] * 30


def test_an_audience_goes_by_each_persons_own_day(home: Store) -> None:
    """A store that looks at attributes itself leaves nobody out; a schedule's timezone is theirs who have none."""
    people = {
        "ada": ("1990-03-01", "Europe/Paris"), "bea": ("1990-03-02", "Pacific/Kiritimati"),
        "cleo": ("1990-03-02", "Europe/Paris"), "dora": ("soon", None), "eve": ("2000-03-01", None),
    }  # fmt: skip
    birthday: JsonValue = {"born": {"anniversary": "0d"}}
    made = world(
        broadcast("own", "api", who=birthday),
        broadcast("all", {"cron": "30 2 * * *", "timezone": "Pacific/Kiritimati"}, who=birthday),
        store=home,
    )
    for user, (born, timezone) in people.items():
        made.identify(user, {"born": born, "timezone": timezone})
    made.engine.trigger("own")
    made.run(HOUR)
    entered = {(rule, person) for person, rule, outcome in made.verdicts if outcome == "entered"}
    assert entered == {
        ("own", "ada"), ("own", "bea"), ("own", "eve"), ("all", "ada"), ("all", "bea"),
    }  # fmt: skip


def test_steps_ask_on_the_persons_clock_as_of_when_they_are_done(home: Store) -> None:
    """`if` and `branch` read now."""
    steps: list[JsonValue] = [
        {"send": "push", "title": "today", "if": ON_DAY},
        {"wait": "1d"},
        {"send": "push", "title": "tomorrow", "if": ON_DAY},
        {
            "branch": [
                {"if": {"at": {"in_last": "1d"}}, "then": [{"send": "push", "title": "just now"}]},
                {"else": [{"send": "push", "title": "long ago"}]},
            ]
        },
    ]
    made = world(campaign("c", "x", whereupon=steps), store=home)
    made.identify("ada", {"at": "2026-03-02", "timezone": "Pacific/Pago_Pago"})
    made.track("x", "ada")
    made.run(2 * DAY)
    assert made.titles() == ["tomorrow", "just now"]


@pytest.mark.parametrize(("check_in", "counts"), [("2026-03-03", True), ("2026-03-02", False)])
def test_in_a_where_over_an_event_now_is_the_events_own_time(
    home: Store, check_in: str, *, counts: bool
) -> None:
    """In `performed`, `exit`, `goal` and `wait_for`, whenever it is asked; days are on the person's clock."""
    where: JsonValue = {"check_in": {"on_day": "+1d"}}
    asked: JsonValue = {"performed": {"event": "Booked", "where": where}}
    arm: JsonValue = {
        "event": "Moved",
        "where": where,
        "then": [{"send": "push", "title": "moved"}],
    }
    later: JsonValue = [{"wait": "9d"}, {"send": "push", "title": "stayed"}]
    unmet: JsonValue = [{"wait": "9d"}, {"send": "push", "title": "unmet"}]
    made = world(
        campaign("asked", "x", who=asked),
        campaign(
            "goal",
            "x",
            goal={"event": "Moved", "where": where, "within": "7d", "exit": True},
            whereupon=unmet,
        ),
        campaign("left", "x", exit={"event": "Moved", "where": where}, whereupon=later),
        campaign("waits", "x", whereupon=[{"wait_for": [arm], "up_to": "10d"}]),
        store=home,
    )
    made.identify("ada", {"timezone": "Pacific/Kiritimati"})
    made.track("Booked", "ada", {"check_in": check_in})
    made.track("x", "ada", at=5 * DAY)
    made.track("Moved", "ada", {"check_in": f"2026-03-{int(check_in[-2:]) + 5:02}"}, at=5 * DAY + 1)
    made.run(20 * DAY)
    assert (("ada", "asked", "entered") in made.verdicts) is counts
    assert ("moved" in made.titles()) is counts
    assert ("stayed" in made.titles()) is not counts
    assert ("unmet" in made.titles()) is not counts


MIDNIGHT = 12 * HOUR
"""Of the first day's end in UTC."""


@pytest.mark.parametrize(
    ("who", "attribute", "moments"),
    [
        ({"at": {"in_next": "1d"}}, "2026-03-04T12:00:00Z", [("in", 2 * DAY), ("out", 3 * DAY)]),
        ({"at": {"in_last": "1d"}}, "2026-03-02T12:00:00Z", [("in", DAY), ("out", 2 * DAY)]),
        ({"at": {"not_in_last": "1d"}}, "2026-03-02T12:00:00Z", [("out", DAY), ("in", 2 * DAY)]),
        ({"at": {"on_day": "+1d"}}, "2026-03-03", [("in", MIDNIGHT), ("out", MIDNIGHT + DAY)]),
        ({"at": {"anniversary": "0d"}}, "1990-03-02", [("in", MIDNIGHT), ("out", MIDNIGHT + DAY)]),
        (
            {"not": {"performed": {"event": "Visit", "within": "2d"}}, "known": {"exists": True}},
            None,
            [("in", 2 * DAY)],
        ),
        (
            {"list": {"any_item": {"until": {"in_next": "1h"}}}},
            [{"until": "2026-03-01T15:00:00Z"}, {"until": "2026-03-01T18:00:00Z"}],
            [("in", 2 * HOUR), ("out", 3 * HOUR), ("in", 5 * HOUR), ("out", 6 * HOUR)],
        ),
        (
            {"logic": {">=": [{"var": "timestamp"}, "2026-03-02"]}, "known": {"exists": True}},
            None,
            [("in", MIDNIGHT)],
        ),
    ],
)
def test_segments_that_count_on_time_change_at_the_exact_moment(
    home: Store, who: JsonValue, attribute: JsonValue, moments: list[tuple[str, int]]
) -> None:
    """They become true or false by time, and the rules that watch them open then, once each."""
    made = world(
        {"segment": "timely", "description": "By time.", "who": who},
        campaign("in", {"enters": "timely"}, reentry={"once_per": "1s"}),
        campaign("out", {"leaves": "timely"}, reentry={"once_per": "1s"}),
        store=home,
    )
    made.track("Visit", "ada")
    made.identify("ada", {"at": attribute, "list": attribute, "known": None})
    made.decided.clear()
    made.identify("ada", {"known": 1})
    before = [each.rule for each in made.decided if each.reason is None]
    made.run(10 * DAY)
    opened = [(d.rule, d.timestamp) for d in made.decided[len(before) :] if d.reason is None]
    assert opened == [(rule, after(minutes)) for rule, minutes in moments]


def test_a_place_in_time_that_only_moves_is_computed_anew(home: Store) -> None:
    """Each visit moves the moment; the last one counts."""
    made = world(
        {
            "segment": "away",
            "description": "Away.",
            "who": {"not": {"performed": {"event": "Visit", "within": "2d"}}},
        },
        campaign("back", {"enters": "away"}),
        store=home,
    )
    for day in range(4):
        made.track("Visit", "ada", at=day * DAY)
    made.run(10 * DAY)
    assert [d.timestamp for d in made.decided if d.rule == "back" and d.reason is None] == [
        after(5 * DAY)
    ]


def test_exits_that_count_on_time_end_an_entry_at_the_exact_moment(home: Store) -> None:
    """Between two steps, too."""
    made = world(
        campaign(
            "c",
            "x",
            exit={"renews_at": {"in_next": "1d"}},
            whereupon=[{"wait": "9d"}, {"send": "push", "title": "late"}],
        ),
        store=home,
    )
    made.identify("ada", {"renews_at": "2026-03-04T12:00:00Z"})
    made.track("x", "ada")
    states = []
    for minutes in (2 * DAY - 1, 2 * DAY, 20 * DAY):
        made.run(minutes)
        (explanation,) = made.engine.explain("ada", "c")
        states.append(explanation.state)
    assert states == ["active", "exited", "exited"]
    assert made.titles() == []


def test_a_day_moves_with_the_persons_timezone(home: Store) -> None:
    """A clock that is further east comes to the day earlier; one further west comes to it once more, and later."""
    made = world(
        segment("today", at={"on_day": "0d"}),
        campaign("in", {"enters": "today"}, reentry={"once_per": "1s"}),
        campaign("out", {"leaves": "today"}, reentry={"once_per": "1s"}),
        store=home,
    )
    made.identify("ada", {"at": "2026-03-03", "timezone": "UTC"})
    made.run(DAY)  # noon of the day before
    made.identify("ada", {"timezone": "Pacific/Kiritimati"}, at=DAY)
    made.identify("ada", {"timezone": "Etc/GMT+12"}, at=DAY + 1)
    made.run(10 * DAY)
    opened = [(d.rule, d.timestamp) for d in made.decided if d.reason is None]
    begins = 2 * DAY
    assert opened == [
        ("in", after(DAY)), ("out", after(DAY + 1)), ("in", after(begins)), ("out", after(begins + DAY)),
    ]  # fmt: skip
