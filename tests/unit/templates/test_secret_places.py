"""Places for secrets: only what the template says is one, whatever the data are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whereupon.templates import (
    CallTemplate,
    ContentValue,
    asks_for_secrets,
    fill_in,
    parse_template,
    secret_fault,
)
from whereupon.templates.secret_places import secrets_in

_PIECES = st.sampled_from(
    [
        "{{ ",
        "{{",
        " }}",
        "secrets.",
        "secrets.T",
        "{{ secrets.T }}",
        "\ue000",
        "\ue001",
        "T",
        " ",
        "{",
    ]
)
_DATA = st.one_of(st.text(), st.lists(_PIECES).map("".join))


def _told(name: str) -> str:
    return f"<{name}>"


@given(x=_DATA, y=_DATA)
def test_a_call_has_secrets_in_their_places_and_data_as_they_are(x: str, y: str) -> None:
    """But where data say the beginning of a place: a space stands between its braces."""
    template = CallTemplate("{{ p.x }}|{{ secrets.T }}{{ p.y }}{{ secrets.U-1 }}|{{p.x}}")
    rendered = template.render({"p": {"x": x or "-", "y": y or "-"}})
    filled = fill_in({"a": [{"b": rendered}]}, _told)["a"]
    x, y = ((each or "-").replace("{{ secrets.", "{ { secrets.") for each in (x, y))
    assert filled == [{"b": f"{x}|<T>{y}<U-1>|{x}"}]


@given(x=_DATA)
def test_a_template_without_secrets_has_no_places(x: str) -> None:
    """Nothing that data say is filled in."""
    rendered = CallTemplate("{{ p.x }}").render({"p": {"x": x or "-"}})
    assert fill_in({"a": rendered}, pytest.fail) == {"a": rendered}


def test_a_place_is_kept_until_it_is_filled_in() -> None:
    """In one form, however it is written."""
    source = '{{secrets.T}} {{- secrets["U"] }}{% if p %} {{ secrets.V }}{% endif %}'
    rendered = CallTemplate(source).render({"p": True})
    assert rendered == "{{ secrets.T }}{{ secrets.U }} {{ secrets.V }}"
    assert fill_in({"a": rendered}, _told) == {"a": "<T><U> <V>"}


@pytest.mark.parametrize(
    "source",
    [
        "{{ secrets.T | upcase }}",
        "{{ secrets.T | default: 'x' }}",
        "{{ secrets }}",
        "{{ secrets.T.x }}",
        "{{ secrets[p.x] }}",
        "{{ p.x | append: secrets.T }}",
        "{% if secrets.T %}x{% endif %}",
        "{% assign x = secrets.T %}{{ x }}",
        "{% capture x %}{{ secrets.T }}{% endcapture %}{{ x }}",
        "{% for s in secrets %}{{ s }}{% endfor %}",
    ],
)
def test_nothing_is_made_of_a_secret(source: str) -> None:
    """No filter, no tag, no variable has it: only then are the places known."""
    template = parse_template(source)
    assert asks_for_secrets(template)
    assert secret_fault(template) is not None


def test_the_secrets_of_a_content_are_found_at_any_depth() -> None:
    """As often as they stand there."""
    both: ContentValue = parse_template("{{ secrets.T }}{{ secrets.U }}")
    deep: ContentValue = {"a": ["x", {"b": both}]}
    assert sorted(secrets_in({"url": parse_template("{{ secrets.T }}"), "json": deep})) == ["T", "T", "U"]  # fmt: skip
