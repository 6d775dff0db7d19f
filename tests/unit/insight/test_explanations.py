"""Explanations: why a person did or did not enter a rule, in one sentence for each message."""

import pytest
from pydantic import JsonValue
from tests.rule_files import book_of, broadcast, campaign, segment
from tests.worlds import DAY, HOUR, World, after, world

from whereupon.decide.decisions import Reason
from whereupon.delivery.retries import Retry, RetryLater
from whereupon.engine import Engine
from whereupon.errors import UnknownNameError
from whereupon.insight import describe, sentence_for
from whereupon.ports import Store
from whereupon.records import Delivery, DeliveryState


def sentences(made: World, person: str = "ada", rule: str = "thanks") -> list[str]:
    """The sentences about a person and a rule, newest message first."""
    return [explanation.sentence for explanation in made.engine.explain(person, rule)]


def test_an_explanation_is_one_sentence_a_message_newest_first() -> None:
    """What was bought, when, and what followed."""
    made = world(
        campaign("thanks", "purchase", where={"price": {"gt": 20}}, whereupon=[{"wait": "1h"}]),
        campaign("other", "purchase"),
    )
    made.track("purchase", "ada", {"price": 5}, at=0)
    made.track("purchase", "ada", {"price": 30}, at=1)
    made.track("purchase", "ada", at=2)
    made.track("purchase", "ben", {"price": 30}, at=3)
    assert sentences(made) == [
        (
            "ada did not enter thanks by purchase of 2026-03-01T12:02:00Z: the rule asks that "
            "price is greater than 20, but price was missing."
        ),
        (
            "ada entered thanks by purchase of 2026-03-01T12:01:00Z; the entry waits until "
            "2026-03-01T13:01:00Z; then it is over."
        ),
        (
            "ada did not enter thanks by purchase of 2026-03-01T12:00:00Z: the rule asks that "
            "price is greater than 20, but price was 5."
        ),
    ]


@pytest.mark.parametrize(
    ("keys", "because"),
    [
        ({"who": {"plan": "pro"}}, "plan was missing"),
        (
            {"who": {"performed": {"event": "app.opened", "at_least": 2}}},
            "the person has performed app.opened at least 2 times, but app.opened counted 0 times.",
        ),
        (
            {"who": {"performed": {"event": "purchase", "never": True}}},
            "asks that the person has never performed purchase, but purchase counted 2 times.",
        ),
        (
            {"who": {"any": [{"plan": "pro"}, {"segment": "buyers"}]}},
            "that plan is pro or the person is in segment buyers, but plan was missing",
        ),
        (
            {"who": {"not": {"plan": {"exists": False}}}},
            "asks that this does not hold: plan does not exist, but plan was missing.",
        ),
        ({"active": False}, "the rule was not active then."),
        ({"reentry": "once"}, "they had entered before, and the rule lets each person in once."),
        ({"reentry": {"once_per": "7d"}}, "they had an entry less than 7d away."),
        (
            {"reentry": {"once_per_key": "properties.id"}},
            "they had entered before with the same properties.id.",
        ),
        (
            {"reentry": {"once_per_key": "properties.no"}},
            "properties.no is given, but no was missing.",
        ),
        (
            {"reentry": "not_while_active", "whereupon": [{"wait": "1h"}]},
            "their earlier entry was still running.",
        ),
    ],
)
def test_every_skip_says_why(keys: dict[str, JsonValue], because: str) -> None:
    """In words for a marketer, with the values that were seen."""
    buyers = segment("buyers", performed={"event": "purchase", "at_least": 9})
    made = world(buyers, campaign("thanks", "purchase", **keys))
    made.track("purchase", "ada", {"id": 1}, at=0)
    made.track("purchase", "ada", {"id": 1}, at=1)
    assert because in sentences(made)[0]


