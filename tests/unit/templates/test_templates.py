"""Liquid templates: what they write, and what they refuse."""

import time
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue
from tests.examples import examples

from whereupon.messages.times import format_local
from whereupon.templates import (
    Addressee,
    Content,
    Template,
    TemplateError,
    parse_template,
    render_content,
)
from whereupon.templates.interpolation import interpolate
from whereupon.templates.liquid_adapter import layout_of
from whereupon.templates.sandbox import Object, compiled

DATA: dict[str, JsonValue] = {
    "event": "purchase",
    "properties": {"price": 23.45, "gift": True, "n": 7, "none": 0, "when": "2026-01-02T03:04:05Z"},
    "person": {"first_name": None, "tags": ["a", "b"], "home": {"city": "Oslo"}},
    "timestamp": "2026-03-01T10:00:00Z",
}


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ properties.price }}", "23.45"),
        ("{{ properties.gift }}", "true"),
        ("{{ person.home }}", '{"city":"Oslo"}'),
        ("{{ person.tags | join: ', ' }}", "a, b"),
        ("{{ properties.when | date: '%-d %B %Y' }}", "2 January 2026"),
        ("{% for tag in person.tags %}{{ tag }}{{ forloop.index }} {% endfor %}", "a1 b2 "),
    ],
)
def test_a_template_writes_values_as_their_readers_know_them(source: str, text: str) -> None:
    """JSON's values are written as in JSON, dates as the template formats them."""
    assert parse_template(source).render(DATA) == text


@pytest.mark.parametrize(
    "source",
    [
        "{{ person.last_name }}",
        "{{ person.first_name }}",
        "{{ person.first_name | upcase }}",
        "{{ 'Dear ' | append: person.first_name }}",
        "{% assign name = person.first_name %}{{ name }}",
        "{% for x in person.pets %}{{ x }}{% endfor %}",
        "{{ person.tags[9] }}",
    ],
)
def test_a_missing_or_null_value_is_never_written(source: str) -> None:
    """No incomplete text is sent: rendering fails and names the variable."""
    with pytest.raises(TemplateError, match=r"person\S* has no value; add \| default"):
        parse_template(source).render(DATA)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ person.first_name | default: 'friend' }}", "friend"),
        ("{{ person.first_name | upcase | default: 'friend' }}", "friend"),
        ("{{ '' | split: ',' | first | default: 'none' }}", "none"),
        ("{% if person.first_name %}yes{% else %}no{% endif %}", "no"),
        ("{% if person.first_name == nil %}nil{% endif %}", "nil"),
        ("{% if person.pets contains 'cat' %}cat{% else %}none{% endif %}", "none"),
    ],
)
def test_a_default_or_a_condition_allows_for_a_missing_value(source: str, text: str) -> None:
    """`| default:` and `{% if %}` are the two ways to go without a value."""
    assert parse_template(source).render(DATA) == text


@pytest.mark.parametrize("text", ["a\rb", "a\r\nb", "a\nb"])
def test_line_breaks_of_data_stay_as_they_are(text: str) -> None:
    """Whichever way a template is rendered, and also in what it captures."""
    source = (
        "{{ properties.x | append: '' }}{% capture y %}{{ properties.x }}{% endcapture %}{{ y }}"
    )
    assert parse_template(source).render({"properties": {"x": text}}) == text + text


def test_now_is_what_the_data_says_and_never_the_clock() -> None:
    """The same data always give the same text; `timestamp` takes the place of `now`."""
    template = parse_template("{{ now | date: '%Y' }} {{ 'now' | date: '%m' }} {{ today }}")
    assert template.render(DATA) == "2026 03 2026-03-01"
    later = {**DATA, "now": "2031-12-01T00:00:00Z"}
    assert template.render(later) == "2031 12 2031-12-01"


def test_seconds_are_counted_alike_on_every_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """`strftime` would count them in the machine's timezone; here they are counted in UTC."""
    template = parse_template("{{ timestamp | date: '%s %%s %%%s' }}")
    texts = set()
    for timezone in ("UTC", "America/New_York"):
        monkeypatch.setenv("TZ", timezone)
        time.tzset()
        texts.add(template.render(DATA))
    monkeypatch.undo()
    time.tzset()
    assert texts == {"1772359200 %s %1772359200"}


