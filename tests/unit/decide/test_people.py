"""Identity and attributes through the engine, rule by rule, on a real store."""

import gc
from typing import cast

import pytest
from pydantic import JsonValue
from tests.rule_files import broadcast, campaign, segment
from tests.worlds import DAY, HOUR, World, world

from whereupon.pipeline.ingestion import WireMessage

THANKS = campaign("thanks", "purchase")
EACH = campaign("each", "purchase")


def shop(*, store: str = "memory://") -> World:
    """A world with a campaign that answers every purchase."""
    return world(THANKS, store=store)


# --- 1. a message with a user id --------------------------------------------------------------------


def test_a_message_with_a_user_id_makes_a_person() -> None:
    """The person exists from then on, whatever the call."""
    made = shop()
    made.track("purchase", "ada", at=3)
    person = made.person("ada")
    assert person is not None
    assert (person.user_id, made.owners()) == ("ada", {made.entered[0]: "ada"})


# --- 2. a message with an anonymous id only ---------------------------------------------------------


def test_an_anonymous_message_waits_and_triggers_nothing() -> None:
    """No decision is made about it."""
    made = shop()
    result = made.track("purchase", anonymous="anon-1", message_id="m")
    assert (result.accepted, made.decided, made.owners()) == (1, [], {"m": None})


# --- 3. a claim -------------------------------------------------------------------------------------


def test_an_identify_with_both_ids_claims_what_waits() -> None:
    """All unclaimed messages of the anonymous id become the person's, in the order in which they happened."""
    made = shop()
    made.track("purchase", anonymous="anon-1", message_id="second", at=2, arrives=2)
    made.track("purchase", anonymous="anon-1", message_id="first", at=1, arrives=3)
    made.track("purchase", anonymous="anon-2", message_id="other", at=2)
    made.identify("ada", anonymous="anon-1", message_id="i", at=5)
    assert made.entered == ["first", "second"]
    assert all(decision.retroactive for decision in made.decided)
    assert made.owners() == {"first": "ada", "second": "ada", "other": None, "i": "ada"}


def test_any_message_with_both_ids_claims() -> None:
    """A purchase in a logged-in browser claims that browser."""
    made = shop()
    made.track("purchase", anonymous="anon-1", message_id="first", at=1)
    made.track("purchase", "ada", anonymous="anon-1", message_id="second", at=2)
    assert made.entered == ["first", "second"]
    assert [decision.retroactive for decision in made.decided] == [True, False]


@pytest.mark.parametrize(("age", "owner"), [(30 * DAY, "ada"), (30 * DAY + 0.001, None)])
def test_the_retention_is_thirty_days(age: float, owner: str | None) -> None:
    """An older message waits for ever."""
    made = shop()
    made.track("purchase", anonymous="anon-1", message_id="m", at=0)
    made.identify("ada", anonymous="anon-1", at=age)
    assert made.owners()["m"] == owner


def test_a_message_is_claimed_once() -> None:
    """The next person on the device gets the messages since then, and none twice."""
    made = shop()
    made.track("purchase", anonymous="anon-1", message_id="hers", at=0)
    made.identify("ada", anonymous="anon-1", at=1)
    made.track("purchase", anonymous="anon-1", message_id="his", at=20)
    made.identify("ben", anonymous="anon-1", at=21)
    made.identify("ada", anonymous="anon-1", at=22)
    owners = made.owners()
    assert (owners["hers"], owners["his"]) == ("ada", "ben")
    assert made.verdicts == [("ada", "thanks", "entered"), ("ben", "thanks", "entered")]


def test_anonymous_traits_come_with_the_claim() -> None:
    """The traits of an anonymous identify become the person's, with the time at which they were set."""
    made = shop()
    made.identify(None, {"plan": "free", "city": "Oslo"}, anonymous="anon-1", at=0)
    made.identify("ada", {"plan": "pro"}, anonymous="anon-1", at=1)
    made.identify(None, {"city": "Rome"}, anonymous="anon-1", at=2)
    assert made.attributes("ada") == {"plan": "pro", "city": "Rome"}


# --- 4. late messages -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "owner"),
    [(-30 * DAY, "ada"), (-30 * DAY - 0.001, None), (0, "ada"), (5, "ada"), (5.001, None)],
)
def test_a_message_that_arrives_after_the_claim_is_the_claimants_too(
    at: float, owner: str | None
) -> None:
    """If it happened before the claim, or up to five minutes after."""
    made = shop()
    made.identify("ada", anonymous="anon-1", at=0, arrives=0)
    made.track("purchase", anonymous="anon-1", message_id="m", at=at, arrives=10)
    assert made.owners()["m"] == owner


