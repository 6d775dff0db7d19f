"""Values in HTML: refused where escapes do not help, and no link that begins with one runs a script."""

from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import JsonValue
from tests.rule_files import book_of
from tests.shop import purchase, thanks

from whereupon import Engine, RulesInvalidError
from whereupon.records import DeliveryState
from whereupon.templates import TemplateError, UnsafeValueError, Use, parse_template

X = "{{ properties.x }}"


def _render(source: str, value: JsonValue) -> str:
    return parse_template(source, Use.MARKUP).render({"properties": {"x": value}})


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (f"<a href={X}>y</a>", "is a value without quotes"),
        (f"<p class=a{X}>", "is a value without quotes"),
        (f"<img src=\"a\" width={X} height='1'>", "is a value without quotes"),
        (f"<p {X}>", "is the name of an attribute"),
        (f"<p a{X}='b'>", "is the name of an attribute"),
        (f"<{X}>", "is the name of an element"),
        (f"<h{X}>Hi</h{X}>", "is the name of an element"),
        (f"<script>var a = '{X}';</script>", "stands in a script"),
        (f"<SCRIPT>{X}</SCRIPT >", "stands in a script"),
        (f"<b onclick=\"go('{X}')\">", "stands in a script"),
        (f"<b OnLoad='{X}'>", "stands in a script"),
        (f"<!-- a --><p class={X}>", "is a value without quotes"),
        (f"<p title='>' class={X}>", "is a value without quotes"),
        (f"<a {{% if person.a %}}href={X}{{% endif %}}>", "is a value without quotes"),
        ("<p class={{ properties.x | upcase }}>", "is a value without quotes"),
        ("<p class={{ '' | append: properties.x }}>", "is a value without quotes"),
        ("<p class={% echo properties.x %}>", "is a value without quotes"),
        ("<p class={% cycle properties.x, 'b' %}>", "is a value without quotes"),
        ("<a href='{% echo properties.x %}'>", "begins a link"),
        (f"Hello\n<p\n  class={X}>", "line 3: {{ properties.x }} is a value without quotes"),
    ],
)
def test_a_value_is_refused_where_escapes_do_not_help(source: str, reason: str) -> None:
    """With its line, and what to write; the same text is fine where it is no HTML."""
    with pytest.raises(UnsafeValueError) as raised:
        parse_template(source, Use.MARKUP)
    assert reason in raised.value.reason
    assert parse_template(source, Use.TEXT).use is Use.TEXT


@pytest.mark.parametrize(
    "source",
    [
        f"<p>{X}</p>",
        f"<p class=\"{X}\" title='{X}'>{X}</p>",
        f"a < b {X}",
        f"1 <2 and {X}",
        f"<!-- {X} -->{X}",
        f"<p style='color: {X}'>",
        f'<a href="https://shop.example/{X}">{X}</a>',
        f"<style>p {{ color: red }}</style>{X}",
        f"<script>var a = 1;</script>{X}",
        "<p class={{ properties.x | raw }}>",
        "<p class={{ properties.x | url_encode }}>",
        "<p class={{ 'a' }} width={{ 5 }}>",
        "<p class={% if properties.x %}a{% else %}b{% endif %}>",
        f'<td {{% if properties.x %}}class="a"{{% endif %}}>{X}</td>',
        f"</p {X}",
    ],
)
def test_a_value_is_taken_where_escapes_help(source: str) -> None:
    """In texts, in quotes, in comments; and where its author vouches for it."""
    if source.startswith("</p"):
        with pytest.raises(UnsafeValueError):
            parse_template(source, Use.MARKUP)
        return
    assert parse_template(source, Use.MARKUP).source == source


