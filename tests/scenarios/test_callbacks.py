"""Callbacks of providers: what is signed is reported once, and what is not is refused unread."""

import base64
import hmac
import json
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.rule_files import book_of
from tests.shop import NOON

from whereupon import Engine
from whereupon.scheduling.clocks import FrozenClock
from whereupon.web.callbacks import (
    MailgunCallback,
    PostmarkCallback,
    ProviderCallback,
    SendGridCallback,
    StandardCallback,
    TwilioCallback,
)
from whereupon.web.http import Request
from whereupon.web.site import Site

RULE: dict[str, object] = {
    "campaign": "thanks",
    "description": "Thank people.",
    "when": "purchase",
    "reentry": "every_time",
    "whereupon": [{"send": "email", "text": "Thanks"}],
}
STAMP = str(int(NOON.timestamp()))


@pytest.fixture
def clock() -> FrozenClock:
    """Noon, until a test moves it."""
    return FrozenClock(NOON)


@pytest.fixture
def engine(clock: FrozenClock) -> Iterator[Engine]:
    """An engine that has sent one mail."""
    with Engine.open("memory://", rules=book_of(RULE), clock=clock) as engine:
        engine.channel("email", lambda _: None)
        engine.identify("ada", traits={"email": "ada@example.com"})
        engine.track("purchase", user_id="ada")
        engine.run_due()
        yield engine


def _key(engine: Engine) -> str:
    return engine.deliveries()[0].idempotency_key


def _reports(engine: Engine) -> set[str]:
    return {metric.value for metric in engine.deliveries()[0].reports}


def _post(
    engine: Engine, callback: ProviderCallback, body: bytes, query: str = "", **headers: str
) -> int:
    said = {name.replace("_", "-"): value for name, value in headers.items()}
    request = Request(
        method="POST",
        path="/callbacks/email",
        query=query,
        headers=said,
        body=body,
        origin="https://shop.example/w",
    )
    answered = Site(engine, callbacks={"email": callback}).answer(request)
    assert answered.status == 200 or answered.body == b""
    return answered.status


SECRET = base64.b64encode(b"a secret of this test").decode()


def _standard(body: bytes, *, at: str = STAMP, secret: str = SECRET) -> dict[str, str]:
    signed = f"m-1.{at}.".encode() + body
    signature = base64.b64encode(hmac.digest(base64.b64decode(secret), signed, "sha256")).decode()
    return {"webhook_id": "m-1", "webhook_timestamp": at, "webhook_signature": f"v1,{signature}"}


def test_a_signed_callback_reports_once(engine: Engine) -> None:
    """One object or a list; the same request again changes nothing."""
    callback = StandardCallback("whsec_" + SECRET)
    said = [
        {"key": _key(engine), "metric": "opened"},
        {"key": _key(engine), "metric": "bounced", "permanent": False, "reason": "full"},
    ]
    body = json.dumps(said).encode()
    for _ in range(2):
        assert _post(engine, callback, body, **_standard(body)) == 200
    assert _reports(engine) == {"opened", "bounced"}
    assert engine.suppression("email", "ada@example.com") is None


def test_an_old_or_changed_callback_is_refused_and_a_former_secret_is_not(
    engine: Engine, clock: FrozenClock
) -> None:
    """Five minutes, by the engine's clock; nothing is reported, and nothing is said but 401."""
    other = base64.b64encode(b"another one").decode()
    callback = StandardCallback(other, SECRET)
    body = json.dumps({"key": _key(engine), "metric": "opened"}).encode()
    headers = _standard(body)
    assert _post(engine, callback, body + b" ", **headers) == 401
    assert _post(engine, callback, body, **{**headers, "webhook_timestamp": "soon"}) == 401
    assert _post(engine, callback, body) == 401
    clock.move_to(NOON + timedelta(minutes=6))
    assert _post(engine, callback, body, **headers) == 401
    assert _reports(engine) == set()
    clock.move_to(NOON + timedelta(minutes=6))
    fresh = str(int(clock.now().timestamp()))
    assert _post(engine, callback, body, **_standard(body, at=fresh)) == 200


@pytest.mark.parametrize(
    "body", [b"{", b"[1]", b"{}", b'{"key": "k", "metric": "opened", "permanent": 1}']
)
def test_a_body_that_is_no_callback_is_said_to_be_wrong(engine: Engine, body: bytes) -> None:
    """Though it is signed."""
    callback = StandardCallback(SECRET)
    assert _post(engine, callback, body, **_standard(body)) == 400


TOKEN = "-".join(("a", "token"))


