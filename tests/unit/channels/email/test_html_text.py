"""The text of HTML mails."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whereupon.channels.email.html_text import text_of


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("", "\n"),
        ("plain", "plain\n"),
        ("<p>a  b\n c</p><p>d</p>", "a b c\n\nd\n"),
        ("a<br>b<br/>c", "a\nb\nc\n"),
        ("<div>a</div><div>b</div>", "a\nb\n"),
        ("<div><div><div>a</div></div></div>b", "a\nb\n"),
        ("a <b>b</b>, <i>c</i>d", "a b, cd\n"),
        ("&lt;a&gt; &amp; 5&nbsp;&euro;", "<a> & 5 €\n"),
        ("<style>p{}</style><script>x()</script><title>t</title>a", "a\n"),
        ("<head><meta charset=utf-8><title>t</title></head><body>a</body>", "a\n"),
        ('<div style="display: none">x<p>y</p></div>a', "a\n"),
        ("<span hidden>x</span>a", "a\n"),
        ('<a href="https://x.example/?a=1&amp;b=2">Go</a>.', "Go (https://x.example/?a=1&b=2).\n"),
        ('<a href="https://x.example">https://x.example</a>', "https://x.example\n"),
        ('<a href="mailto:a@x.example">a@x.example</a>', "a@x.example\n"),
        ('<a href="mailto:a@x.example">Write</a>', "Write (a@x.example)\n"),
        ('<a href="#top">Up</a> <a>No</a> <a href="javascript:x()">J</a>', "Up No J\n"),
        (
            '<a href="https://x.example"><img src="l.png" alt="Logo"></a>',
            "Logo (https://x.example)\n",
        ),
        ('<a href="https://x.example"><img src="l.png"></a>', "https://x.example\n"),
        ("<ul><li>a</li><li>b<ul><li>c</li></ul></li></ul>d", "- a\n- b\n  - c\n\nd\n"),
        ("<ol><li><p>a</p></li><li>b</li></ol>", "1. a\n\n2. b\n"),
        (
            "<table><tr><th>Item</th><th>Price</th></tr><tr><td>Scarf</td><td>20</td></tr></table>",
            "Item | Price\nScarf | 20\n",
        ),
        ("<table><tr><td><table><tr><td>a</td></tr></table></td></tr></table>", "a\n"),
        ("<table><tr><td><p>a</p></td><td><p>b</p></td></tr></table>", "a\n\nb\n"),
        ("<pre>a  b\n  c</pre>d", "a  b\n  c\n\nd\n"),
        ("<p>a<p>b</b></p></div>c", "a\n\nb\n\nc\n"),
        ("a<hr>b", "a\n\n---\n\nb\n"),
        ("a\u200b\u00ad&zwnj;b", "ab\n"),
        ("a <!-- c --> b <![CDATA[x]]>", "a b\n"),
    ],
)
def test_the_text_of_html(html: str, text: str) -> None:
    """As a person would read it aloud, links with their addresses."""
    assert text_of(html) == text


@given(st.text("<>/=\"' abpultrdish&;!-\n", max_size=200))
def test_any_html_has_a_text(html: str) -> None:
    """However broken: one line end at its end, and no more than one empty line."""
    text = text_of(html)
    assert text.endswith("\n")
    assert "\n\n\n" not in text.rstrip("\n") or "<pre" in html


def test_deep_html_is_read_in_time() -> None:
    """The work grows with the length alone."""
    assert text_of("<b><p>" * 20_000 + "a") == "a\n"
