"""Limits of keys and of guesses, as a process keeps them."""

import json
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from wsgiref.util import setup_testing_defaults

import pytest

from whereupon import Engine
from whereupon.records import ApiKey, KeyKind, KeyLimit, Scope
from whereupon.web.adapters import asgi_request, wsgi
from whereupon.web.door import DoorOptions
from whereupon.web.door.limits import SECOND, Guesses, KeyLimits, Taken
from whereupon.web.http import Request
from whereupon.web.site import Site

KEY = ApiKey(
    id="key_1",
    name="shop",
    kind=KeyKind.SERVER,
    scopes=frozenset({Scope.MESSAGES}),
    created_at=datetime(2026, 5, 1, tzinfo=UTC),
    limit=KeyLimit(10, timedelta(seconds=1), burst=20),
)


class Ticks:
    """A clock that a test moves, in nanoseconds."""

    def __init__(self) -> None:
        self.now = 7 * SECOND

    def __call__(self) -> int:
        """The time."""
        return self.now


@pytest.fixture
def ticks() -> Ticks:
    """Stands still."""
    return Ticks()


@pytest.fixture
def limits(ticks: Ticks) -> KeyLimits:
    """Nothing has come in yet."""
    return KeyLimits(ticks)


def test_messages_are_counted_and_not_requests(limits: KeyLimits, ticks: Ticks) -> None:
    """A burst comes in at once, in one request or in many; then as many as the pace allows."""
    assert limits.take(KEY, 15) == Taken()
    assert limits.take(KEY, 6) == Taken(wait=1)
    assert limits.take(KEY, 5) == Taken()
    assert limits.take(KEY, 1) == Taken(wait=1)
    ticks.now += SECOND // 10
    assert limits.take(KEY, 1) == Taken()
    assert limits.take(KEY, 20) == Taken(wait=2)


def test_a_batch_that_is_larger_than_the_burst_comes_in_after_a_rest(
    limits: KeyLimits, ticks: Ticks
) -> None:
    """And what it took beyond the burst is waited for."""
    assert limits.take(KEY, 500) == Taken()
    assert limits.take(KEY, 1) == Taken(wait=49)  # 480 are owed, and one more has to become free
    ticks.now += 49 * SECOND
    assert limits.take(KEY, 500) == Taken(wait=1)
    ticks.now += SECOND
    assert limits.take(KEY, 500) == Taken()


def test_a_key_without_a_limit_sends_what_it_likes(limits: KeyLimits) -> None:
    """Any number of messages; and a request without messages is never too much."""
    free = replace(KEY, limit=None)
    assert {limits.take(free, 100_000) for _ in range(100)} == {Taken()}
    assert limits.take(KEY, 100_000) == Taken()
    assert limits.take(KEY, 0) == Taken()


def test_one_keys_flood_is_not_anothers(limits: KeyLimits) -> None:
    """Each key has a pace of its own."""
    limits.take(KEY, 100_000)
    assert limits.take(KEY, 1).wait > 0
    assert limits.take(replace(KEY, id="key_2"), 20) == Taken()


def test_what_was_not_seen_before_is_owed(limits: KeyLimits) -> None:
    """Batches within a batch count in full, though after they came in."""
    assert limits.take(KEY, 1) == Taken()
    limits.owe(KEY, 118)
    limits.owe(replace(KEY, limit=None), 118)
    assert limits.take(KEY, 1) == Taken(wait=10)


def test_a_limit_that_was_changed_holds_at_once(limits: KeyLimits) -> None:
    """What was counted under the old one is forgotten, so that a limit that was too low does not go on."""
    low = replace(KEY, limit=KeyLimit(1, timedelta(hours=1), burst=1))
    limits.take(low, 100)
    assert limits.take(low, 1).wait == 100 * 3_600
    assert limits.take(KEY, 20) == Taken()


