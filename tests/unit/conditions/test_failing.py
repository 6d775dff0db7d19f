"""Which condition failed, in words, with the values that it saw."""

import pytest
from tests.unit.conditions.messages import NOON, Past, message, where, who

from whereupon.conditions import NO_HISTORY, Condition, Failure, JsonValue


def text_of(condition: Condition) -> str:
    """Describe what fails for a message without properties."""
    failure = condition.failing(message(), NO_HISTORY)
    assert failure is not None
    return failure.text


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ({"price": {"gt": 20}}, "price is greater than 20"),
        ({"price": {"lte": 9.5}}, "price is at most 9.5"),
        ({"plan": ["pro", "team"]}, "plan is one of pro, team"),
        ({"vip": True}, "vip is true"),
        ({"name": {"ne": ""}}, 'name is not ""'),
        ({"sku": {"starts_with": "AB"}}, "sku starts with AB"),
        ({"a.b": {"exists": True}}, "a.b exists"),
        ({"ends": {"within": "2d"}}, "ends is within 2d of the message"),
        ({"any": [{"a": 1, "b": 2}, {"c": 3}]}, "(a is 1 and b is 2) or c is 3"),
        ({"not": {"a": {"exists": False}}}, "not (a does not exist)"),
        ({"all": [{"not": {"a": 1}}, {"b": 2}]}, "b is 2"),
        (
            {"logic": {">": [{"var": "properties.price"}, {"var": "person.budget"}]}},
            "properties.price is greater than person.budget",
        ),
        (
            {"logic": {"and": [True, {"in": ["a", {"var": "event"}]}, False]}},
            "the logic false holds",
        ),
        ({"logic": {"!": [True]}}, 'the logic {"!": [true]} holds'),
    ],
)
def test_a_condition_reads_as_a_sentence(raw: JsonValue, text: str) -> None:
    """A marketer understands why; paths are as the rule file has them."""
    assert text_of(where(raw)) == text


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (
            {"event": "purchase", "at_least": 3, "within": "30d"},
            "has performed purchase at least 3 times within 30d",
        ),
        (
            {"event": "a", "where": {"p": 1, "q": 2}},
            "has performed a where p is 1 and q is 2 at least once",
        ),
        ({"event": "a", "exactly": 2}, "has performed a exactly 2 times"),
        ({"event": "a", "at_least": 2, "at_most": 3}, "has performed a 2 to 3 times"),
    ],
)
def test_a_question_to_the_history_reads_as_a_sentence(raw: JsonValue, text: str) -> None:
    """It shows the count from the history."""
    failure = who({"performed": raw}).failing(message(), NO_HISTORY)
    assert failure is not None
    assert failure.text == text
    assert list(failure.values.values()) == [0]


def test_never_and_at_most_are_named_too() -> None:
    """They fail for a history with too many events."""
    past = Past({"a": 5})
    never = who({"performed": {"event": "a", "never": True, "within": "1d"}})
    assert never.failing(message(), past) == Failure(
        "has never performed a within 1d", {"performed a": 5}
    )
    few = who({"performed": {"event": "a", "at_most": 1}}).failing(message(), past)
    assert few is not None
    assert few.text == "has performed a at most once"


def test_the_first_condition_that_fails_is_named_with_what_it_saw() -> None:
    """A missing value is shown as null."""
    condition = where({"product": "socks", "price": {"gt": 20}, "ends": {"within": "1d"}})
    assert condition.failing(message({"product": "socks", "price": 5}), NO_HISTORY) == Failure(
        "price is greater than 20", {"properties.price": 5}
    )
    assert condition.failing(message({"product": "socks", "price": 25}), NO_HISTORY) == Failure(
        "ends is within 1d of the message", {"properties.ends": None, "timestamp": NOON}
    )
    assert (
        condition.failing(message({"product": "socks", "price": 25, "ends": NOON}), NO_HISTORY)
        is None
    )


def test_a_segment_is_named_with_what_it_read() -> None:
    """Its parts are left out: people know the segment by its name."""
    failure = who({"segment": "pro"}, {"pro": {"plan": "pro", "seats": {"gt": 1}}}).failing(
        message(None, {"plan": "free"}), NO_HISTORY
    )
    assert failure == Failure("is in segment pro", {"person.plan": "free", "person.seats": None})
