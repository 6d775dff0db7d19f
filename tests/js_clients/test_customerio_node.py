"""Customer.io's client for Node, its Track API and its App API, in a version that speaks plain HTTP and one that does not."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest
from tests.http_receiver import Reply, authority
from tests.js_clients.forwarder import Exchange, Loss, forwarder
from tests.js_clients.node import Called, call_customerio
from tests.js_clients.serving import Serving, serving
from tests.js_clients.session import members

from whereupon import Engine, UnknownNameError
from whereupon.records import Delivery
from whereupon.records.api_keys import KeyKind

AWKWARD = "ada@x +1/ä"
"""An id with what a path has to encode."""
MARCH_SECONDS = 1773309600
MARCH = 1773309600_000_000
RULES = {
    "june-news": """\
broadcast: june-news
description: News for people on a paid plan.
when: api
who: {plan: pro}
whereupon: [{send: email, subject: "{{ properties.headline }}, {{ person.first_name }}", text: x}]
""",
    "receipt": """\
broadcast: receipt
description: What was bought.
when: api
whereupon: [{send: email, subject: "Order {{ properties.order }}", text: x}]
""",
    "ping": """\
broadcast: ping
description: A push.
when: api
whereupon: [{send: push, title: "Ping {{ properties.n }}"}]
""",
}

Run: TypeAlias = "dict[str, Called]"
BeforeAnswer: TypeAlias = Callable[[Exchange], Reply | None]


class Client:
    """One version of the client, and the shop that it calls."""

    def __init__(self, package: str, shop: Serving, folder: Path) -> None:
        self.package, self.shop = package, shop
        self._key = shop.key(KeyKind.SERVER)
        self._authority = folder / "authority.pem"
        authority().cert_pem.write_to_path(str(self._authority))

    def run(self, job: str, before_answer: BeforeAnswer = lambda _: None) -> Run:
        """Make the calls of a job; version 4 speaks TLS alone, which a proxy ends."""
        with forwarder(self.shop.url, tls=self.package == "customerio-node-4") as wire:
            wire.before_answer = before_answer
            return call_customerio(
                self.package, wire.url, self._key, job, authority=self._authority
            )


@pytest.fixture(params=["customerio-node", "customerio-node-4"])
def client(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Client]:
    """Each version, with a shop whose rules the App API may trigger."""
    (tmp_path / "rules").mkdir()
    for name, rule in RULES.items():
        (tmp_path / "rules" / f"{name}.yaml").write_text(rule)
    with serving(tmp_path, "--no-work") as shop:
        yield Client(request.param, shop, tmp_path)


def errors(run: Run) -> dict[str, tuple[int | None, str]]:
    """The calls that the client threw for."""
    return {name: (call.status, call.error) for name, call in run.items() if call.error}


def test_messages_arrive_as_they_were_sent(client: Client) -> None:
    """Each call is the message that it means, with every value that JSON can hold."""
    assert errors(client.run("messages")) == {}
    arrived = [
        (
            one.body["type"],
            one.body.get("event", one.body.get("name")),
            one.user_id,
            one.anonymous_id,
            one.body.get("properties", one.body.get("traits")),
        )
        for one in client.shop.arrived()
    ]
    when = "2026-03-12T10:00:00.123Z"
    assert arrived == [
        ("track", "purchase", None, "anon-1", {"product": "socks", "price": 23.45}),
        (
            "identify",
            None,
            AWKWARD,
            "anon-1",
            {
                "email": "ada@example.com",
                "created_at": MARCH_SECONDS,
                "when": when,
                "none": None,
                "nan": None,
                "big": 2**53,
                "address": {"city": "Łódź"},
                "tags": ["a", None, [1.5, "🧦"]],
            },
        ),
        ("track", "played_game", AWKWARD, None, {"round": 3, "when": when}),
        ("track", "signed_up", AWKWARD, None, {"plan": "pro"}),
        ("page", "https://shop.example/socks", AWKWARD, None, {}),
    ]
    assert {one.source for one in client.shop.arrived()} == {"server"}
    (signed_up,) = [one for one in client.shop.arrived() if one.body.get("event") == "signed_up"]
    assert signed_up.timestamp == MARCH


def test_requests_do_what_they_say(client: Client) -> None:
    """Devices come and go, people are merged, suppressed and deleted."""
    assert errors(client.run("requests")) == {}
    with Engine.open(client.shop.store) as engine:
        assert [(d.token, d.platform) for d in engine.devices("ada")] == [("token/1", "ios")]
        assert set(engine.identity("ada").user_ids) == {"ada", "twin"}
        for gone in ("lin", "eve"):
            with pytest.raises(UnknownNameError):
                engine.identity(gone)


def test_broadcasts_and_transactional_sends_make_deliveries(client: Client) -> None:
    """A rule says what is sent; the call says to whom, with which data, and is told what was made."""
    run = client.run("sends")
    assert {name: status for name, (status, _) in errors(run).items()} == {
        "broadcast to nobody": 422,
        "unknown broadcast": 404,
        "sendEmail to a stranger": 400,
        "getAttributes of nobody": 404,
    }
    with Engine.open(client.shop.store) as engine, engine.store.reading() as session:
        made = {d.rule: (d.person, d.channel, d.content) for d in session.scan(Delivery)}
        keys = {delivery.idempotency_key for delivery in session.scan(Delivery)}
    assert {rule: (person, channel) for rule, (person, channel, _) in made.items()} == {
        "june-news": ("ada", "email"),
        "receipt": ("ada", "email"),
        "ping": ("ada", "push"),
    }
    assert made["june-news"][2]["subject"] == "June, Ada"
    assert made["receipt"][2]["subject"] == "Order O-1"
    assert members(run["sendEmail"].answer)["delivery_id"] in keys
    assert members(run["broadcast to some"].answer)["recipients"] == 1
    known = members(members(run["getAttributes"].answer)["customer"])
    assert members(known["attributes"])["first_name"] == "Ada"


def test_what_is_wrong_is_thrown_in_words(client: Client) -> None:
    """The client shows the sentence of the answer to the app."""
    run = errors(client.run("faults"))
    assert run["long name"][0] == 400
    assert "longer than 100 bytes" in run["long name"][1]
    assert run["placeholder"][0] == 400
    assert "placeholder" in run["placeholder"][1]
    assert run["wrong key"][0] == 401
    assert "key" in run["wrong key"][1]


@pytest.mark.parametrize("client", ["customerio-node"], indirect=True)  # 4 has no such calls
def test_version_2_takes_entities_and_batches(client: Client) -> None:
    """The good items of a batch are in, and the client returns what is said of the others."""
    run = client.run("version2")
    assert errors(run) == {}
    faults = members(run["batch with a fault"].answer)["errors"]
    assert isinstance(faults, list)
    assert [members(fault)["batch_index"] for fault in faults] == [0]
    names = [one.body.get("event") for one in client.shop.arrived()]
    assert names == [None, "purchase", None, "hello"]


@pytest.mark.parametrize("client", ["customerio-node"], indirect=True)  # 4 tries nothing again
def test_a_call_that_is_made_again_counts_once(client: Client) -> None:
    """If the app names the event by an id; the client tries again by itself when an answer is lost."""
    loss = Loss()
    assert errors(client.run("named", loss)) == {}
    assert loss.happened
    assert [one.body.get("event") for one in client.shop.arrived()] == ["purchase"]