def test_a_claimed_message_is_explained_as_retroactive() -> None:
    """An excluded message is explained by the policy that excluded it."""
    made = world(
        campaign("thanks", "purchase", retroactive={"take": "last", "within": "1h"}, max_age="2h"),
        campaign("off", "purchase", retroactive=False),
    )
    for at in (0, 100, 110):
        made.track("purchase", anonymous="anon-1", at=at)
    made.identify("ada", anonymous="anon-1", at=120)
    entered, left_out, too_old = sentences(made)
    assert "retroactively: it was anonymous until they were identified" in entered
    assert "only one of the messages that a claim brings" in left_out
    assert "too old to trigger (limit 2h, or 1h before a claim)" in too_old
    assert "does not look back" in sentences(made, rule="off")[0]


def test_an_old_message_names_the_limit() -> None:
    """The limit is the rule's own."""
    made = world(campaign("thanks", "purchase", max_age="1h"))
    made.track("purchase", "ada", at=0, arrives=2 * HOUR)
    assert "(limit 1h)" in sentences(made)[0]


def test_a_decision_under_an_older_version_is_explained_as_such() -> None:
    """The decision was made under another version of the rule."""
    made = world(campaign("thanks", "purchase", where={"price": {"gt": 20}}))
    made.track("purchase", "ada", {"price": 30})
    made.track("purchase", "ada", {"price": 3})
    assert [e.reworded for e in made.engine.explain("ada", "thanks")] == [False, False]
    made.change_rules(campaign("thanks", "purchase"))
    assert [e.reworded for e in made.engine.explain("ada", "thanks")] == [True, True]
    made.change_rules()
    assert len(sentences(made)) == 2


# --- what came of an entry --------------------------------------------------------------------------

WAIT: JsonValue = {"wait": "1h"}
SEND: JsonValue = {"send": "push", "title": "Hello"}


def test_what_was_sent_is_explained(home: Store) -> None:
    """Waiting, sent, failed and dead deliveries, each with its time."""
    made = World([campaign("thanks", "purchase")], home)
    policy = Retry(tries=2)
    engine = Engine(home, book_of(*made.files), clock=made.clock, retry=policy)
    made.track("purchase", "ada", at=0)
    began = "ada entered thanks by purchase of 2026-03-01T12:00:00Z; push “Hello” "
    over = "; the entry was completed at 2026-03-01T12:00:00Z."
    assert sentences(made) == [f"{began}waits to be sent, due at 2026-03-01T12:00:00Z{over}"]

    @engine.channel("push")
    def push(_: Delivery) -> None:
        raise RetryLater(after=60, reason="busy")

    engine.run_due()
    (line,) = sentences(made)
    assert line.startswith(
        f"{began}failed one try, and is tried again at 2026-03-01T12:01:00Z: busy"
    )
    made.clock.move_to(after(1))
    engine.run_due()
    (line,) = sentences(made)
    assert line.startswith(f"{began}was given up at 2026-03-01T12:01:00Z, after 2 tries: busy;")
    made.track("purchase", "ben", at=2)
    engine.channel("push")(lambda _: None)
    engine.run_due()
    (explained,) = made.engine.explain("ben", "thanks")
    assert (
        "push “Hello” was sent at 2026-03-01T12:02:00Z; the entry was completed"
        in explained.sentence
    )
    assert [(d.channel, d.state) for d in explained.deliveries] == [("push", DeliveryState.SENT)]


@pytest.mark.parametrize(
    ("traits", "step", "why"),
    [
        ({"unsubscribed": True}, SEND, "they are unsubscribed"),
        ({}, {"send": "push", "title": "{{ person.name }}"}, "its text could not be made: "),
    ],
)
def test_a_withheld_delivery_is_explained(traits: JsonValue, step: JsonValue, why: str) -> None:
    """The entry was completed, and nothing was sent."""
    made = world(campaign("thanks", "purchase", whereupon=[step]))
    made.identify("ada", traits)
    made.track("purchase", "ada", at=0)
    (explained,) = made.engine.explain("ada", "thanks")
    assert f"; push was held back at 2026-03-01T12:00:00Z, since {why}" in explained.sentence
    assert explained.sentence.endswith("completed at 2026-03-01T12:00:00Z, and nothing was sent.")
    assert [d.state for d in explained.deliveries] == [DeliveryState.WITHHELD]