def test_identify_and_event_end_alike_in_either_order() -> None:
    """The entries, facts and deliveries are the same, and retroactive in both orders."""
    ends = []
    for event_first in (True, False):
        made = world(campaign("thanks", "purchase", who={"plan": "pro"}))
        steps = [
            lambda made=made: made.track(
                "purchase", None, {"price": 1}, anonymous="anon-1", message_id="m", at=1, arrives=9
            ),
            lambda made=made: made.identify(
                "ada", {"plan": "pro"}, anonymous="anon-1", message_id="i", at=2, arrives=9
            ),
        ]
        for step in steps if event_first else reversed(steps):
            step()
        ends.append(
            (
                [(e.rule, e.occasion, e.timestamp, e.retroactive, e.facts) for e in made.entries()],
                [(d.idempotency_key, d.person, d.content) for d in made.deliveries()],
                made.owners(),
            )
        )
    assert ends[0] == ends[1]
    assert ends[0][0]


def test_a_shared_device_leaks_nothing() -> None:
    """A message well after one person's claim waits for the next claim, by any person."""
    made = shop()
    made.identify("ada", anonymous="anon-1", at=0)
    made.track("purchase", anonymous="anon-1", message_id="m", at=30)
    assert made.owners()["m"] is None
    made.identify("ben", anonymous="anon-1", at=40)
    assert made.owners()["m"] == "ben"
    assert made.verdicts == [("ben", "thanks", "entered")]


def test_an_earlier_claim_that_arrives_late_takes_what_is_due() -> None:
    """The message changes its owner, but triggers nothing again."""
    made = shop()
    made.track("purchase", anonymous="anon-1", message_id="m", at=0)
    made.identify("ben", anonymous="anon-1", at=30)
    made.identify("ada", anonymous="anon-1", at=3, arrives=31)
    assert made.owners()["m"] == "ada"
    assert made.verdicts == [("ben", "thanks", "entered"), ("ada", "thanks", "claimed-before")]


@pytest.mark.parametrize("together", [True, False])
def test_claims_by_alias_split_a_run_too(together: bool) -> None:
    """Another person's claim in between splits the run of the alias's claim."""
    made = shop()
    made.track("purchase", anonymous="anon-1", at=-100, message_id="seen")
    made.alias("ada", "anon-1", at=0)
    made.alias("ada", "anon-1", at=20)
    if together:
        made.alias("ada", "anon-1", at=60)
    made.track("purchase", anonymous="anon-1", at=18, arrives=61, message_id="hers")
    made.identify("ben", anonymous="anon-1", at=40, arrives=62)
    made.track("purchase", anonymous="anon-1", at=39, arrives=63, message_id="his")
    owners = made.owners()
    assert (owners["hers"], owners["his"]) == ("ada", "ben")


# --- 5. claimed messages and rules ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("age", "outcome"), [(72 * HOUR, "entered"), (72 * HOUR + 0.001, "too-old")]
)
def test_claimed_messages_trigger_while_no_older_than_max_age(age: float, outcome: str) -> None:
    """The default is 72 hours; older messages are history and trigger nothing."""
    made = shop()
    made.track("purchase", anonymous="anon-1", at=0)
    made.identify("ada", anonymous="anon-1", at=age)
    assert made.outcomes == [outcome]


def test_age_is_measured_to_when_a_message_became_claimable() -> None:
    """Age is measured to the later of two arrivals: the claim's and the message's own."""
    made = world(campaign("thanks", "purchase", max_age="10m"))
    made.track("purchase", anonymous="anon-1", at=0)
    made.identify("ada", anonymous="anon-1", at=1, arrives=11)
    made.track("purchase", anonymous="anon-1", at=2, arrives=13)
    made.track("purchase", anonymous="anon-1", at=5, arrives=15)
    made.track("purchase", "ada", at=4, arrives=15)
    assert made.outcomes == ["too-old", "too-old", "entered", "too-old"]


def test_history_too_old_to_trigger_is_counted() -> None:
    """A purchase of last week counts, although it triggers nothing."""
    made = world(
        campaign("thanks", "view", who={"performed": {"event": "purchase", "at_least": 1}}),
        EACH,
    )
    made.track("purchase", anonymous="anon-1", at=-7 * DAY, arrives=0)
    made.track("view", anonymous="anon-1", at=1)
    made.identify("ada", anonymous="anon-1", at=2)
    assert made.verdicts == [("ada", "each", "too-old"), ("ada", "thanks", "entered")]


