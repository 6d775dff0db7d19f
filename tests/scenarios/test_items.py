"""Conditions on the items of lists, in every place where a condition stands, on every store."""

import pytest
from pydantic import JsonValue
from tests.rule_files import broadcast, campaign, segment
from tests.worlds import HOUR, world

from whereupon.ports import Store

LIKES_SOCKS: JsonValue = {"any_item": {"category": "socks", "score": {"gt": 5}}}
HIGH: JsonValue = [{"category": "shoes", "score": 1}, {"category": "socks", "score": 9}]
LOW: JsonValue = [{"category": "shoes", "score": 9}, {"category": "socks", "score": 1}]


@pytest.mark.parametrize(("liked", "outcome"), [(HIGH, "entered"), (LOW, "where"), (None, "where")])
def test_where_asks_for_one_item_that_satisfies_all(
    home: Store, liked: JsonValue, outcome: str
) -> None:
    """Explain says the part in words, and the list that was seen."""
    made = world(campaign("cart", "cart", where={"liked": LIKES_SOCKS}), store=home)
    made.track("cart", "ada", {"liked": liked})
    assert made.outcomes == [outcome]
    (explanation,) = made.engine.explain("ada", "cart")
    if outcome == "where":
        text = "liked has an item where category is socks and score is greater than 5"
        assert made.decided[0].condition == text
        assert made.decided[0].values == {"properties.liked": liked}
        assert text in explanation.sentence


@pytest.mark.parametrize(("liked", "outcome"), [(HIGH, "entered"), (LOW, "who"), ([], "who")])
def test_who_asks_the_items_of_an_attribute(home: Store, liked: JsonValue, outcome: str) -> None:
    """And reaches the message from inside."""
    asked: JsonValue = {
        "liked": {"any_item": {"category": "$.properties.category", "score": {"gt": 5}}}
    }
    made = world(campaign("cart", "cart", who=asked), store=home)
    made.identify("ada", {"liked": liked})
    made.track("cart", "ada", {"category": "socks"})
    assert made.outcomes[-1:] == [outcome]


def test_a_segment_is_entered_and_left_by_the_items_of_an_attribute(home: Store) -> None:
    """The list changes as a whole."""
    made = world(
        segment("fans", liked=LIKES_SOCKS),
        campaign("in", {"enters": "fans"}),
        campaign("out", {"leaves": "fans"}),
        store=home,
    )
    for liked in (LOW, HIGH, HIGH, LOW):
        made.identify("ada", {"liked": liked})
    assert [rule for _, rule, outcome in made.verdicts if outcome == "entered"] == ["in", "out"]


def test_an_exit_and_what_was_performed_ask_the_items_of_lists(home: Store) -> None:
    """An order with the product ends the entry; one without it does not."""
    leave: JsonValue = {
        "event": "order",
        "where": {"lines": {"any_item": {"sku": 7, "count": {"gte": 2}}}},
    }
    bought: JsonValue = {
        "performed": {"event": "order", "where": {"lines": {"all_items": {"sku": {"gt": 5}}}}}
    }
    steps: JsonValue = [{"wait": "1h"}, {"send": "push", "title": "{{ properties.n }}"}]
    made = world(campaign("cart", "cart", exit=leave, who=bought, whereupon=steps), store=home)
    made.track("order", "ada", {"lines": [{"sku": 4}, {"sku": 6}]}, at=0)
    made.track("cart", "ada", {"n": 0}, at=1)
    made.track("order", "ada", {"lines": [{"sku": 6}, {"sku": 7}]}, at=2)
    made.track("cart", "ada", {"n": 1}, at=3)
    made.track("order", "ada", {"lines": [{"sku": 7, "count": 1}, {"sku": 8, "count": 2}]}, at=4)
    made.run(2 * HOUR)
    assert made.titles() == ["1"]
    made.track("cart", "ada", {"n": 2}, at=3 * HOUR)
    made.track("order", "ada", {"lines": [{"sku": 7, "count": 2}]}, at=3 * HOUR + 1)
    made.run(5 * HOUR)
    assert made.titles() == ["1"]


@pytest.mark.parametrize(
    ("test", "people"),
    [("any_item", {"ada"}), ("all_items", {"ada", "cem"}), ("no_item", {"bob", "cem"})],
)
def test_an_audience_is_who_has_such_lists(home: Store, test: str, people: set[str]) -> None:
    """A store that looks at attributes itself leaves nobody out, and lets nobody in."""
    made = world(broadcast("news", "sale", who={"tags": {test: "vip"}}), store=home)
    tags: dict[str, JsonValue] = {
        "ada": ["vip"],
        "bob": ["new"],
        "cem": [],
        "dan": "vip",
        "eve": None,
    }
    for user, value in tags.items():
        made.identify(user, {"tags": value})
    made.track("sale", "shop")
    made.run(1)
    assert {each.person for each in made.decided if each.reason is None} == people


def test_a_denied_list_in_an_audience_includes_those_who_have_none(home: Store) -> None:
    """`not: {tags: {any_item: vip}}` holds for a person without tags."""
    made = world(broadcast("news", "sale", who={"not": {"tags": {"any_item": "vip"}}}), store=home)
    for user, value in {"ada": ["vip"], "bob": ["new"], "cem": None}.items():
        made.identify(user, {"tags": value})  # type: ignore[dict-item]  # lists of texts
    made.track("sale", "shop")
    made.run(1)
    entered = {each.person for each in made.decided if each.reason is None}
    assert entered == {"bob", "cem", "shop"}
