"""The links of mails: their tokens, and where they lead."""

import re
from html.parser import HTMLParser
from itertools import product

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.shop import NOON
from typing_extensions import override

from whereupon import Delivery, Engine, LinkError, Links
from whereupon.delivery.link_rewriting import rewritten
from whereupon.delivery.link_tokens import TokenSigner
from whereupon.delivery.links import links_at

KEY = b"of-the-test"
SIGNER = TokenSigner((KEY,))
KEYS = st.one_of(
    st.binary(min_size=16, max_size=16).map(bytes.hex), st.text("abc-012", max_size=40)
)


def _made(key: str, person_key: int, person: str, topic: str | None) -> Delivery:
    return Delivery(1, key, "thanks", person_key, person, "email", NOON, {}, topic=topic)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
DELIVERIES = st.builds(_made, KEYS, st.integers(0, 2**63 - 1), TEXTS, st.none() | TEXTS)


def _delivery(topic: str | None = None) -> Delivery:
    return _made("ab" * 16, 123_456, "ada@example.com", topic)


def _links() -> Links:
    links = links_at("https://shop.example/w/", SIGNER)
    assert links is not None
    return links


@given(delivery=DELIVERIES)
def test_a_token_says_what_it_was_made_of(delivery: Delivery) -> None:
    """Delivery, person and topic come back as they were."""
    said = SIGNER.read_unsubscribe(SIGNER.unsubscribe(delivery))
    assert (said.delivery, said.person_key) == (delivery.idempotency_key, delivery.person_key)
    assert said.topic == delivery.topic
    assert said.is_of(["other", delivery.person])
    assert not said.is_of([f"{delivery.person}x", ""] if delivery.person else ["x"])
    assert SIGNER.read_opened(SIGNER.opened(delivery)) == delivery.idempotency_key


@given(delivery=DELIVERIES, url=st.text(st.characters(exclude_categories=["Cs"])))
def test_a_click_token_says_where_it_leads(delivery: Delivery, url: str) -> None:
    """The URL is signed with the rest."""
    said = SIGNER.read_click(SIGNER.click(delivery, url))
    assert (said.delivery, said.url) == (delivery.idempotency_key, url)


@given(delivery=DELIVERIES, data=st.data())
def test_a_changed_token_is_refused(delivery: Delivery, data: st.DataObject) -> None:
    """So is one that was cut, lengthened, or that has one other character anywhere."""
    token = SIGNER.unsubscribe(delivery)
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters())
    changed = token[:place] + other + token[place + 1 :]
    assume(changed != token)
    for wrong in (changed, token[:place], token + other, token + "=", f" {token}"):
        with pytest.raises(LinkError):
            SIGNER.read_unsubscribe(wrong)


@given(one=DELIVERIES, two=DELIVERIES)
def test_parts_of_two_tokens_make_no_third(one: Delivery, two: Delivery) -> None:
    """Fields that are swapped between two tokens are refused."""
    a, b = SIGNER.unsubscribe(one), SIGNER.unsubscribe(two)
    for cut in range(1, min(len(a), len(b))):
        mixed = a[:cut] + b[cut:]
        if mixed not in {a, b}:
            with pytest.raises(LinkError):
                SIGNER.read_unsubscribe(mixed)


@pytest.mark.parametrize("text", ["", "a", "AQ", "é" * 50, "/../", "A" * 10_000, "\0", "a\nb"])
def test_what_is_no_token_is_refused(text: str) -> None:
    """Whatever stands in an address is a valid token or a `LinkError`."""
    for read in (SIGNER.read_unsubscribe, SIGNER.read_click, SIGNER.read_opened):
        with pytest.raises(LinkError):
            read(text)


def test_a_token_of_one_kind_is_none_of_another() -> None:
    """An open's token neither unsubscribes nor redirects."""
    delivery = _delivery()
    tokens = [
        SIGNER.unsubscribe(delivery),
        SIGNER.click(delivery, "https://shop.example/"),
        SIGNER.opened(delivery),
    ]
    reads = [SIGNER.read_unsubscribe, SIGNER.read_click, SIGNER.read_opened]
    for (of, token), (wanted, read) in product(enumerate(tokens), enumerate(reads)):
        if of != wanted:
            with pytest.raises(LinkError):
                read(token)


def test_former_keys_verify_and_do_not_sign() -> None:
    """A link in an old mail works after the key was changed; an empty key verifies nothing."""
    token = SIGNER.unsubscribe(_delivery())
    after = TokenSigner((b"new", KEY, b""))
    assert after.read_unsubscribe(token).is_of(["ada@example.com"])
    assert after.unsubscribe(_delivery()) != token
    for other in (TokenSigner((b"new", b"")), TokenSigner(())):
        with pytest.raises(LinkError):
            other.read_unsubscribe(token)


