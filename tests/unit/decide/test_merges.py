"""Merges: what is known of the merged person, and which of two entries goes on."""

from collections.abc import Callable

import pytest
from pydantic import JsonValue
from tests.rule_files import File, campaign
from tests.worlds import HOUR, World, world

from whereupon.decide.consent import is_subscribed
from whereupon.ports import Store
from whereupon.records import Changes, DeliveryState, Entry

LATER: list[JsonValue] = [{"wait": "4h"}, {"send": "push", "title": "{{ properties.n }}"}]


def entries_of_new(made: World, rule: str = "hi") -> list[tuple[str, str, str | None]]:
    """Trigger, state and end reason of every entry of the person `new`, oldest first."""
    with made.home.session() as session:
        (known,) = session.identifiers(["new"], [])
        decided = session.decided(known.key, rule, 9)
    entries = [entry for _, entry in reversed(decided) if isinstance(entry, Entry)]
    return [(e.occasion, e.state.value, e.ended.reason if e.ended else None) for e in entries]


def both_inside(home: Store, reentry: JsonValue, second: JsonValue, *, at: float = 30) -> World:
    """`new` enters at noon, `old` a little later, and both wait; then they are merged."""
    made = world(campaign("hi", "ping", reentry=reentry, whereupon=LATER), store=home)
    made.track("ping", "new", {"n": 1}, at=0, message_id="first")
    made.track("ping", "old", {"n": second}, at=at, message_id="second")
    made.alias("new", "old", at=HOUR)
    return made


REFUSED: list[tuple[JsonValue, JsonValue]] = [
    ("once", 2),
    ("not_while_active", 2),
    ({"once_per": "31m"}, 2),
    ({"once_per_key": "properties.n"}, "1"),
]
ADMITTED: list[tuple[JsonValue, JsonValue]] = [
    ("every_time", 1),
    ({"once_per": "30m"}, 2),
    ({"once_per_key": "properties.n"}, 2),
]


@pytest.mark.parametrize(("reentry", "second"), REFUSED)
def test_the_later_entry_ends_that_the_earlier_would_have_kept_out(
    home: Store, reentry: JsonValue, second: JsonValue
) -> None:
    """One human being gets one copy, and the explanation says why."""
    made = both_inside(home, reentry, second)
    assert entries_of_new(made) == [("first", "active", None), ("second", "exited", "merged")]
    made.run(9 * HOUR)
    assert made.titles() == ["1"]
    assert entries_of_new(made)[0] == ("first", "completed", "completed")


@pytest.mark.parametrize(("reentry", "second"), ADMITTED)
def test_both_entries_go_on_that_one_person_could_have_had(
    home: Store, reentry: JsonValue, second: JsonValue
) -> None:
    """The rule lets a person in again."""
    made = both_inside(home, reentry, second)
    made.run(9 * HOUR)
    assert made.titles() == ["1", str(second)]


def test_it_is_the_later_entry_that_ends_whoever_survives(home: Store) -> None:
    """`old` entered first, so that entry goes on, as the survivor's."""
    made = both_inside(home, "once", 2, at=-10)
    assert entries_of_new(made) == [("second", "active", None), ("first", "exited", "merged")]


def test_an_entry_that_is_over_keeps_out_as_it_always_did(home: Store) -> None:
    """`once` means once: a person who has finished gets no second copy by a merge."""
    made = world(campaign("hi", "ping", reentry="once", whereupon=LATER), store=home)
    made.track("ping", "old", at=0, message_id="first")
    made.run(5 * HOUR)
    made.track("ping", "new", at=5 * HOUR, message_id="second")
    made.alias("new", "old", at=6 * HOUR)
    assert entries_of_new(made) == [
        ("first", "completed", "completed"),
        ("second", "exited", "merged"),
    ]


def test_an_entry_that_ends_by_the_merge_keeps_nobody_out(home: Store) -> None:
    """The third entry is far enough from the first, the only one that goes on before it."""
    made = world(campaign("hi", "ping", reentry={"once_per": "1h"}, whereupon=LATER), store=home)
    made.track("ping", "new", at=0, message_id="first")
    made.track("ping", "old", at=30, message_id="second")
    made.track("ping", "new", at=61, message_id="third")
    made.alias("new", "old", at=62)
    assert entries_of_new(made) == [
        ("first", "active", None),
        ("second", "exited", "merged"),
        ("third", "active", None),
    ]


