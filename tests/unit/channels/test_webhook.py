"""The channel for webhooks: each delivery is one signed request, and the answer decides what becomes of it."""

from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue
from standardwebhooks import Webhook as Reference
from tests.http_receiver import HttpReceiver, Received, Reply, http_receiver
from tests.rule_files import book_of
from tests.shop import NOON

from whereupon import Engine, GiveUp, RetryLater
from whereupon.channels import Webhook
from whereupon.channels.http import HttpAnswer, RefusedUrlError, after
from whereupon.channels.http.signing import key_of, signed_headers
from whereupon.records import Delivery, DeliveryState, SendKind
from whereupon.scheduling.clocks import FrozenClock

NEW = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OLD = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    """A server without TLS."""
    with http_receiver() as made:
        yield made


def _delivery(**changes: object) -> Delivery:
    made = Delivery(
        key=1,
        idempotency_key="0f" * 16,
        rule="thanks",
        person_key=7,
        person="ada",
        channel="partner",
        due_at=NOON,
        content={"title": "Thanks", "n": 1},
        recipient={"email": "ada@example.com", "plan": "pro"},
    )
    return made.changed(**changes)


def _channel(receiver: HttpReceiver, **arguments: object) -> Webhook:
    said: dict[str, object] = {"secrets": [NEW], "allow": [receiver.url("")], **arguments}
    return Webhook(receiver.url("/hook"), **said)  # type: ignore[arg-type]  # arguments by name


def _verified(request: Received, secret: str) -> object:
    return Reference(secret).verify(request.body, dict(request.headers))


# --- signatures -----------------------------------------------------------------------------------------


def test_a_delivery_is_posted_and_the_reference_verifies_it(receiver: HttpReceiver) -> None:
    """Id, time and signature are those of Standard Webhooks; the id is the idempotency key."""
    delivery = _delivery()
    _channel(receiver).send(delivery)
    (request,) = receiver.requests
    said = _verified(request, NEW)
    assert isinstance(said, dict)
    assert said.pop("timestamp").endswith("Z")
    assert said == {
        "type": "whereupon.delivery",
        "data": {
            "id": delivery.idempotency_key,
            "rule": "thanks",
            "channel": "partner",
            "kind": "marketing",
            "topic": None,
            "person": "ada",
            "content": {"title": "Thanks", "n": 1},
        },
    }
    assert request.headers["webhook-id"] == delivery.idempotency_key
    assert request.headers["idempotency-key"] == delivery.idempotency_key
    assert request.headers["content-type"] == "application/json"
    assert receiver.counts == {delivery.idempotency_key: 1}


def test_every_secret_signs(receiver: HttpReceiver) -> None:
    """While secrets are rotated, a receiver with either of them accepts the request."""
    _channel(receiver, secrets=[NEW, OLD]).send(_delivery())
    (request,) = receiver.requests
    assert len(request.headers["webhook-signature"].split(" ")) == 2
    assert _verified(request, NEW) == _verified(request, OLD)


@given(st.binary(min_size=24, max_size=64), st.text(), st.integers(1, 2**33))
def test_signatures_are_those_of_the_reference(key: bytes, body: str, timestamp: int) -> None:
    """For any key, body and time."""
    secret = "whsec_" + b64encode(key).decode()
    said = signed_headers(
        [key_of(secret)], message_id="msg", timestamp=timestamp, body=body.encode()
    )
    at = datetime.fromtimestamp(timestamp, UTC)
    assert said["webhook-signature"] == Reference(secret).sign("msg", at, body)


def test_without_secrets_nothing_is_signed(receiver: HttpReceiver) -> None:
    """An empty list says so; the id and the time are there all the same."""
    _channel(receiver, secrets=[]).send(_delivery())
    (request,) = receiver.requests
    assert "webhook-signature" not in request.headers
    assert "webhook-id" in request.headers


def test_attributes_of_the_person_go_along_only_if_asked_for(receiver: HttpReceiver) -> None:
    """No more is told than needed; an attribute that the person lacks is null."""
    _channel(receiver, recipient=["plan", "age"]).send(_delivery())
    (request,) = receiver.requests
    assert request.json["data"]["recipient"] == {"plan": "pro", "age": None}
    assert b"ada@example.com" not in request.body


