"""`holdout`: who is kept out at random, so that the others can be compared with them."""

from collections.abc import Iterable

import pytest
from pydantic import JsonValue
from tests.rule_files import book_of, broadcast, campaign
from tests.scenarios.test_goals import conversions, entries, minutes
from tests.worlds import DAY, HOUR, World, world

from whereupon.decide.holdouts import is_held_out
from whereupon.ports import Store
from whereupon.records import EntryState

MANY = [f"user-{number}" for number in range(200)]


def everybody(made: World, event: str = "Cart Updated", people: Iterable[str] = MANY) -> list[str]:
    """Who was held out when each of many people did something."""
    for name in people:
        made.track(event, name, at=0)
    return [str(person) for person, _, outcome in made.verdicts if outcome == "holdout"]


def held_out_of(*rules: str, holdout: JsonValue) -> list[set[str]]:
    """Whom each of these rules holds out."""
    made = world(*(campaign(rule, "Cart Updated", holdout=holdout) for rule in rules))
    everybody(made)
    return [
        {str(person) for person, of, outcome in made.verdicts if (of, outcome) == (rule, "holdout")}
        for rule in rules
    ]


def one_held_out(home: Store | str, /, **keys: JsonValue) -> tuple[World, str]:
    """A rule with a holdout, and somebody who belongs to it."""
    (out,) = held_out_of("cart", holdout=50)
    rule = campaign("cart", "Cart Updated", holdout=50, goal="Order") | keys
    return world(rule, store=home), min(out)


def test_a_holdout_is_a_percentage_of_people() -> None:
    """About so many, whatever the ids; the rest enters."""
    (out,) = held_out_of("cart", holdout=25)
    assert 30 <= len(out) <= 70


def test_a_percentage_may_have_two_decimals() -> None:
    """A quarter of a percent of twenty thousand ids is about fifty."""
    (rule,) = book_of(campaign("cart", "Cart Updated", holdout=0.25)).rules
    out = [number for number in range(20_000) if is_held_out(rule, f"user-{number}")]
    assert 20 <= len(out) <= 90


def test_somebody_held_out_once_is_held_out_every_time() -> None:
    """The hash depends on the rule and the person, never on the rule's content."""
    (first,) = held_out_of("cart", holdout=30)
    made = world(campaign("cart", "Cart Updated", holdout=30, whereupon=["exit"]))
    assert set(everybody(made)) == first


def test_a_larger_holdout_holds_out_the_same_people_and_more() -> None:
    """Nobody leaves it when the share grows."""
    (small,), (large,) = held_out_of("cart", holdout=10), held_out_of("cart", holdout=40)
    assert small < large


def test_the_rules_of_a_group_hold_out_the_same_people() -> None:
    """Rules without a group hold out people of their own."""
    one, other = held_out_of("one", "other", holdout={"percent": 30, "group": "spring"})
    assert one == other
    one, other = held_out_of("one", "other", holdout=30)
    assert one != other


def test_a_holdout_has_nothing_to_do_with_a_split_of_the_same_name() -> None:
    """Else all who are held out would be missing in one arm."""
    arms: JsonValue = {"a": {"share": 50, "then": []}, "b": {"share": 50, "then": []}}
    split: JsonValue = [{"split": {"name": "cart", "arms": arms}}]
    made = world(campaign("cart", "Cart Updated", holdout=50, whereupon=split))
    everybody(made)
    taken = [entry.arms for entry in entries(made) if entry.arms]
    assert 0.3 < taken.count("cart=a") / len(taken) < 0.7


def test_the_decision_is_skipped_holdout_and_nothing_is_sent(home: Store) -> None:
    """No step is done, not even later."""
    made, name = one_held_out(home)
    made.track("Cart Updated", name, at=0)
    made.run(DAY)
    assert (made.outcomes, made.titles()) == (["holdout"], [])


def test_the_holdout_is_asked_last_of_all_gates(home: Store) -> None:
    """Who would not have entered is not held out: by where, who, goal or re-entry."""
    goal: JsonValue = {"event": "Order", "already": "skip"}
    made, name = one_held_out(
        home, where={"total": 1}, who={"plan": "pro"}, goal=goal, reentry="once"
    )
    made.track("Cart Updated", name, {"total": 2}, at=0)
    made.track("Cart Updated", name, {"total": 1}, at=1)
    made.identify(name, {"plan": "pro"}, at=2)
    made.track("Cart Updated", name, {"total": 1}, at=3)
    made.track("Cart Updated", name, {"total": 1}, at=4)
    made.track("Order", name, at=5)
    made.track("Cart Updated", name, {"total": 1}, at=6)
    assert made.outcomes == ["where", "who", "holdout", "reentry", "goal-met"]


