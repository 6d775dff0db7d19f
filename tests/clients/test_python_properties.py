"""Any properties that JSON can hold arrive through the Python clients as they are."""

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue
from tests.clients.doors import open_shop
from tests.clients.expected import body_of, differences, stored_in
from tests.clients.python_clients import ALL, PythonClient
from tests.clients.session import Call
from tests.examples import examples

pytestmark = pytest.mark.filterwarnings(
    "ignore:datetime.datetime.utc"
)  # the clients', from Python 3.12 on

LEAVES = (
    st.none() | st.booleans() | st.integers(-(2**80), 2**80) | st.floats() | st.text(max_size=40)
)
PROPERTIES = st.dictionaries(
    st.text(max_size=20),
    st.recursive(
        LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=20), inner)
    ),
)


def _arrives(value: JsonValue) -> JsonValue:
    """A value as it must arrive: JSON has neither NaN nor infinity."""
    if isinstance(value, dict):
        return {name: _arrives(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_arrives(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@pytest.fixture(scope="module", params=ALL, ids=lambda sdk: sdk.distribution)
def sender(
    request: pytest.FixtureRequest,
) -> Iterator[tuple[PythonClient, Any, Any, Iterator[int]]]:
    """A client that sends each call at once, to a shop of its own."""
    sdk: PythonClient = request.param
    with open_shop() as shop:
        client = sdk.module.Client(shop.key, host=shop.url, sync_mode=True)
        yield sdk, client, shop.engine, count()
        sdk.let_go()


@examples(30)  # each is a request
@given(PROPERTIES)
def test_properties_arrive_as_they_are(
    sender: tuple[PythonClient, Any, Any, Iterator[int]], properties: dict[str, JsonValue]
) -> None:
    """Whatever names, numbers, texts and nesting they have."""
    sdk, client, engine, numbers = sender
    call = Call(
        message_id=f"any-{next(numbers)}",
        type="track",
        timestamp=datetime.now(UTC),  # noqa: TID251 - of the app, which has no Clock
        user_id="ada",
        name="noted",
        data=properties,
        arrives=cast("dict[str, JsonValue]", _arrives(cast("JsonValue", properties))),
    )
    sdk.say(client, call)
    body = body_of(stored_in(engine)[call.message_id])
    del body["sentAt"]
    assert differences(sdk.sends(call), body) == []
