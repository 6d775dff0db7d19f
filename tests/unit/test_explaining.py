"""Why somebody did, or did not, enter a rule: one sentence a message."""

import pytest
from pydantic import JsonValue
from tests.unit.worlds import HOUR, World, broadcast, campaign, segment, world

from whereupon.decisions import Reason
from whereupon.errors import UnknownNameError
from whereupon.explaining import describe, sentence_for


def sentences(made: World, person: str = "ada", rule: str = "thanks") -> list[str]:
    """What the engine says of somebody and a rule, newest message first."""
    return [explanation.sentence for explanation in made.engine.explain(person, rule)]


def test_an_explanation_is_one_sentence_a_message_newest_first() -> None:
    """What was bought, when, and what came of it."""
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
        "ada entered thanks by purchase of 2026-03-01T12:01:00Z; the entry is active.",
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
    """In words that a marketer understands, with the values that were seen."""
    buyers = segment("buyers", performed={"event": "purchase", "at_least": 9})
    made = world(buyers, campaign("thanks", "purchase", **keys))
    made.track("purchase", "ada", {"id": 1}, at=0)
    made.track("purchase", "ada", {"id": 1}, at=1)
    assert because in sentences(made)[0]


def test_what_a_claim_brought_is_said_to_be_retroactive() -> None:
    """And what was left out says by which policy."""
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
    """The rule's own."""
    made = world(campaign("thanks", "purchase", max_age="1h"))
    made.track("purchase", "ada", at=0, arrives=2 * HOUR)
    assert "(limit 1h)" in sentences(made)[0]


def test_a_reworded_rule_is_said_to_be() -> None:
    """The decision was made under another wording."""
    made = world(campaign("thanks", "purchase", where={"price": {"gt": 20}}))
    made.track("purchase", "ada", {"price": 30})
    made.track("purchase", "ada", {"price": 3})
    assert [e.reworded for e in made.engine.explain("ada", "thanks")] == [False, False]
    made.reword(campaign("thanks", "purchase"))
    assert [e.reworded for e in made.engine.explain("ada", "thanks")] == [True, True]
    made.reword()
    assert len(sentences(made)) == 2


def test_a_scheduled_broadcast_is_explained_by_its_time() -> None:
    """There is no message to name."""
    made = world(broadcast("news", "api"))
    made.identify("ada")
    made.engine.trigger("news", key="today")
    made.run(1)
    assert sentences(made, rule="news") == [
        "ada entered news by news:today of 2026-03-01T12:00:00Z; the entry is completed."
    ]


def test_nobody_is_explained_by_name() -> None:
    """An id that stands for nobody is an error, not silence."""
    with pytest.raises(UnknownNameError):
        world(campaign("thanks", "purchase")).engine.explain("zoe", "thanks")


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_its_words(reason: Reason) -> None:
    """Also where the rule is no more."""
    assert sentence_for(reason, None, {}, None)


def test_a_fresh_decision_is_described_likewise() -> None:
    """Nothing is to be said of somebody who entered."""
    made = world(campaign("thanks", "purchase", where={"price": {"gt": 20}}))
    made.track("purchase", "ada", {"price": 30})
    made.track("purchase", "ada", {"price": 3})
    rule = made.engine.pipeline.index.by_id["thanks"]
    words = [describe(decision, rule) for decision in made.decided]
    assert words == ["", "the rule asks that price is greater than 20, but price was 3"]
