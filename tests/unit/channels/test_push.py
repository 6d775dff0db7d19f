"""The channel for push messages: one call for each device, against a server that answers as Google's do."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from urllib.parse import parse_qs

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import JsonValue
from tests.http_receiver import HttpReceiver, Received, Reply, http_receiver
from tests.rule_files import book_of
from tests.shop import NOON

from whereupon import Engine
from whereupon.channels import Push
from whereupon.records import Delivery, DeliveryState
from whereupon.scheduling.clocks import FrozenClock


class Google:
    """The token endpoint and FCM; `says` has what a device's call is answered, once each."""

    def __init__(self) -> None:
        self.tokens = 0
        self.says: dict[str, list[Reply]] = {}
        self.sent: list[str] = []
        self.refuses_login = False

    def __call__(self, request: Received) -> Reply:
        """Answer a request."""
        if request.path == "/token":
            return self._token(request)
        assert request.headers["authorization"] == f"Bearer token-{self.tokens}"
        token = request.json["message"]["token"]
        if self.says.get(token):
            return self.says[token].pop(0)
        self.sent.append(token)
        return Reply(body=b'{"name": "projects/shop/messages/1"}')

    def _token(self, request: Received) -> Reply:
        assert parse_qs(request.body.decode())["grant_type"]
        if self.refuses_login:
            return Reply(400, body=b'{"error": "invalid_grant"}')
        self.tokens += 1
        said = {"access_token": f"token-{self.tokens}", "expires_in": 3600, "token_type": "Bearer"}
        return Reply(headers={"Content-Type": "application/json"}, body=orjson.dumps(said))


@pytest.fixture(scope="module")
def private_key() -> str:
    """The key of a service account."""
    key = generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem.decode()


@pytest.fixture
def google() -> Google:
    """What the server answers."""
    return Google()


@pytest.fixture
def receiver(google: Google) -> Iterator[HttpReceiver]:
    """The server."""
    with http_receiver(respond=google) as made:
        yield made


def _account(receiver: HttpReceiver, private_key: str) -> str:
    said = {
        "type": "service_account",
        "project_id": "shop",
        "private_key_id": "1",
        "private_key": private_key,
        "client_email": "push@shop.example",
        "token_uri": receiver.url("/token"),
    }
    return orjson.dumps(said).decode()


@pytest.fixture
def clock() -> FrozenClock:
    """Noon, until a test moves it."""
    return FrozenClock(NOON)


Opened = Callable[..., Engine]


@pytest.fixture
def opened(
    receiver: HttpReceiver, private_key: str, clock: FrozenClock, place: str
) -> Iterator[Opened]:
    """Opens an engine with a push channel, with devices of Ada's, and a delivery to her."""
    with ExitStack() as stack:

        def opens(*tokens: str, **content: JsonValue) -> Engine:
            rule = {
                "campaign": "hi",
                "description": "Say hello.",
                "when": "purchase",
                "reentry": "every_time",
                "whereupon": [{"send": "push", **(content or {"title": "Hi"})}],
            }
            engine = stack.enter_context(Engine.open(place, rules=book_of(rule), clock=clock))
            account = _account(receiver, private_key)
            engine.channel("push", Push(account, base_url=receiver.url("")), breaker=None)
            for token in tokens:
                engine.track(
                    "Device Created or Updated",
                    user_id="ada",
                    context={"device": {"token": token, "type": "android"}},
                )
            engine.track("purchase", user_id="ada")
            engine.run_due()
            return engine

        yield opens


def _fcm(status: int, code: str, **headers: str) -> Reply:
    detail = {"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code}
    said = {"error": {"code": status, "status": code, "details": [detail]}}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, named, orjson.dumps(said))


