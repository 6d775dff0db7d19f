"""A whole visit through each client of Node, against a real server."""

import pytest
from tests.js_clients.node import run_node
from tests.js_clients.node_clients import CLIENTS, said
from tests.js_clients.serving import Serving
from tests.js_clients.session import KNOWN_FROM, VISIT, differences

from whereupon import Engine, UnknownNameError
from whereupon.decide.decisions import Outcome
from whereupon.records.api_keys import KeyKind


@pytest.mark.parametrize("name", CLIENTS)
def test_what_arrives_is_what_was_sent(name: str, shop: Serving) -> None:
    """A client of Node needs nothing but another host, and nothing is lost, changed or added on the way."""
    ended = run_node(name, shop.url, shop.key(KeyKind.SERVER).secret, visit=True)
    visit = [said(message, place, KNOWN_FROM) for place, message in enumerate(VISIT)]
    arrived = shop.arrived()
    assert ended.failed == []
    assert differences(CLIENTS[name].expected(visit), (one.body for one in arrived)) == []
    assert {one.source for one in arrived} == {"server"}


@pytest.mark.parametrize("name", CLIENTS)
def test_a_visit_and_requests_do_what_the_same_calls_of_the_library_do(
    name: str, shop: Serving
) -> None:
    """Rules see the ids, claims, traits and numbers; a device is known; a server's deletion runs at once."""
    run_node(name, shop.url, shop.key(KeyKind.SERVER).secret, visit=True, requests=["device"])
    with Engine.open(shop.store, rules=shop.folder / "rules") as engine:
        person = engine.identity("ada")
        (device,) = engine.devices("ada")
        why = [explained.outcome for explained in engine.explain("ada", "sock-thanks")]
    assert [claimed.anonymous_id for claimed in person.anonymous_ids] == [
        "ada@example.com",
        "anon-1",
    ]
    assert (device.token, device.platform) == ("token-1", "ios")
    assert why == [Outcome.ENTERED]
    run_node(name, shop.url, shop.key(KeyKind.SERVER).secret, requests=["deletion"])
    with Engine.open(shop.store) as engine, pytest.raises(UnknownNameError):
        engine.identity("ada")


REFUSED = {
    "segment": "[401] Unauthorized",
    "customerio": "[401] Unauthorized",
    "rudderstack": "status code 401",
    "old-segment": "status code 401",
    "pipelines": "the key is not known here",
}


@pytest.mark.parametrize("name", CLIENTS)
def test_a_wrong_key_is_told_to_the_app(name: str, shop: Serving) -> None:
    """Each client tells it as it does; nothing of the messages is kept."""
    ended = run_node(name, shop.url, "wk_of_nobody", numbered=1)
    assert [told for told in ended.failed if REFUSED[name] not in told] == []
    assert ended.failed
    assert shop.arrived() == []
