"""What stands in a mail: read back from what a server received."""

from datetime import UTC, datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from email.headerregistry import AddressHeader
from email.utils import parseaddr

import dkim
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue
from tests.mails import CONTENT, KEY, email_to, mail_of, private_key
from tests.shop import NOON
from tests.smtp import MailServer, Received, mail_server

from whereupon import GiveUp
from whereupon.channels import Dkim
from whereupon.channels.email.addresses import Address, read_address, read_named
from whereupon.channels.email.composer import Mail, compose
from whereupon.channels.email.content import read_content
from whereupon.records import Delivery, SendKind

LINK = "https://shop.example/w/u/token"
HTML = '<html><body><h1>Hello</h1><p>Your <a href="https://shop.example/cart">cart</a></p></body></html>'
TEXTS = st.text(max_size=200)
NASTY = st.one_of(TEXTS, st.text('ab\r\n\t :,;<>@"\\=?é\u2028\x00\x85\x1e\ud800', max_size=60))


def _sent(delivery: Delivery, **settings: object) -> Received:
    with mail_server() as server, email_to(server, **settings) as channel:
        channel.send(delivery)
        (mail,) = server.messages
        return mail


def _composed(
    content: dict[str, JsonValue],
    *,
    name: str = "",
    link: str | None = None,
    kind: SendKind = SendKind.MARKETING,
    topic: str | None = None,
) -> Received:
    """What would be sent, without a server."""
    mail = Mail(
        delivery=mail_of(content).changed(kind=kind, topic=topic),
        content=read_content(content),
        sender=read_named("Shop <hello@shop.example>"),
        to=read_address("ada@example.com", name=name),
        reply_to=None,
        at=NOON,
        unsubscribe=link,
        domain="shop.example",
    )
    return Received("", (), (), compose(mail, ()))


def test_a_mail_has_the_headers_that_mailboxes_demand() -> None:
    """From, To with the name, Date, and a Message-ID made of the delivery's key."""
    delivery = mail_of(recipient={"email": "ada@example.com", "name": "Ada Lovelace"})
    parsed = _sent(delivery, reply_to="Help <help@shop.example>").parsed
    assert parsed["From"] == "Shop <hello@shop.example>"
    assert parsed["To"] == "Ada Lovelace <ada@example.com>"
    assert parsed["Reply-To"] == "Help <help@shop.example>"
    assert parsed["Message-ID"] == f"<{KEY}@shop.example>"
    assert parsed["Auto-Submitted"] == "auto-generated"
    assert parsed["MIME-Version"] == "1.0"
    assert parsed["Date"].datetime.tzinfo is not None


def test_a_mail_has_the_time_of_the_engines_clock() -> None:
    """It is the time of this try."""
    assert _composed(CONTENT).parsed["Date"].datetime == NOON


def test_the_step_may_say_another_sender() -> None:
    """And whom to answer; bounces still go to the channel's own."""
    mail = _sent(
        mail_of({**CONTENT, "from": "Ada at Shop <ada@shop.example>", "reply_to": "x@shop.example"})
    )
    assert mail.parsed["From"] == "Ada at Shop <ada@shop.example>"
    assert mail.parsed["Reply-To"] == "x@shop.example"
    assert mail.mail_from == "hello@shop.example"


def test_html_alone_gets_a_text_made_of_it() -> None:
    """The text comes first, so that a reader shows the HTML where it can."""
    mail = _sent(mail_of({"subject": "Hi", "html": HTML}))
    kinds = [part.get_content_type() for part in mail.parsed.walk()]
    assert kinds == ["multipart/alternative", "text/plain", "text/html"]
    assert mail.part("plain") == "Hello\n\nYour cart (https://shop.example/cart)\n"
    assert mail.part("html").strip() == HTML


def test_text_alone_is_a_mail_of_one_part() -> None:
    """`body` is another word for `text`, which other channels have, too."""
    for key in ("text", "body"):
        mail = _sent(mail_of({"subject": "Hi", key: "Größe: 5 €"}))
        assert mail.parsed.get_content_type() == "text/plain"
        assert mail.part("plain").strip() == "Größe: 5 €"


def test_text_and_html_are_kept_as_they_are_given() -> None:
    """Nothing is made where both are there."""
    mail = _sent(mail_of({"subject": "Hi", "text": "One", "html": "<p>Two</p>"}))
    assert (mail.part("plain").strip(), mail.part("html").strip()) == ("One", "<p>Two</p>")


