"""The settings file of a folder: quiet hours, caps, and what a rule overrides."""

from datetime import time, timedelta

import pytest
from pydantic import JsonValue
from tests.rule_files import book_of, campaign

from whereupon.records import Exemption
from whereupon.rules.model import (
    SKIP,
    Cap,
    FolderSettings,
    QuietHours,
    Rule,
    Rulebook,
    WaitUpTo,
)
from whereupon.rules.reader import parse_rule_file


def _settings(**keys: JsonValue) -> FolderSettings:
    return book_of({"settings": "settings", **keys}).settings


def _codes(**keys: JsonValue) -> list[str]:
    _, found = parse_rule_file({"settings": "settings", **keys}, stem="settings", segments={})
    return [each.code for each in found]


def _rule(**keys: JsonValue) -> Rule:
    return book_of(campaign("hello", "Signed Up", **keys)).rules[0]


def test_all_of_it_is_optional() -> None:
    """A file with its first key alone says what no file says."""
    assert _settings() == Rulebook().settings
    assert (_settings().quiet_hours, _settings().caps) == (None, ())


def test_quiet_hours_are_two_times_of_day_and_channels() -> None:
    """Without channels they hold for every channel."""
    named: JsonValue = {"from": "21:00", "until": "08:00", "channels": ["email", "sms", "email"]}
    assert _settings(quiet_hours=named).quiet_hours == QuietHours(
        time(21), time(8), ("email", "sms")
    )
    every = _settings(quiet_hours={"from": "00:00", "until": "23:59"}).quiet_hours
    assert every == QuietHours(time(0), time(23, 59))
    assert every is not None
    assert every.concern("slack")


def test_a_cap_skips_or_waits_up_to_a_time() -> None:
    """Skipping is the default."""
    caps: JsonValue = [
        {"at_most": 3, "per": "7d", "channels": ["email"], "otherwise": "skip"},
        {"at_most": 1, "per": "20h", "otherwise": {"wait_up_to": "24h"}},
        {"at_most": 9, "per": "30d"},
    ]
    assert _settings(cap=caps).caps == (
        Cap(3, timedelta(days=7), ("email",), SKIP),
        Cap(1, timedelta(hours=20), None, WaitUpTo(timedelta(days=1))),
        Cap(9, timedelta(days=30), None, SKIP),
    )


@pytest.mark.parametrize(
    "hours",
    [
        {"from": "21:00"},
        {"from": "21:00", "until": "21:00"},
        {"from": "21:00", "until": "24:00"},
        {"from": 21, "until": "08:00"},
        {"from": "21:00", "until": "8:00"},
        {"from": "21:00", "until": "08:00", "channels": []},
        {"from": "21:00", "until": "08:00", "days": ["sat"]},
        None,
        "21:00-08:00",
    ],
)
def test_what_are_no_quiet_hours_is_an_error(hours: JsonValue) -> None:
    """What is wrong is told, and it is not read as no quiet hours."""
    assert len(_codes(quiet_hours=hours)) == 1


@pytest.mark.parametrize(
    ("cap", "code"),
    [
        ([{"at_most": True, "per": "1d"}], "bad-cap"),
        ([{"at_most": 1.5, "per": "1d"}], "bad-cap"),
        ([{"at_most": 1, "per": "0d"}], "bad-duration"),
        ([{"at_most": 1, "per": "1d", "otherwise": {"wait": "1d"}}], "bad-cap"),
        ([{"at_most": 1, "per": "91d"}], "cap-beyond-keep"),
        ([], "wrong-type"),
        ({"at_most": 1, "per": "1d"}, "wrong-type"),
    ],
)
def test_what_is_no_cap_is_an_error(cap: JsonValue, code: str) -> None:
    """With the code that says why."""
    assert _codes(cap=cap) == [code]


def test_a_cap_may_count_as_long_as_deliveries_are_kept() -> None:
    """And for any time where they are kept for ever."""
    caps: JsonValue = [{"at_most": 1, "per": "400d"}]
    assert _codes(cap=caps, keep={"deliveries": "400d"}) == []
    assert _codes(cap=caps, keep={"deliveries": "forever"}) == []
    assert _codes(cap=caps, keep={"deliveries": "399d"}) == ["cap-beyond-keep"]


@pytest.mark.parametrize(
    ("keys", "exempt"),
    [
        ({}, set()),
        ({"quiet_hours": "off"}, {Exemption.QUIET_HOURS}),
        ({"cap": "exempt"}, {Exemption.CAP}),
        ({"quiet_hours": "off", "cap": "exempt"}, set(Exemption)),
    ],
)
def test_a_rule_can_override_quiet_hours_and_caps(
    keys: dict[str, JsonValue], exempt: set[Exemption]
) -> None:
    """By one word each."""
    assert _rule(**keys).exempt == exempt


def test_a_rule_without_a_priority_has_none() -> None:
    """That is 0; it may be less."""
    assert [_rule().priority, _rule(priority=10).priority, _rule(priority=-3).priority] == [
        0,
        10,
        -3,
    ]
