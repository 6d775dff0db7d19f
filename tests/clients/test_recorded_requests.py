"""Recorded requests of official clients, replayed over the wire with all their headers: each gets what it needs."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256

import pytest
from tests.clients.doors import Shop, open_shop
from tests.clients.expected import stored_in
from tests.clients.recordings import KEY, Recording, recordings, replay
from tests.clients.session import Json
from tests.http_receiver import Reply

from whereupon.records import ApiKey, ApiSecret, Changes, KeyKind, Scope

each_client = pytest.mark.parametrize("client", sorted(recordings()))


@contextmanager
def _shop() -> Iterator[Shop]:
    """A shop with the key of the recordings. It is a client's, so that what asks for a deletion is held."""
    with open_shop() as shop:
        key = ApiKey(
            id="recorded",
            name="recorded",
            kind=KeyKind.CLIENT,
            scopes=frozenset({Scope.MESSAGES}),
            created_at=datetime.now(UTC),  # noqa: TID251 - of the test, which has no Clock
        )
        secret = ApiSecret(digest=sha256(KEY.encode()).digest(), key_id=key.id)
        added = Changes(api_keys={key.id: key}, api_secrets={secret.digest: secret})
        with shop.engine.store.session() as session:  # `Keys.create` refuses so weak a secret
            session.flush(added)
        yield shop


@each_client
def test_every_request_is_answered_as_its_client_needs(client: str) -> None:
    """With 200, or 400 if all of it is bad, and an object of JSON; for a page of another origin as CORS asks."""
    sent: set[str] = set()
    with _shop() as shop:
        for recording in recordings()[client]:
            answer = replay(shop.url, recording)
            body = json.loads(answer.body)
            messages = _messages(recording)
            if messages and all(_is_bad(message) for message in messages):
                assert answer.status == 400
                assert body["code"]
                assert body["message"] == body["error"] != ""
            else:
                assert answer.status == 200, (recording.path, body)
                assert isinstance(body, dict)
            assert answer.headers["content-type"].startswith("application/json")
            _assert_cors(recording, answer)
            sent |= {str(each["messageId"]) for each in messages if not _is_bad(each)}
        assert {*stored_in(shop.engine)} == sent


def test_an_unknown_key_is_refused_in_the_words_that_each_client_shows() -> None:
    """Ruby's logs ``error``, the others read ``code`` and ``message``; pages of other origins may read them, too."""
    with open_shop() as shop:
        for of_one in recordings().values():
            recording = next(each for each in of_one if each.method == "POST")
            answer = replay(shop.url, recording)
            said = json.loads(answer.body)
            assert (answer.status, said["code"]) == (401, "unknown-key"), recording.client
            assert said["message"] == said["error"] != ""
            assert KEY not in answer.body.decode()
            _assert_cors(recording, answer)


def _assert_cors(recording: Recording, answer: Reply) -> None:
    origin = recording.said("origin")
    if not origin:
        return
    assert answer.headers["access-control-allow-origin"] == origin
    assert "retry-after" in answer.headers["access-control-expose-headers"].lower()
    if recording.method == "OPTIONS":
        asked = recording.said("access-control-request-headers").split(",")
        allowed = answer.headers["access-control-allow-headers"].lower().split(", ")
        assert {name.strip() for name in asked} <= {*allowed}
        method = recording.said("access-control-request-method")
        assert method in answer.headers["access-control-allow-methods"].split(", ")
        assert int(answer.headers["access-control-max-age"]) >= 600


def _messages(recording: Recording) -> list[Json]:
    """The messages of a request's body."""
    if recording.method != "POST":
        return []
    body = json.loads(recording.body)
    messages: list[Json] = body.get("batch", [body])
    return messages


def _is_bad(message: Json) -> bool:
    """Whether the app sent what no client may send, and a few clients let pass."""
    event = message.get("event", "-")
    is_large = len(json.dumps(message, ensure_ascii=False)) > 32 * 1024
    is_odd = isinstance(message.get("properties"), list)
    return event == "" or len(str(event).encode()) > 100 or is_large or is_odd
