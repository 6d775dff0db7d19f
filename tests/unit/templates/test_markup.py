"""Data in templates: they never become markup, and never begin another header."""

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from whereupon.templates import TemplateError, Use, one_line, parse_template, use_of
from whereupon.templates.filters import NAMES

EVIL = "<img src=x onerror=alert(1)>\"'&\r\n&lt;img&gt;"
DATA: dict[str, JsonValue] = {
    "properties": {
        "evil": EVIL,
        "coded": b64encode(EVIL.encode()).decode(),
        "quoted": "%3Cimg%3E",
        "list": [EVIL, {"k": EVIL}],
        "object": {"<b>": EVIL},
        "old": "m",
        "name": "Smith & Sons",
    },
    "timestamp": "2026-03-01T10:00:00Z",
}


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("<p>{{ properties.name }}</p>", "<p>Smith &amp; Sons</p>"),
        ("<p>{{ properties.name | upcase }}</p>", "<p>SMITH &amp; SONS</p>"),
        ("<p>{{ properties.name | raw }}</p>", "<p>Smith & Sons</p>"),
        ("<p>{{ properties.name | escape }}</p>", "<p>Smith &amp; Sons</p>"),
        ("{{ properties.nick | default: '<i>friend</i>' }}", "<i>friend</i>"),
        ("{{ '<b>' | append: properties.name }}", "<b>Smith &amp; Sons"),
        ("{% capture c %}<b>{{ properties.name }}</b>{% endcapture %}{{ c }}", "<b>Smith &amp; Sons</b>"),
        ("{{ timestamp | date: '%d&nbsp;%B' }}", "01&nbsp;March"),
        ("{{ properties.quoted | url_decode }}", "&lt;img&gt;"),
    ],
)  # fmt: skip
def test_in_markup_data_are_escaped_and_what_the_author_wrote_is_not(
    source: str, text: str
) -> None:
    """Once, and not at all behind `raw`."""
    assert parse_template(source, Use.MARKUP).render(DATA) == text


def test_elsewhere_nothing_is_escaped() -> None:
    """`raw` exists there, too, and does nothing."""
    source = "{{ properties.name }} {{ properties.name | raw }}"
    assert parse_template(source).render(DATA) == "Smith & Sons Smith & Sons"


values = st.sampled_from(
    [
        *(f"properties.{name}" for name in ("evil", "coded", "quoted", "list", "object")),
        "'lit'",
        "c",
    ]
)
arguments = st.lists(st.one_of(values, st.sampled_from(["'k'", "'m'", "';'", "2", "'&'", "'lt;'"])))
calls = st.tuples(st.sampled_from(sorted(NAMES - {"raw", "safe"})), arguments).map(
    lambda call: f"{call[0]}: {', '.join(call[1][:2])}" if call[1] else call[0]
)
chains = st.tuples(values, st.lists(calls, max_size=4)).map(
    lambda chain: " | ".join([chain[0], *chain[1]])
)


@given(first=chains, second=chains, third=chains)
def test_no_filters_let_data_through_as_markup(first: str, second: str, third: str) -> None:
    """In any chain of filters, through variables and captures: only `raw` does."""
    source = f"{{% capture c %}}{{{{ {first} }}}}{{% endcapture %}}{{% assign d = {second} %}}{{{{ {third} }}}}{{{{ d }}}}{{{{ c }}}}"
    try:
        text = parse_template(source, Use.MARKUP).render(DATA)
    except TemplateError:
        return
    assert "<" not in text.replace("<br />", "")


@pytest.mark.parametrize(
    ("path", "use"),
    [
        (("html",), Use.MARKUP),
        (("body_html",), Use.MARKUP),
        (("bodyHTML",), Use.MARKUP),
        (("html", "de"), Use.MARKUP),
        (("html_file",), Use.TEXT),
        (("body",), Use.TEXT),
        (("token",), Use.TEXT),
        (("entitled",), Use.TEXT),
        (("subject",), Use.LINE),
        (("Subject",), Use.LINE),
        (("email_subject",), Use.LINE),
        (("title",), Use.LINE),
        (("to",), Use.LINE),
        (("from",), Use.LINE),
        (("from_name",), Use.LINE),
        (("replyTo",), Use.LINE),
        (("headers", "X-Any"), Use.LINE),
        (("subject", "html"), Use.MARKUP_LINE),
        (("headers", "X-Html"), Use.MARKUP_LINE),
        (("options", "headers", "x", "y"), Use.LINE),
    ],
)
def test_what_a_text_is_for_is_known_by_its_fields_name(path: tuple[str, ...], use: Use) -> None:
    """A name that is or ends in `html` is markup; addresses, subjects, titles and headers are one line."""
    assert use_of(path) is use


@pytest.mark.parametrize("breaks", ["\n", "\r", "\r\n", "\n\n", "\u2028", "\x85", "\v", "\0"])
def test_no_line_break_reaches_a_text_of_one_line(breaks: str) -> None:
    """A line break in the data becomes a space, in every spelling."""
    data: dict[str, JsonValue] = {
        "properties": {"name": f"Ada{breaks}Bcc: all@example.com{breaks}"}
    }
    for source in ("Hi {{ properties.name }}", "Hi {{ properties.name | capitalize }}"):
        text = parse_template(source, Use.LINE).render(data)
        assert text.lower() == "hi ada bcc: all@example.com"
    assert one_line(f"written out{breaks}") == "written out"