@pytest.mark.parametrize(
    ("reentry", "second"),
    [
        ("once", "reentry"),
        ({"once_per": "7d"}, "reentry"),
        ({"once_per_key": "properties.cart"}, "reentry"),
        ("every_time", "holdout"),
        ("not_while_active", "holdout"),
    ],
)
def test_who_is_held_out_takes_the_re_entry_slot(
    home: Store, reentry: JsonValue, second: str
) -> None:
    """So both groups count alike, also in another batch."""
    made, name = one_held_out(home, reentry=reentry)
    for place in range(2):
        made.track("Cart Updated", name, {"cart": 1}, at=place)
    assert made.outcomes == ["holdout", second]


def test_the_goal_of_who_is_held_out_is_watched_too(home: Store) -> None:
    """Counted as any other's; nothing is there to be attributed to."""
    made, name = one_held_out(home)
    made.track("Cart Updated", name, at=0)
    made.track("Order", name, at=DAY, message_id="order")
    assert conversions(made) == [(DAY, "order", "")]
    (entry,) = entries(made)
    assert entry.state is EntryState.HELD_OUT


def test_who_is_held_out_converts_though_nothing_is_sent_first(home: Store) -> None:
    """`after: first_send` asks what nobody of a holdout could meet; theirs counts from the opening message."""
    made, name = one_held_out(home, goal={"event": "Order", "after": "first_send"})
    made.track("Cart Updated", name, at=0)
    made.track("Order", name, at=1)
    assert minutes(made) == [1]


def test_what_was_ordered_anonymously_before_the_claim_converts_who_is_held_out(
    home: Store,
) -> None:
    """As it converts an entry."""
    made, name = one_held_out(home)
    made.track("Cart Updated", anonymous="anon-1", at=0)
    made.track("Order", anonymous="anon-1", at=1)
    made.identify(name, anonymous="anon-1", at=2)
    assert (made.outcomes[-1], minutes(made)) == ("holdout", [1])


def test_explain_says_the_skip_once(home: Store) -> None:
    """With the conversion, if there was one; the timeline says it likewise."""
    made, name = one_held_out(home)
    made.track("Cart Updated", name, at=0)
    made.track("Order", name, at=HOUR)
    (explanation,) = made.engine.explain(name, "cart")
    assert (explanation.outcome, explanation.reason) == ("skipped", "holdout")
    assert "did not enter cart by Cart Updated" in explanation.sentence
    assert "they reached the goal by Order of 2026-03-01T13:00:00" in explanation.sentence
    said = [each.reason for happening in made.engine.timeline(name) for each in happening.decisions]
    assert said == ["holdout"]


def test_lists_and_counts_leave_who_is_held_out_out_unless_asked(home: Store) -> None:
    """Nobody of them is inside, and nobody entered."""
    made, name = one_held_out(home)
    made.track("Cart Updated", name, at=0)
    assert made.engine.entries.list(rule="cart").entries == []
    assert made.engine.entries.counts("cart") == []
    (asked,) = made.engine.entries.list(rule="cart", state=EntryState.HELD_OUT).entries
    assert asked.is_held_out
    assert made.engine.stats("cart").rules[0].entered == 0
    assert made.engine.profile(name).counts["entries"] == 0
    with home.session() as session:
        assert session.counts().entries == 0


def test_a_broadcast_has_a_holdout_too(home: Store) -> None:
    """Nothing is sent to them, their goals are watched, and the run counts who was let in."""
    made = world(broadcast("sale", "Sale", holdout=50, goal="Order"), store=home)
    for name in MANY[:40]:
        made.identify(name, at=0)
    made.track("Sale", "staff", at=1)
    made.run(5)
    out = [entry for entry in entries(made) if entry.is_held_out]
    sent = {delivery.person for delivery in made.deliveries()}
    assert 5 <= len(out) <= 35
    assert len(sent) + len(out) == 41
    left = next(name for name in MANY[:40] if name not in sent)
    made.track("Order", left, at=6)
    assert minutes(made) == [6]
    (explanation,) = made.engine.explain(left, "sale")
    assert (explanation.outcome, explanation.reason) == ("skipped", "holdout")
    (run,) = made.engine.runs("sale")
    assert run.admitted == len(sent)


def test_a_merge_keeps_who_was_held_out_from_converting_twice(home: Store) -> None:
    """The watch goes on for the survivor, and an order counts once an entry."""
    made, name = one_held_out(home)
    made.track("Cart Updated", name, at=0)
    made.identify("somebody", at=0)
    made.alias("somebody", name, at=1)
    made.track("Order", "somebody", at=2)
    made.track("Order", "somebody", at=3)
    assert minutes(made) == [2]
