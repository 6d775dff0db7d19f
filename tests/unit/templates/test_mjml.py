"""MJML: compiled to HTML when a rule is read, with its Liquid whole, and every fault told with its line."""

import sys
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue
from tests.rule_files import book_of
from tests.shop import NOON, purchase, thanks

from whereupon import Engine
from whereupon.rules.reader import parse_rule_file
from whereupon.scheduling.clocks import FrozenClock
from whereupon.templates import MjmlError, TemplateError, Use, parse_mjml

MAIL = """\
<mjml>
  <mj-head>
    <mj-title>Order {{ properties.number }}</mj-title>
    <mj-preview>{{ properties.items | size }} things are on their way</mj-preview>
    <mj-attributes>
      <mj-all font-family="Helvetica, Arial, sans-serif" />
      <mj-text font-size="16px" line-height="24px" />
    </mj-attributes>
    <mj-style>.note { color: #777777 }</mj-style>
  </mj-head>
  <mj-body background-color="#f4f4f4">
    <mj-section background-color="{{ person.colour | default: '#ffffff' }}">
      <mj-column>
        <mj-image width="120px" alt="Shop" src="https://shop.example/logo.png" />
        <mj-text>Hello {{ person.first_name | default: "friend" }},
          {% if properties.total > 100 and properties.total < 500 %}thank you for <b>a lot</b>{% else %}thank you{% endif %}!</mj-text>
      </mj-column>
    </mj-section>
    <mj-raw>{% for item in properties.items %}</mj-raw>
    <mj-section>
      <mj-column width="70%"><mj-text>{{ item.name }}</mj-text></mj-column>
      <mj-column width="30%"><mj-text align="right">{{ item.price }}</mj-text></mj-column>
    </mj-section>
    <mj-raw>{% endfor %}</mj-raw>
    <mj-section>
      <mj-column>
        <mj-table><tr><td>Total</td><td>{{ properties.total }}</td></tr></mj-table>
        <mj-button href="https://shop.example/orders/{{ properties.number | url_encode }}?a=1&amp;b=2">See it</mj-button>
        <mj-text css-class="note">Sent to {{ person.email | default: "you" }} &mdash; 12 Sock Street</mj-text>
      </mj-column>
    </mj-section>
  </mj-body>
</mjml>
"""
VOID = {"meta", "link", "img", "br"}


