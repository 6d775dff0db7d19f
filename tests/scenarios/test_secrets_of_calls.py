"""Secrets in `webhook` steps: only the call has them."""

import json
import logging
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from tests.rule_files import book_of
from tests.scenarios.commands import whereupon
from tests.shop import NOON, purchase, thanks

from whereupon import Delivery, Engine, GiveUp, RetryLater
from whereupon.records import DeliveryState
from whereupon.scheduling import FrozenClock

_TOKEN = "s3cr3t-t0ken"  # noqa: S105 - of a test
_STEP = {
    "webhook": "https://hooks.example.com/{{ secrets.PATH }}?of={{ properties.product }}",
    "headers": {"Authorization": "Bearer {{ secrets.CRM-TOKEN }}"},
    "json": {"who": ["{{ person.user_id }}"], "key": "{{secrets.CRM-TOKEN}}"},
}
_SECRETS = {"CRM-TOKEN": _TOKEN, "PATH": "T0/B0"}


def _bought(product: str) -> dict[str, object]:
    return purchase(1) | {"properties": {"product": product}}


class _Shop:
    """An engine with a purchase's webhook, and what its channel gets."""

    def __init__(self, place: str, secrets: object, **step: object) -> None:
        rule = thanks(whereupon=[_STEP | step])
        options = {"rules": book_of(rule), "clock": FrozenClock(NOON), "secrets": secrets}
        self.engine = Engine.open(place, **options)  # type: ignore[arg-type]  # as a host may
        self.got: list[Delivery] = []
        self.fails: Exception | None = None
        self.engine.channel("webhook")(self._take)

    def _take(self, delivery: Delivery) -> None:
        self.got.append(delivery)
        if self.fails is not None:
            raise self.fails

    def buy(self, product: str = "socks") -> Delivery:
        """Let Ada buy, and say what the store has of the call."""
        self.engine.ingest([_bought(product)])
        self.engine.run_due()
        (kept,) = self.engine.deliveries(*DeliveryState)
        return kept


@pytest.fixture
def shop(place: str) -> Iterator[_Shop]:
    """A shop on each kind of store."""
    made = _Shop(place, _SECRETS)
    with made.engine:
        yield made


def test_secrets_are_filled_in_right_before_the_call(shop: _Shop) -> None:
    """In the path, the headers and the body."""
    shop.buy()
    assert shop.got[0].content == {
        "url": "https://hooks.example.com/T0/B0?of=socks",
        "method": "POST",
        "headers": {"Authorization": f"Bearer {_TOKEN}"},
        "json": {"who": ["ada"], "key": _TOKEN},
    }


def test_the_store_hooks_and_the_log_have_no_secret(
    shop: _Shop, caplog: pytest.LogCaptureFixture
) -> None:
    """They have the places; so has the reason of a call that failed and quoted a secret."""
    told: list[Delivery] = []
    shop.engine.on("delivery-sent", told.append)
    shop.engine.on("delivery-dead", told.append)
    shop.fails = GiveUp(f"refused: https://hooks.example.com/T0/B0, Bearer {_TOKEN}")
    with caplog.at_level(logging.DEBUG):
        kept = shop.buy()
    assert kept.state is DeliveryState.DEAD
    assert kept.reason == "refused: https://hooks.example.com/{{ secrets.PATH }}, Bearer {{ secrets.CRM-TOKEN }}"  # fmt: skip
    assert kept.content["headers"] == {"Authorization": "Bearer {{ secrets.CRM-TOKEN }}"}
    assert [each.content for each in told] == [kept.content]
    assert _TOKEN not in caplog.text
    with shop.engine.store.session() as session:
        assert _TOKEN not in repr([*session.scan(Delivery)])


def test_an_error_of_any_type_is_told_without_the_secret(shop: _Shop) -> None:
    """Also if its text is not in its arguments; it stays what it is to the retries."""

    class _QuotingError(Exception):
        def __str__(self) -> str:
            return f"cannot send {_TOKEN}"

    shop.fails = _QuotingError()
    assert shop.buy().reason == "RuntimeError: _QuotingError: cannot send {{ secrets.CRM-TOKEN }}"
    assert shop.engine.deliveries(DeliveryState.PENDING)


@pytest.mark.parametrize("said", ["a b/\"ü'", "a%20b/%22%C3%BC%27", "a%20b%2F%22%C3%BC%27"])
def test_a_secret_is_not_told_in_another_spelling(said: str) -> None:
    """As a URL, Python and JSON write it."""
    shop = _Shop("memory://", _SECRETS | {"CRM-TOKEN": "a b/\"ü'"})
    with shop.engine:
        for quoted in (said, repr(said)[1:-1], json.dumps(said, ensure_ascii=False)[1:-1]):
            shop.fails = RetryLater(reason=f"no {quoted}")
            assert shop.buy().reason == "no {{ secrets.CRM-TOKEN }}"
            shop.engine.clock.move_to(shop.engine.clock.now() + timedelta(days=1))  # type: ignore[attr-defined]  # it is frozen