def test_what_the_ended_entry_has_not_sent_yet_is_withdrawn(home: Store) -> None:
    """Only deliveries of that entry, and only those that still wait."""
    steps: list[JsonValue] = [{"send": "push", "title": "{{ properties.n }}"}, *LATER]
    made = world(campaign("hi", "ping", reentry="once", whereupon=steps), store=home)
    made.track("ping", "new", {"n": 1}, at=0)
    made.track("ping", "old", {"n": 2}, at=30)
    made.alias("new", "old", at=HOUR)
    (withheld,) = made.engine.deliveries(DeliveryState.WITHHELD)
    assert (withheld.content["title"], withheld.reason) == ("2", "merged")
    assert "one person with somebody" in made.engine.explain("new", "hi")[0].sentence
    (pending,) = made.engine.deliveries(DeliveryState.PENDING)
    assert pending.content["title"] == "1"


def test_what_both_are_inside_of_is_settled_in_one_batch_as_in_many(home: Store) -> None:
    """The result is the same for every division into batches."""
    made = world(campaign("hi", "ping", reentry="once", whereupon=LATER), store=home)
    wire: list[File] = [
        {"type": "track", "event": "ping", "userId": "new", "messageId": "first"},
        {"type": "track", "event": "ping", "userId": "old", "messageId": "second"},
        {"type": "alias", "userId": "new", "previousId": "old", "messageId": "third"},
    ]
    made.engine.ingest(wire)
    assert entries_of_new(made) == [("first", "active", None), ("second", "exited", "merged")]


def test_it_is_settled_where_nobody_has_the_rule(home: Store) -> None:
    """The entry follows the rule version with which the person entered."""
    made = world(campaign("hi", "ping", reentry="once", whereupon=LATER), store=home)
    made.track("ping", "new", at=0, message_id="first")
    made.track("ping", "old", at=30, message_id="second")
    made.change_rules()
    made.alias("new", "old", at=HOUR)
    assert entries_of_new(made) == [("first", "active", None), ("second", "exited", "merged")]


def test_a_merge_that_somebody_agrees_to_later_is_settled_then(home: Store) -> None:
    """Also in a script without rules: the entries' rule version is read from the store."""
    made = world(campaign("hi", "ping", reentry="once", whereupon=LATER), store=home)
    made.track("ping", "new", at=0, message_id="first")
    made.track("ping", "old", at=30, message_id="second")
    made.alias("new", "old", at=HOUR, source="client")
    assert entries_of_new(made) == [("first", "active", None)]
    made.change_rules()
    (request,) = made.engine.requests()
    made.engine.requests.approve(request.key, by="lena")
    made.run(2 * HOUR)
    assert entries_of_new(made) == [("first", "active", None), ("second", "exited", "merged")]


# --- what is known ----------------------------------------------------------------------------------


def merged(home: Store, mine: JsonValue, theirs: JsonValue, *, theirs_at: float) -> JsonValue:
    """The merged attributes, where one person set theirs at noon and the other at another time."""
    made = world(store=home)
    made.identify("new", mine, at=0)
    made.identify("old", theirs, at=theirs_at, arrives=max(0, theirs_at))
    made.alias("new", "old", at=9)
    return dict(made.attributes("new"))


@pytest.mark.parametrize(
    ("mine", "theirs", "theirs_at", "found"),
    [
        ({"unsubscribed": False}, {"unsubscribed": True}, 5, {"unsubscribed": True}),
        ({"unsubscribed": False}, {"unsubscribed": True}, -5, {"unsubscribed": False}),
        ({"unsubscribed": True}, {"unsubscribed": False}, 5, {"unsubscribed": False}),
        ({"unsubscribed": True}, {"unsubscribed": None}, 5, {"unsubscribed": True}),
        ({"unsubscribed": True}, {"unsubscribed": ""}, 5, {"unsubscribed": True}),
        ({"unsubscribed": True}, {}, 5, {"unsubscribed": True}),
        ({}, {"unsubscribed": True}, -5, {"unsubscribed": True}),
        ({"unsubscribed": None}, {"unsubscribed": True}, -5, {"unsubscribed": True}),
        ({"plan": "pro"}, {"plan": "free"}, 5, {"plan": "pro"}),
        ({"unsubscribed": "YES"}, {"unsubscribed": "maybe"}, 5, {"unsubscribed": "YES"}),
        ({"unsubscribed": "maybe"}, {"unsubscribed": "no"}, -5, {"unsubscribed": "no"}),
        ({"unsubscribed": True}, {"unsubscribed": {"all": False}}, 5, {"unsubscribed": True}),
        ({"topics": {"news": 0}}, {"topics": ["news"]}, 5, {"topics": {"news": 0}}),
        ({"topics": False}, {"topics": {"news": "no"}}, -5, {"topics": {"news": "no"}}),
        (
            {"topics": {"news": "no", "tips": True}},
            {"topics": {"news": "?", "tips": None}},
            5,
            {"topics": {"news": "no", "tips": True}},
        ),
        ({"topics.news": True}, {"topics.news": False}, 5, {"topics.news": False}),
        (
            {"cio_subscription_preferences.topics.topic_1": False},
            {"cio_subscription_preferences.topics.topic_1": True},
            5,
            {"cio_subscription_preferences.topics.topic_1": True},
        ),
        (
            {"topics": {"news": True, "tips": True}},
            {"topics": {"news": False, "shop": True}},
            5,
            {"topics": {"news": False, "shop": True, "tips": True}},
        ),
        (
            {"cio_subscription_preferences": {"topics": {"topic_1": True}}},
            {"cio_subscription_preferences": {"topics": {"topic_1": False, "topic_2": False}}},
            -5,
            {"cio_subscription_preferences": {"topics": {"topic_1": True, "topic_2": False}}},
        ),
    ],
)
def test_of_two_the_newer_word_on_consent_wins(
    home: Store, mine: JsonValue, theirs: JsonValue, theirs_at: float, found: JsonValue
) -> None:
    """A missing value never replaces one; for all other attributes the survivor's value wins."""
    assert merged(home, mine, theirs, theirs_at=theirs_at) == found


