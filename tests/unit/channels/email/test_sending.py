"""Sending mails to a real server: what arrives, over what connection, and what a refusal leads to."""

import logging
import os
import smtplib
import ssl
from datetime import timedelta
from threading import Thread

import pytest
from tests.mails import CONTENT, KEY, email_to, mail_of
from tests.smtp import HANG, HANG_UP, ServerOptions, mail_server

from whereupon import GiveUp, RetryLater
from whereupon.channels import Email
from whereupon.channels.email.channel import MailSetupError
from whereupon.channels.email.refusals import RefusedError

LOGIN = {"shop": "pass word"}


@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
def test_a_mail_arrives_over_each_kind_of_connection(security: str) -> None:
    """With a login where there is TLS; the envelope names the sender and the person."""
    logins = {} if security == "none" else LOGIN
    with (
        mail_server(ServerOptions(security=security, logins=logins)) as server,
        email_to(server) as channel,
    ):
        channel.send(mail_of())
        (mail,) = server.messages
    assert (mail.mail_from, mail.recipients) == ("hello@shop.example", ("ada@example.com",))
    assert mail.parsed["Subject"] == "Welcome"


def test_mails_share_a_connection() -> None:
    """One after the other they go over one; several threads have one each."""
    with mail_server() as server, email_to(server) as channel:
        for number in range(3):
            channel.send(mail_of(key=f"{number}"))
        assert (server.connections, len(server.messages)) == (1, 3)


def test_threads_send_side_by_side() -> None:
    """Each has a connection of its own, and every mail arrives once."""
    with mail_server() as server, email_to(server) as channel:
        sends = [
            Thread(target=channel.send, args=(mail_of(key=f"{number}"),)) for number in range(8)
        ]
        for thread in sends:
            thread.start()
        for thread in sends:
            thread.join()
        assert sorted(server.counts.values()) == [1] * 8
        assert server.connections <= 8


def test_a_connection_that_the_server_has_closed_is_replaced() -> None:
    """No try fails for it."""
    with mail_server() as server, email_to(server) as channel:
        channel.send(mail_of(key="1"))
        server.hang_up()
        channel.send(mail_of(key="2"))
        assert (server.connections, len(server.messages)) == (2, 2)


def test_a_server_that_takes_leave_at_the_next_mail_is_called_again() -> None:
    """Servers end a connection after a number of mails by 421."""
    with mail_server() as server, email_to(server) as channel:
        channel.send(mail_of(key="1"))
        server.answer("MAIL", "421 4.7.0 too many mails in one connection")
        channel.send(mail_of(key="2"))
        assert (server.connections, len(server.messages)) == (2, 2)


def test_an_idle_connection_is_closed() -> None:
    """Also if nothing is sent any more."""
    with mail_server() as server, email_to(server, idle=0.05) as channel:
        channel.send(mail_of())
        server.wait_until_open(0)


def test_close_ends_the_connections() -> None:
    """A later mail opens a new one."""
    with mail_server() as server, email_to(server) as channel:
        channel.send(mail_of(key="1"))
        channel.close()
        server.wait_until_open(0)
        channel.send(mail_of(key="2"))
        assert server.connections == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no forks")
def test_a_child_process_has_connections_of_its_own() -> None:
    """The parent's connection goes on working after a child has sent and ended."""
    with mail_server(ServerOptions(security="starttls")) as server, email_to(server) as channel:
        channel.send(mail_of(key="1"))
        child = os.fork()
        if child == 0:
            try:
                channel.send(mail_of(key="2"))
                os._exit(0)
            except BaseException:  # noqa: BLE001 - the child says by its status that it failed
                os._exit(1)
        assert os.waitpid(child, 0)[1] == 0
        channel.send(mail_of(key="3"))
        assert server.connections == 2
        assert set(server.counts.values()) == {1}
        assert len(server.messages) == 3


def test_a_server_whose_certificate_is_not_trusted_gets_nothing() -> None:
    """Neither the login nor a mail; the delivery is tried again."""
    options = ServerOptions(security="starttls", logins=LOGIN, trusted=False)
    with mail_server(options) as server, email_to(server) as channel:
        with pytest.raises(MailSetupError, match="certificate"):
            channel.send(mail_of())
        assert server.messages == []


def test_a_certificate_for_another_name_is_refused() -> None:
    """Whoever has a certificate of the same authority is not the server."""
    options = ServerOptions(security="tls", host="mail.other.example")
    with (
        mail_server(options) as server,
        email_to(server) as channel,
        pytest.raises(MailSetupError, match=r"(?i)hostname"),
    ):
        channel.send(mail_of())


def test_a_server_without_starttls_gets_nothing_in_clear() -> None:
    """`starttls` is demanded, so that nobody on the way can leave it out."""
    with mail_server() as server, email_to(server, security="starttls") as channel:
        with pytest.raises(MailSetupError, match="STARTTLS"):
            channel.send(mail_of())
        assert server.messages == []