# --- 6. alias ---------------------------------------------------------------------------------------


def test_alias_merges_two_persons() -> None:
    """The survivor's attributes win, empty ones are filled, nothing inherited triggers."""
    made = world(THANKS, campaign("rich", {"enters": "rich"}), RICH)
    made.identify("ada", {"plan": "pro", "city": "", "age": None}, at=0)
    made.identify("ben", {"plan": "free", "city": "Oslo", "age": 7, "money": 9}, at=1)
    made.track("purchase", "ben", message_id="m", at=2)
    decided = len(made.decided)
    made.alias("ada", "ben", message_id="a", at=3)
    assert made.attributes("ada") == {"plan": "pro", "city": "Oslo", "age": 7, "money": 9}
    assert made.person("ben") == made.person("ada")
    assert made.owners()["m"] == "ada"
    assert {entry.person_key for entry in made.entries()} == {made.entries()[0].person_key}
    assert len(made.decided) == decided
    (merge,) = made.memory.schema.merges.rows.values()
    assert (merge.loser, merge.message_id) == ("ben", "a")


RICH = segment("rich", money={"gt": 5})


def test_what_a_merged_person_does_is_the_survivors() -> None:
    """Both ids stand for one person from then on, with one history."""
    made = world(campaign("thanks", "purchase", reentry="once"))
    made.track("purchase", "ben", at=0)
    made.identify("ada", at=1)
    made.alias("ada", "ben", at=2)
    made.track("purchase", "ada", at=3)
    made.track("purchase", "ben", at=4)
    assert made.verdicts == [
        ("ben", "thanks", "entered"),
        ("ada", "thanks", "reentry"),
        ("ada", "thanks", "reentry"),
    ]


def test_two_aliases_from_an_id_that_nobody_has_seen_merge_nobody() -> None:
    """An alias may be the first to mention a device's id; that does not make it a user id."""
    made = shop()
    made.alias("ada", "anon-1", at=0)
    made.alias("ben", "anon-1", at=30)
    assert made.person("ada") != made.person("ben")
    assert not made.memory.schema.merges.rows


def test_an_alias_from_an_anonymous_id_is_a_claim() -> None:
    """It claims what waits; the next person on the device is not merged."""
    made = shop()
    made.track("purchase", anonymous="anon-1", at=0, message_id="hers")
    made.alias("ada", "anon-1", at=1)
    made.track("purchase", anonymous="anon-1", at=30, message_id="his")
    made.alias("ben", "anon-1", at=31)
    owners = made.owners()
    assert (owners["hers"], owners["his"]) == ("ada", "ben")
    assert made.person("ada") != made.person("ben")
    assert not made.memory.schema.merges.rows


def test_aliases_in_a_chain_end_in_one_person() -> None:
    """Each person in the chain becomes the last survivor."""
    made = shop()
    for user in ("ada", "ben", "cy", "dee"):
        made.track("purchase", user, message_id=user)
    made.alias("ben", "ada")
    made.alias("cy", "ben")
    made.alias("dee", "ada")
    assert {person.user_id for person in made.memory.schema.persons.rows.values()} == {"dee"}
    owners = made.owners()
    assert {owners[user] for user in ("ada", "ben", "cy", "dee")} == {"dee"}


def test_aliases_in_a_circle_change_nothing_further() -> None:
    """Two ids of one person are merged already; so is an id with itself."""
    made = shop()
    made.identify("ada")
    made.identify("ben")
    made.alias("ada", "ben")
    made.alias("ben", "ada")
    made.alias("ada", "ada")
    person = made.person("ben")
    assert person is not None
    assert (person.user_id, len(made.memory.schema.merges.rows)) == ("ada", 1)


def test_a_waiting_step_survives_two_merges_in_one_batch() -> None:
    """The entry follows its person, and wakes when it is due."""
    made = world(
        campaign("thanks", "purchase", whereupon=[{"wait": "2m"}, {"send": "push", "title": "Hi"}])
    )
    made.track("purchase", "ada", at=0)
    for survivor, loser, at in (("ben", "ada", 1), ("cy", "ben", 1.5)):
        made.identify(survivor, at=at)
        made.alias(survivor, loser, at=at)
    made.run(3)
    assert [(d.person, d.content) for d in made.deliveries()] == [("cy", {"title": "Hi"})]