def test_a_preheader_is_hidden_at_the_beginning() -> None:
    """In a mail of text alone it is the first line, which mailboxes show as well."""
    mail = _sent(mail_of({"subject": "Hi", "html": HTML, "preheader": "5 < 6 & more"}))
    assert '<body><div style="display:none' in mail.part("html")
    assert "5 &lt; 6 &amp; more</div><h1>" in mail.part("html")
    assert "more" not in mail.part("plain")
    mail = _sent(mail_of({**CONTENT, "preheader": "First"}))
    assert mail.part("plain") == "First\n\nHello Ada\n"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({**CONTENT, "hmtl": "x", "attachment": "y"}, "no attachment, hmtl"),
        ({"text": "x"}, "needs a subject"),
        ({"subject": " \n ", "text": "x"}, "needs a subject"),
        ({"subject": "x"}, "needs a text or an html"),
        ({**CONTENT, "body": "x"}, "text and body"),
        ({**CONTENT, "html": ["x"]}, "html of an e-mail is a text"),
        ({**CONTENT, "subject": True}, "subject of an e-mail is a text"),
        ({**CONTENT, "from": "nobody"}, "from of the e-mail"),
        ({**CONTENT, "headers": "x"}, "mapping"),
        ({**CONTENT, "headers": {"Bcc": "eve@example.com"}}, "'Bcc'"),
        ({**CONTENT, "headers": {"content-type": "x"}}, "'content-type'"),
        ({**CONTENT, "headers": {"List-Unsubscribe": "x"}}, "'List-Unsubscribe'"),
        ({**CONTENT, "headers": {"X-A\r\nBcc": "x"}}, "headers"),
        ({**CONTENT, "headers": {"X A": "x"}}, "headers"),
        ({**CONTENT, "headers": {"X-A": ["x"]}}, "header X-A"),
    ],
)
def test_wrong_content_is_given_up_and_named(content: dict[str, JsonValue], says: str) -> None:
    """Nothing that a rule says is left out in silence."""
    with mail_server() as server, email_to(server) as channel:
        with pytest.raises(GiveUp, match=says):
            channel.send(mail_of(content))
        assert server.connections == 0


def test_a_step_may_add_headers() -> None:
    """Each has one line."""
    headers: JsonValue = {"X-Campaign": "wel\r\ncome", "X-Number": 5}
    parsed = _sent(mail_of({**CONTENT, "headers": headers})).parsed
    assert (parsed["X-Campaign"], parsed["X-Number"]) == ("wel come", "5")


