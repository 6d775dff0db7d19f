"""Decisions: every reason, the order of evaluation, and every kind of re-entry."""

import pytest
from pydantic import JsonValue
from tests.rule_files import broadcast, campaign
from tests.worlds import DAY, HOUR, World, world

# --- the order --------------------------------------------------------------------------------------


def test_reasons_are_given_in_the_order_of_evaluation() -> None:
    """The message and its `where`, whether the rule is open to it, the person, then re-entry."""
    rule = campaign(
        "thanks",
        "purchase",
        where={"price": {"gt": 20}},
        active={"until": "2026-03-01T12:10:00Z"},
        max_age="5m",
        who={"plan": "pro"},
        reentry="once",
    )
    made = world(rule)
    made.track("purchase", "ada", {"price": 1}, at=20)
    made.track("purchase", "ada", {"price": 30}, at=20)
    made.track("purchase", "ada", {"price": 30}, at=9)
    made.identify("ada", {"plan": "pro"})
    made.track("purchase", "ada", {"price": 30}, at=9)
    assert made.outcomes == ["where", "inactive", "too-old", "too-old"]
    fresh = world(rule)
    fresh.track("purchase", "ada", {"price": 30}, at=1)
    fresh.identify("ada", {"plan": "pro"})
    fresh.track("purchase", "ada", {"price": 30}, at=2)
    fresh.track("purchase", "ada", {"price": 30}, at=3)
    assert fresh.outcomes == ["who", "entered", "reentry"]


def test_a_decision_says_what_failed_and_what_it_saw() -> None:
    """It names the part of the condition that failed, and the values that this part read."""
    made = world(
        campaign("thanks", "purchase", where={"price": {"gt": 20}}, who={"plan": ["pro", "team"]})
    )
    made.track("purchase", "ada", {"price": "7"})
    made.track("purchase", "ada", {"price": "23.45"})
    first, second = made.decided
    assert (first.values, second.values) == ({"properties.price": "7"}, {"person.plan": None})
    assert first.condition
    assert second.condition
    assert first.digest == second.digest == made.engine.pipeline.index.by_id["thanks"].digest


def test_every_rule_that_names_a_message_decides_it_once() -> None:
    """Exact names, lists and prefixes; a rule that matches twice makes one decision."""
    made = world(
        campaign("exact", "Product Added"),
        campaign("listed", ["Product Added", "Product Removed", "Product Added"]),
        campaign("prefixed", ["Product *", "Product A*", "*"]),
        campaign("mixed", ["Product *", "Product Added"]),
        campaign("other", "product added"),
        campaign("page", {"page": "Product Added"}),
    )
    made.track("Product Added", "ada")
    assert sorted(rule for _, rule, _ in made.verdicts) == ["exact", "listed", "mixed", "prefixed"]
    assert len(made.deliveries()) == 4


def test_pages_and_screens_trigger_by_their_names() -> None:
    """A page is not an event of the same name, and a page without a name triggers nothing."""
    made = world(campaign("page", {"page": "Pric*"}), campaign("screen", {"screen": "Cart"}))
    for type_, name in (
        ("page", "Pricing"),
        ("screen", "Cart"),
        ("screen", "Pricing"),
        ("page", ""),
    ):
        made.send(type_, "ada", {"name": name}, {})
    assert made.verdicts == [("ada", "page", "entered"), ("ada", "screen", "entered")]


def test_conditions_see_the_message_and_the_person() -> None:
    """event, properties, context, person, timestamp and type."""
    logic: JsonValue = {
        "and": [
            {"==": [{"var": "event"}, "purchase"]},
            {"==": [{"var": "type"}, "track"]},
            {"==": [{"var": "properties.price"}, 7]},
            {"==": [{"var": "context.ip"}, "192.0.2.1"]},
            {"==": [{"var": "person.plan"}, "pro"]},
            {"==": [{"var": "timestamp"}, "2026-03-01T12:05:00Z"]},
        ]
    }
    made = world(campaign("thanks", "purchase", who={"logic": logic}))
    made.identify("ada", {"plan": "pro"})
    made.track("purchase", "ada", {"price": 7}, at=5, context={"ip": "192.0.2.1"})
    assert made.outcomes == ["entered"]