def test_a_login_in_clear_has_to_be_allowed() -> None:
    """The password would be shown to everybody on the way."""
    with pytest.raises(ValueError, match="login_in_clear"):
        Email("localhost", sender="a@shop.example", username="u", password="p", security="none")  # noqa: S106
    options = ServerOptions(logins=LOGIN, login_in_clear=True)
    with mail_server(options) as server, email_to(server, login_in_clear=True) as channel:
        channel.send(mail_of())
        assert len(server.messages) == 1


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"sender": "hello"}, "sender"),
        ({"sender": "a@b.example", "reply_to": "x"}, "reply_to"),
        ({"sender": "a@b.example", "bounces": "x {key}"}, "bounces"),
        ({"sender": "a@b.example", "security": "ssl"}, "starttls"),
        ({"sender": "a@b.example", "username": "u"}, "password"),
        ({"sender": "a@b.example", "timeout": 0}, "timeout"),
        ({"sender": "a@b.example", "idle": "soon"}, "duration"),
    ],
)
def test_a_wrong_setting_is_told_at_once(settings: dict[str, object], says: str) -> None:
    """Not with the first mail."""
    with pytest.raises(ValueError, match=says):
        Email("localhost", **settings)  # type: ignore[arg-type]


def test_settings_show_no_password() -> None:
    """Neither does the representation of what the channel keeps."""
    channel = Email("localhost", sender="a@shop.example", username="u", password="hunter2")  # noqa: S106
    assert "hunter2" not in f"{channel!r} {vars(channel)!r}"


@pytest.mark.parametrize(
    ("stage", "answer", "outcome"),
    [
        ("RCPT", "550 5.1.1 no such user", GiveUp),
        ("RCPT", "550 no such user here", GiveUp),
        ("RCPT", "553 5.1.3 bad address syntax", GiveUp),
        ("RCPT", "552 5.2.2 mailbox full", GiveUp),
        ("RCPT", "501 5.1.3 bad address", GiveUp),
        ("DATA", "554 5.6.0 message refused", GiveUp),
        ("DATA", "550 5.7.1 looks like spam", GiveUp),
        ("DATA", "552 message too large", GiveUp),
        ("MAIL", "552 5.3.4 message too large", GiveUp),
        ("RCPT", "450 4.2.0 greylisted, come again", RetryLater),
        ("RCPT", "451 4.7.1 try later", RetryLater),
        ("DATA", "451 4.3.0 try later", RetryLater),
        ("RCPT", "452 4.5.3 too many recipients", RefusedError),
        ("MAIL", "451 4.3.0 queue trouble", RefusedError),
        ("MAIL", "421 4.3.2 shutting down", RefusedError),
        ("DATA", "421 4.3.2 shutting down", RefusedError),
        ("CONNECT", "421 4.7.0 too many connections", RefusedError),
        ("CONNECT", "554 5.7.1 no service for you", MailSetupError),
        ("MAIL", "530 5.7.0 must issue a STARTTLS command first", MailSetupError),
        ("MAIL", "550 5.7.1 sender not allowed", MailSetupError),
        ("MAIL", "553 sender address rejected", MailSetupError),
        ("RCPT", "550 5.7.1 relaying denied", MailSetupError),
        ("RCPT", "554 relay access denied", MailSetupError),
        ("RCPT", "550 5.7.26 unauthenticated mail is not accepted", MailSetupError),
        ("DATA", "550 5.7.26 SPF and DKIM did not pass", MailSetupError),
        ("RCPT", "503 5.5.1 bad sequence of commands", MailSetupError),
        ("RCPT", HANG_UP, smtplib.SMTPServerDisconnected),
        ("DATA", HANG_UP, smtplib.SMTPServerDisconnected),
    ],
)
def test_a_refusal_means(stage: str, answer: str, outcome: type[Exception]) -> None:
    """5xx about this mail or recipient is for good; all else is tried again, and the next mail goes out."""
    with mail_server() as server, email_to(server) as channel:
        server.answer(stage, answer)
        with pytest.raises(outcome) as caught:
            channel.send(mail_of())
        assert type(caught.value) is outcome
        channel.send(mail_of())
        assert len(server.messages) == 1


def test_a_greylisted_mail_waits_five_minutes() -> None:
    """Servers let a mail in that comes again after some minutes."""
    with mail_server() as server, email_to(server) as channel:
        server.answer("RCPT", "450 4.2.0 greylisted")
        with pytest.raises(RetryLater) as caught:
            channel.send(mail_of())
    assert caught.value.after == timedelta(minutes=5)


