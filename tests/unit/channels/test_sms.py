"""The channel for text messages: what Twilio is asked, and what its codes mean."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from urllib.parse import parse_qs

import orjson
import pytest
from pydantic import JsonValue
from tests.http_receiver import HttpReceiver, Received, Reply, http_receiver
from tests.rule_files import book_of
from tests.unit.channels.deliveries import delivery_of

from whereupon import Engine, GiveUp, RetryLater
from whereupon.channels import Sms
from whereupon.records import Delivery, DeliveryState

ACCOUNT = "AC" + "0" * 32


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    """A server that answers as Twilio does when it has queued a message."""
    with http_receiver(respond=lambda _: Reply(201, body=b'{"status": "queued"}')) as made:
        yield made


def _channel(receiver: HttpReceiver, **arguments: object) -> Sms:
    said: dict[str, object] = {"sender": "+15550001111", "base_url": receiver.url("")}
    return Sms(ACCOUNT, "secret", **{**said, **arguments})  # type: ignore[arg-type]  # by name


def _delivery(**changes: object) -> Delivery:
    return delivery_of(**{"channel": "sms", "content": {"text": "Hi é"}, **changes})


def _form(request: Received) -> dict[str, list[str]]:
    return parse_qs(request.body.decode())


def _error(code: int, status: int = 400, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, named, orjson.dumps({"code": code, "message": "no", "status": status}))


def test_a_text_message_is_one_request(receiver: HttpReceiver) -> None:
    """To the person's number in the form of E.164, from the sender, with basic auth."""
    _channel(receiver).send(_delivery())
    (request,) = receiver.requests
    assert request.path == f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
    assert request.headers["authorization"].startswith("Basic ")
    assert _form(request) == {"To": ["+33612345678"], "From": ["+15550001111"], "Body": ["Hi é"]}


def test_a_messaging_service_and_media_can_be_named(receiver: HttpReceiver) -> None:
    """A sender that begins with MG is a service."""
    content: dict[str, JsonValue] = {
        "body": "Hi",
        "media": ["https://a.example/1.png", "https://a.example/2.png"],
    }
    _channel(receiver, sender="MG1", key="SK1").send(_delivery(content=content))
    form = _form(receiver.requests[0])
    assert (form["MessagingServiceSid"], len(form["MediaUrl"]), "From" in form) == (
        ["MG1"],
        2,
        False,
    )


NUMBERS = [
    "0612345678",
    "+0123456789",
    "33612345678",
    "+33 6 12",
    "+1555555555555555",
    "+\u0663\u0663\u0666\u0661\u0662\u0663\u0664\u0665\u0666\u0667",
    "x",
    "",
    None,
]


@pytest.mark.parametrize("number", NUMBERS)
def test_what_is_no_number_is_not_called(receiver: HttpReceiver, number: str | None) -> None:
    """The delivery is dead, and its reason does not quote what was there."""
    with pytest.raises(GiveUp, match="no-address") as given_up:
        _channel(receiver).send(_delivery(recipient={"phone": number}))
    assert receiver.requests == []
    assert not number or number == "x" or number not in str(given_up.value)


@pytest.mark.parametrize("content", [{}, {"text": ""}, {"text": "x", "title": "y"}])
def test_content_that_cannot_be_sent_is_final(
    receiver: HttpReceiver, content: dict[str, JsonValue]
) -> None:
    """Nothing to say, or a key that would be left out."""
    with pytest.raises(GiveUp):
        _channel(receiver).send(_delivery(content=content))
    assert receiver.requests == []


@pytest.mark.parametrize(("code", "status"), [(20003, 401), (21606, 400), (21408, 403), (0, 401)])
def test_a_fault_of_our_account_is_an_error_and_no_death(
    receiver: HttpReceiver, caplog: pytest.LogCaptureFixture, code: int, status: int
) -> None:
    """An operator mends it, and the deliveries go out."""
    receiver.answer(_error(code, status))
    with pytest.raises(RetryLater):
        _channel(receiver).send(_delivery())
    assert "channel-refused channel=sms" in caplog.text


@pytest.mark.parametrize(("code", "status"), [(20429, 429), (14107, 400)])
def test_a_limit_makes_the_channel_rest(receiver: HttpReceiver, code: int, status: int) -> None:
    """As long as Retry-After says, whatever the status."""
    receiver.answer(_error(code, status, Retry_After="3"))
    with pytest.raises(RetryLater) as raised:
        _channel(receiver).send(_delivery())
    if status == 429:
        assert raised.value.after == timedelta(seconds=3)
    assert raised.value.channel


@pytest.mark.parametrize("code", [21211, 21614, 21610, 21617, 99999])
def test_a_message_that_twilio_will_never_take_is_final(receiver: HttpReceiver, code: int) -> None:
    """The reason has Twilio's code, and no number."""
    receiver.answer(_error(code))
    with pytest.raises(GiveUp, match=str(code)) as given_up:
        _channel(receiver).send(_delivery())
    assert "612345678" not in str(given_up.value)


def _engine(receiver: HttpReceiver, place: str) -> Engine:
    rule = {
        "campaign": "hi",
        "description": "Say hello.",
        "when": "purchase",
        "reentry": "every_time",
        "whereupon": [{"send": "sms", "text": "Hi"}],
    }
    engine = Engine.open(
        place, rules=book_of(rule), digest_key=b"k" * 32, public_url="https://shop.example/w"
    )
    engine.channel("sms", _channel(receiver))
    engine.identify(user_id="ada", traits={"phone": "+33612345678"})
    return engine


def test_twilio_is_told_where_to_report(receiver: HttpReceiver, place: str) -> None:
    """At the public URL, with the key of the delivery."""
    with closing(_engine(receiver, place)) as engine:
        engine.track("purchase", user_id="ada")
        engine.run_due()
        (delivery,) = engine.deliveries()
    assert delivery.state is DeliveryState.SENT
    assert _form(receiver.requests[0])["StatusCallback"] == [
        f"https://shop.example/w/callbacks/sms?key={delivery.idempotency_key}"
    ]


def test_a_person_who_said_stop_is_unsubscribed(receiver: HttpReceiver, place: str) -> None:
    """Twilio knows it first; by its code the engine does, too, and sends no more marketing."""
    receiver.answer(_error(21610))
    with closing(_engine(receiver, place)) as engine:
        for _ in range(2):
            engine.track("purchase", user_id="ada")
            engine.run_due()
        states = sorted(each.state.value for each in engine.deliveries())
    assert states == ["dead", "withheld"]
    assert len(receiver.requests) == 1


WRONG: list[dict[str, str]] = [
    {"account": "AC1"},
    {"token": ""},
    {"sender": ""},
    {"base_url": "https://a b/"},
]


@pytest.mark.parametrize("arguments", WRONG)
def test_a_wrong_argument_is_an_error_when_the_channel_is_made(arguments: dict[str, str]) -> None:
    """Not at the first delivery."""
    right = {"account": ACCOUNT, "token": "secret", "sender": "+15550001111"}
    with pytest.raises(ValueError, match=r"\w"):
        Sms(**{**right, **arguments})  # type: ignore[arg-type]  # arguments by name