WRONG: list[tuple[str, Mapping[str, object]]] = [
    ("https:// and a host", {"url": "hooks.example.com"}),
    ("without TLS", {"url": "http://hooks.example.com"}),
    ("not a public address", {"url": "https://127.0.0.1/"}),
    ("not base64", {"secrets": ["whsec_äöü"]}),
    ("at least 24 bytes", {"secrets": ["whsec_c2hvcnQ="]}),
    ("lists of texts", {"secrets": NEW}),
    ("in allow is", {"allow": ["10.0.0.0/40"]}),
    ("above 0", {"timeout": -1}),
]


@pytest.mark.parametrize(("said", "arguments"), WRONG)
def test_a_wrong_argument_is_an_error_when_the_channel_is_made(
    said: str, arguments: Mapping[str, object]
) -> None:
    """Not at the first delivery; the error says what to write."""
    right: dict[str, object] = {"url": "https://hooks.example.com/x", "secrets": [NEW]}
    with pytest.raises(ValueError, match=said):
        Webhook(**{**right, **arguments})  # type: ignore[arg-type]  # arguments by name


# --- answers --------------------------------------------------------------------------------------------

FINAL = (
    300,
    301,
    302,
    304,
    307,
    308,
    400,
    402,
    404,
    405,
    406,
    410,
    411,
    412,
    413,
    414,
    415,
    422,
    451,
)
AGAIN = (401, 403, 407, 408, 409, 421, 423, 424, 425, 429, 500, 501, 502, 503, 504, 505, 520, 599)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_a_2xx_is_success(receiver: HttpReceiver, status: int) -> None:
    """Whatever the body says."""
    receiver.answer(Reply(status))
    _channel(receiver).send(_delivery())


@pytest.mark.parametrize("status", FINAL)
def test_a_final_answer_ends_the_delivery(receiver: HttpReceiver, status: int) -> None:
    """The same request would be answered the same again; a redirect is not followed."""
    receiver.answer(Reply(status, headers={"Location": "https://other.example.com/"}))
    with pytest.raises(GiveUp, match=str(status)):
        _channel(receiver).send(_delivery())
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("status", AGAIN)
def test_any_other_failure_is_tried_again(receiver: HttpReceiver, status: int) -> None:
    """Time-outs, limits, faults of the server, and credentials that an operator mends."""
    receiver.answer(Reply(status))
    with pytest.raises(RetryLater, match=str(status)) as raised:
        _channel(receiver).send(_delivery())
    assert raised.value.after is None


