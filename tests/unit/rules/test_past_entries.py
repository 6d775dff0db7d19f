"""Which rules ask for a person's earlier entries as another one is opened."""

import pytest
from tests.rule_files import book_of, campaign


@pytest.mark.parametrize(
    ("when", "more", "asks"),
    [
        ("purchase", {}, False),
        ("purchase", {"reentry": {"once_per": "7d"}}, True),
        ("purchase", {"retroactive": {"take": "first"}}, True),
        ({"quiet": "any", "for": "5m"}, {}, True),
        ({"date": "person.renews_at"}, {}, True),
    ],
)
def test_a_message_opens_a_rule_once_but_a_moment_may_come_again(
    when: object, more: dict[str, object], asks: bool
) -> None:
    """By re-entry, by the message that counts of a claim, or whether the moment has opened the rule before."""
    (rule,) = book_of(campaign("r", when, **{"reentry": "every_time", **more})).rules  # type: ignore[arg-type]
    assert rule.asks_past_entries is asks
