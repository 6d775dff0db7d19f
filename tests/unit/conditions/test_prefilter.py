"""What a store tests itself: which values of an attribute pass, and which are kept back."""

import pytest
from tests.unit.conditions.messages import message, who

from whereupon.conditions import JsonValue
from whereupon.conditions.prefilter import passes
from whereupon.conditions.pushdown import prefilter_of

NULLS: list[JsonValue] = [None, True, False]


@pytest.mark.parametrize(
    ("expected", "passing", "kept_back"),
    [
        ("socks", ["socks"], ["shoes", "", 1, *NULLS]),
        ("20", ["20", 20, 20.0], ["x", 21, *NULLS]),
        (20, [20, "20", "x"], [19, 21, *NULLS]),
        (True, [True, "x"], [None, False, 1]),
        (["socks", 20], ["socks", 20, "20"], [19, *NULLS]),
        ({"ne": "socks"}, ["shoes", 1, True], ["socks", None]),
        ({"not_in": ["socks", "shoes"]}, ["hats", 1], ["socks", "shoes", None]),
        ({"ne": 20}, [20, 21, "20"], [None]),
        ({"gt": 20}, [20.5, 21, "x"], [19, *NULLS]),
        ({"lte": 20}, [20, -1, "x"], [21, *NULLS]),
        ({"gt": "1.20.3"}, ["1.20.4", "x"], [2, *NULLS]),
        ({"between": [10, 20]}, [10, 15, 20, "x"], [9, 21, *NULLS]),
        ({"between": ["2026-01-01", "2026-02-01"]}, ["2026-01-15", "x"], [2026, *NULLS]),
        ({"starts_with": "so"}, ["socks", 1], ["shoes", *NULLS]),
        ({"ends_with": "ks"}, ["socks", 1], ["shoes", *NULLS]),
        ({"contains": "ck"}, ["socks", ["ck"]], ["shoes", *NULLS]),
        ({"matches": "^s"}, ["socks", "x", 1], NULLS),
        ({"before": "2026-01-31"}, ["2026-01-30", "soon", 1], ["2026-02-03", *NULLS]),
        ({"after": "2026-01-31"}, ["2026-02-01", "soon", 1], ["2026-01-28", *NULLS]),
        ({"within": "3d"}, ["x", 1, *NULLS], []),
        ({"exists": True}, ["x", 1, True], [None]),
    ],
)
def test_a_prefilter_passes_what_may_satisfy_a_test(
    expected: JsonValue, passing: list[JsonValue], kept_back: list[JsonValue]
) -> None:
    """It keeps back what cannot: whole kinds of values, numbers outside, other texts."""
    prefilter = prefilter_of(who({"it": expected}), message())
    assert [value for value in passing if not passes(prefilter, {"it": value})] == []
    assert [value for value in kept_back if passes(prefilter, {"it": value})] == []


@pytest.mark.parametrize(
    ("denied", "passing", "kept_back"),
    [
        ("socks", ["shoes", 1, None], ["socks"]),
        ({"gt": 20}, [19, 20, None, "x"], [21]),
        ({"gte": "1.20.3"}, [1, None, "1.1.0"], []),
        ({"between": [10, 20]}, [9, 21, None, "x"], [15]),
        ({"between": ["2026-01-01", "2026-02-01"]}, [1, None, "2025-01-01"], []),
        ({"starts_with": "so"}, ["shoes", 1, None], []),
    ],
)
def test_a_prefilter_passes_what_may_not_satisfy_a_test_that_is_denied(
    denied: JsonValue, passing: list[JsonValue], kept_back: list[JsonValue]
) -> None:
    """Below a `not`, it keeps back what certainly satisfies the test."""
    prefilter = prefilter_of(who({"not": {"it": denied}}), message())
    assert [value for value in passing if not passes(prefilter, {"it": value})] == []
    assert [value for value in kept_back if passes(prefilter, {"it": value})] == []