@pytest.mark.parametrize("status", [401, 403, 407])
def test_refused_credentials_are_logged_as_an_error(
    receiver: HttpReceiver, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    """They are our own fault, and somebody has to act; no delivery dies by it."""
    receiver.answer(Reply(status))
    with pytest.raises(RetryLater):
        _channel(receiver).send(_delivery())
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert record.getMessage() == f"channel-refused channel=partner status={status}"


RETRY_AFTER = [
    ("120", timedelta(minutes=2)),
    ("0", timedelta()),
    (" 7 ", timedelta(seconds=7)),
    ("99999999999999999999", timedelta(days=1)),
    (format_datetime(NOON + timedelta(seconds=30), usegmt=True), timedelta(seconds=30)),
    (format_datetime(NOON - timedelta(hours=1), usegmt=True), timedelta()),
    ("-5", None),
    ("1.5", None),
    ("soon", None),
    ("", None),
    ("²", None),
]


@pytest.mark.parametrize(("said", "wait"), RETRY_AFTER)
def test_retry_after_is_seconds_or_a_date(said: str, wait: timedelta | None) -> None:
    """RFC 9110, 10.2.3; what cannot be read is as if it were not there, and a day is the longest."""
    found = after(HttpAnswer(429, {"retry-after": said}, b""), NOON)
    assert found == wait


def test_a_date_counts_from_the_servers_own_clock() -> None:
    """So that a clock that is wrong by an hour makes no difference."""
    there = NOON + timedelta(hours=1)
    headers = {
        "date": format_datetime(there, usegmt=True),
        "retry-after": format_datetime(there + timedelta(seconds=90), usegmt=True),
    }
    assert after(HttpAnswer(503, headers, b""), NOON) == timedelta(seconds=90)


@pytest.mark.parametrize("status", [429, 503])
def test_an_overloaded_service_makes_the_channel_rest(receiver: HttpReceiver, status: int) -> None:
    """All deliveries of the channel go there, so none is tried before the time it asks for."""
    receiver.answer(Reply(status, headers={"Retry-After": "90"}))
    with pytest.raises(RetryLater) as raised:
        _channel(receiver).send(_delivery())
    assert (raised.value.after, raised.value.channel) == (timedelta(seconds=90), True)


def test_a_url_that_leads_to_a_private_address_is_told_and_tried_again() -> None:
    """It is the operator's own URL: its name may be mended, and no delivery is lost."""
    channel = Webhook("https://localtest.example.com/", secrets=[NEW])
    vars(vars(channel)["_client"])["_resolve"] = lambda _host, _port: ["127.0.0.1"]
    with pytest.raises(RefusedUrlError, match="is not a public address"):
        channel.send(_delivery())


# --- the step -------------------------------------------------------------------------------------------


def _step(url: str, **content: JsonValue) -> Delivery:
    said = {"url": url, "method": "POST", **content}
    return _delivery(channel="webhook", content=said, kind=SendKind.INTERNAL)


def _called(receiver: HttpReceiver, **content: JsonValue) -> Received:
    channel = Webhook(secrets=[NEW], allow=[receiver.url("")])
    channel.send(_step(receiver.url("/step"), **content))
    return receiver.requests[-1]


def test_a_step_says_which_request_is_made(receiver: HttpReceiver) -> None:
    """Its URL, method, headers and JSON; signed like any other."""
    request = _called(receiver, method="PUT", headers={"X-Source": "shop"}, json={"a": [1, None]})
    assert (request.method, request.path, request.json) == ("PUT", "/step", {"a": [1, None]})
    assert request.headers["x-source"] == "shop"
    assert request.headers["content-type"] == "application/json"
    assert _verified(request, NEW) == {"a": [1, None]}


def test_a_step_can_send_a_text(receiver: HttpReceiver) -> None:
    """As it is, under the type that the step says."""
    assert _called(receiver, body="é").body.decode() == "é"
    assert _called(receiver, body="x").headers["content-type"] == "text/plain; charset=utf-8"
    request = _called(receiver, body="<a/>", headers={"content-type": "application/xml"})
    assert request.headers["content-type"] == "application/xml"


def test_a_step_without_body_sends_what_it_is_about(receiver: HttpReceiver) -> None:
    """The standard body, without content; GET and DELETE have none."""
    assert _called(receiver).json["data"]["content"] == {}
    for method in ("GET", "DELETE"):
        request = _called(receiver, method=method)
        assert (request.method, request.body) == (method, b"")


REFUSED_STEPS: list[dict[str, JsonValue]] = [
    {"url": "http://127.0.0.1:1/"},
    {"url": "https://localhost/"},
    {"url": "https://169.254.169.254/"},
    {"url": 7},
    {"method": "CONNECT"},
    {"title": "no key of a webhook"},
    {"headers": {"Host": "evil.example.com"}},
    {"headers": {"Transfer-Encoding": "chunked"}},
    {"headers": {"webhook-signature": "v1,x"}},
    {"headers": {"X": "a\x00b"}},
    {"headers": ["X"]},
]


@pytest.mark.parametrize("content", REFUSED_STEPS)
def test_a_request_that_may_not_be_made_ends_its_delivery(
    receiver: HttpReceiver, content: dict[str, JsonValue]
) -> None:
    """Nothing is sent, and the reason says why."""
    channel = Webhook(secrets=[NEW], allow=[receiver.url("")])
    with pytest.raises(GiveUp) as given_up:
        channel.send(
            _step(receiver.url("/")).changed(
                content={**_step(receiver.url("/")).content, **content}
            )
        )
    assert str(given_up.value)
    assert receiver.requests == []


def test_only_the_channel_of_the_step_follows_the_url_of_a_delivery(receiver: HttpReceiver) -> None:
    """Content of any other channel is content, so data never choose who is called."""
    content: dict[str, JsonValue] = {"url": "https://evil.example.com/", "method": "POST"}
    _channel(receiver).send(_delivery(content=content))
    assert receiver.requests[0].json["data"]["content"] == content


def test_a_limit_of_one_steps_service_does_not_stop_the_others(receiver: HttpReceiver) -> None:
    """Steps call services of different hosts; only the delivery waits."""
    receiver.answer(Reply(429, headers={"Retry-After": "90"}))
    with pytest.raises(RetryLater) as raised:
        _called(receiver)
    assert (raised.value.after, raised.value.channel) == (timedelta(seconds=90), False)


def test_a_delivery_without_any_url_is_not_lost(receiver: HttpReceiver) -> None:
    """The channel lacks its URL, which an operator adds."""
    with pytest.raises(RuntimeError, match="has no URL"):
        Webhook(secrets=[NEW], allow=[receiver.url("")]).send(_delivery())


# --- with an engine -------------------------------------------------------------------------------------

Opened = Callable[[Webhook], Engine]


@pytest.fixture
def clock() -> FrozenClock:
    """Noon, until a test moves it."""
    return FrozenClock(NOON)


@pytest.fixture
def opened(receiver: HttpReceiver, clock: FrozenClock, place: str) -> Iterator[Opened]:
    """Opens an engine on each kind of store, with a rule that calls a webhook."""
    rule = {
        "campaign": "tell",
        "description": "Tell the shop's own system.",
        "when": "purchase",
        "reentry": "every_time",
        "whereupon": [{"webhook": receiver.url("/step/{{ properties.order }}"), "json": {"n": 1}}],
    }
    with ExitStack() as stack:

        def opens(channel: Webhook) -> Engine:
            engine = stack.enter_context(Engine.open(place, rules=book_of(rule), clock=clock))
            engine.channel("webhook", channel)
            engine.track("purchase", user_id="ada", properties={"order": "o 1"})
            return engine

        yield opens


def _one(engine: Engine) -> Delivery:
    (delivery,) = engine.deliveries()
    return delivery


def test_a_rule_calls_its_webhook(opened: Opened, receiver: HttpReceiver) -> None:
    """From the message to the request, once, under the engine's clock."""
    engine = opened(Webhook(secrets=[NEW], allow=[receiver.url("")]))
    engine.run_due()
    engine.run_due()
    (request,) = receiver.requests
    assert (request.path, request.json) == ("/step/o%201", {"n": 1})
    assert request.headers["webhook-timestamp"] == str(int(NOON.timestamp()))
    assert _one(engine).state is DeliveryState.SENT


def test_an_outage_repeats_the_request_under_its_key(
    opened: Opened, receiver: HttpReceiver, clock: FrozenClock
) -> None:
    """Once the service is back it gets the delivery, under the key of the first attempt."""
    receiver.answer(Reply(503, headers={"Retry-After": "3600"}), None)
    engine = opened(Webhook(secrets=[NEW], allow=[receiver.url("")]))
    engine.run_due()
    clock.move_to(NOON + timedelta(minutes=59))
    engine.run_due()
    assert len(receiver.requests) == 1
    clock.move_to(NOON + timedelta(hours=1, seconds=30))
    engine.run_due()
    first, second = receiver.requests
    assert first.key == second.key
    assert receiver.counts == {first.key: 1}
    assert _one(engine).state is DeliveryState.SENT


def test_a_final_answer_makes_the_delivery_dead(opened: Opened, receiver: HttpReceiver) -> None:
    """At once, with the status as its reason."""
    receiver.answer(Reply(410))
    engine = opened(Webhook(secrets=[NEW], allow=[receiver.url("")]))
    engine.run_due()
    delivery = _one(engine)
    assert (delivery.state, delivery.attempts) == (DeliveryState.DEAD, 1)
    assert "answered 410" in str(delivery.reason)