def test_tokens_are_short_and_name_nobody() -> None:
    """Under 100 characters, and neither the user id nor its parts are in it."""
    link = _links().unsubscribe(_delivery(topic="product-news-and-offers"))
    assert link.startswith("https://shop.example/w/u/")
    token = link.rpartition("/")[2]
    assert len(token) < 100
    assert "ada" not in token


@pytest.mark.parametrize(
    "url", ["/basket", "javascript:alert(1)", "ftp://shop.example", "https://", "http://a b", "//x"]
)
def test_a_click_leads_to_the_web_only(url: str) -> None:
    """Other schemes, relative addresses and addresses with spaces are refused when the link is made."""
    with pytest.raises(ValueError, match="http or https"):
        _links().click(_delivery(), url)


def test_links_need_a_key_and_a_plain_address() -> None:
    """Opening an engine says what is missing."""
    with pytest.raises(ValueError, match="digest_key"):
        Engine.open("memory://", public_url="https://shop.example/w")
    for wrong in ("shop.example", "https://shop.example/?a=b", "https://shop.example/#a", ""):
        with pytest.raises(ValueError, match=r"http|query"):
            Engine.open("memory://", digest_key=KEY, public_url=wrong)
    with Engine.open("memory://", digest_key=KEY) as engine:
        assert engine.links is None


# --- rewriting --------------------------------------------------------------------------------------

MAIL = """<!doctype html>
<html><head><style>a{color:red}</style></head>
<BODY>
<!--[if mso]><a href="https://in.a.comment/">x</a><![endif]-->
<p>Hi &amp; <b>hello</B>
<a class=x HREF='https://shop.example/a?x=1&amp;y=2' title="a > b">one</a>
<a href=https://shop.example/b/>two</a><a href="/relative">three</a>
<a href="mailto:a@example.com">4</a> <a href="tel:1">5</a> <a href="#top">6</a> <a name=x>7</a>
<a data-no-track href="https://shop.example/quiet">8</a>
<a href="https://shop.example/w/u/token">unsubscribe</a>
<a href=" https://shop.example/c ">nine</a> <a href="">ten</a>
</body></html>
"""


class _Read(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.hrefs: list[str | None] = []
        self.images: list[dict[str, str | None]] = []
        self.feed(html)
        self.close()

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.hrefs.append(dict(attrs).get("href"))
        if tag == "img":
            self.images.append(dict(attrs))


def test_links_of_a_mail_are_rewritten_and_nothing_else() -> None:
    """Web links report clicks; all others, comments and the text stay as they are."""
    links = _links()
    after = links.rewrite(MAIL, _delivery(), opens=False)
    urls = ["https://shop.example/a?x=1&y=2", "https://shop.example/b/", "https://shop.example/c"]
    made = [links.click(_delivery(), url) for url in urls]
    assert [href for href in _Read(after).hrefs if href in made] == made
    for link, written in zip(
        made,
        [
            "'https://shop.example/a?x=1&amp;y=2'",
            "https://shop.example/b/",
            '" https://shop.example/c "',
        ],
        strict=True,
    ):
        after = after.replace(f'"{link}"', written, 1)
    assert after == MAIL


def test_an_image_reports_opens() -> None:
    """It stands at the end of the body, or of a text without one."""
    links = _links()
    after = links.rewrite(MAIL, _delivery(), clicks=False)
    (image,) = _Read(after).images
    assert image["src"] == links.opened(_delivery())
    assert image["alt"] == ""
    before, _, behind = after.partition("<img")
    assert before + behind.partition(">")[2] == MAIL
    assert behind.partition(">")[2].startswith("</body>")
    assert links.rewrite("<p>x", _delivery()).startswith("<p>x<img")


def test_a_link_that_is_too_long_for_a_token_stays() -> None:
    """It leads where it did, instead of to a page that would refuse it."""
    links = _links()
    for length in (2_900, 3_100, 10_000):
        html = f'<a href="https://shop.example/{"x" * length}">x</a>'
        after = links.rewrite(html, _delivery(), opens=False)
        (href,) = _Read(after).hrefs
        if after != html:
            said = SIGNER.read_click(str(href).rpartition("/")[2])
            assert said.url in html
    with pytest.raises(ValueError, match=r"4,096"):
        links.click(_delivery(), f"https://shop.example/{'x' * 10_000}")


PIECES = [
    *"<>a/=\"' !-\n&;x[",
    "<a href=",
    '"https://x.example/"',
    "<!--",
    "-->",
    "<script>",
    "<a ",
]


@given(html=st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_whatever_the_text_only_links_change(html: str) -> None:
    """With the made links replaced by what they stand for, it is the text again, broken markup included."""
    links = _links()
    assert links.rewrite(html, _delivery(), clicks=False, opens=False) == html
    found: list[str] = []

    def click(url: str) -> str:
        found.append(url)
        return f"made-{len(found)}"

    after = rewritten(html, links.public_url, click, None)
    pieces = re.split('"made-[0-9]+"', after)
    assert re.fullmatch(".*?".join(map(re.escape, pieces)), html, re.S)
