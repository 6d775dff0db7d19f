"""``between``: a value from one end to the other, both included."""

import pytest
from tests.unit.conditions.messages import diagnostics_of, holds, where

from whereupon.conditions import JsonValue
from whereupon.conditions.predicate import Interval


@pytest.mark.parametrize(
    ("ends", "value", "expected"),
    [
        ([10, 20], 10, True),
        ([10, 20], 15, True),
        ([10, 20], 20, True),
        ([10, 20], 9.99, False),
        ([10, 20], 20.01, False),
        ([10, 20], "15", True),
        ([10, 20], " 20 ", True),
        ([10, 20], "25", False),
        ([10, 20], "fifteen", False),
        ([10, 20], True, False),
        ([10, 20], [15], False),
        ([10, 20], None, False),
        ([5, 5], 5, True),
        (["10", 20.5], 20.5, True),
        ([-1, 1], None, False),
        (["2026-01-01", "2026-01-31"], "2026-01-31", True),
        (["2026-01-01", "2026-01-31"], "2026-02-01", False),
        (["2026-01-01", "2026-01-31"], 2026, False),
        (["1.20.3", "1.9.0"], "1.20.4", True),
    ],
)
def test_a_value_is_between_two_ends_as_it_is_gte_one_and_lte_the_other(
    ends: list[JsonValue], value: JsonValue, expected: bool
) -> None:
    """Numbers, texts that read as numbers, and other texts, such as dates."""
    least, most = ends
    assert holds({"it": {"between": ends}}, {"it": value}) is expected
    assert holds({"it": {"gte": least, "lte": most}}, {"it": value}) is expected


@pytest.mark.parametrize(
    ("operand", "code", "sentence"),
    [
        (10, "wrong-type", "[10, 20]"),
        ([10], "wrong-type", "list of two"),
        ([10, 20, 30], "wrong-type", "list of two"),
        ({"from": 10}, "wrong-type", "list of two"),
        ([10, None], "bad-number", "such as 20"),
        ([True, 20], "bad-number", "such as 20"),
        (["a", "b"], "bad-number", "such as 20"),
        ([10, "1.20.3"], "conflicting-bounds", "two of a kind"),
        (["2026-01-01", 20], "conflicting-bounds", "two of a kind"),
        ([20, 10], "conflicting-bounds", "exchange them"),
        (["2026-02-01", "2026-01-01"], "conflicting-bounds", "exchange them"),
    ],
)
def test_ends_that_leave_nothing_between_them_are_an_error(
    operand: JsonValue, code: str, sentence: str
) -> None:
    """The sentence says what to write instead."""
    (diagnostic,) = diagnostics_of({"it": {"between": operand}})
    assert (diagnostic.path, diagnostic.code) == (("it", "between"), code)
    assert sentence in diagnostic.message


def test_two_ends_are_one_predicate_of_the_index() -> None:
    """It is a range with both ends closed."""
    (conjunct,) = where({"it": {"between": [10, 20]}}).conjuncts
    assert conjunct.text == "it is between 10 and 20"
    assert conjunct.predicate is not None
    assert conjunct.predicate.interval == Interval(10.0, 20.0)