@pytest.mark.parametrize("is_newer", [True, False])
@pytest.mark.parametrize("word", [True, False])
@pytest.mark.parametrize(
    "theirs",
    [
        lambda word: {"topics.news": word},
        lambda word: {"cio_subscription_preferences": {"topics": {"news": word}}},
        lambda word: {"cio_subscription_preferences.topics.news": "yes" if word else "no"},
    ],
)
def test_the_newer_word_on_a_topic_wins_in_whatever_spelling(
    home: Store, theirs: Callable[[bool], JsonValue], *, word: bool, is_newer: bool
) -> None:
    """One person says it as our own attribute, the other as Customer.io does; other topics stay."""
    mine: JsonValue = {"topics": {"news": not word, "tips": False}}
    found = merged(home, mine, theirs(word), theirs_at=5 if is_newer else -5)
    assert isinstance(found, dict)
    assert is_subscribed("news", found) is (word if is_newer else not word)
    assert not is_subscribed("tips", found)
    assert is_subscribed("offers", found)


def test_a_word_that_was_older_than_the_merged_one_stays_so(home: Store) -> None:
    """A late message is as old as its timestamp, whichever of the two persons had the newer value."""
    made = world(store=home)
    made.identify("new", {"unsubscribed": False}, at=0)
    made.identify("old", {"unsubscribed": True}, at=5)
    made.alias("new", "old", at=9)
    made.identify("new", {"unsubscribed": False}, at=3, arrives=10)
    assert made.attributes("new")["unsubscribed"] is True


@pytest.mark.parametrize(
    ("mine", "theirs", "found"),
    [
        ({"city": "Oslo"}, {"zip": "0150"}, {"city": "Oslo", "zip": "0150"}),
        (
            {"city": "Oslo"},
            {"city": "Rome", "geo": {"lat": 1}},
            {"city": "Oslo", "geo": {"lat": 1}},
        ),
        ({"geo": {"lat": 1, "lon": None}}, {"geo": {"lon": 2}}, {"geo": {"lat": 1, "lon": 2}}),
        ({"city": ""}, {"city": "Rome"}, {"city": "Rome"}),
        ({"city": 0}, {"city": "Rome"}, {"city": 0}),
        ({"city": "Oslo"}, {"city": None}, {"city": "Oslo"}),
        ({"list": [1]}, {"list": [2]}, {"list": [1]}),
        ({"geo": {}}, {"geo": {"lat": {"deg": 1}}}, {"geo": {"lat": {"deg": 1}}}),
        ({"geo": "north"}, {"geo": {"lat": 1}}, {"geo": "north"}),
    ],
)
def test_what_only_the_loser_has_is_kept_at_any_depth(
    home: Store, mine: JsonValue, theirs: JsonValue, found: JsonValue
) -> None:
    """Where both have a value, the survivor's wins."""
    both = merged(home, {"address": mine}, {"address": theirs}, theirs_at=5)
    assert both == {"address": found}


# --- keys -------------------------------------------------------------------------------------------

KEYED = campaign("hi", "ping", reentry={"once_per_key": "properties.n"})