def test_a_delivery_that_was_withheld_right_before_its_call_is_explained(home: Store) -> None:
    """Consent is asked again right before a channel is called."""
    made = World([campaign("thanks", "purchase")], home)
    made.engine.channel("push")(lambda _: None)
    made.track("purchase", "ada", at=0)
    made.identify("ada", {"unsubscribed": True}, at=1)
    made.engine.run_due()
    (line,) = sentences(made)
    assert (
        "push was held back at 2026-03-01T12:01:00Z, since they are unsubscribed;"
        in line.replace("push “Hello”", "push")
    )
    assert line.endswith("completed at 2026-03-01T12:00:00Z, and nothing was sent.")


@pytest.mark.parametrize(
    ("leave", "reason", "because"),
    [
        ("refunded", "event", "by refunded"),
        ({"plan": "free"}, "condition", "since plan is free"),
        ({"leaves": "pros"}, "segment", "since they left the segment pros"),
        ({"not": {"segment": "pros"}}, "condition", "since this does not hold: the person is in"),
    ],
)
def test_an_early_exit_is_explained(
    home: Store, leave: JsonValue, reason: str, because: str
) -> None:
    """By which message, when, and with which values."""
    rules = [segment("pros", plan="pro"), campaign("thanks", "purchase", exit=leave)]
    rules[1]["whereupon"] = [WAIT, SEND]
    made = World(rules, home)
    made.identify("ada", {"plan": "pro"}, at=0)
    made.track("purchase", "ada", at=1)
    if reason == "event":
        made.track("refunded", "ada", at=2, message_id="m-end")
    else:
        made.identify("ada", {"plan": "free"}, at=2, message_id="m-end")
    (explained,) = made.engine.explain("ada", "thanks")
    assert f"; the entry exited at 2026-03-01T12:02:00Z, {because}" in explained.sentence
    assert explained.ended is not None
    assert (explained.ended.reason, explained.ended.at, explained.ended.message_id) == (
        reason,
        after(2),
        "m-end",
    )
    assert (explained.state, explained.waits_until) == ("exited", None)


def test_exits_by_time_and_at_the_entry_are_explained() -> None:
    """No message ended the entry; also a step of the entry can end it."""
    often: JsonValue = {"performed": {"event": "purchase", "within": "30m", "never": True}}
    made = world(
        campaign("quiet", "purchase", exit=often, whereupon=[WAIT, SEND]),
        campaign("over", "purchase", exit={"plan": "pro"}, whereupon=[WAIT, SEND]),
        campaign("short", "purchase", whereupon=[SEND, "exit", SEND]),
    )
    made.identify("ada", {"plan": "pro"}, at=0)
    made.track("purchase", "ada", at=1)
    made.run(2 * HOUR)
    ends = {rule: made.engine.explain("ada", rule)[0].ended for rule in ("quiet", "over", "short")}
    assert [(e.reason, e.at, e.message_id) for e in ends.values() if e] == [
        ("condition", after(31), None),
        ("condition", after(1), None),
        ("step", after(1), None),
    ]
    assert "by the rule's own exit step" in sentences(made, rule="short")[0]
    assert "push “Hello” waits to be sent" in sentences(made, rule="short")[0]