@pytest.mark.parametrize(
    "evil",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        " \tjavascript:alert(1)",
        "java\nscript:alert(1)",
        "java\0script:alert(1)",
        "\x01javascript:alert(1)",
        "java\u200bscript:alert(1)",
        "vbscript:msgbox(1)",
        "data:text/html,<script>alert(1)</script>",
        "data:image/svg+xml,<svg onload=alert(1)>",
    ],
)
@pytest.mark.parametrize(
    "source",
    [
        f'<a href="{X}">y</a>',
        f"<A HREF = ' {X}'>y</A>",
        "<a href='{{- properties.x -}}'>y</a>",
        "<a href='{{ properties.x | strip }}'>y</a>",
        "<a href=\"{{ properties.x | default: 'https://shop.example' }}\">y</a>",
        "<a href='{% if properties.y %}{{ properties.y }}{% else %}{{ properties.x }}{% endif %}'>y</a>",
        "{% capture c %}{{ properties.x }}{% endcapture %}<a href='{{ c }}'>y</a>",
        "{% assign c = properties.x | append: '' %}<form action='{{ c }}'></form>",
        f'<img src="{X}">',
    ],
)
def test_no_link_from_data_runs_a_script(source: str, evil: str) -> None:
    """Whatever browsers leave out of an address, and however it is written."""
    with pytest.raises(TemplateError, match="would run a script"):
        _render(source, evil)


@pytest.mark.parametrize(
    ("link", "written"),
    [
        ("https://shop.example/?a=1&b=2", "https://shop.example/?a=1&amp;b=2"),
        ("/orders/1", "/orders/1"),
        ("#javascript:x", "#javascript:x"),
        ("mailto:ada@example.com", "mailto:ada@example.com"),
        ("shopapp://orders/1", "shopapp://orders/1"),
        ("data:image/png;base64,AAAA", "data:image/png;base64,AAAA"),
        ("javascript", "javascript"),
        ("&#106;avascript:x", "&amp;#106;avascript:x"),
        ('x" onclick="y', "x&#34; onclick=&#34;y"),
    ],
)
def test_other_links_stay_as_they_are(link: str, written: str) -> None:
    """Of the web, of an app, within the page; escaped once."""
    assert _render(f'<a href="{X}">y</a>', link) == f'<a href="{written}">y</a>'


def test_a_rule_with_such_a_place_is_refused_and_a_bad_link_is_withheld() -> None:
    """The one when the rules are read, the other when the step is done, with its reason."""

    def rule(html: str) -> dict[str, object]:
        return thanks(whereupon=[{"send": "email", "html": {"en": [html]}}])

    with pytest.raises((RulesInvalidError, AssertionError)) as raised:
        book_of(rule(f"<a href={X}>"))
    assert "unsafe-value" in str(raised.value)
    with Engine.open("memory://", rules=book_of(rule(f"<a href='{X}'>"))) as engine:
        engine.ingest([purchase(1) | {"properties": {"x": "javascript:alert(1)"}}])
        (withheld,) = engine.deliveries()
    assert withheld.state is DeliveryState.WITHHELD
    assert "would run a script" in (withheld.reason or "")


class _Attributes(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[object] = []
        self.feed(
            f"{html}-->"
        )  # a comment that nothing ends goes to the end, and not to the next ">"
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, [name for name, _ in attrs]))


_PARTS = st.sampled_from(
    [
        *("<p ", "<a href=", "<b title=", "class=", '"', "'", ">", "</p>", "<!-- ", " -->", " "),
        *("a", "=", "/", "<", "<script>", "</script>", "<style>", "</style>", X, X, X),
    ]
)
_EVIL = st.sampled_from(
    ["x onclick=y", "'", '"', ">", "<b>", "--><b>", "</script><b>", "`", "\n", "=", "/>", "&quot;"]
)


@example(parts=["<p ", "=", X], evil="x onclick=y")
@example(parts=["<!-- ", ">", "<p ", X, ">"], evil="x onclick=y")
@given(
    parts=st.lists(_PARTS, max_size=12), evil=st.lists(_EVIL, min_size=1, max_size=4).map("".join)
)
def test_no_data_changes_the_elements_and_attributes_of_a_template(
    parts: list[str], evil: str
) -> None:
    """Of any template that is taken: with any data it has those that it has with a plain word."""
    try:
        template = parse_template("".join(parts), Use.MARKUP)
    except TemplateError:
        return
    plain, tried = (template.render({"properties": {"x": each}}) for each in ("word", evil))
    assert _Attributes(plain).found == _Attributes(tried).found
