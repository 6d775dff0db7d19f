"""Money, numbers, plurals and names of months: as the languages of the world write them."""

import sys
from collections.abc import Sequence
from datetime import UTC
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from whereupon.templates import Addressee, TemplateError, Use, parse_template, render_content

DATA: dict[str, JsonValue] = {
    "properties": {"total": 1234.5, "text": "99.905", "n": 3, "currency": "usd", "items": [1, 2]},
    "person": {"born": "1990-03-05"},
    "timestamp": "2026-03-05T23:30:00Z",
}


def _written(
    source: str,
    *locales: str,
    zone: str = "UTC",
    use: Use = Use.TEXT,
    data: dict[str, JsonValue] = DATA,
) -> str:
    addressee = Addressee(UTC if zone == "UTC" else ZoneInfo(zone), lambda: locales)
    content = {"text": parse_template(source, use)}
    return str(render_content(content, data, addressee=lambda: addressee)["text"])


@pytest.mark.parametrize(
    ("source", "locales", "text"),
    [
        ("{{ properties.total | money: 'EUR' }}", (), "€1,234.50"),
        ("{{ properties.total | money: 'EUR' }}", ("de",), "1.234,50\xa0€"),
        ("{{ properties.total | money: 'EUR' }}", ("de-at",), "€\xa01.234,50"),
        ("{{ properties.total | money: 'EUR' }}", ("fr-fr",), "1\u202f234,50\xa0€"),
        ("{{ properties.total | money: 'jpy' }}", ("ja",), "￥1,235"),
        ("{{ properties.total | money: properties.currency }}", ("en-us",), "$1,234.50"),
        ("{{ properties.text | money: 'EUR' }}", ("en",), "€99.91"),
        ("{{ 2.665 | money: 'EUR' }}", ("en",), "€2.67"),
        ("{{ -5 | money: 'GBP' }}", ("en-gb",), "-£5.00"),
        ("{{ properties.total | number }}", ("de",), "1.234,5"),
        ("{{ properties.total | number: 2 }}", ("fr",), "1\u202f234,50"),
        ("{{ properties.total | number: 0 }}", ("en",), "1,235"),
        ("{{ 1234567.8912 | number }}", ("en-in",), "12,34,567.891"),
        ("{{ 0.5 | number: 0 }}", ("en",), "1"),
    ],
)
def test_money_and_number_are_by_locale(source: str, locales: Sequence[str], text: str) -> None:
    """Separators, decimals and the place of the sign are those of the locale; halves are rounded up."""
    assert _written(source, *locales) == text


POLISH = "{{ properties.n | pluralize: one: 'plik', few: 'pliki', many: 'plików', other: 'pliku' }}"


@pytest.mark.parametrize(
    ("source", "locale", "number", "text"),
    [
        ("{{ properties.n | pluralize: 'item', 'items' }}", "en", 1, "item"),
        ("{{ properties.n | pluralize: 'item', 'items' }}", "en", 1.0, "item"),
        ("{{ properties.n | pluralize: 'item', 'items' }}", "en", "1", "item"),
        ("{{ properties.n | pluralize: 'item', 'items' }}", "en", 0, "items"),
        ("{{ properties.n | pluralize: 'item', 'items' }}", "en", 1.5, "items"),
        ("{{ properties.n | pluralize: 'article', 'articles' }}", "fr", 0, "article"),
        ("{{ properties.n | pluralize: 'no item', 'items' }}", "ja", 1, "items"),
        (POLISH, "pl", 1, "plik"),
        (POLISH, "pl", 3, "pliki"),
        (POLISH, "pl", 5, "plików"),
        (POLISH, "pl-pl", 22, "pliki"),
        (POLISH, "pl", 1.5, "pliku"),
        ("{{ properties.n | pluralize: 'a', 'b', zero: 'nothing' }}", "en", 0, "nothing"),
        ("{{ properties.n | pluralize: 'a', 'b', few: 'c' }}", "cs", 2, "c"),
        ("{{ properties.n | pluralize: 'a', 'b', two: 'c' }}", "ar", 2, "c"),
    ],
)
def test_pluralize_is_by_locale(source: str, locale: str, number: JsonValue, text: str) -> None:
    """The form is that of the language's plural category; what is not said is `other`."""
    assert _written(source, locale, data={"properties": {"n": number}}) == text


@pytest.mark.parametrize(
    ("form", "locale", "text"),
    [
        ("%-d %B %Y", "en", "5 March 2026"),
        ("%-d. %B %Y", "de", "5. März 2026"),
        ("%A, %d %B", "fr", "jeudi, 05 mars"),
        ("%a %b", "de", "Do. Mär"),
        ("%-d %B", "ru", "5 марта"),
        ("%B %Y", "ru", "март 2026"),
        ("%^B %%B", "de", "MÄRZ %B"),
        ("%Y-%m-%d", "de", "2026-03-05"),
    ],
)
def test_names_of_days_and_months_are_in_the_persons_language(
    form: str, locale: str, text: str
) -> None:
    """Beside the number of a day a month stands as the language's grammar wants it."""
    assert _written(f"{{{{ timestamp | date: '{form}' }}}}", locale) == text