def test_performed_counts_up_to_the_message_itself() -> None:
    """Only events that happened before the message count, whatever their order of arrival."""
    made = world(
        campaign(
            "thanks",
            "purchase",
            who={"performed": {"event": "purchase", "at_least": 2, "within": "10m"}},
        )
    )
    for at in (0, 20, 29.9, 9.9):
        made.track("purchase", "ada", at=at, arrives=40)
    assert made.outcomes == ["who", "who", "entered", "entered"]


# --- re-entry ---------------------------------------------------------------------------------------


def reentered(reentry: JsonValue, *minutes: float, **keys: JsonValue) -> list[str]:
    """The outcomes of purchases at these minutes, in this order of arrival."""
    made = world(campaign("thanks", "purchase", reentry=reentry, **keys))
    for at in minutes:
        made.track("purchase", "ada", {"price": at}, at=at, arrives=max(minutes))
    return made.outcomes


def test_once_is_for_ever() -> None:
    """A person enters once, ever."""
    assert reentered("once", 0, 1, 40 * DAY) == ["too-old", "too-old", "entered"]
    assert reentered("once", 0, 1, 100) == ["entered", "reentry", "reentry"]


def test_every_time_is_every_time() -> None:
    """Every message that matches opens an entry."""
    assert reentered("every_time", 0, 0, 1) == ["entered"] * 3


@pytest.mark.parametrize(
    ("minutes", "outcomes"),
    [
        ((0, 9.999), ["entered", "reentry"]),
        ((0, 10), ["entered", "entered"]),
        ((10, 0.001), ["entered", "reentry"]),
        ((10, 0), ["entered", "entered"]),
        ((0, 20, 10), ["entered", "entered", "entered"]),
        ((0, 18, 9), ["entered", "entered", "reentry"]),
        ((0, 9, 11), ["entered", "reentry", "entered"]),
    ],
)
def test_once_per_counts_in_both_directions(minutes: list[float], outcomes: list[str]) -> None:
    """No two entries are closer than the period, by the messages' own times, in any order of arrival."""
    assert reentered({"once_per": "10m"}, *minutes) == outcomes


@pytest.mark.parametrize(
    ("keys", "outcomes"),
    [
        ((1, 1), ["entered", "reentry"]),
        ((1, 2, 1), ["entered", "entered", "reentry"]),
        ((1, "1"), ["entered", "reentry"]),
        (({"a": 1, "b": 2}, {"b": 2, "a": 1}), ["entered", "reentry"]),
        ((None, None), ["key-missing", "key-missing"]),
        (("", " "), ["key-missing", "key-missing"]),
        ((False, 0), ["entered", "entered"]),
    ],
)
def test_once_per_key_is_one_entry_a_value(keys: list[JsonValue], outcomes: list[str]) -> None:
    """A number and the same text are one value; a message without the value does not enter."""
    made = world(campaign("thanks", "purchase", reentry={"once_per_key": "properties.order.id"}))
    for key in keys:
        made.track("purchase", "ada", {"order": {"id": key}})
    assert made.outcomes == outcomes


def test_a_key_that_is_not_there_is_named() -> None:
    """The explanation can name the missing key, also if the path leads through a value that is not an object."""
    made = world(campaign("thanks", "purchase", reentry={"once_per_key": "properties.order.id"}))
    made.track("purchase", "ada", {"order": "odd"})
    made.track("purchase", "ada")
    assert made.outcomes == ["key-missing", "key-missing"]
    assert made.decided[0].values == {"properties.order.id": None}