class Page(HTMLParser):
    """A page, parsed back: its texts and links; every element is closed in its order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.links: list[str | None] = []
        self.attributes: set[str] = set()
        self.names: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.names.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value for name, value in attrs if name == "href" and tag == "a"]
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Hold the end of an element to its beginning."""
        assert tag in VOID or self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Note a text."""
        if self._open and self._open[-1] not in {"style", "title"}:
            self.texts += [data.strip()] if data.strip() else []


def _sent(mail: str, **properties: Any) -> dict[str, Any]:
    send = {"send": "email", "subject": "Thanks", "mjml": mail}
    clock = FrozenClock(NOON)
    with Engine.open("memory://", rules=book_of(thanks(whereupon=[send])), clock=clock) as engine:
        engine.ingest([purchase(1) | {"properties": {"number": "A/1", **properties}}])
        (delivery,) = engine.deliveries()
    assert delivery.reason is None
    return dict(delivery.content)


def test_a_mail_of_a_shop_is_sent_as_html() -> None:
    """Parsed back: loops, conditions, links and escapes are as in HTML that was written by hand."""
    items = [{"name": "Socks <3", "price": "9.50"}, {"name": 'Shoes "wide"', "price": "99.00"}]
    content = _sent(MAIL, items=items, total=108.5)
    assert content.keys() == {"subject", "html"}
    page = Page(content["html"])
    assert page.names.count("body") == 1
    assert page.links == ["https://shop.example/orders/A%2F1?a=1&b=2"]
    for text in ("a lot", "Socks <3", "9.50", 'Shoes "wide"', "99.00", "108.5", "See it"):
        assert page.texts.count(text) == 1, text
    assert "2 things are on their way" in page.texts
    assert not any(name.startswith("mj") for name in page.names)
    assert "<title>Order A/1</title>" in content["html"]


@pytest.mark.parametrize(
    "evil",
    [
        "<script>alert(1)</script>",
        "\" onclick='x",
        "</td></table>",
        "{{ person }}",
        "<!--[if mso]>",
    ],
)
def test_data_never_become_markup(evil: str) -> None:
    """Wherever MJML puts a value, also into attributes and titles, more than once."""
    plain = Page(_sent(MAIL, items=[{"name": "x", "price": "1"}], total=1)["html"])
    content = _sent(MAIL, number=evil, items=[{"name": evil, "price": evil}], total=1)
    page = Page(content["html"])
    assert page.names == plain.names
    assert page.attributes == plain.attributes
    assert page.texts.count(evil) == 2


@pytest.mark.parametrize(
    ("mail", "reason"),
    [
        ("", "this is not MJML"),
        ("<p>Hello</p>", "this is not MJML"),
        ("<mjml>\n<mj-body>\n</mjml>", "line 3: </mjml> comes before the end of <mj-body> of line 2"),
        ("<mjml>\n<mj-body></mj-body>", "line 1: <mjml> is never closed"),
        ("<mjml>\n<mj-body><mj-txt/></mj-body></mjml>", "line 2: there is no element <mj-txt>; did you mean <mj-text>?"),
        ("<mjml><MJ-Body></MJ-Body></mjml>", "line 1: there is no element <MJ-Body>; did you mean <mj-body>?"),
        ("<mjml><mj-body><mj-include path='/etc/passwd'/></mj-body></mjml>", "line 1: a rule holds its whole mail"),
        ("<mjml><mj-body><mj-text>a < b</mj-text></mj-body></mjml>", "write < as &lt;"),
        ("<mjml><mj-body>" + "<div>" * 9_000 + "</mj-body></mjml>", "line 1: elements are nested more than 100 deep"),
        ("<mjml>\n{{ a\n}}<mj-body a='></mj-body></mjml>", "line 3: </mj-body> closes nothing"),
        ("<mjml><mj-body>\n<mj-section><mj-column width='{{ person.w }}'></mj-column></mj-section></mj-body></mjml>", "line 2: {{ person.w }} would be lost"),
    ],
)  # fmt: skip
def test_what_is_not_mjml_is_refused_with_its_line(mail: str, reason: str) -> None:
    """Each fault says where it is, as far as anybody can tell, and what to write."""
    with pytest.raises(MjmlError) as raised:
        parse_mjml(mail)
    assert reason in raised.value.reason


def test_liquid_between_elements_is_warned_of_and_within_mj_raw_it_is_not() -> None:
    """Each place once, with its line; text without Liquid has its own sentence."""
    bare = "<mjml><mj-body>\n{% if person.a %}\n<mj-section>\n Hi\n</mj-section>{% endif %}</mj-body></mjml>"
    html, warnings = parse_mjml(bare)
    assert warnings == (
        "line 2: in <mj-body> Liquid between elements is wrapped: <mj-raw>{% … %}</mj-raw>",
        "line 4: in <mj-section> text between elements is put into one, such as <mj-text>",
        "line 5: in <mj-body> Liquid between elements is wrapped: <mj-raw>{% … %}</mj-raw>",
    )
    assert "{% if person.a %}" in html.source
    wrapped = bare.replace("{% if person.a %}", "<mj-raw>{% if person.a %}</mj-raw>")
    wrapped = wrapped.replace("{% endif %}", "<mj-raw>{% endif %}</mj-raw>").replace(" Hi", "")
    assert parse_mjml(wrapped)[1] == ()
    assert parse_mjml(MAIL)[1] == ()


@pytest.mark.parametrize(
    "liquid",
    [
        '{{ person.a | default: "x" }}',
        "{{ person.a | default: '<b>' }}",
        "{% if person.a < 3 %}{% endif %}",
        "{%- comment -%} note {%- endcomment -%}",
        "{% raw %}{{ left }}{% endraw %}",
        "{{\n  person.a\n}}",
    ],
)
def test_liquid_comes_through_as_it_was_written(liquid: str) -> None:
    """In a text, in an attribute, and in a comment, whatever it holds."""
    mail = f'<mjml><mj-body><!-- {liquid} --><mj-section><mj-column><mj-text>{liquid}</mj-text><mj-button href="x?{liquid}">y</mj-button></mj-column></mj-section></mj-body></mjml>'
    html, _ = parse_mjml(mail)
    assert html.use is Use.MARKUP
    assert html.source.count(liquid) == 3


def test_a_rule_is_another_version_if_its_mail_changes() -> None:
    """The digest covers the source, so people inside keep the mail that they entered with."""
    digests = {
        book_of(thanks(whereupon=[{"send": "email", "mjml": mail}])).rules[0].digest
        for mail in (MAIL, MAIL, MAIL.replace("Total", "Sum"))
    }
    assert len(digests) == 2


def test_without_the_extra_the_rule_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """As an error of the file, at its place, when the rules are read."""
    monkeypatch.setitem(sys.modules, "mrml", None)
    mail = "<mjml><mj-body><!-- never compiled before --></mj-body></mjml>"
    rule = {"campaign": "x", "when": "purchase", "reentry": "once"}
    steps: list[JsonValue] = [{"send": "email", "mjml": mail}]
    _, found = parse_rule_file({**rule, "whereupon": steps}, stem="x", segments={})
    (error,) = (each for each in found if each.code == "bad-mjml")
    assert error.path == ("whereupon", 0, "mjml")
    assert error.message == "MJML needs an extra: pip install 'whereupon[mjml]'"


_PIECES = st.sampled_from(
    [
        *("<mjml>", "</mjml>", "<mj-body>", "</mj-body>", "<mj-section>", "</mj-section>"),
        *("<mj-column>", "</mj-column>", "<mj-text>", "</mj-text>", "<mj-raw>", "</mj-raw>"),
        *("<mj-image src='x'/>", "<mj-style>", "<mj-head/>", "<mj-table>", "<mj-social>", "<p>"),
        *(
            "<!--",
            "-->",
            "<![CDATA[",
            "&",
            "<",
            '"',
            "{{ a }}",
            "{%",
            "liquidz0z",
            "<?x",
            "é\u2028",
        ),
    ]
)


@given(pieces=st.lists(_PIECES, max_size=20), end=st.text(max_size=5))
def test_no_text_makes_it_raise_anything_else(pieces: list[str], end: str) -> None:
    """Neither the outline nor the compiler fails in a way that nobody expects."""
    for mail in (
        "".join([*pieces, end]),
        f"<mjml><mj-body>{''.join(pieces)}</mj-body></mjml>{end}",
    ):
        try:
            html, _ = parse_mjml(mail)
        except TemplateError:
            continue
        assert "liquid" not in html.source.replace("liquidz0z", "")