@pytest.mark.parametrize(
    ("steps", "then"),
    [
        ([WAIT, SEND], "sends push"),
        ([WAIT, {"track": "Thanked"}], "tracks Thanked"),
        ([WAIT, {"set": {"a": 1, "b": 2}}], "sets a, b"),
        ([WAIT, {"wait": "2d"}], "waits 2d more"),
        ([WAIT, "exit"], "ends by its exit step"),
    ],
)
def test_a_wait_is_explained(steps: JsonValue, then: str) -> None:
    """It names the time and the next step, of the version with which the person entered."""
    made = world(campaign("thanks", "purchase", whereupon=steps))
    made.track("purchase", "ada", at=0)
    until = f"; the entry waits until 2026-03-01T13:00:00Z; then it {then}."
    assert sentences(made)[0].endswith(until)
    assert made.engine.explain("ada", "thanks")[0].waits_until == after(HOUR)
    made.change_rules(campaign("thanks", "purchase", whereupon=[SEND]))
    assert sentences(made)[0].endswith(until)


def test_of_two_merged_entries_the_other_is_explained_to_go_on(home: Store) -> None:
    """Its deliveries are not listed twice."""
    made = World([broadcast("news", "api", whereupon=[WAIT, SEND])], home)
    made.identify("ada")
    made.identify("ben")
    made.engine.trigger("news", key="june")
    made.run(1)
    made.alias("ada", "ben", at=2, message_id="m-alias")
    made.run(2 * HOUR)
    explained = made.engine.explain("ada", "news")
    ends = {each.ended.reason: each for each in explained if each.ended is not None}
    assert set(ends) == {"completed", "merged"}
    assert "since they became one person with somebody" in ends["merged"].sentence
    assert [len(each.deliveries) for each in ends.values()].count(1) == 1
    assert ends["merged"].deliveries == ()


def test_of_two_that_merged_each_entry_says_what_it_sent_itself(home: Store) -> None:
    """Also withheld deliveries, because the other entry goes on."""
    made = World([campaign("once", "purchase", reentry="once", whereupon=[SEND, WAIT, SEND])], home)
    made.track("purchase", "ada", at=0)
    made.track("purchase", "ben", at=1)
    made.alias("ada", "ben", at=2)
    made.run(2 * HOUR)
    later, earlier = made.engine.explain("ben", "once")
    assert [d.state for d in later.deliveries] == [DeliveryState.WITHHELD]
    assert "push “Hello” was held back" in later.sentence
    assert "since they became one person with somebody whose entry kept them out" in later.sentence
    assert [d.state for d in earlier.deliveries] == [DeliveryState.PENDING] * 2
    assert made.engine.explain("ada", "once")[0].deliveries == later.deliveries


def test_an_entry_stands_still_while_its_rule_is_switched_off(home: Store) -> None:
    """The explanation says so; the entry goes on afterwards."""
    rule = campaign("thanks", "purchase", whereupon=[WAIT, SEND])
    made = World([rule], home)
    made.track("purchase", "ada", at=0)
    made.change_rules({**rule, "active": False})
    made.run(2 * HOUR)
    (line,) = sentences(made)
    assert line.endswith(", and stands still while the rule is switched off.")


# --- broadcasts -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("when", "how", "at"),
    [
        ("api", "called up as today", "12:00"),
        ("Shouted", "set off by Shouted", "12:00"),
        ({"cron": "0 13 * * *", "timezone": "UTC"}, "by its schedule", "13:00"),
    ],
)
def test_a_broadcast_is_explained_by_what_set_it_off(
    home: Store, when: JsonValue, how: str, at: str
) -> None:
    """A call, a message or a schedule; a person in the audience sees what they were sent."""
    made = World([broadcast("news", when)], home)
    made.identify("ada", at=0)
    if when == "api":
        made.engine.trigger("news", key="today")
    made.track("Shouted", "ben", at=0)
    made.run(HOUR)
    line = next(each for each in made.engine.explain("ada", "news") if each.reason is None)
    instant = f"2026-03-01T{at}:00Z"
    assert line.sentence == (
        f"ada was in the audience of news of {instant}, {how}; push “Hello” waits to be sent, "
        f"due at {instant}; the entry was completed at {instant}."
    )


