"""Consent: whether a person may be sent something, by attribute, kind and topic."""

import pytest
from pydantic import JsonValue

from whereupon.decide.consent import reason_to_withhold
from whereupon.records import SendKind

MARKETING = SendKind.MARKETING


@pytest.mark.parametrize(
    "word", [True, 1, 1.0, "1", "true", "TRUE", "True", "tRuE", "yes", "Yes", " YES ", "\ttrue\n"]
)
def test_each_word_for_yes_unsubscribes(word: JsonValue) -> None:
    """As a flag, a number or a text, in any case, with white space around it."""
    assert reason_to_withhold({"unsubscribed": word}, MARKETING, None) == "unsubscribed"


@pytest.mark.parametrize(
    "word",
    [False, 0, 2, -1, 0.5, float("nan"), "0", "false", "no", "", "11", "y", None, [], [True], {}],
)
def test_no_other_word_unsubscribes(word: JsonValue) -> None:
    """Only a clear word unsubscribes."""
    assert reason_to_withhold({"unsubscribed": word}, MARKETING, None) is None


@pytest.mark.parametrize(
    "attributes",
    [
        {"topics": {"news": False}},
        {"topics": {"news": "No"}},
        {"topics": {"news": 0}},
        {"topics.news": "false"},
        {"cio_subscription_preferences": {"topics": {"news": False}}},
        {"cio_subscription_preferences.topics.news": "FALSE "},
        {"topics": {"news": True}, "cio_subscription_preferences": {"topics": {"news": False}}},
    ],
)
def test_a_word_for_no_opts_out_of_a_topic(attributes: dict[str, JsonValue]) -> None:
    """As our own attribute, or as Customer.io writes it; one no is enough."""
    assert reason_to_withhold(attributes, MARKETING, "news") == "topic"
    assert reason_to_withhold(attributes, MARKETING, "offers") is None
    assert reason_to_withhold(attributes, MARKETING, None) is None


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"topics": {"news": True}},
        {"topics": {"news": None}},
        {"topics": ["offers"]},
        {"topics": "news"},
        {"cio_subscription_preferences": {"topics": None}},
        {"cio_subscription_preferences": "none"},
    ],
)
def test_somebody_who_says_nothing_of_a_topic_gets_it(attributes: dict[str, JsonValue]) -> None:
    """Only an explicit opt-out counts; a missing value, or a value of another shape, is none."""
    assert reason_to_withhold(attributes, MARKETING, "news") is None


@pytest.mark.parametrize("kind", [SendKind.TRANSACTIONAL, SendKind.INTERNAL])
def test_only_marketing_asks_for_consent(kind: SendKind) -> None:
    """A receipt is sent to an unsubscribed person; nothing is sent to an erased one."""
    assert reason_to_withhold({"unsubscribed": True, "topics": {"news": 0}}, kind, "news") is None
    assert reason_to_withhold(None, kind, None) == "erased"