def test_without_any_time_in_the_data_now_is_missing() -> None:
    """Liquid's own clock is never read."""
    with pytest.raises(TemplateError, match="now has no value"):
        parse_template("{{ now | date: '%Y' }}").render({})


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("one\n{{ two ", "line 2: "),
        ("one\ntwo\n{{ a | shout }}", "line 3: there is no filter 'shout'"),
        ("{% include 'secrets' %}", "unexpected tag 'include'"),
        ("{% render 'secrets' %}", "there is no partial 'secrets'"),
        ("{% if a %}" * 40 + "{% endif %}" * 40, "block nesting limit"),
        ("{{ a | upcase: 3 }}", "line 1: the filter 'upcase' takes no argument, and has 1 here"),
        ("\n{{ a | replace }}", "line 2: the filter 'replace' takes 1 to 2 arguments, and has 0"),
        ("{{ now | date }}", "the filter 'date' takes 1 argument, and has 0 here"),
        ("{{ now | date: '%d', 'UTC' }}", "has 2 here; a timezone is written timezone: '…'"),
        ("{{ now | date: '%d', zone: 'UTC' }}", "no argument called 'zone'; it takes timezone"),
        ("{{ a | default: 'x', allow: true }}", "no argument called 'allow'; it takes allow_false"),
        ("{% assign b = a | append %}", "the filter 'append' takes 1 argument, and has 0 here"),
        ("{% if a %}{% echo a | size: 1 %}{% endif %}", "'size' takes no argument"),
        ("{% for x in a %}{{ x | round: 1, 2 }}{% endfor %}", "takes 0 to 1 argument"),
        ("{% if (1..5) contains 3 %}{% endif %}", "a range is not searched"),
        ("{{ a | divided_by: 0 }}", "line 1: divided_by: can't divide by 0"),
        ("{{ now | date: '%d', timezone: 'Atlantis' }}", "date: there is no timezone Atlantis"),
        ("{{ now | date: '%999d' }}", "date: a form has at most 200 characters, and no widths"),
        ("{{ a | slice: 'x' }}", "slice: slice expected an integer start"),
        ("{{ a | concat: 'x' }}", "concat: this fails with every value, because of its arguments"),
        ("{{ a | truncate: 'x' }}", "truncate: truncate expected an integer"),
        ("x" * 200_001, "a template has at most 200,000 characters"),
        ("{{ a }}" * 5_001, "a template has at most 5,000 tags and variables"),
        ("{{ a }}\n{{ b {{ c", "line 2: this is never closed"),
        ("{{" * 4_000, "line 1: this is never closed"),
        (r"{{ properties.utm\.source }}", r"is written in brackets: properties\[\"utm.source\"\]"),
    ],
)
def test_a_bad_template_is_refused_with_its_line(source: str, reason: str) -> None:
    """Syntax, unknown filters, other templates and deep nesting are found before anything runs."""
    with pytest.raises(TemplateError, match=reason):
        parse_template(source)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{% for i in (1..100000) %}x{% endfor %}", "loop iteration limit"),
        (
            "{% assign s = 'x' %}{% for i in (1..40) %}{% assign s = s | append: s %}{% endfor %}",
            "this makes a value of more than 500,000 characters",
        ),
        ("{{ 7 | divided_by: properties.none }}", "divide by 0"),
        ("{{ 'soon' | date: '%Y' }}", "soon is not a date"),
        ("{{ person.tags[9] }}", "an item of a list in person has no value"),
        ("{% break %}", "unexpected"),
    ],
)
def test_any_failure_while_rendering_is_one_error(source: str, reason: str) -> None:
    """Exceeded limits, impossible sums and unreadable dates all raise a TemplateError."""
    with pytest.raises(TemplateError, match=reason):
        parse_template(source).render(DATA)


def test_a_filter_that_is_called_as_it_may_be_is_taken() -> None:
    """With each number of arguments that it allows, and the names of named ones."""
    source = (
        "{{ 'a,b' | replace: 'a' }}{{ 'x' | replace: 'x', 'y' }}{{ false | default: 1, allow_false: true }}"
        "{{ 1.234 | round }}{{ 1.234 | round: 1 }}"
        "{{ '2026-03-01T23:30:00Z' | date: '%d %H', timezone: 'Europe/Paris' }}"
        "{{ person.tags | where: 'k', 1 | size }}{{ person.tags | join: 1 }}"
    )
    assert parse_template(source).render(DATA) == ",byfalse11.202 000a1b"


@pytest.mark.parametrize(
    ("zone", "text"),
    [
        ("UTC", "2026-03-05T22:00:00Z 2026-03-05 05 22:00 22:00 09:30 2026-03-05"),
        (
            "Australia/Sydney",
            "2026-03-06T09:00:00+11:00 2026-03-06 06 09:00 09:00 09:30 2026-03-05",
        ),
        (
            "America/New_York",
            "2026-03-05T17:00:00-05:00 2026-03-05 05 17:00 17:00 09:30 2026-03-05",
        ),
    ],
)
def test_dates_are_on_the_clock_of_the_message(zone: str, text: str) -> None:
    """`now`, `today` and times with an offset are converted; a date without an offset is in that timezone already."""
    clock = UTC if zone == "UTC" else ZoneInfo(zone)
    template = parse_template(
        "{{ now }} {{ today }} {{ today | date: '%d' }} {{ now | date: '%H:%M' }} "
        "{{ properties.at | date: '%H:%M' }} {{ '2026-03-05 09:30' | date: '%H:%M' }} "
        "{{ '2026-03-05' | date: '%F' }}"
    )
    now = format_local(datetime(2026, 3, 5, 22, tzinfo=UTC), clock)
    data: dict[str, JsonValue] = {"now": now, "properties": {"at": "2026-03-05T22:00:00Z"}}
    assert render_content({"text": template}, data, addressee=lambda: Addressee(clock)) == {
        "text": text
    }