def test_a_shadow_counts_what_it_would_have_refused(limits: KeyLimits, ticks: Ticks) -> None:
    """Everything comes in, and the count is that of a limit that refuses."""
    shadow = replace(KEY, shadow=True)
    steps = [(0, 15), (0, 15), (SECOND, 15), (0, 5), (SECOND // 10, 1), (0, 400), (9 * SECOND, 400)]
    for after, messages in steps:
        ticks.now += after
        enforced = limits.take(replace(KEY, id="key_2"), messages)
        counted = limits.take(shadow, messages)
        assert counted.wait == 0
        assert counted.over == (messages if enforced.wait else 0)


def test_a_flood_is_recorded_once_a_minute(
    limits: KeyLimits, ticks: Ticks, caplog: pytest.LogCaptureFixture
) -> None:
    """With the number of messages since the last record, and whether they came in."""
    shadow = replace(KEY, shadow=True)
    limits.take(shadow, 20)
    with caplog.at_level(logging.WARNING, "whereupon.keys"):
        for _ in range(10):
            limits.take(shadow, 3)
        ticks.now += SECOND
        limits.take(shadow, 100)
        ticks.now += 60 * SECOND
        limits.take(shadow, 20)
        limits.take(shadow, 7)
    assert [record.getMessage() for record in caplog.records] == [
        'key-over-limit api_key=key_1 messages=3 limit="10 per 1s, 20 at once" shadow=yes',
        'key-over-limit api_key=key_1 messages=134 limit="10 per 1s, 20 at once" shadow=yes',
    ]


GUESSES = KeyLimit(1, timedelta(seconds=10), burst=3)


def test_an_address_that_guesses_often_has_to_wait(ticks: Ticks) -> None:
    """Others do not; a pause helps."""
    guesses = Guesses(GUESSES, ticks=ticks)
    assert [guesses.note("192.0.2.1") for _ in range(5)] == [0, 0, 0, 10, 10]
    assert guesses.note("192.0.2.2") == 0
    ticks.now += 10 * SECOND
    assert [guesses.note("192.0.2.1") for _ in range(2)] == [0, 10]


def test_a_subscriber_has_a_whole_network_of_ipv6(ticks: Ticks) -> None:
    """64 bits count as one address; an address of IPv4 is the same in either form."""
    guesses = Guesses(GUESSES, ticks=ticks)
    assert [guesses.note(f"2001:db8:0:1::{n:x}") for n in range(4)] == [0, 0, 0, 10]
    assert guesses.note("2001:db8:0:2::1") == 0
    assert [guesses.note(each) for each in ("192.0.2.1", "::ffff:192.0.2.1") * 2] == [0, 0, 0, 10]


def test_guesses_from_everywhere_fill_no_memory(ticks: Ticks) -> None:
    """The addresses that guessed last are remembered."""
    guesses = Guesses(GUESSES, most=10, ticks=ticks)
    for address in ("10.0.0.1", "10.0.0.2"):
        assert [guesses.note(address) for _ in range(4)][-1] == 10
    for number in range(8):
        guesses.note(f"10.0.1.{number}")
    assert guesses.note("10.0.0.2") == 10
    for number in range(9):
        guesses.note(f"10.0.2.{number}")
    assert guesses.note("10.0.0.1") == 0
    assert guesses.note("no address" * 1_000) == 0


def shown(secret: str, address: str) -> Request:
    """A request with one message, from an address."""
    return Request(
        method="POST",
        path="/v1/track",
        headers={"authorization": f"Bearer {secret}", "origin": "https://shop.example"},
        body=b'{"userId": "ada", "event": "seen"}',
        address=address,
    )


def test_a_neighbours_guesses_lock_nobody_out() -> None:
    """Good keys come in from the same address, other addresses are told the truth, and there is an end to guessing."""
    with Engine.open("memory://") as engine:
        secret = engine.keys.create("shop", kind="server").secret
        site = Site(engine, door=DoorOptions())
        answers = (site.answer(shown("wk_guess", "192.0.2.1")) for _ in range(1_000_000))
        refused = next(each for each in answers if each.status != 401)
        assert refused.status == 429
        assert int(dict(refused.headers)["Retry-After"]) in {1, 2, 3}
        assert dict(refused.headers)["Access-Control-Allow-Origin"] == "https://shop.example"
        said = json.loads(refused.body)
        assert said["code"] == refused.counted.refused == "too-many-guesses"
        assert said["message"] == said["error"] == said["meta"]["error"]
        assert site.answer(shown(secret, "192.0.2.1")).status == 200
        assert site.answer(shown("wk_guess", "192.0.2.2")).status == 401


def test_only_unknown_keys_are_guesses() -> None:
    """Who has a key that is not good any more, or forgets it, is told so each time."""
    with Engine.open("memory://") as engine:
        made = engine.keys.create("shop", kind="server")
        engine.keys.revoke(made.key.id)
        site = Site(engine, door=DoorOptions())
        for secret in ("", made.secret):
            answers = {site.answer(shown(secret, "192.0.2.1")).status for _ in range(200)}
            assert answers == {401}


def test_where_no_address_is_told_guesses_are_not_counted() -> None:
    """A server that tells none, such as one on a socket of Unix, has one neighbour for all."""
    with Engine.open("memory://") as engine:
        site = Site(engine, door=DoorOptions())
        assert {site.answer(shown("wk_guess", "")).status for _ in range(200)} == {401}


def test_the_address_is_the_one_that_the_server_tells() -> None:
    """In WSGI ``REMOTE_ADDR``, in ASGI ``client``, which may be missing."""
    with Engine.open("memory://") as engine:
        application, told = wsgi(engine), list[str]()

        def ask(address: str) -> str:
            environ = {"HTTP_X_WRITE_KEY": "wk_guess", "REMOTE_ADDR": address}
            setup_testing_defaults(environ)
            environ |= {"REQUEST_METHOD": "POST", "PATH_INFO": "/v1/t"}
            application(environ, lambda status, _: told.append(status[:3]))
            return told[-1]

        while ask("192.0.2.1") == "401":
            pass
        assert [ask("192.0.2.1"), ask("192.0.2.2")] == ["429", "401"]
    scope: dict[str, object] = {"method": "GET", "path": "/", "headers": []}
    assert asgi_request({**scope, "client": ("192.0.2.1", 443)}, b"").address == "192.0.2.1"
    assert asgi_request({**scope, "client": None}, b"").address == ""
