"""Liquid templates: what they write, and what they refuse to."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from whereupon.templates import Content, Template, TemplateError, parse_template, render_content
from whereupon.templates.filling import fill
from whereupon.templates.plain import plain_pieces
from whereupon.templates.sandbox import Object, compiled

DATA: dict[str, JsonValue] = {
    "event": "purchase",
    "properties": {"price": 23.45, "gift": True, "n": 7, "when": "2026-01-02T03:04:05Z"},
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
    """JSON's values are written as JSON writes them, dates as the template says."""
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
    """Nothing half-empty is sent: rendering fails and names the variable."""
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
    """`| default:` and `{% if %}` are the two ways to live without a value."""
    assert parse_template(source).render(DATA) == text


def test_now_is_what_the_data_says_and_never_the_clock() -> None:
    """The same data render to the same text for ever; `timestamp` stands in for `now`."""
    template = parse_template("{{ now | date: '%Y' }} {{ 'now' | date: '%m' }} {{ today }}")
    assert template.render(DATA) == "2026 03 2026-03-01T10:00:00Z"
    later = {**DATA, "now": "2031-12-01T00:00:00Z"}
    assert template.render(later) == "2031 12 2031-12-01T00:00:00Z"


def test_seconds_are_counted_alike_on_every_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `strftime` would count in the timezone of the machine is counted in UTC."""
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
    """Liquid's own clock is out of reach."""
    with pytest.raises(TemplateError, match="now has no value"):
        parse_template("{{ now | date: '%Y' }}").render({})


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("one\n{{ two ", "line 2: "),
        ("one\ntwo\n{{ a | shout }}", "line 3: there is no filter 'shout'"),
        ("{% include 'secrets' %}", "unexpected tag 'include'"),
        ("{% render 'secrets' %}", "unexpected tag 'render'"),
        ("{% if a %}" * 40 + "{% endif %}" * 40, "block nesting limit"),
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
            "local namespace limit",
        ),
        ("{{ 7 | divided_by: 0 }}", "divide by 0"),
        ("{{ 'soon' | date: '%Y' }}", "soon is no date"),
        ("{{ person.tags[9] }}", "an item of a list in person has no value"),
        ("{% break %}", "unexpected"),
    ],
)
def test_whatever_goes_wrong_while_rendering_is_one_error(source: str, reason: str) -> None:
    """Limits passed, sums that cannot be done and unreadable dates are all a TemplateError."""
    with pytest.raises(TemplateError, match=reason):
        parse_template(source).render(DATA)


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
    """A template is a value: comparable, and usable as a key."""
    assert parse_template("{{ event }}") == Template("{{ event }}")
    assert len({parse_template("{{ event }}"), parse_template("{{ event }}")}) == 1


def test_the_variables_that_must_be_there_are_known_beforehand() -> None:
    """What a default or an enclosing condition allows for is not among them."""
    template = parse_template(
        "{{ person.a }}{{ person.b | default: person.c }}"
        "{% if person.d %}{{ person.d }}{{ person.e | append: person.f }}{% endif %}"
        "{% for x in properties.items %}{{ x.name }}{% endfor %}"
    )
    assert template.undefended() == (
        ("person", "a"),
        ("person", "c"),
        ("person", "e"),
        ("person", "f"),
        ("properties", "items"),
    )


@given(source=st.text(alphabet="{}%| .:'ab\n[]0", max_size=40))
def test_no_text_makes_a_template_raise_anything_else(source: str) -> None:
    """Any text either renders or is refused with a TemplateError."""
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
    st.sampled_from(["", "a", "{{b}}"]),
)
names = st.sampled_from(["a", "b", "size", "first", "first_name"])
people = st.dictionaries(
    names, st.one_of(scalars, st.dictionaries(names, scalars), st.lists(scalars))
)
slots = st.tuples(
    st.sampled_from(["person", "properties", "now", "event", "other"]),
    st.lists(names, max_size=2),
    st.sampled_from(["", " | default: 'x'", ' | default: ""', " | upcase", " | default: 1"]),
).map(lambda parts: f"{{{{ {'.'.join([parts[0], *parts[1]])}{parts[2]} }}}}")
sources = st.lists(st.one_of(slots, st.sampled_from(["Hi ", "!", "{% if person %}y{% endif %}"])))


@settings(max_examples=400)
@given(sources.map("".join), st.fixed_dictionaries({"person": people, "properties": people}))
def test_what_is_filled_in_is_what_liquid_writes(source: str, data: dict[str, JsonValue]) -> None:
    """A plain template is filled in without Liquid; the two never differ."""
    filled = fill(plain_pieces(compiled(source)), data)
    mentioned = {key: Object(_shown(value)) for key, value in data.items()}
    if filled is not None:
        assert compiled(source).render(Object(mentioned)) == filled


def _shown(value: JsonValue) -> dict[str, object]:
    assert isinstance(value, dict)
    return {
        key: Object(_shown(inner)) if isinstance(inner, dict) else inner
        for key, inner in value.items()
        if inner is not None
    }


def test_the_templates_that_people_write_are_plain() -> None:
    """Texts with variables, and what stands for one that is missing; anything else is Liquid's."""
    plain = "Hi {{ person.first_name | default: 'friend' }}, {{ properties['n'] }} {{ event }}!"
    data: dict[str, JsonValue] = {"person": {}, "properties": {"n": 7}, "event": "purchase"}
    assert fill(plain_pieces(compiled(plain)), data) == "Hi friend, 7 purchase!"
    for other in (
        "{{ now }}",
        "{{ event | upcase }}",
        "{% if a %}{% endif %}",
    ):
        assert plain_pieces(compiled(other)) is None
    assert fill(plain_pieces(compiled("{{ properties.n }}")), {"properties": {"n": 1.5}}) is None


def test_a_shoes_size_is_filled_in_and_the_size_of_a_list_is_liquids() -> None:
    """Where there is such a key it is a value like any other."""
    pieces = plain_pieces(compiled("{{ properties.size }}"))
    assert fill(pieces, {"properties": {"size": 42}}) == "42"
    assert fill(pieces, {"properties": {"colour": "red"}}) is None
    assert fill(pieces, {"properties": ["a", "b"]}) is None
