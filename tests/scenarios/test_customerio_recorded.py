"""Bodies that Customer.io's clients for Python and Node wrote, byte for byte, on every kind of store."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.customerio import Caller, recorded
from tests.rule_files import book_of, broadcast

from whereupon import Engine

_BODIES = Path(__file__).parents[2] / "fixtures" / "wire" / "bodies.jsonl.gz"
_MAIL = {
    "send": "email",
    "kind": "transactional",
    "subject": "{{ properties.name | default: 'Hi' }}",
}
BOOK = book_of(
    broadcast("1", "api", whereupon=[{"send": "email", "subject": "{{ properties.headline }}"}]),
    broadcast("3", "api", whereupon=[dict(_MAIL)]),
    broadcast("4", "api", whereupon=[{"send": "push", "kind": "transactional", "title": "Hi"}]),
)
DONE = (200, None)


@dataclass(frozen=True)
class Sent:
    """One body with where it was sent."""

    path: str
    body: bytes

    @property
    def method(self) -> str:
        """As the clients choose it, by the path."""
        parts = self.path.split("/")
        if parts[-2:-1] == ["devices"] or parts[-1] == "lin":
            return "DELETE"
        return "PUT" if parts[-2] == "customers" or parts[-1] == "devices" else "POST"


def _sent_by(client: str) -> list[Sent]:
    lines = gzip.decompress(_BODIES.read_bytes()).decode().splitlines()
    read = [json.loads(line) for line in lines]
    return [Sent(each["path"], each["body"].encode()) for each in read if each["client"] == client]


@pytest.fixture
def engine(place: str) -> Iterator[Engine]:
    """An engine that knows those whom the recordings name."""
    with Engine.open(place, rules=BOOK, digest_key=b"of-the-test") as engine:
        for name in ("ada", "ada2", "bob", "lin"):
            engine.identify(name, traits={"email": f"{name}@example.com"})
        yield engine


PYTHON = [
    *(DONE, DONE, DONE, DONE, DONE, DONE),
    (400, "missing-id"),  # an invite event
    *(DONE, DONE, DONE, DONE, DONE, DONE, DONE, DONE),
    (207, "unknown-person"),
    (400, "unsupported-field"),  # an attachment
    DONE,
]
NODE = [
    *(DONE, DONE, DONE, DONE, DONE, DONE, DONE, DONE, DONE, DONE),
    (400, "unknown-segment"),  # by the id of a hosted one
    *(DONE, DONE),  # to nobody who is known, and to two
    (429, "too-soon"),
    (400, "unsupported-field"),  # a file
    (400, "unsupported-field"),  # an attachment
    (400, "other-address"),  # a push to the device that was used last
]


@pytest.mark.parametrize(("client", "expected"), [("track-py", PYTHON), ("track-node", NODE)])
def test_recorded_bodies_do_what_they_say(
    engine: Engine, client: str, expected: list[tuple[int, str | None]]
) -> None:
    """In the order in which the client sent them; what cannot be done is refused by name."""
    call = Caller(engine)
    said = [call(each.method, each.path, raw=each.body) for each in _sent_by(client)]
    assert [(each.status, each.body.get("code")) for each in said] == expected
    names = [(type_, name, user_id) for type_, name, user_id, *_ in recorded(engine)]
    assert ("identify", "", "ada@x +1/ä") in names
    assert ("track", "purchase", "ada") in names
    assert ("page", "/pricing", "ada") in names


@pytest.mark.parametrize("place", ["memory://"])
def test_each_recorded_body_counts_once_under_its_id(engine: Engine) -> None:
    """An event with an ``id`` that comes again, as in a retry, is one event."""
    call = Caller(engine)
    (purchase,) = [each for each in _sent_by("track-py") if b'"id": "01HQ' in each.body]
    for _ in range(3):
        assert call(purchase.method, purchase.path, raw=purchase.body).status == 200
    assert [name for _, name, *_ in recorded(engine)].count("purchase") == 1