def test_a_wrong_password_is_logged_and_gives_nothing_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Somebody has to mend it; the mails wait. Neither password nor address is in the log."""
    options = ServerOptions(security="starttls", logins=LOGIN)
    with (
        mail_server(options) as server,
        email_to(server, password="wrong one") as channel,  # noqa: S106
        pytest.raises(MailSetupError, match="535"),
        caplog.at_level(logging.ERROR, "whereupon"),
    ):
        channel.send(mail_of())
    (record,) = [record for record in caplog.records if record.name.startswith("whereupon")]
    assert (record.levelname, vars(record)["event"], vars(record)["key"]) == (
        "ERROR",
        "email-setup",
        KEY,
    )
    assert "wrong one" not in caplog.text
    assert "ada@" not in caplog.text


def test_an_answer_that_is_lost_is_tried_again_under_the_same_message_id() -> None:
    """The server has the mail; a mailbox can tell that it comes again."""
    with mail_server() as server, email_to(server) as channel:
        server.answer("AFTER-DATA", HANG_UP)
        with pytest.raises(smtplib.SMTPServerDisconnected):
            channel.send(mail_of())
        channel.send(mail_of())
        assert server.counts == {f"<{KEY}@shop.example>": 2}


def test_a_server_that_does_not_answer_is_left_in_time() -> None:
    """Its silence costs the time-out, not for ever."""
    with mail_server() as server, email_to(server, timeout=0.2) as channel:
        server.answer("RCPT", HANG)
        with pytest.raises((TimeoutError, smtplib.SMTPServerDisconnected)):
            channel.send(mail_of())


def test_a_server_that_is_away_is_tried_again() -> None:
    """Nothing is given up for it."""
    with mail_server() as server:
        port = server.port
    channel = Email("localhost", port, sender="a@shop.example", security="none")
    with pytest.raises(OSError, match="refused"):
        channel.send(mail_of())


def test_reasons_do_not_quote_addresses() -> None:
    """They are kept with the delivery and logged; servers like to repeat the address."""
    with mail_server() as server, email_to(server) as channel:
        server.answer("RCPT", "550 5.1.1 <ada@example.com>: unknown")
        with pytest.raises(GiveUp, match=r"5\.1\.1") as caught:
            channel.send(mail_of())
    assert "example.com" not in str(caught.value)


@pytest.mark.parametrize(
    "recipient",
    [
        {},
        {"email": ""},
        {"email": 5},
        {"email": "ada"},
        {"email": "ada@"},
        {"email": "@example.com"},
        {"email": "ada@exa mple.com"},
        {"email": "ada@example.com, bob@example.com"},
        {"email": "<ada@example.com>"},
        {"email": "ada@-example.com"},
        {"email": "a..b@example.com"},
        {"email": "ada@example.com\r\nRCPT TO:<eve@example.com>"},
        {"email": f"{'a' * 65}@example.com"},
        {"email": f"ada@{'a' * 64}.com"},
    ],
)
def test_a_person_without_an_address_is_given_up(recipient: dict[str, object]) -> None:
    """A clear reason, without the address; the server is not asked."""
    with mail_server() as server, email_to(server) as channel:
        with pytest.raises(GiveUp, match="email"):
            channel.send(mail_of(recipient=recipient))  # type: ignore[arg-type]
        assert server.connections == 0


def test_a_domain_of_another_script_is_written_in_ascii() -> None:
    """Every server takes it so."""
    with mail_server(ServerOptions(smtputf8=False)) as server, email_to(server) as channel:
        channel.send(mail_of(recipient={"email": "ada@straße.example"}))
        (mail,) = server.messages
    assert mail.recipients == ("ada@xn--strae-oqa.example",)


def test_an_address_beyond_ascii_goes_to_a_server_that_takes_it() -> None:
    """By SMTPUTF8, with the address in the header as it is."""
    with mail_server() as server, email_to(server) as channel:
        channel.send(mail_of(recipient={"email": "zoë@example.com"}))
        (mail,) = server.messages
    assert mail.recipients == ("zoë@example.com",)
    assert "SMTPUTF8" in mail.options
    assert "zoë@example.com" in mail.content.decode()


def test_an_address_beyond_ascii_is_given_up_where_the_server_does_not_take_it() -> None:
    """The reason says what the server lacks."""
    with (
        mail_server(ServerOptions(smtputf8=False)) as server,
        email_to(server) as channel,
        pytest.raises(GiveUp, match="SMTPUTF8"),
    ):
        channel.send(mail_of(recipient={"email": "zoë@example.com"}))


def test_a_mail_that_is_too_large_is_given_up_before_it_is_sent() -> None:
    """The server has said what it takes; the connection goes on being used."""
    with mail_server(ServerOptions(size_limit=2_000)) as server, email_to(server) as channel:
        with pytest.raises(GiveUp, match="bytes"):
            channel.send(mail_of({**CONTENT, "text": "x" * 3_000}))
        channel.send(mail_of())
        assert (server.connections, len(server.messages)) == (1, 1)


def test_the_bounce_address_has_the_key_of_the_delivery() -> None:
    """So every bounce leads to its delivery, whatever the other server quotes."""
    with (
        mail_server() as server,
        email_to(server, bounces="bounces+{key}@mail.shop.example") as channel,
    ):
        channel.send(mail_of())
        (mail,) = server.messages
    assert mail.mail_from == f"bounces+{KEY}@mail.shop.example"


def test_the_authority_of_a_certificate_can_be_a_file(tmp_path: object) -> None:
    """A file that is none is told at once."""
    with pytest.raises((OSError, ssl.SSLError)):
        Email("localhost", sender="a@shop.example", ca_file=f"{tmp_path}/none.pem")
