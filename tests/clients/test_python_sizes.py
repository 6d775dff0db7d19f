"""Large messages and large batches of the Python clients: what each of them checks itself, and what the door says."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from tests.clients.doors import Shop, between, open_shop
from tests.clients.expected import stored_in
from tests.clients.python_clients import ALL, CUSTOMERIO, RUDDERSTACK, SEGMENT, PythonClient
from tests.clients.session import Call

pytestmark = pytest.mark.filterwarnings(
    "ignore:datetime.datetime.utc"
)  # the clients', from Python 3.12 on


def _large(number: int, size: int) -> Call:
    return Call(
        message_id=f"large-{number}",
        type="track",
        timestamp=datetime.now(UTC),  # noqa: TID251 - of the app, which has no Clock
        user_id="ada",
        name="noted",
        data={"text": "x" * size},
    )


@contextmanager
def _told(
    sdk: PythonClient, shop: Shop, url: str, **options: object
) -> Iterator[tuple[Any, list[Any]]]:
    errors: list[Any] = []
    told = lambda error, _: errors.append(error)  # noqa: E731
    with sdk.client(shop.key, url, on_error=told, **options) as client:
        yield client, errors


@pytest.mark.parametrize(
    ("sdk", "options"),
    [(SEGMENT, {}), (CUSTOMERIO, {}), (RUDDERSTACK, {"upload_size": 15})],
    ids=lambda value: value.distribution if isinstance(value, PythonClient) else "",
)
def test_a_megabyte_of_messages_arrives_in_several_batches(
    sdk: PythonClient, options: dict[str, object]
) -> None:
    """Segment's and Customer.io's clients divide it by size; RudderStack's is told to divide it by number."""
    calls = [_large(number, 20_000) for number in range(50)]
    with open_shop() as shop, between(shop.url) as proxy:
        with _told(sdk, shop, proxy.url, **options) as (client, errors):
            for call in calls:
                sdk.say(client, call)
        assert errors == []
        assert len(proxy.requests) > 1
        assert {*proxy.statuses} == {200}
        assert {*stored_in(shop.engine)} == {call.message_id for call in calls}


def test_rudderstacks_client_makes_batches_that_are_too_large() -> None:
    """It divides at 4 MB. The app is told once, with the limit in words, and nothing of the batch is stored."""
    with open_shop() as shop, between(shop.url) as proxy:
        with _told(RUDDERSTACK, shop, proxy.url) as (client, errors):
            for number in range(50):
                RUDDERSTACK.say(client, _large(number, 20_000))
        assert {*proxy.statuses} == {400}
        assert {(error.status, error.code) for error in errors} == {(400, "body-too-large")}
        assert all("send at most 512000 bytes" in error.message for error in errors)
        assert stored_in(shop.engine) == {}


@pytest.mark.parametrize("sdk", ALL, ids=lambda sdk: sdk.distribution)
def test_a_message_that_is_too_large_does_not_hold_up_the_others(sdk: PythonClient) -> None:
    """Segment's and Customer.io's clients raise in the call; RudderStack's sends it, and the answer names it."""
    with open_shop() as shop, between(shop.url) as proxy:
        with _told(sdk, shop, proxy.url) as (client, errors):
            sdk.say(client, _large(0, 10))
            if sdk is RUDDERSTACK:
                sdk.say(client, _large(1, 40_000))
            else:
                with pytest.raises(RuntimeError, match=r"Message exceeds .*kb limit"):
                    sdk.say(client, _large(1, 40_000))
            sdk.say(client, _large(2, 10))
        assert errors == []
        assert {*stored_in(shop.engine)} == {"large-0", "large-2"}
        said = [
            each
            for answer in proxy.answers
            for each in orjson.loads(answer.body).get("rejected", [])
        ]
        refused = [(each["index"], each["code"]) for each in said]
        assert refused == ([(1, "message-too-large")] if sdk is RUDDERSTACK else [])
