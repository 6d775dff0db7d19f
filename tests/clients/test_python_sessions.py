"""A whole session of each Python client, against a running door: what arrives is what was sent, field by field."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.clients.doors import Shop, open_shop
from tests.clients.expected import body_of, differences, instant, stored_in
from tests.clients.python_clients import (
    ALL,
    CUSTOMERIO,
    PYTHON,
    RUDDERSTACK,
    SEGMENT,
    PythonClient,
)
from tests.clients.session import Call, Json, ask, use, visit

from whereupon import DeliveryState
from whereupon.messages.metrics import Metric
from whereupon.records import Delivery, Person

each_client = pytest.mark.parametrize("sdk", ALL, ids=lambda sdk: sdk.distribution)
pytestmark = pytest.mark.filterwarnings(
    "ignore:datetime.datetime.utc"
)  # the clients', from Python 3.12 on


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - of the app, which has no Clock


def _say(sdk: PythonClient, shop: Shop, calls: list[Call], **options: object) -> None:
    """Send calls through a client's queue and threads; it reports no error."""
    errors: list[tuple[Exception, list[Json]]] = []
    told = lambda error, batch: errors.append((error, batch))  # noqa: E731
    with sdk.client(shop.key, shop.url, on_error=told, **options) as client:
        for call in calls:
            sdk.say(client, call)
    assert errors == []


def _assert_arrived(sdk: PythonClient, shop: Shop, calls: list[Call], since: datetime) -> None:
    """Each message stands in the store once, with every field that was sent, and with no other but ``sentAt``."""
    stored = stored_in(shop.engine)
    for call in calls:
        body = body_of(stored[call.message_id])
        sent_at = instant(str(body.pop("sentAt")))
        assert since <= sent_at <= _now()
        assert differences(sdk.sends(call), body) == [], call.message_id


@each_client
@pytest.mark.parametrize("gzip", [False, True], ids=["plain", "gzip"])
def test_a_session_arrives_as_it_was_sent(sdk: PythonClient, gzip: bool) -> None:
    """Every field of every call, with the option to compress and without."""
    since = _now()
    calls = [*visit(since - timedelta(minutes=5)), *use(since - timedelta(minutes=4), PYTHON)]
    with open_shop() as shop:
        _say(sdk, shop, calls, gzip=gzip)
        _assert_arrived(sdk, shop, calls, since)
        assert len(stored_in(shop.engine)) == len(calls)


@each_client
def test_a_session_does_what_it_says(sdk: PythonClient, place: str) -> None:
    """It claims, triggers, merges, registers devices, reports, deletes and suppresses, in every kind of store."""
    since = _now()
    with open_shop(place) as shop:
        engine = shop.engine
        engine.channel("push")(lambda _: None)
        first = [*visit(since - timedelta(minutes=5)), *use(since - timedelta(minutes=4), PYTHON)]
        _say(sdk, shop, first)
        engine.run_due()
        (thanks,) = engine.deliveries(DeliveryState.SENT)
        assert (thanks.person, thanks.content) == ("ada", {"title": "Thanks for the socks"})
        _say(sdk, shop, ask(since - timedelta(minutes=3), thanks.idempotency_key))
        engine.run_due()
        ada = engine.identity("ada")
        assert set(ada.user_ids) == {"ada", "ada@example.com"}
        assert [device.token for device in engine.devices("ada")] == ["token-1"]
        with engine.store.session() as session:
            persons = {person.user_id: person.attributes for person in session.scan(Person)}
            (reported,) = session.scan(Delivery)
        # nia is deleted, eve is suppressed, zoe was for a while
        assert {*persons} == {"ada", "4211", "zoe"}
        assert differences(_ada(), persons["ada"]) == []
        assert persons["zoe"] == {}
        assert reported.reports == {Metric.OPENED}


@pytest.mark.parametrize(
    ("sdk", "option"),
    [(SEGMENT, "host"), (CUSTOMERIO, "host"), (RUDDERSTACK, "dataPlaneUrl")],
    ids=lambda value: value.distribution if isinstance(value, PythonClient) else "",
)
def test_the_functions_of_a_module_send_to_the_door(
    sdk: PythonClient, option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many apps set a module's key and host instead of making a client."""
    module = sdk.module
    with open_shop() as shop:
        monkeypatch.setattr(module, "write_key", shop.key)
        monkeypatch.setattr(module, option, shop.url)
        monkeypatch.setattr(module, "default_client", None)
        module.track(user_id="ada", event="played_game", message_id="by-function")
        module.shutdown()
        assert {*stored_in(shop.engine)} == {"by-function"}
        sdk.let_go()


def _ada() -> Json:
    """The attributes of Ada after the session."""
    first: Json = {"first_name": "Ada", "email": "ada@example.com", "address": {"city": "Łódź"}}
    return {**first, **PYTHON.arrives, "plan": "pro"}
