"""What the Python clients do when the door refuses or is away: everything arrives once, or is reported once."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from tests.clients.doors import Between, Break, between, open_shop
from tests.clients.expected import stored_in
from tests.clients.python_clients import ALL, CUSTOMERIO, SEGMENT, PythonClient
from tests.clients.session import Call, Json
from tests.http_receiver import Reply
from tests.scenarios.test_serve import serving
from tests.servers import Server, mortal

from whereupon import Engine
from whereupon.records import Delivery

each_client = pytest.mark.parametrize("sdk", ALL, ids=lambda sdk: sdk.distribution)
pytestmark = pytest.mark.filterwarnings(
    "ignore:datetime.datetime.utc"
)  # the clients', from Python 3.12 on
PURCHASES = 25


class Told:
    """What a client told the app by its ``on_error``."""

    def __init__(self) -> None:
        self.errors: list[Any] = []
        self.batches: list[list[Json]] = []

    def __call__(self, error: Exception, batch: list[Json]) -> None:
        """Keep it; a client calls this in its own thread."""
        self.errors.append(error)
        self.batches.append(batch)


def _purchases(count: int = PURCHASES, user: str = "ada") -> list[Call]:
    now = datetime.now(UTC)  # noqa: TID251 - of the app, which has no Clock
    return [
        Call(
            message_id=f"purchase-{number}",
            type="track",
            timestamp=now - timedelta(seconds=count - number),
            user_id=user,
            name="purchase",
            data={"product": "socks", "price": 20.5 + number},
        )
        for number in range(count)
    ]


@contextmanager
def _told(sdk: PythonClient, key: str, url: str, **options: object) -> Iterator[tuple[Any, Told]]:
    """A client that sends five messages at a time, and what it tells the app."""
    told = Told()
    usual: dict[str, object] = {"upload_size": 5, "on_error": told}
    with sdk.client(key, url, **{**usual, **options}) as client:
        yield client, told


def _assert_all_there_once(engine: Engine, calls: list[Call]) -> None:
    """Each message is recorded, and did what it does once: one delivery for each purchase."""
    assert {*stored_in(engine)} == {call.message_id for call in calls}
    with engine.store.session() as session:
        deliveries = [*session.scan(Delivery)]
    assert sorted(str(each.message_id) for each in deliveries) == sorted(
        call.message_id for call in calls
    )


@each_client
@pytest.mark.parametrize("how", [Break.BEFORE, Break.AFTER], ids=["before", "after"])
def test_a_connection_that_breaks_loses_and_doubles_nothing(sdk: PythonClient, how: Break) -> None:
    """Whether the door had the request or not, the client sends it again under the same message ids."""
    calls = _purchases()
    with open_shop() as shop, between(shop.url, how, Break.NOTHING, how) as proxy:
        with _told(sdk, shop.key, proxy.url) as (client, told):
            for call in calls:
                sdk.say(client, call)
        assert told.errors == []
        assert len(proxy.requests) >= PURCHASES / 5 + 2
        _assert_all_there_once(shop.engine, calls)


@pytest.fixture(scope="module")
def mortal_postgres() -> Iterator[Server]:
    """A server to stop and to start again."""
    with mortal() as server:
        yield server


@pytest.mark.postgres
@each_client
def test_a_store_that_is_away_for_a_while_loses_nothing(
    sdk: PythonClient, mortal_postgres: Server
) -> None:
    """The door answers 503 with a time to wait, and the client sends the same again until it is taken."""
    calls = _purchases()
    with (
        mortal_postgres.empty() as url,
        open_shop(url, patience=timedelta(seconds=1)) as shop,
        between(shop.url) as proxy,
    ):
        mortal_postgres.stop()
        back = Thread(target=mortal_postgres.start)

        def come_back(answer: Reply) -> None:
            if answer.status == 503 and back.ident is None:
                back.start()

        proxy.on_answer = come_back
        with _told(sdk, shop.key, proxy.url) as (client, told):
            for call in calls:
                sdk.say(client, call)
        back.join()
        assert told.errors == []
        assert {*proxy.statuses} == {200, 503}
        _assert_all_hold_back(proxy, 503)
        _assert_all_there_once(shop.engine, calls)


@pytest.mark.slow
def test_a_server_that_is_killed_loses_nothing(tmp_path: Path) -> None:
    """What it has acknowledged is stored, and the clients send the rest to the server that is started next."""
    store = ["--store", "sqlite:///shop.db"]
    with Engine.open(f"sqlite:///{tmp_path}/shop.db") as engine:
        key = engine.keys.create("shop", kind="server").secret
    calls: list[Call] = []
    with (
        serving(tmp_path, *store) as first,
        between(f"http://127.0.0.1:{first.port}") as proxy,
        ExitStack() as later,
    ):
        killed = Event()

        def kill(_: Reply) -> None:
            if len(proxy.answers) == 4:
                first.process.kill()
                first.process.wait()
                killed.set()

        proxy.on_answer = kill
        with ExitStack() as clients:
            every = [(sdk, *clients.enter_context(_told(sdk, key, proxy.url))) for sdk in ALL]
            for sdk, client, _ in every:
                for call in _purchases(15):
                    message_id = f"{sdk.distribution}-{call.message_id}"
                    calls.append(replace(call, name="hello", message_id=message_id))
                    sdk.say(client, calls[-1])
            assert killed.wait(60)
            second = later.enter_context(serving(tmp_path, *store))
            proxy.door = f"http://127.0.0.1:{second.port}"
    assert [told.errors for _, _, told in every] == [[], [], []]
    with Engine.open(f"sqlite:///{tmp_path}/shop.db") as engine:
        _assert_all_there_once(engine, calls)


@each_client
def test_a_key_over_its_limit_loses_nothing(sdk: PythonClient) -> None:
    """The door answers 429 with a time to wait, and what is sent in the end is everything, once."""
    calls = _purchases()
    with open_shop() as shop, between(shop.url) as proxy:
        key = shop.engine.keys.create("slow", kind="server", limit="10 per 1s").secret
        with _told(sdk, key, proxy.url) as (client, told):
            for call in calls:
                sdk.say(client, call)
        assert told.errors == []
        assert {*proxy.statuses} == {200, 429}
        _assert_all_hold_back(proxy, 429)
        _assert_all_there_once(shop.engine, calls)


def _assert_all_hold_back(proxy: Between, status: int) -> None:
    """Each answer of that status says how long to wait, in whole seconds, and why, so that every client reads it."""
    refusals = [answer for answer in proxy.answers if answer.status == status]
    for answer in refusals:
        headers = {name.lower(): value for name, value in answer.headers.items()}
        assert 1 <= int(headers["retry-after"]) <= 60
        assert "retry-after" in headers["access-control-expose-headers"].lower()


def test_segments_client_counts_its_tries() -> None:
    """It says in a header how often it has tried before, and the door takes the request all the same."""
    with open_shop() as shop, between(shop.url, Break.BEFORE, Break.BEFORE) as proxy:
        with _told(SEGMENT, shop.key, proxy.url) as (client, told):
            SEGMENT.say(client, _purchases(1)[0])
        assert told.errors == []
        assert [each.headers.get("x-retry-count") for each in proxy.requests] == [None, "1", "2"]


@each_client
def test_an_unknown_key_is_reported_once(sdk: PythonClient) -> None:
    """401, with a code and a message that the client can show; it does not try again."""
    with open_shop() as shop, between(shop.url) as proxy:
        with _told(sdk, "wk_of_nobody", proxy.url) as (client, told):
            for call in _purchases(3):
                sdk.say(client, call)
        assert proxy.statuses == [401]
        (error,), (batch,) = told.errors, told.batches
        assert (error.status, error.code) == (401, "unknown-key")
        assert error.message
        assert [each["messageId"] for each in batch] == ["purchase-0", "purchase-1", "purchase-2"]
        assert stored_in(shop.engine) == {}


@each_client
def test_without_a_queue_an_app_is_told_by_an_exception(sdk: PythonClient) -> None:
    """In the call itself, and nothing is tried again; what is good is stored when the call returns."""
    good, bad = _purchases(1), _purchases(1, user="undefined")
    with open_shop() as shop, between(shop.url) as proxy:
        client = sdk.module.Client(shop.key, host=proxy.url, sync_mode=True)
        sdk.say(client, good[0])
        _assert_all_there_once(shop.engine, good)
        with pytest.raises(Exception, match=r"junk-id: userId 'undefined' .*\(400\)"):
            sdk.say(client, bad[0])
        assert proxy.statuses == [200, 400]
        sdk.let_go()


@each_client
def test_a_batch_of_bad_messages_alone_is_reported_once(sdk: PythonClient) -> None:
    """400, with the code and the words for the first of them; it does not try again."""
    with open_shop() as shop, between(shop.url) as proxy:
        with _told(sdk, shop.key, proxy.url) as (client, told):
            for call in _purchases(2, user="undefined"):
                sdk.say(client, call)
        assert proxy.statuses == [400]
        (error,) = told.errors
        assert (error.status, error.code) == (400, "all-rejected")
        assert "undefined" in error.message
        assert stored_in(shop.engine) == {}


@each_client
def test_a_bad_message_among_good_ones_is_named_in_the_answer(sdk: PythonClient) -> None:
    """The good ones are in. The client ignores what the answer says of the others, and people can read it."""
    calls = _purchases(3)
    bad = _purchases(1, user="undefined")
    with open_shop() as shop, between(shop.url) as proxy:
        with _told(sdk, shop.key, proxy.url) as (client, told):
            for call in [calls[0], *bad, *calls[1:]]:
                sdk.say(client, call)
        assert told.errors == []
        (answer,) = proxy.answers
        assert answer.status == 200
        assert b'"index":1' in answer.body.replace(b" ", b"")
        _assert_all_there_once(shop.engine, calls)


@pytest.mark.parametrize("prefix", ["pk_us_", "sk_eu_"])
def test_an_adopted_key_of_customerio_comes_as_a_bearer(prefix: str) -> None:
    """Its client sends a key with the prefix of a region as ``Authorization: Bearer``, and others by Basic."""
    secret = f"{prefix}0a1b2c3d4e5f6a7b8c9d"
    with open_shop() as shop, between(shop.url) as proxy:
        shop.engine.keys.create("adopted", kind="server", adopt=secret)
        with _told(CUSTOMERIO, secret, proxy.url) as (client, told):
            CUSTOMERIO.say(client, _purchases(1)[0])
        assert (told.errors, proxy.statuses) == ([], [200])
        assert proxy.requests[0].headers["authorization"] == f"Bearer {secret}"