def _bad_request(*, with_code: bool) -> Reply:
    details = [{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": []}]
    if with_code:
        name = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
        details.append({"@type": name, "errorCode": "INVALID_ARGUMENT"})
    said = {"error": {"code": 400, "status": "INVALID_ARGUMENT", "details": details}}
    return Reply(400, body=orjson.dumps(said))


def _one(engine: Engine) -> Delivery:
    (delivery,) = engine.deliveries()
    return delivery


def _tokens(engine: Engine) -> set[str]:
    return {device.token for device in engine.devices("ada")}


def test_every_device_of_the_person_gets_one_call(
    opened: Opened, receiver: HttpReceiver, google: Google
) -> None:
    """Under one access token, which is asked for once."""
    engine = opened("t1", "t2", "t3")
    assert sorted(google.sent) == ["t1", "t2", "t3"]
    assert google.tokens == 1
    assert _one(engine).state is DeliveryState.SENT
    assert receiver.requests[-1].path == "/v1/projects/shop/messages:send"


def test_a_message_is_made_of_the_content(opened: Opened, receiver: HttpReceiver) -> None:
    """Values of data become texts; blocks of platforms pass through, and a repeat replaces the first."""
    engine = opened(
        "t1",
        title="Hi",
        body="there",
        image="https://shop.example/i.png",
        link="https://shop.example/x",
        data={"order": 7, "items": ["a"], "name": "Ada"},
        android={"priority": "high", "notification": {"color": "#fff"}},
        apns={"headers": {"apns-priority": "10"}},
    )
    key = _one(engine).idempotency_key
    assert receiver.requests[-1].json["message"] == {
        "token": "t1",
        "notification": {"title": "Hi", "body": "there", "image": "https://shop.example/i.png"},
        "data": {
            "order": "7",
            "items": '["a"]',
            "name": "Ada",
            "deliveryId": key,
            "link": "https://shop.example/x",
        },
        "android": {"priority": "high", "notification": {"tag": key, "color": "#fff"}},
        "apns": {"headers": {"apns-collapse-id": key, "apns-priority": "10"}},
        "webpush": {
            "notification": {"tag": key},
            "fcm_options": {"link": "https://shop.example/x"},
        },
    }


GONE = [_fcm(404, "UNREGISTERED"), _fcm(400, "INVALID_ARGUMENT"), _fcm(404, "NOT_FOUND")]


@pytest.mark.parametrize("reply", GONE)
def test_a_device_that_no_longer_exists_is_deleted(
    opened: Opened, google: Google, reply: Reply
) -> None:
    """By the ordinary message; the others get the delivery, which is sent."""
    google.says["t1"] = [reply]
    engine = opened("t1", "t2")
    assert _tokens(engine) == {"t2"}
    assert (google.sent, _one(engine).state) == (["t2"], DeliveryState.SENT)


@pytest.mark.parametrize("tokens", [(), ("t1",)])
def test_a_person_without_device_gets_nothing(
    opened: Opened, google: Google, tokens: tuple[str, ...]
) -> None:
    """There is none, or none that still exists: the delivery is dead at once."""
    google.says["t1"] = [_fcm(404, "UNREGISTERED")]
    delivery = _one(opened(*tokens))
    assert (delivery.state, delivery.attempts) == (DeliveryState.DEAD, 1)
    assert str(delivery.reason).startswith("no-device")


@pytest.mark.parametrize("reply", [Reply(503), Reply(500), Reply(raw=b"nonsense\r\n\r\n")])
def test_only_devices_that_did_not_get_it_are_called_again(
    opened: Opened, google: Google, clock: FrozenClock, reply: Reply
) -> None:
    """One device fails in passing; the next try leaves out those that had the delivery."""
    google.says["t1"] = [reply]
    engine = opened("t1", "t2", "t3")
    assert _one(engine).state is DeliveryState.PENDING
    clock.move_to(NOON + timedelta(minutes=5))
    engine.run_due()
    assert sorted(google.sent) == ["t1", "t2", "t3"]
    assert _one(engine).state is DeliveryState.SENT


def test_a_quota_makes_the_channel_wait(opened: Opened, google: Google, clock: FrozenClock) -> None:
    """As long as Retry-After says."""
    google.says["t1"] = [_fcm(429, "QUOTA_EXCEEDED", Retry_After="600")]
    engine = opened("t1")
    clock.move_to(NOON + timedelta(minutes=9))
    engine.run_due()
    assert google.sent == []
    clock.move_to(NOON + timedelta(minutes=11))
    engine.run_due()
    assert google.sent == ["t1"]


REFUSED = [
    Reply(401),
    _fcm(403, "PERMISSION_DENIED"),
    _fcm(401, "THIRD_PARTY_AUTH_ERROR"),
    _fcm(403, "SENDER_ID_MISMATCH"),
    Reply(404, body=b"<html>"),
]


@pytest.mark.parametrize("reply", REFUSED)
def test_refused_credentials_delete_no_device_and_kill_no_delivery(
    opened: Opened,
    google: Google,
    clock: FrozenClock,
    caplog: pytest.LogCaptureFixture,
    reply: Reply,
) -> None:
    """Our own key or project is wrong; it is an error in the log, and the delivery is tried again."""
    google.says["t1"] = [reply]
    engine = opened("t1")
    assert "channel-refused channel=push" in caplog.text
    assert (_one(engine).state, _tokens(engine)) == (DeliveryState.PENDING, {"t1"})
    clock.move_to(NOON + timedelta(minutes=5))
    engine.run_due()
    assert google.sent == ["t1"]


def test_a_refused_login_kills_no_delivery(
    opened: Opened, google: Google, caplog: pytest.LogCaptureFixture
) -> None:
    """Google gives no access token; nothing is sent."""
    google.refuses_login = True
    engine = opened("t1")
    assert (_one(engine).state, google.sent) == (DeliveryState.PENDING, [])
    assert "channel-refused channel=push status=no-token" in caplog.text


@pytest.mark.parametrize("with_code", [True, False])
def test_a_message_that_is_wrong_is_final_and_deletes_no_device(
    opened: Opened, google: Google, *, with_code: bool
) -> None:
    """FCM says that the request is bad, and not the token."""
    google.says["t1"] = [_bad_request(with_code=with_code)]
    engine = opened("t1")
    assert (_one(engine).state, _tokens(engine)) == (DeliveryState.DEAD, {"t1"})
    assert "INVALID_ARGUMENT" in str(_one(engine).reason)


def test_a_key_that_would_be_left_out_is_final(opened: Opened) -> None:
    """The reason names it."""
    assert "does not know colour" in str(_one(opened("t1", title="x", colour="red")).reason)


def test_credentials_are_read_from_a_file(
    receiver: HttpReceiver, private_key: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A path instead of the text; what is neither is an error when the channel is made."""
    path = tmp_path_factory.mktemp("key") / "account.json"
    path.write_text(_account(receiver, private_key))
    Push(str(path))
    for wrong in ("/nowhere/x.json", "{}", "{nonsense", '{"token_uri": "https://x.example/"}'):
        with pytest.raises(ValueError, match="credentials are"):
            Push(wrong)


def test_without_credentials_the_environments_are_used(
    receiver: HttpReceiver,
    private_key: str,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Google's Application Default Credentials; without them the channel cannot be made."""
    path = tmp_path_factory.mktemp("key") / "account.json"
    path.write_text(_account(receiver, private_key))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    Push()