def test_a_channel_asks_to_wait_and_quotes_a_secret(shop: _Shop) -> None:
    """The time that it asks for is kept."""
    shop.fails = RetryLater(after=3600, reason=f"later, {_TOKEN}")
    kept = shop.buy()
    assert (kept.state, kept.reason) == (DeliveryState.PENDING, "later, {{ secrets.CRM-TOKEN }}")
    assert (kept.due_at - NOON).total_seconds() >= 3600


def test_data_never_ask_for_a_secret(shop: _Shop) -> None:
    """What a sender writes as a place for a secret stays a text, in pieces, too."""
    shop.buy(product="{{ secrets.CRM-TOKEN }} \ue000{{ secrets.")
    assert _TOKEN not in str(shop.got[0].content["url"])
    assert str(shop.got[0].content["url"]).startswith("https://hooks.example.com/T0/B0?of={ {")


def test_a_secret_that_the_host_lacks_fails_the_call_and_is_named(place: str) -> None:
    """Of a function, whose names are not known before; the channel is not called."""
    shop = _Shop(place, {"CRM-TOKEN": _TOKEN}.get)
    with shop.engine:
        kept = shop.buy()
        assert (kept.state, shop.got) == (DeliveryState.DEAD, [])
        assert (
            kept.reason == "the host has no secret PATH: give it as one of its secrets, and retry"
        )


def test_a_function_may_give_another_secret_later(place: str) -> None:
    """It is asked at each call, so that a key can be changed while calls wait."""
    given = dict(_SECRETS)
    shop = _Shop(place, given.__getitem__)
    with shop.engine:
        shop.fails = RetryLater(after=1)
        shop.buy()
        given["PATH"], shop.fails = "new", None
        clock = shop.engine.clock
        assert isinstance(clock, FrozenClock)
        clock.move_to(NOON.replace(hour=NOON.hour + 1))
        shop.engine.run_due()
    assert [str(each.content["url"])[26:32] for each in shop.got] == ["T0/B0?", "new?of"]


class _Batches:
    """A channel that takes several at once."""

    def __init__(self) -> None:
        self.got: list[object] = []

    def send_many(self, deliveries: Sequence[Delivery]) -> list[Exception | None]:
        """Fail the second, and quote its headers."""
        self.got += [each.content["headers"] for each in deliveries]
        return [None, *(ValueError(str(each.content["headers"])) for each in deliveries[1:])]


def test_a_channel_that_takes_several_gets_them_with_their_secrets(place: str) -> None:
    """One that lacks a secret is not among them, and its failure is its own."""
    steps = [
        _STEP | {"headers": {"A": f"{{{{ secrets.{name} }}}}"}} for name in ("PATH", "NO", "PATH")
    ]
    book = book_of(thanks(whereupon=steps))
    with Engine.open(place, rules=book, clock=FrozenClock(NOON), secrets=_SECRETS.get) as engine:
        engine.channel("webhook", batches := _Batches())
        engine.ingest([_bought("socks")])
        engine.run_due()
        assert batches.got == [{"A": "T0/B0"}, {"A": "T0/B0"}]
        kept = sorted(engine.deliveries(*DeliveryState), key=lambda each: each.key)
        assert [each.state for each in kept] == [
            DeliveryState.SENT,
            DeliveryState.DEAD,
            DeliveryState.PENDING,
        ]
        assert kept[2].reason == "ValueError: {'A': '{{ secrets.PATH }}'}"


def test_other_deliveries_have_no_places_for_secrets(place: str) -> None:
    """Not even one of the same channel: only a step names a URL."""
    book = book_of(thanks(whereupon=[{"send": "webhook", "text": "{{ properties.product }}"}]))
    with Engine.open(place, rules=book, clock=FrozenClock(NOON), secrets=_SECRETS) as engine:
        got: list[Delivery] = []
        engine.channel("webhook")(got.append)
        engine.ingest([_bought("{{ secrets.PATH }}")])
        engine.run_due()
    assert got[0].content == {"text": "{{ secrets.PATH }}"}


def test_a_replay_shows_the_places(tmp_path: Path) -> None:
    """It has no secrets, and none is asked for."""
    rules = tmp_path / "rules"
    rules.mkdir()
    written = thanks(whereupon=[_STEP])
    (rules / "thanks.json").write_text(json.dumps(written))
    message = {
        "type": "track",
        "event": "purchase",
        "userId": "ada",
        "properties": {"product": "x"},
    }
    stream = tmp_path / "stream.jsonl"
    stream.write_text(json.dumps(message | {"messageId": "m", "timestamp": "2026-01-31T09:00:00Z"}))
    said = whereupon("replay", stream, "--rules", rules, "--json").stdout
    assert "Bearer {{ secrets.CRM-TOKEN }}" in said