def test_why_a_broadcast_did_not_go_to_a_person_is_explained(home: Store) -> None:
    """The person is not in the audience now, came later, the broadcast was not active, or it is still to come."""
    made = World([broadcast("news", "api", who={"plan": "pro"})], home)
    made.identify("ada", {"plan": "free"}, at=0)
    made.identify("ben", {"plan": "pro"}, at=0)
    made.engine.trigger("news", key="june")
    not_yet = made.engine.explain("ben", "news")[0]
    assert (not_yet.reason, "it has not begun" in not_yet.sentence) == ("pending", True)
    made.run(1)
    made.identify("cy", {"plan": "pro"}, at=5)
    (ada,), (cy,) = made.engine.explain("ada", "news"), made.engine.explain("cy", "news")
    assert (ada.reason, ada.sentence) == (
        "who",
        (
            "ada was not in the audience of news of 2026-03-01T12:00:00Z, called up as june: "
            'the rule asks that plan is pro, but plan was "free" (as they are now).'
        ),
    )
    assert (cy.reason, cy.sentence.partition(": ")[2]) == (
        "unknown-then",
        "they have been known since 2026-03-01T12:05:00Z only.",
    )
    made.identify("ada", {"plan": "pro"}, at=6)
    assert made.engine.explain("ada", "news")[0].reason == "not-meant"
    assert made.engine.explain("ben", "news")[0].outcome == "entered"


def test_a_missed_time_is_explained() -> None:
    """With the run that replaced it, if there is one."""
    news = broadcast("news", {"cron": "0 13 * * *", "timezone": "UTC"})
    made = world(news)
    made.identify("ada", at=0)
    made.clock.move_to(after(3 * DAY))
    made.change_rules(news)  # it is opened anew, after a standstill
    line = {each.timestamp: each for each in made.engine.explain("ada", "news")}
    assert line[after(HOUR)].reason == "overtaken"
    assert "a newer one went out instead" in line[after(HOUR)].sentence


def test_who_of_a_broadcast_may_ask_of_the_past() -> None:
    """The past is the one at the time of the run."""
    who: JsonValue = {"performed": {"event": "purchase", "at_least": 1}}
    made = world(broadcast("news", "api", who=who))
    made.identify("ada", at=0)
    made.engine.trigger("news", key="june")
    made.run(1)
    made.track("purchase", "ada", at=2)
    assert "but purchase counted 0 times (as they are now)" in sentences(made, rule="news")[0]


def test_a_message_that_may_not_start_a_broadcast_is_explained() -> None:
    """No entry was refused: the message may not start a broadcast."""
    made = world(broadcast("news", "Shouted", where={"loud": True}))
    made.track("Shouted", "ada", {"loud": False}, at=0)
    assert sentences(made, rule="news") == [
        (
            "ada did not set off news by Shouted of 2026-03-01T12:00:00Z: "
            "the rule asks that loud is true, but loud was false."
        )
    ]


def test_nobody_is_explained_by_name() -> None:
    """An unknown id is an error, not an empty answer."""
    with pytest.raises(UnknownNameError):
        world(campaign("thanks", "purchase")).engine.explain("zoe", "thanks")


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_its_words(reason: Reason) -> None:
    """Also if the rule no longer exists."""
    assert sentence_for(reason, None, {}, None)


def test_a_fresh_decision_is_described_likewise() -> None:
    """An entry that has just been made has no sentence."""
    made = world(campaign("thanks", "purchase", where={"price": {"gt": 20}}))
    made.track("purchase", "ada", {"price": 30})
    made.track("purchase", "ada", {"price": 3})
    rule = made.engine.pipeline.index.by_id["thanks"]
    words = [describe(decision, rule) for decision in made.decided]
    assert words == ["", "the rule asks that price is greater than 20, but price was 3"]