def test_nobody_enters_twice_while_inside() -> None:
    """Once the entry has ended, the next may begin."""
    made = world(
        campaign("thanks", "purchase", reentry="not_while_active", whereupon=[{"wait": "10m"}])
    )
    made.track("purchase", "ada", at=0)
    made.track("purchase", "ben", at=0)
    made.track("purchase", "ada", at=9)
    made.track("purchase", "ada", at=10)
    made.track("purchase", "ada", at=11)
    assert made.outcomes == ["entered", "entered", "reentry", "entered", "reentry"]


@pytest.mark.parametrize("reentry", ["once", {"once_per": "1d"}, {"once_per_key": "properties.n"}])
def test_re_entry_is_each_persons_own(reentry: JsonValue) -> None:
    """What one person did does not keep another out."""
    made = world(campaign("thanks", "purchase", reentry=reentry))
    for user in ("ada", "ben", "ada"):
        made.track("purchase", user, {"n": 1})
    assert made.outcomes == ["entered", "entered", "reentry"]


def test_somebody_deleted_enters_anew() -> None:
    """The new, empty person has no past."""
    made = world(campaign("thanks", "purchase", reentry="once"))
    made.track("purchase", "ada", at=0)
    made.track("Delete Person", "ada", at=1)
    made.track("purchase", "ada", at=2)
    assert made.outcomes == ["entered", "entered"]


# --- looking back -----------------------------------------------------------------------------------


def claimed(made: World) -> list[str]:
    """The outcomes of three anonymous purchases, and of a fourth that arrived late."""
    for at in (0, 10, 20):
        made.track("purchase", None, {"price": at}, anonymous="anon-1", at=at)
    made.identify("ada", anonymous="anon-1", at=25)
    return made.outcomes


@pytest.mark.parametrize(
    ("retroactive", "outcomes"),
    [
        (True, ["entered", "entered", "entered"]),
        (False, ["retroactive-off", "retroactive-off", "retroactive-off"]),
        ({"take": "all"}, ["entered", "entered", "entered"]),
        ({"take": "first"}, ["entered", "retroactive-take", "retroactive-take"]),
        ({"take": "last"}, ["retroactive-take", "retroactive-take", "entered"]),
        ({"within": "15m"}, ["too-old", "entered", "entered"]),
        ({"take": "first", "within": "15m"}, ["too-old", "entered", "retroactive-take"]),
        ({"take": "last", "within": "1m"}, ["too-old", "too-old", "too-old"]),
    ],
)
def test_a_rule_says_which_claimed_messages_trigger(
    retroactive: JsonValue, outcomes: list[str]
) -> None:
    """All, none, the first or the last of the eligible ones, up to a span before the claim."""
    assert claimed(world(campaign("thanks", "purchase", retroactive=retroactive))) == outcomes


def test_first_and_last_are_of_those_that_could_trigger() -> None:
    """`first` and `last` skip a message that `where` rules out."""
    rule = campaign("thanks", "purchase", where={"price": {"lt": 15}}, retroactive={"take": "last"})
    assert claimed(world(rule)) == ["retroactive-take", "entered", "where"]


def test_what_was_never_anonymous_is_not_retroactive() -> None:
    """`retroactive: false` has no effect on messages of known people, late or not."""
    made = world(campaign("thanks", "purchase", retroactive=False))
    made.track("purchase", "ada", at=0, arrives=30)
    made.track("purchase", "ada", anonymous="anon-1", at=31)
    assert [(d.reason, d.retroactive) for d in made.decided] == [(None, False)] * 2


def test_a_late_anonymous_message_is_retroactive_too() -> None:
    """It makes no difference whether it arrives before the claim or after it."""
    made = world(campaign("thanks", "purchase", retroactive=False))
    made.identify("ada", anonymous="anon-1", at=5)
    made.track("purchase", anonymous="anon-1", at=4, arrives=6)
    assert [(d.reason, d.retroactive) for d in made.decided] == [("retroactive-off", True)]