@given(subject=NASTY, name=NASTY, header=NASTY, text=NASTY)
def test_no_data_makes_another_header_or_part(
    subject: str, name: str, header: str, text: str
) -> None:
    """Whatever stands in subject, name, header or text: the same headers, one recipient, lines within limits."""
    content: dict[str, JsonValue] = {
        "subject": f"S {subject}",
        "html": text,
        "preheader": header,
        "headers": {"X-Data": header},
    }
    mail = _composed(content, name=name, link=LINK)
    assert [name for name, _ in mail.parsed.items()] == [
        *("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "Feedback-ID"),
        *("List-Unsubscribe", "List-Unsubscribe-Post", "X-Data", "MIME-Version", "Content-Type"),
    ]
    to = mail.parsed["To"]
    assert isinstance(to, AddressHeader)
    assert [address.addr_spec for address in to.addresses] == ["ada@example.com"]
    assert [part.get_content_type() for part in mail.parsed.walk()][1:] == [
        "text/plain",
        "text/html",
    ]
    assert mail.content.isascii()
    lines = mail.content.split(b"\r\n")
    assert max(map(len, lines)) <= 998
    assert not any(b"\r" in line or b"\n" in line for line in lines)


@given(
    subject=st.text(st.characters(blacklist_categories=["Cc", "Cs", "Zs", "Zl", "Zp"]), min_size=1)
)
def test_a_subject_arrives_as_it_was_said(subject: str) -> None:
    """In any script, of any length."""
    assert str(_composed({**CONTENT, "subject": subject}).parsed["Subject"]) == subject


@given(
    text=st.text(
        st.characters(
            blacklist_categories=["Cs"], blacklist_characters="\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
        )
    )
)
def test_a_text_arrives_as_it_was_said(text: str) -> None:
    """Every character, whatever the encoding of the part; a line feed at its end is added."""
    assert _composed({**CONTENT, "text": text}).part("plain").rstrip("\n") == text.rstrip("\n")


@given(name=st.text(st.characters(blacklist_categories=["Cc", "Cs", "Zs", "Zl", "Zp"]), min_size=1))
def test_a_name_arrives_as_it_was_said(name: str) -> None:
    """Quotes, commas and other scripts in it change nobody's address."""
    raw = message_from_bytes(_composed(CONTENT, name=name).content)["To"]
    shown, address = parseaddr(raw.replace("\n", " "))
    assert (str(make_header(decode_header(shown))), address) == (name, "ada@example.com")


def test_marketing_mails_can_be_unsubscribed_from_with_one_click() -> None:
    """By the headers of RFC 8058; mailboxes count complaints by rule."""
    parsed = _composed(CONTENT, link=LINK, topic="product news").parsed
    assert parsed["List-Unsubscribe"] == f"<{LINK}>"
    assert parsed["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert parsed["List-Id"] == "<product-news.shop.example>"
    assert parsed["Feedback-ID"] == "welcome:product-news:email:shop-example"


@pytest.mark.parametrize("kind", [SendKind.TRANSACTIONAL, SendKind.INTERNAL])
def test_other_mails_are_no_list(kind: SendKind) -> None:
    """A receipt is not unsubscribed from."""
    parsed = _composed(CONTENT, kind=kind).parsed
    names = {name.lower() for name, _ in parsed.items()}
    assert not {name for name in names if name.startswith(("list-", "feedback"))}


KEYS = ("rsa", "ed25519")


def _keys() -> list[Dkim]:
    return [Dkim("shop.example", kind, private_key(kind)) for kind in KEYS]


def _verified(content: bytes, index: int) -> bool:
    records = {f"{key.dns_name}.".encode(): key.dns_record.encode() for key in _keys()}
    message = dkim.DKIM(content, minkey=1024)
    try:
        return bool(message.verify(index, dnsfunc=lambda name, timeout=5: records.get(name)))  # noqa: ARG005
    except dkim.ValidationError:  # of the body
        return False


def _signed(server: MailServer, delivery: Delivery) -> bytes:
    with email_to(server, dkim=_keys()) as channel:
        channel.send(delivery)
    return server.messages[-1].content


@pytest.mark.parametrize("index", range(len(KEYS)))
def test_each_signature_holds_at_another_verifier(index: int) -> None:
    """RSA and Ed25519, over a mail with every header, in other scripts, as it went over the wire."""
    content: dict[str, JsonValue] = {
        "subject": "Grüße  from " + "the shop " * 20,
        "html": HTML + "\n\n . \n..\n  \n",
        "headers": {"X-More": "yes"},
        "reply_to": "Hilfe für dich <help@shop.example>",
    }
    recipient: dict[str, JsonValue] = {"email": "ada@example.com", "name": "Ada Λ"}
    with mail_server() as server:
        sent = _signed(server, mail_of(content, recipient).changed(topic="news"))
    assert _verified(sent, index)


@pytest.mark.parametrize("index", range(len(KEYS)))
@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        (b"Subject: Welcome", b"Subject: Welcome!"),
        (b"From: ", b"From: eve@evil.example\r\nFrom: "),
        (b"Subject: ", b"Subject: Win\r\nSubject: "),
        (b"To: ", b"To: bob@example.com\r\nTo: "),
        (b"Date: ", b"Reply-To: eve@evil.example\r\nDate: "),
        (b"Message-ID: <0", b"Message-ID: <1"),
        (b"Hello Ada", b"Hello Eve"),
    ],
)
def test_a_signature_breaks_by_any_change(index: int, was: bytes, becomes: bytes) -> None:
    """Also by another From or Subject beside the signed one."""
    with mail_server() as server:
        sent = _signed(server, mail_of())
    assert _verified(sent, index)
    assert not _verified(sent.replace(b"\r\n" + was, b"\r\n" + becomes, 1), index)


def test_both_headers_of_unsubscribing_are_signed() -> None:
    """RFC 8058 demands it; without it a mailbox offers no button."""
    mail = Mail(
        delivery=mail_of(),
        content=read_content(CONTENT),
        sender=Address("hello", "shop.example"),
        to=Address("ada", "example.com"),
        reply_to=None,
        at=datetime(2026, 11, 29, tzinfo=UTC),
        unsubscribe=LINK,
        domain="shop.example",
    )
    sent = compose(mail, _keys())
    for index in range(len(KEYS)):
        assert _verified(sent, index)
        for name in (b"List-Unsubscribe: <", b"List-Unsubscribe-Post: "):
            assert not _verified(sent.replace(name, name + b"x", 1), index)


@pytest.mark.parametrize(
    ("domain", "selector", "key"),
    [
        ("shop.example", "s1", "no PEM"),
        ("shop.example", "s1", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
        ("shop example", "s1", None),
        ("shop.example", "s1; d=evil.example", None),
    ],
)
def test_a_key_that_cannot_sign_is_refused_at_once(
    domain: str, selector: str, key: str | None
) -> None:
    """The error does not quote the key."""
    with pytest.raises(ValueError, match="DKIM") as caught:
        Dkim(domain, selector, key or private_key("rsa"))
    assert "AAAA" not in str(caught.value)
    assert private_key("rsa") not in repr(Dkim("shop.example", "s1", private_key("rsa")))