def test_people_merged_during_a_broadcast_get_it_once() -> None:
    """Of two entries in one run that become one person's, one goes on."""
    steps: JsonValue = [{"wait": "5m"}, {"send": "push", "title": "News"}]
    made = world(broadcast("news", "api", whereupon=steps))
    made.identify("ada")
    made.identify("ben")
    made.engine.trigger("news", key="today")
    made.run(1)
    made.alias("ada", "ben", at=2)
    made.run(10)
    assert [delivery.person for delivery in made.deliveries()] == ["ada"]
    assert sorted(entry.state for entry in made.entries()) == ["completed", "exited"]


# --- attributes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 2, 0], [2, 0, 1]])
def test_the_newest_word_about_an_attribute_wins(order: list[int]) -> None:
    """The time of the change counts, not the order of arrival, separately for each attribute."""
    words: list[dict[str, JsonValue]] = [
        {"plan": "free", "city": "Oslo"},
        {"plan": "pro"},
        {"plan": None, "age": 7},
    ]
    made = shop()
    for place in order:
        made.identify("ada", words[place], at=place, arrives=9)
    assert made.attributes("ada") == {"plan": None, "city": "Oslo", "age": 7}


# --- recording --------------------------------------------------------------------------------------


def test_a_repeated_message_id_changes_nothing() -> None:
    """For ever, not within a window only; in one batch or in two."""
    made = shop()
    made.track("purchase", "ada", message_id="m", at=0)
    again = made.track("refund", "ben", message_id="m", at=400 * DAY)
    assert (again.accepted, again.duplicates, again.decisions) == (0, 1, [])
    assert made.person("ben") is None
    item = {"type": "track", "event": "purchase", "userId": "ada", "messageId": "n"}
    result = made.engine.ingest([item, item])
    assert (result.accepted, result.duplicates, len(result.decisions)) == (1, 1, 1)


def test_bad_messages_are_reported_and_the_rest_goes_in() -> None:
    """Each rejection has its place, a code and a sentence; a nested batch counts as its items."""
    made = shop()
    good = {"type": "track", "event": "purchase", "userId": "ada"}
    batch = [good, {"batch": [{"type": "odd"}, good]}, {"a": object()}, 7]
    result = made.engine.ingest(cast("list[WireMessage]", batch))
    assert result.accepted == 2
    assert [(r.index, r.code, r.field) for r in result.rejected] == [
        (1, "unknown-type", "type"),
        (3, "not-json", "a"),
        (4, "not-an-object", "message"),
    ]


def test_a_batch_has_a_limit() -> None:
    """Every message beyond the limit is refused with its place."""
    made = world()
    result = made.engine.ingest([{"type": "page", "userId": "ada"}] * 2501)
    assert (result.accepted, [r.code for r in result.rejected]) == (2500, ["batch-too-large"])


def test_a_source_that_there_is_not_is_refused() -> None:
    """The class of sender decides what a message may ask for, so it is never guessed."""
    with pytest.raises(ValueError, match="there are: server, client"):
        world().track("purchase", "ada", source="robot")


@pytest.mark.parametrize("store", ["memory://", "sqlite://"])
def test_the_rules_of_identity_hold_on_every_store(store: str) -> None:
    """One history with all these rules leads to the same decisions."""
    made = shop(store=store)
    made.track("purchase", anonymous="anon-1", at=0, message_id="1")
    made.identify("ben", anonymous="anon-1", at=30)
    made.identify("ada", anonymous="anon-1", at=3, arrives=31)
    made.track("purchase", "cy", at=32)
    made.alias("ada", "cy", at=33)
    made.track("purchase", "cy", at=34)
    made.engine.close()
    assert made.verdicts == [
        ("ben", "thanks", "entered"),
        ("ada", "thanks", "claimed-before"),
        ("cy", "thanks", "entered"),
        ("ada", "thanks", "entered"),
    ]


def test_a_batch_goes_when_it_is_done() -> None:
    """No object of a batch holds a reference to itself until Python's collector runs."""
    made = world(campaign("thanks", "purchase", where={"price": {"gt": 20}}))
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        made.track("purchase", "ada", {"price": 5})
        gc.collect()
        left = {type(each).__name__ for each in gc.garbage}
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert not left & {"BatchResult", "BatchState", "Changes", "StoredMessage"}