def test_content_is_rendered_at_every_depth() -> None:
    """Templates within lists and mappings are rendered; other values stay as they are."""
    template = parse_template("{{ event }}")
    content: Content = {"title": template, "data": {"list": [template, 5]}, "flag": True}
    assert render_content(content, DATA) == {
        "title": "purchase",
        "data": {"list": ["purchase", 5]},
        "flag": True,
    }


def test_templates_are_equal_when_their_sources_are() -> None:
    """A template is a value: it can be compared and used as a key."""
    assert parse_template("{{ event }}") == Template("{{ event }}")
    assert len({parse_template("{{ event }}"), parse_template("{{ event }}")}) == 1


def test_the_variables_that_must_be_there_are_known_beforehand() -> None:
    """A variable that a default or an enclosing condition allows to be missing is not among them."""
    template = parse_template(
        "{{ person.a }}{{ person.b | default: person.c }}"
        "{% if person.d %}{{ person.d }}{{ person.e | append: person.f }}{% endif %}"
        "{% for x in properties.items %}{{ x.name }}{% endfor %}"
    )
    assert template.required_variables() == (
        ("person", "a"),
        ("person", "c"),
        ("person", "e"),
        ("person", "f"),
        ("properties", "items"),
    )


@given(source=st.text(alphabet="{}%| .:'ab\n[]0", max_size=40))
def test_no_text_makes_a_template_raise_anything_else(source: str) -> None:
    """Any text renders, or is refused with a TemplateError."""
    try:
        parse_template(source).render(DATA)
    except TemplateError as error:
        assert error.reason  # noqa: PT017 - either outcome is good


# --- templates that only fill in texts --------------------------------------------------------------

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.floats(-2, 2),
    st.sampled_from(["", "a", "{{b}}", "<b>&'\""]),
)
names = st.sampled_from(["a", "b", "size", "first", "first_name"])
people = st.dictionaries(
    names, st.one_of(scalars, st.dictionaries(names, scalars), st.lists(scalars))
)
slots = st.tuples(
    st.sampled_from(["person", "properties", "now", "event", "other"]),
    st.lists(names, max_size=2),
    st.sampled_from(
        ["", " | default: 'x'", " | default: '<i>'", ' | default: ""', " | upcase", " | default: 1"]
    ),
).map(lambda parts: f"{{{{ {'.'.join([parts[0], *parts[1]])}{parts[2]} }}}}")
sources = st.lists(st.one_of(slots, st.sampled_from(["Hi ", "!", "{% if person %}y{% endif %}"])))


@examples(400)
@given(sources.map("".join), st.fixed_dictionaries({"person": people, "properties": people}))
def test_what_is_filled_in_is_what_liquid_writes(source: str, data: dict[str, JsonValue]) -> None:
    """A plain template is filled in without Liquid; both always give the same text, in markup, too."""
    mentioned = {key: Object(_shown(value)) for key, value in data.items()}
    for is_markup in (False, True):
        filled = interpolate(layout_of(source), data, is_markup=is_markup)
        if filled is not None:
            template = compiled(source, is_markup=is_markup)
            assert template.render(Object(mentioned)) == filled


def _shown(value: JsonValue) -> dict[str, object]:
    assert isinstance(value, dict)
    return {
        key: Object(_shown(inner)) if isinstance(inner, dict) else inner
        for key, inner in value.items()
        if inner is not None
    }


def test_the_templates_that_people_write_are_plain() -> None:
    """Texts with variables and defaults; all others are rendered by Liquid."""
    plain = "Hi {{ person.first_name | default: 'friend' }}, {{ properties['n'] }} {{ event }}!"
    data: dict[str, JsonValue] = {"person": {}, "properties": {"n": 7}, "event": "purchase"}
    assert interpolate(layout_of(plain), data) == "Hi friend, 7 purchase!"
    for other in (
        "{{ now }}",
        "{{ event | upcase }}",
        "{% if a %}{% endif %}",
    ):
        assert layout_of(other) is None
    assert interpolate(layout_of("{{ properties.n }}"), {"properties": {"n": 1.5}}) is None


def test_a_shoes_size_is_filled_in_and_the_size_of_a_list_is_liquids() -> None:
    """A key `size` is a value like any other."""
    layout = layout_of("{{ properties.size }}")
    assert interpolate(layout, {"properties": {"size": 42}}) == "42"
    assert interpolate(layout, {"properties": {"colour": "red"}}) is None
    assert interpolate(layout, {"properties": ["a", "b"]}) is None
