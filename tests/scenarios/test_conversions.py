"""Who converted: by arm and beside the holdout, with the difference and its interval, on every store alike."""

import json
from datetime import timedelta
from math import sqrt
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue
from tests.rule_files import campaign
from tests.scenarios.commands import whereupon
from tests.worlds import DAY, World, world

from whereupon.operations.conversions import Conversions, conversions
from whereupon.operations.intervals import difference
from whereupon.ports import Store
from whereupon.records import EntryFigures, EntryGroup
from whereupon.render.conversions import conversion_lines
from whereupon.web.management.statistics import get_rule_statistics

PEOPLE = [f"user-{number}" for number in range(120)]


def shop(home: Store | str, **keys: JsonValue) -> World:
    """A split with two arms, of which one sends; every third person orders, all in an hour."""
    arms: JsonValue = {
        "a": {"share": 50, "then": [{"send": "push", "title": "Still there?"}]},
        "b": {"share": 50, "then": []},
    }
    split: JsonValue = [{"split": {"name": "june", "arms": arms}}]
    rule = campaign("cart", "Cart Updated", goal="Order", whereupon=split) | keys
    made = world(rule, store=home)
    for name in PEOPLE:
        made.track("Cart Updated", name, at=0)
    for name in PEOPLE[::3]:
        made.track("Order", name, at=60)
    return made


def told(made: World) -> Conversions:
    """The conversions of the one rule."""
    (rule,) = made.engine.stats("cart").rules
    return rule.conversions


def test_stats_show_entered_sent_and_converted_by_arm(home: Store) -> None:
    """Each entry counts once, in the arm that it took."""
    found = told(shop(home))
    assert (found.entries.entered, found.entries.converted) == (120, 40)
    assert found.entries.rate("converted") == pytest.approx(1 / 3)
    a, b = found.splits["june"]
    assert (a.arm, b.arm) == ("a", "b")
    assert a.entries.entered + b.entries.entered == 120
    assert a.entries.converted + b.entries.converted == 40
    assert (a.entries.sent, b.entries.sent) == (a.entries.entered, 0)
    assert found.holdout is None
    assert (a.difference, b.difference is None) == (None, False)


def test_stats_show_the_holdout_beside_the_arms(home: Store) -> None:
    """Who is held out has not entered, and each arm is compared with them."""
    found = told(shop(home, holdout=30))
    assert found.holdout is not None
    assert found.entries.entered + found.holdout.entered == 120
    assert found.entries.converted + found.holdout.converted == 40
    assert found.holdout.sent == 0
    assert found.difference is not None
    assert found.difference.low < found.difference.value < found.difference.high
    assert all(arm.difference is not None for arm in found.splits["june"])


def test_who_may_still_convert_is_told(home: Store) -> None:
    """While the goal's time runs; afterwards nobody may."""
    made = shop(home, holdout=30)
    found = told(made)
    assert found.holdout is not None
    assert found.entries.open + found.holdout.open == 80
    made.run(8 * DAY)
    found = told(made)
    assert found.holdout is not None
    assert found.entries.open + found.holdout.open == 0


def test_since_and_until_count_by_the_time_of_entering(home: Store) -> None:
    """Those of yesterday, and those before."""
    made = shop(home)
    made.run(2 * DAY)
    made.track("Cart Updated", "late", at=2 * DAY)
    lately = made.engine.stats("cart", since=timedelta(days=1)).rules[0].conversions
    before = made.engine.stats("cart", until=timedelta(days=1)).rules[0].conversions
    assert (lately.entries.entered, before.entries.entered) == (1, 120)


def test_a_rule_without_a_goal_has_no_differences(home: Store) -> None:
    """Its arms are counted all the same."""
    arms: JsonValue = {"a": {"share": 100, "then": []}}
    split: JsonValue = [{"split": {"name": "june", "arms": arms}}]
    made = world(campaign("cart", "Cart Updated", whereupon=split), store=home)
    made.track("Cart Updated", "ada", at=0)
    found = told(made)
    assert not found.has_goal
    (arm,) = found.splits["june"]
    assert (arm.entries.entered, arm.difference) == (1, None)


# --- the command ------------------------------------------------------------------------------------