@pytest.mark.parametrize(
    "same",
    [
        [1001, "1001", 1001.0, " 1001\t"],
        [True, "true"],
        [1e3, 1000, "1000"],
        [10.5, "10.5"],
        [2**60, str(2**60)],
        [-0.0, 0, "0"],
        [{"a": 1, "b": 2}, {"b": 2, "a": 1}],
        [[1, 2], [1, 2]],
    ],
)
def test_keys_compare_as_ids_do(home: Store, same: list[JsonValue]) -> None:
    """A number counts as its digits, true and false as their words, and surrounding space is ignored."""
    made = world(KEYED, store=home)
    for value in same:
        made.track("ping", "ada", {"n": value})
    assert made.outcomes == ["entered"] + ["reentry"] * (len(same) - 1)


def test_keys_that_differ_are_different(home: Store) -> None:
    """In digits, case or type."""
    made = world(KEYED, store=home)
    values: list[JsonValue] = [
        1001,
        "1001.0",
        "a",
        "A",
        False,
        0,
        [0],
        "[0]",
        {"a": 0},
        2**60,
        2**60 + 1,
    ]
    for value in values:
        made.track("ping", "ada", {"n": value})
    assert made.outcomes == ["entered"] * len(values)


@pytest.mark.parametrize("blank", [None, "", " \t\n", "\u00a0", [], {}])
def test_a_blank_key_is_no_key(home: Store, blank: JsonValue) -> None:
    """A missing key is none either."""
    made = world(KEYED, store=home)
    made.track("ping", "ada", {"n": blank})
    made.track("ping", "ada", {})
    assert made.outcomes == ["key-missing", "key-missing"]


@pytest.mark.parametrize("stored", ["1001", "1001.0", '"1001"', '" 1001"', '"1001\\n"'])
def test_a_key_that_was_kept_as_a_number_still_keeps_out(home: Store, stored: str) -> None:
    """Slots that were stored before keys compared like ids are read by their meaning."""
    made = world(KEYED, store=home)
    made.track("ping", "ada", {"n": "other"})
    with made.home.session() as session:
        (known,) = session.identifiers(["ada"], [])
        ((_, entry),) = session.decided(known.key, "hi", 9)
        assert isinstance(entry, Entry)
        first = session.allocate(1)
        older = entry.changed(key=first, occasion="old", slot=f"key:{stored}")
        session.flush(_of(older))
    made.track("ping", "ada", {"n": 1001})
    assert made.outcomes == ["entered", "reentry"]


def _of(entry: Entry) -> Changes:
    return Changes(entries={entry.key: entry}, new_entries={entry.key})


def test_an_entry_that_ended_long_before_the_merge_keeps_out_who_entered_soon_after_it(
    home: Store,
) -> None:
    """A window of re-entry lies between the two entries' messages, however late the two persons merge."""
    rule = campaign("hi", "ping", reentry={"once_per": "1h"}, exit="stop", whereupon=LATER)
    made = world(rule, store=home)
    made.track("ping", "old", at=0, message_id="first")
    made.track("stop", "old", at=10)
    made.track("ping", "new", at=30, message_id="second")
    made.alias("new", "old", at=3 * HOUR)
    assert entries_of_new(made) == [("first", "exited", "event"), ("second", "exited", "merged")]


# --- what the loser did and said, for the survivor's entries ------------------------------------------


INHERITED: list[tuple[JsonValue, JsonValue, str]] = [
    ({"plan": "pro"}, [*LATER], "condition"),
    ("paid", [*LATER], "event"),
    (None, [{"wait_for": [{"event": "paid"}], "up_to": "4h"}], "completed"),
    (None, [{"wait_for": [{"who": {"plan": "pro"}}], "up_to": "4h"}], "completed"),
]


@pytest.mark.parametrize(("leave", "steps", "reason"), INHERITED)
def test_what_the_other_person_did_and_said_is_the_survivors_from_the_merge_on(
    home: Store, leave: JsonValue, steps: JsonValue, reason: str
) -> None:
    """It ends the survivor's entries and their waits at once, as if the survivor had done it."""
    keys: File = {} if leave is None else {"exit": leave}
    made = world(campaign("hi", "ping", whereupon=steps, **keys), store=home)
    made.track("ping", "new", {"n": 1}, at=0, message_id="first")
    made.identify("old", {"plan": "pro"}, at=5)
    made.track("paid", "old", at=10)
    made.alias("new", "old", at=HOUR)
    assert [end for _, _, end in entries_of_new(made)] == [reason]


def test_what_the_other_person_did_before_the_entry_began_does_not_end_it(home: Store) -> None:
    """Only what happened after the opening message counts."""
    made = world(campaign("hi", "ping", exit="paid", whereupon=LATER), store=home)
    made.track("paid", "old", at=0)
    made.track("ping", "new", {"n": 1}, at=10, message_id="first")
    made.alias("new", "old", at=HOUR)
    assert entries_of_new(made) == [("first", "active", None)]
