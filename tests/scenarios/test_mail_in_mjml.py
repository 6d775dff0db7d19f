"""A mail in MJML on its whole way: from the rule file over a real SMTP server to what a mailbox reads."""

from pathlib import Path

from tests.mails import email_to
from tests.smtp import mail_server
from tests.unit.templates.test_mjml import MAIL, Page

from whereupon import Engine
from whereupon.channels.email.content import KEYS, UNSUBSCRIBE_URL
from whereupon.records import DeliveryState
from whereupon.rules.loading.mail_lint import MAIL_KEYS, UNSUBSCRIBE_PLACE

LINK = '<mj-text><a href="%unsubscribe_url%">No more mails</a></mj-text>'


def test_a_mail_in_mjml_arrives_as_html_and_text(tmp_path: Path) -> None:
    """Parsed back: both parts say the same, data are escaped, and the link to unsubscribe is ours."""
    mail = MAIL.replace("<mj-table>", f"{LINK}\n<mj-table>")
    indented = "\n".join(f"      {line}" for line in mail.splitlines())
    (tmp_path / "thanks.yaml").write_text(
        "campaign: thanks\ndescription: Thank people.\nwhen: purchase\nreentry: every_time\n"
        f"whereupon:\n  - send: email\n    subject: Thanks\n    mjml: |\n{indented}\n"
    )
    settings = {"digest_key": b"of the test's own", "public_url": "https://shop.example/w"}
    with mail_server() as server, email_to(server) as channel:
        with Engine.open("memory://", rules=tmp_path, **settings) as engine:  # type: ignore[arg-type]
            engine.channel("email", channel)
            engine.identify("ada", traits={"email": "ada@example.com", "first_name": "<b>Ada"})
            items = [{"name": "Socks <3", "price": "9.50"}]
            engine.track("purchase", user_id="ada", properties={"number": 1, "items": items, "total": 9.5})  # fmt: skip
            engine.run_due()
            (sent,) = engine.deliveries(DeliveryState.SENT)
        (received,) = server.wait_for(1)
    page = Page(received.part("html"))
    assert "Socks <3" in page.texts
    assert "Hello <b>Ada," in " ".join(page.texts)
    assert "Socks <3" in received.part("plain")
    (order, unsubscribe) = sorted(link or "" for link in page.links)
    assert order == "https://shop.example/orders/1?a=1&b=2"
    assert unsubscribe.startswith("https://shop.example/w/u/")
    assert sent.channel == "email"


def test_the_warnings_know_what_the_channel_knows() -> None:
    """Two lists, since rules know no channels: what a mail may say, and the place of the link."""
    assert (MAIL_KEYS, UNSUBSCRIBE_PLACE) == (KEYS, UNSUBSCRIBE_URL)
