"""Whose clock and whose language, by the rule, the settings and the person."""

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from whereupon.conditions.clocks import Clock
from whereupon.decide.clocks import clock_of, locale_of
from whereupon.rules.locales import fallbacks
from whereupon.rules.model import FolderSettings, Rule
from whereupon.rules.reader import parse_rule_file

PARIS = ZoneInfo("Europe/Paris")
TOKYO = ZoneInfo("Asia/Tokyo")


def _settings(**said: JsonValue) -> FolderSettings:
    data: dict[str, JsonValue] = {"settings": "settings", **said}
    settings, found = parse_rule_file(data, stem="settings", segments={})
    assert found == ()
    assert isinstance(settings, FolderSettings)
    return settings


def _clock(**said: JsonValue) -> Clock | None:
    data: dict[str, JsonValue] = {"when": "purchase", "whereupon": ["exit"], **said}
    data |= {"broadcast": "x"} if isinstance(data["when"], dict) else {"campaign": "x"}
    data |= {} if "broadcast" in data else {"reentry": "once"}
    rule, found = parse_rule_file(data, stem="x", segments={})
    assert found == ()
    assert isinstance(rule, Rule)
    return rule.clock


BY_PERSON = _settings(timezone={"attribute": "timezone", "else": "Europe/Paris"})


@pytest.mark.parametrize(
    "timezone", [None, "", " ", "Mars/Olympus", "../passwd", "/etc", 5, [], {}]
)
def test_an_unknown_or_missing_timezone_of_a_person_counts_as_else(timezone: JsonValue) -> None:
    """Whatever stands there instead of a name; nothing raises."""
    assert clock_of({"timezone": timezone}, BY_PERSON) == PARIS
    assert clock_of({}, BY_PERSON) == PARIS
    assert clock_of({"timezone": "Asia/Tokyo"}, BY_PERSON) == TOKYO


@given(st.text())
def test_no_text_for_a_timezone_raises(text: str) -> None:
    """An attribute may hold anything."""
    assert clock_of({"timezone": text}, BY_PERSON) is not None


def test_all_of_the_settings_is_optional() -> None:
    """Without settings the attributes are `timezone` and `locale`, or else UTC and no locale."""
    nothing = _settings()
    assert clock_of({"timezone": "Asia/Tokyo"}, nothing) == TOKYO
    assert clock_of({}, nothing) == UTC
    assert locale_of({"locale": "de"}, nothing) == "de"
    assert locale_of({}, nothing) is None


def test_one_timezone_in_the_settings_is_the_clock_of_everybody() -> None:
    """A name alone asks no attribute."""
    assert clock_of({"timezone": "Asia/Tokyo"}, _settings(timezone="Europe/Paris")) == PARIS


def test_the_attribute_may_have_another_name_or_stand_within_one() -> None:
    """`attribute` is a path."""
    settings = _settings(timezone={"attribute": "home.tz"}, locale={"attribute": r"pref\.lang"})
    assert clock_of({"home": {"tz": "Asia/Tokyo"}}, settings) == TOKYO
    assert clock_of({"home": 5}, settings) == UTC
    assert locale_of({"pref.lang": "pt_BR"}, settings) == "pt-br"


def test_a_rule_can_override_timezone() -> None:
    """By a name, or by another attribute; without the key the settings count."""
    own = _clock(timezone="Asia/Tokyo")
    assert clock_of({"timezone": "Europe/Rome"}, BY_PERSON, own) == TOKYO
    own = _clock(timezone={"attribute": "office", "else": "Asia/Tokyo"})
    assert clock_of({"timezone": "Europe/Rome"}, BY_PERSON, own) == TOKYO
    assert clock_of({"office": "Europe/Paris"}, BY_PERSON, own) == PARIS
    assert _clock() is None


def test_a_broadcast_with_a_timezone_is_on_its_clock() -> None:
    """UTC counts too if it is written; a schedule that names none leaves it to the settings."""
    nine: dict[str, JsonValue] = {"cron": "0 9 * * *"}
    assert _clock(when={**nine, "timezone": "Asia/Tokyo"}) == Clock(
        None, "Asia/Tokyo", of_schedule=True
    )
    assert _clock(when={**nine, "timezone": "UTC"}) == Clock(None, "UTC", of_schedule=True)
    assert _clock(when=nine) is None
    assert _clock(when=nine, timezone="Europe/Paris") == Clock(None, "Europe/Paris")


@pytest.mark.parametrize("locale", ["de_AT", "DE-at", " de-AT ", "de_AT.UTF-8", "de_AT@euro"])
def test_locales_compare_without_case_and_underscore_as_hyphen(locale: str) -> None:
    """However a browser, a phone or a POSIX system writes it."""
    assert locale_of({"locale": locale}, _settings()) == "de-at"


@pytest.mark.parametrize("locale", [None, "", " ", 5, ["de"]])
def test_a_missing_locale_counts_as_else(locale: JsonValue) -> None:
    """Whatever is no text."""
    assert locale_of({"locale": locale}, _settings(locale={"else": "en"})) == "en"
    assert locale_of({"locale": locale}, _settings(locale="fr-CA")) == "fr-ca"


def test_a_locale_falls_back_to_its_language() -> None:
    """Exact first, then with fewer parts, the language alone last."""
    assert fallbacks("zh-hant-tw") == ("zh-hant-tw", "zh-hant", "zh")
    assert fallbacks("de") == ("de",)