@pytest.mark.parametrize(
    ("zone", "said", "text"),
    [
        ("UTC", "", "05 05"),
        ("Asia/Tokyo", "", "06 05"),
        ("Asia/Tokyo", ", timezone: 'America/New_York'", "05 05"),
        ("America/New_York", ", timezone: 'Asia/Tokyo'", "06 05"),
    ],
)
def test_date_takes_a_timezone(zone: str, said: str, text: str) -> None:
    """An instant is told on that clock; a day without a time is the same day on every clock."""
    source = f"{{{{ timestamp | date: '%d'{said} }}}} {{{{ person.born | date: '%d'{said} }}}}"
    assert _written(source, zone=zone) == text


@pytest.mark.parametrize("locales", [("xx",), ("klingon-qo",), ("de-zz", "fr"), ("", "fr"), ("*",)])
def test_the_nearest_locale_that_there_is_counts(locales: Sequence[str]) -> None:
    """An unknown country is left out, an unknown language counts for nothing, and English is the last."""
    expected = {"de-zz": "1.234,5", "": "1\u202f234,5"}.get(locales[0], "1,234.5")
    assert _written("{{ properties.total | number }}", *locales) == expected


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{{ a | money }}", "line 1: the filter 'money' takes 1 argument, and has 0 here"),
        ("\n{{ a | money: 'EURO' }}", "line 2: money: there is no currency EURO; write its code"),
        ("{{ a | money: 'EUR', 2 }}", "'money' takes 1 argument, and has 2 here"),
        ("{{ a | number: 1, 2 }}", "'number' takes 0 to 1 argument, and has 2 here"),
        ("{{ a | number: 'x' }}", "number: decimals are a number from 0 to 20, not x"),
        ("{{ a | pluralize }}", "pluralize: say the form of all other numbers"),
        ("{{ a | pluralize: 'item' }}", "pluralize: say the form of all other numbers"),
        ("{{ a | pluralize: 'a', 'b', 'c' }}", "takes 0 to 2 arguments, and has 3 here"),
        (
            "{{ a | pluralize: 'a', 'b', some: 'c' }}",
            "no argument called 'some'; it takes few, many",
        ),
    ],
)
def test_arguments_that_these_filters_do_not_take_are_refused(source: str, reason: str) -> None:
    """When the rule is read, with the line."""
    with pytest.raises(TemplateError, match=reason):
        parse_template(source)


@pytest.mark.parametrize("name", ["money: 'EUR'", "number", "pluralize: 'a', 'b'"])
@pytest.mark.parametrize(
    "value",
    [
        "soon",
        True,
        [1],
        {"a": 1},
        "1e400000000",
        "NaN",
        "Infinity",
        "9" * 4_000,
        10**40,
        "",
        "1e-99",
    ],
)
def test_what_is_no_number_is_never_written(name: str, value: JsonValue) -> None:
    """The reason says which value; a number too small to be seen is nought."""
    source = f"{{{{ properties.n | {name} }}}}"
    if value == "1e-99":
        assert _written(source, data={"properties": {"n": value}}) in {"€0.00", "0", "b"}
        return
    with pytest.raises(TemplateError, match=r"is not a number|is too large|at most"):
        _written(source, data={"properties": {"n": value}})


def test_a_missing_number_is_missing() -> None:
    """As with every other filter: a default helps."""
    with pytest.raises(TemplateError, match=r"properties\.price has no value"):
        _written("{{ properties.price | money: 'EUR' }}")
    assert _written("{{ properties.price | money: 'EUR' | default: 'free' }}") == "free"


def test_in_markup_the_words_of_data_are_escaped() -> None:
    """The author's words are as they were written; a word from the data is data."""
    data: dict[str, JsonValue] = {"properties": {"n": 2, "word": "<b>"}}
    source = "{{ properties.n | pluralize: 'x', '<i>' }} {{ properties.n | pluralize: 'x', properties.word }}"
    assert _written(source, use=Use.MARKUP, data=data) == "<i> &lt;b&gt;"


@given(
    st.one_of(
        st.floats(), st.integers(), st.text(max_size=30), st.decimals().map(str), st.booleans()
    ),
    st.sampled_from(["de", "fr", "ar", "pl", "hi", "sl", "ga", "he", "zh-hant", "pt-br", "??"]),
    st.sampled_from(
        ["money: 'EUR'", "money: 'KWD'", "number", "number: 20", "pluralize: 'a', 'b'"]
    ),
)
def test_any_value_is_written_or_refused(value: object, locale: str, name: str) -> None:
    """No value and no language make a filter raise anything else, or write much."""
    data = {"properties": {"n": value}}
    try:
        written = _written(f"{{{{ properties.n | {name} }}}}", locale, data=data)  # type: ignore[arg-type]  # more than JSON
    except TemplateError:
        return
    assert 0 < len(written) < 120


@pytest.mark.parametrize("name", ["money: 'EUR'", "number", "pluralize: 'day', 'days'"])
def test_without_the_extra_the_template_says_how_to_install_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the rule is read, with the line; names of months are then English."""
    monkeypatch.setitem(sys.modules, "babel", None)
    with pytest.raises(
        TemplateError, match=r"line 2: the filter .* pip install 'whereupon\[texts\]'"
    ):
        parse_template(f"without the extra\n{{{{ properties.n | {name} }}}}")
    assert _written("{{ timestamp | date: '%B' }}", "de") == "March"