def test_whereupon_stats_prints_a_table_json_and_a_picture(tmp_path: Path) -> None:
    """Each with every group, and the few people are said."""
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    made = shop(url, holdout=5)
    made.home.close()
    shown = whereupon("stats", "cart", "--store", url, "--svg", str(tmp_path / "funnel.svg"))
    lines = shown.stdout.splitlines()
    assert any(line.startswith("  everybody") for line in lines), shown
    assert any(line.startswith("  june=a") and "points (" in line for line in lines)
    assert any(line.startswith("  holdout") for line in lines)
    assert "  * Few people: one more or less who converts changes the picture." in lines
    picture = (tmp_path / "funnel.svg").read_text("utf-8")
    assert "june=b" in picture
    assert " converted (" in picture
    said = json.loads(whereupon("stats", "cart", "--store", url, "--json").stdout)
    goal = said["goal"]
    assert goal["entered"] + goal["holdout"]["entered"] == 120
    assert set(goal["splits"]["june"]) == {"a", "b"}
    assert set(goal["splits"]["june"]["a"]["difference"]) == {"value", "low", "high", "few"}


# --- numbers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("did", "number", "other_did", "other_number", "low", "high"),
    [  # Newcombe (1998), table II, method 10
        (56, 70, 48, 80, 0.0524, 0.3339),
        (9, 10, 3, 10, 0.1705, 0.8090),
        (6, 7, 2, 7, 0.0582, 0.8062),
        (5, 56, 0, 29, -0.0381, 0.1926),
        (0, 10, 0, 20, -0.1611, 0.2775),
        (0, 10, 0, 10, -0.2775, 0.2775),
        (10, 10, 0, 20, 0.6791, 1.0),
        (10, 10, 0, 10, 0.6075, 1.0),
    ],
)
def test_the_interval_is_newcombe_s(
    did: int, number: int, other_did: int, other_number: int, low: float, high: float
) -> None:
    """The examples of the paper, to four decimals."""
    found = difference(did, number, other_did, other_number)
    assert found is not None
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


def _bound(share: float, number: int, sign: int) -> float:
    """A Wilson bound, found by halving: the share at which the observed one is 1.96 errors away."""
    low, high = (0.0, share) if sign < 0 else (share, 1.0)
    for _ in range(200):
        middle = (low + high) / 2
        error = 1.959963984540054 * sqrt(middle * (1 - middle) / number)
        is_beyond = abs(share - middle) > error
        if is_beyond == (sign < 0):
            low = middle
        else:
            high = middle
    return (low + high) / 2


_GROUP = st.integers(1, 5_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(_GROUP, _GROUP)
def test_rates_and_interval_agree_with_another_computation(
    one: tuple[int, int], other: tuple[int, int]
) -> None:
    """Wilson's bounds by solving their equation, put together by Newcombe's rule."""
    found = difference(*one, *other)
    assert found is not None
    share, other_share = one[0] / one[1], other[0] / other[1]
    low, high = _bound(share, one[1], -1), _bound(share, one[1], 1)
    other_low, other_high = _bound(other_share, other[1], -1), _bound(other_share, other[1], 1)
    value = share - other_share
    assert found.value == pytest.approx(value)
    assert found.low == pytest.approx(
        value - sqrt((share - low) ** 2 + (other_high - other_share) ** 2), abs=1e-6
    )
    assert found.high == pytest.approx(
        value + sqrt((high - share) ** 2 + (other_share - other_low) ** 2), abs=1e-6
    )
    assert -1 <= found.low <= found.value <= found.high <= 1


def test_an_empty_group_is_compared_with_nobody() -> None:
    """No share, no difference."""
    assert difference(0, 0, 1, 2) is None
    assert difference(1, 2, 0, 0) is None


_FIGURES = st.builds(
    lambda converted, others: EntryFigures(converted + others, 0, converted, others),
    st.integers(0, 50),
    st.integers(0, 50),
)
_GROUPS = st.lists(
    st.builds(
        lambda out, arm, figures: EntryGroup("cart", out, "" if out else f"june={arm}", figures),
        st.booleans(),
        st.sampled_from("abc"),
        _FIGURES,
    ),
    max_size=8,
)


@given(_GROUPS)
def test_the_arms_of_a_split_add_up_to_everybody(groups: list[EntryGroup]) -> None:
    """Everybody took one arm of the only split, and nobody of the holdout any."""
    found = conversions(groups)
    arms = [arm.entries for arm in found.splits.get("june", ())]
    assert sum(arm.entered for arm in arms) == found.entries.entered
    assert sum(arm.converted for arm in arms) == found.entries.converted
    assert list(conversion_lines("cart", found))


def test_the_management_api_says_the_same(home: Store) -> None:
    """The figures of the library, as JSON."""
    made = shop(home, holdout=30)
    shown = get_rule_statistics("cart", made.engine)
    (rule,) = shown.rules
    assert rule.goal is not None
    assert rule.goal.holdout is not None
    assert rule.goal.entered + rule.goal.holdout.entered == 120