def _twilio(engine: Engine, url: str, **fields: str) -> tuple[bytes, dict[str, str]]:
    signed = f"{url}?key={_key(engine)}" + "".join(n + fields[n] for n in sorted(fields))
    signature = base64.b64encode(hmac.digest(TOKEN.encode(), signed.encode(), "sha1")).decode()
    return urlencode(fields).encode(), {
        "x_twilio_signature": signature,
        "content_type": "application/x-www-form-urlencoded",
    }


@pytest.mark.parametrize(
    ("status", "code", "metric", "suppressed"),
    [
        ("delivered", "", {"delivered"}, False),
        ("undelivered", "30005", {"bounced"}, True),
        ("undelivered", "30003", {"bounced"}, False),
        ("failed", "30008", {"failed"}, False),
        ("undelivered", "21610", {"unsubscribed"}, False),
        ("queued", "", set(), False),
    ],
)
def test_twilio_reports_by_the_key_in_its_url(
    engine: Engine, status: str, code: str, metric: set[str], suppressed: bool
) -> None:
    """Its codes say whether a number does not exist; the URL behind a proxy can be given."""
    said = {"MessageSid": "SM1", "MessageStatus": status} | ({"ErrorCode": code} if code else {})
    for url, callback in (
        ("https://shop.example/w/callbacks/email", TwilioCallback(TOKEN)),
        ("https://public.example/sms", TwilioCallback(TOKEN, url="https://public.example/sms")),
    ):
        body, headers = _twilio(engine, url, **said)
        assert _post(engine, callback, body, f"key={_key(engine)}", **headers) == 200
        assert _post(engine, callback, body, "key=another", **headers) == 401
    assert _reports(engine) == metric
    assert (engine.suppression("email", "ada@example.com") is not None) is suppressed


def test_sendgrid_is_read_if_its_curve_agrees(engine: Engine) -> None:
    """Blocked mail suppresses nothing, a complaint does; what is changed on the way is refused."""
    private = ec.generate_private_key(ec.SECP256R1())
    public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    callback = SendGridCallback(base64.b64encode(public).decode())
    own = {"whereupon_key": _key(engine), "timestamp": int(STAMP)}
    for event, suppressed in (
        ({"event": "processed"}, False),
        ({"event": "bounce", "type": "blocked", "sg_event_id": "e1"}, False),
        ({"event": "open", "sg_event_id": "e2"}, False),
        ({"event": "spamreport", "sg_event_id": "e3"}, True),
    ):
        body = json.dumps([{**own, **event}]).encode()
        signature = private.sign(STAMP.encode() + body, ec.ECDSA(SHA256()))
        headers = {
            "x_twilio_email_event_webhook_timestamp": STAMP,
            "x_twilio_email_event_webhook_signature": base64.b64encode(signature).decode(),
        }
        assert _post(engine, callback, body + b" ", **headers) == 401
        assert _post(engine, callback, body, **headers) == 200
        assert (engine.suppression("email", "ada@example.com") is not None) is suppressed
    assert _reports(engine) == {"bounced", "opened", "complained"}


@pytest.mark.parametrize(
    ("severity", "metric"), [("permanent", "bounced"), ("temporary", "deferred")]
)
def test_mailgun_is_read_if_its_token_is_signed(engine: Engine, severity: str, metric: str) -> None:
    """A temporary failure is a deferral."""
    callback = MailgunCallback("a key of this test")
    signature = hmac.digest(b"a key of this test", f"{STAMP}token".encode(), "sha256").hex()
    said = {
        "signature": {"timestamp": STAMP, "token": "token", "signature": signature},
        "event-data": {
            "event": "failed",
            "severity": severity,
            "id": "e1",
            "timestamp": float(STAMP),
            "user-variables": {"whereupon_key": _key(engine)},
        },
    }
    assert _post(engine, callback, json.dumps(said).encode()) == 200
    assert _reports(engine) == {metric}
    said["signature"] = {"timestamp": STAMP, "token": "other", "signature": signature}
    assert _post(engine, callback, json.dumps(said).encode()) == 401


def test_postmark_is_read_if_it_knows_the_password(engine: Engine) -> None:
    """A bounce that made the address inactive is final; another is not."""
    callback = PostmarkCallback("postmark", "a password of this test")
    right = base64.b64encode(b"postmark:a password of this test").decode()
    own = {"RecordType": "Bounce", "Metadata": {"whereupon_key": _key(engine)}}
    for number, inactive in enumerate((False, True)):
        body = json.dumps({**own, "ID": number, "Inactive": inactive}).encode()
        assert _post(engine, callback, body, authorization="Basic nonsense") == 401
        assert _post(engine, callback, body, authorization=f"Basic {right}") == 200
        assert (engine.suppression("email", "ada@example.com") is not None) is inactive