# --- age and activity -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "age", "outcome"),
    [
        ({}, 72 * HOUR, "entered"),
        ({}, 72 * HOUR + 1, "too-old"),
        ({"max_age": "1h"}, HOUR, "entered"),
        ({"max_age": "1h"}, HOUR + 1, "too-old"),
        ({"max_age": "30d"}, 29 * DAY, "entered"),
    ],
)
def test_a_backdated_message_triggers_while_no_older_than_max_age(
    keys: dict[str, JsonValue], age: float, outcome: str
) -> None:
    """Age is measured from when it happened to when it arrived."""
    made = world(campaign("thanks", "purchase", **keys))
    made.track("purchase", "ada", at=0, arrives=age)
    assert made.outcomes == [outcome]


@pytest.mark.parametrize(
    ("active", "outcomes"),
    [
        (True, ["entered", "entered", "entered"]),
        (False, ["inactive", "inactive", "inactive"]),
        ({"from": "2026-03-01T12:01:00Z"}, ["inactive", "entered", "entered"]),
        ({"until": "2026-03-01T12:01:00Z"}, ["entered", "inactive", "inactive"]),
        (
            {"from": "2026-03-01T12:01:00Z", "until": "2026-03-01T12:02:00Z"},
            ["inactive", "entered", "inactive"],
        ),
    ],
)
def test_a_rule_is_active_from_one_instant_to_another(
    active: JsonValue, outcomes: list[str]
) -> None:
    """The time at which a message happened counts; the first instant is included, the last is not."""
    made = world(campaign("thanks", "purchase", active=active))
    for at in (0, 1, 2):
        made.track("purchase", "ada", at=at, arrives=9)
    assert made.outcomes == outcomes


# --- people gone, senders, loops --------------------------------------------------------------------


def test_messages_of_people_gone_are_decided_and_skipped() -> None:
    """Every message gets a decision, also if its person is gone."""
    made = world(campaign("thanks", "purchase"))
    made.identify("ada")
    made.track("Delete Person", "ada", at=5)
    made.track("Suppress Person", "ben", at=5)
    made.track("purchase", "ada", at=4, arrives=6)
    made.track("purchase", "ben", at=7)
    assert made.verdicts == [(None, "thanks", "deleted"), (None, "thanks", "suppressed")]


def test_a_broadcast_is_started_by_a_server_only() -> None:
    """Otherwise any visitor could send mail to everybody."""
    made = world(broadcast("sale", "price dropped", who={"plan": "pro"}))
    made.identify("ada", {"plan": "pro"})
    made.identify("ben", {"plan": "free"})
    made.track("price dropped", "ben", source="client")
    made.track("price dropped", anonymous="anon-1", source="client")
    made.run(1)
    assert made.outcomes == ["source", "source"]
    made.track("price dropped", anonymous="anon-1")
    made.run(2)
    assert made.verdicts[2:] == [("ada", "sale", "entered")]
    made.identify("ada", anonymous="anon-1")
    assert made.outcomes == ["source", "source", "entered"]


def test_a_rule_that_tracks_its_own_trigger_ends() -> None:
    """After a limit of steps that follow from one another, the next is skipped as a loop."""
    made = world(campaign("echo", "ping", whereupon=[{"track": "ping"}]))
    made.track("ping", "ada")
    assert made.outcomes == ["entered"] * 9 + ["loop"]
    assert len(made.entries()) == 9


def test_two_rules_that_set_each_other_off_end() -> None:
    """It ends for circles of any shape, also for one with a wait in it."""
    made = world(
        campaign("ping", "ping", whereupon=[{"wait": "1m"}, {"track": "pong"}]),
        campaign("pong", "pong", whereupon=[{"track": "ping"}]),
    )
    made.track("ping", "ada", at=0)
    made.run(DAY)
    assert made.outcomes.count("loop") == 1
    assert len(made.entries()) == 9
