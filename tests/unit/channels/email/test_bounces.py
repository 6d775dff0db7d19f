"""Mails that come back: which delivery they are about, what they say, and what is none of ours."""

import subprocess
import sys
from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.mails import email_to, mail_of
from tests.rule_files import book_of
from tests.shop import purchase, thanks
from tests.smtp import mail_server

from whereupon import Engine
from whereupon.channels.email.bounces import Bounce, read_bounce

KEY = "0123456789abcdef0123456789abcdef"
OURS = f"From: Shop <hello@shop.example>\r\nTo: ada@example.com\r\nMessage-ID: <{KEY}@shop.example>\r\nSubject: Hi\r\n"
DSN = """From: MAILER-DAEMON@mx.example
To: {to}
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="B"

--B
Content-Type: text/plain

I'm sorry to have to inform you that your message could not be delivered.

--B
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example
Arrival-Date: Sun, 29 Nov 2026 08:00:00 +0000

Final-Recipient: rfc822; ada@example.com
Action: {action}
Status: {status}
Diagnostic-Code: smtp; {said}

--B
Content-Type: {returned}

{headers}
--B--
"""
COMPLAINT = """From: staff@hotmail.example
To: {to}
Subject: complaint about message from 192.0.2.1
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="B"

--B
Content-Type: text/plain

This is an email abuse report.

--B
Content-Type: message/feedback-report

Feedback-Type: {kind}
User-Agent: SomeGenerator/1.0
Version: 1

--B
Content-Type: message/rfc822

{headers}

Hello
--B--
"""


def dsn(
    *,
    action: str = "failed",
    status: str = "5.1.1",
    said: str = "550 5.1.1 <ada@example.com>: no such user",
    returned: str = "text/rfc822-headers",
    headers: str = OURS,
    to: str = "bounces@shop.example",
) -> bytes:
    """A delivery status notification."""
    text = DSN.format(
        action=action, status=status, said=said, returned=returned, headers=headers, to=to
    )
    return text.replace("\r\n", "\n").replace("\n", "\r\n").encode()


@pytest.mark.parametrize("returned", ["text/rfc822-headers", "message/rfc822"])
def test_a_hard_bounce_names_its_delivery(returned: str) -> None:
    """By the Message-ID of our mail, whether it comes back whole or by its headers; no address is in the reason."""
    found = read_bounce(dsn(returned=returned))
    assert found == Bounce(KEY, "bounced", True, "5.1.1 550 5.1.1 <(address)>: no such user")


@pytest.mark.parametrize(
    ("action", "status", "expected"),
    [
        ("failed", "5.2.1", ("bounced", True)),
        ("failed", "5.2.2", ("bounced", False)),
        ("failed", "5.3.4", ("bounced", False)),
        ("failed", "5.7.1", ("bounced", False)),
        ("failed", "", ("bounced", True)),
        ("failed", "4.4.7", ("deferred", False)),
        ("delayed", "4.4.1", ("deferred", False)),
        ("delayed", "5.0.0", ("deferred", False)),
    ],
)
def test_only_a_final_refusal_is_a_bounce(
    action: str, status: str, expected: tuple[str, bool]
) -> None:
    """A delay, a full mailbox and a policy say nothing against the address."""
    found = read_bounce(dsn(action=action, status=status))
    assert found is not None
    assert (found.metric, found.permanent) == expected


@pytest.mark.parametrize("action", ["delivered", "relayed", "expanded", ""])
def test_a_notification_of_success_reports_nothing(action: str) -> None:
    """The mail arrived, or went on to a server that does not notify."""
    assert read_bounce(dsn(action=action, status="2.0.0")) is None


def test_the_key_may_stand_in_the_address_that_the_bounce_was_sent_to() -> None:
    """Where a server returns nothing of the mail."""
    other = "From: somebody@example.com\r\n"
    found = read_bounce(dsn(headers=other, to=f"bounces+{KEY}@shop.example"))
    assert found is not None
    assert found.key == KEY
    assert read_bounce(dsn(headers=other)) is None


@pytest.mark.parametrize("kind", ["abuse", "fraud", "other"])
def test_a_complaint_names_its_delivery(kind: str) -> None:
    """In the Abuse Reporting Format of mailbox providers."""
    raw = COMPLAINT.format(kind=kind, headers=OURS.strip(), to="fbl@shop.example").encode()
    assert read_bounce(raw) == Bounce(KEY, "complained", True, kind)
    left = COMPLAINT.format(kind="opt-out", headers=OURS.strip(), to="fbl@shop.example")
    assert read_bounce(left.encode()) == Bounce(KEY, "unsubscribed", True, "opt-out")
    kept = COMPLAINT.format(kind="not-spam", headers=OURS.strip(), to="fbl@shop.example")
    assert read_bounce(kept.encode()) is None


def test_other_mails_report_nothing() -> None:
    """A vacation note quotes our Message-ID, too."""
    note = EmailMessage()
    note["In-Reply-To"] = f"<{KEY}@shop.example>"
    note["Auto-Submitted"] = "auto-replied"
    note.set_content("I am on holiday.")
    assert read_bounce(note.as_bytes()) is None


@given(st.binary(max_size=300), st.integers(0, 900))
def test_no_mail_breaks_the_reader(noise: bytes, at: int) -> None:
    """Whatever stands in it, wherever it is cut."""
    raw = dsn()
    for mail in (noise, raw[:at] + noise, raw[:at] + noise + raw[at:]):
        found = read_bounce(mail)
        assert found is None or found.key == KEY or len(found.key) == 32


def test_the_command_reports_a_bounce_from_a_pipe(tmp_path: Path) -> None:
    """As a mail server calls it: the address gets no other mail."""
    url = f"sqlite:///{tmp_path}/shop.db"
    mail = book_of(thanks(whereupon=[{"send": "email", "subject": "Hi", "body": "Hello"}]))
    with Engine.open(url, rules=mail) as engine:
        engine.channel("email", lambda _: None)
        engine.identify("ada", traits={"email": "ada@example.com"})
        engine.ingest([purchase(1)])
        engine.run_due()
        (sent,) = engine.deliveries()
    (tmp_path / "rules").mkdir()
    raw = dsn(headers=OURS.replace(KEY, sent.idempotency_key))
    for stdin, status, words in ((raw, 0, "bounced was reported of delivery"), (b"", 0, "")):
        done = subprocess.run(
            [sys.executable, "-m", "whereupon", "bounce", "--store", url],
            input=stdin,
            capture_output=True,
            cwd=tmp_path,
            check=False,
        )
        assert done.returncode == status, done.stderr
        assert words in done.stdout.decode()
    with Engine.open(url, rules=mail) as engine:
        engine.channel("email", lambda _: None)
        engine.ingest([purchase(2)])
        assert engine.run_due().dispatched.withheld == 1


def test_the_mails_that_the_channel_makes_are_found_again() -> None:
    """What a server returns is what it was sent."""
    with mail_server() as server, email_to(server) as email:
        email.send(mail_of())
        (sent,) = server.wait_for(1)
    returned = sent.content.decode().replace("\r\n", "\n")
    found = read_bounce(dsn(returned="message/rfc822", headers=returned))
    assert found is not None
    assert found.key == mail_of().idempotency_key
