"""Complete erasure: a marker in all of a person's data is nowhere in the database's files."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import JsonValue
from sqlalchemy import create_engine, text
from tests.rule_files import book_of, broadcast, campaign, guard

from whereupon.engine import Engine
from whereupon.pipeline.ingestion import WireMessage
from whereupon.records import DeliveryState
from whereupon.scheduling.clocks import FrozenClock
from whereupon.storage.sql.database_url import engine_of
from whereupon.storage.sql.tables import Base as Tables

MARKER = "zx81marker"
"""In every text of the person's; nothing of ours or the database's looks like it."""

RULES = (
    campaign(
        "welcome",
        "signed_up",
        whereupon=[
            {"send": "push", "title": "Hi {{ person.mark }} {{ properties.mark }}"},
            {"wait": "1d"},
            {"send": "push", "title": "Again {{ properties.mark }}"},
        ],
    ),
    campaign("never", "signed_up", where={"mark": "else"}, reentry="once"),
    broadcast("news", "posted", whereupon=[{"send": "push", "title": "{{ properties.mark }}"}]),
    guard("held", ["Delete Object"], sources={"server": "hold"}),
)


@dataclass(frozen=True)
class Base:
    """A store on disk: its URL, and all the bytes that its database keeps."""

    url: str
    files: Callable[[], dict[str, bytes]]


@contextmanager
def _sqlite(folder: Path) -> Iterator[Base]:
    """The main file with its free pages, the write-ahead log and its index."""

    def files() -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    yield Base(f"sqlite:///{folder}/shop.db", files)


@contextmanager
def _postgres(url: str) -> Iterator[Base]:
    """Every row of every table; pages and log belong to the server (see engine/docs/deletions.md)."""
    engine, _ = engine_of(url, patience=5)

    def files() -> dict[str, bytes]:
        with engine.connect() as connection:
            return {
                table.name: repr(
                    [tuple(row) for row in connection.execute(table.select())]
                ).encode()
                for table in Tables.metadata.sorted_tables
            }

    yield Base(url, files)
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgres"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Base]:
    """A store of each kind that is kept on a disk."""
    if request.param == "sqlite":
        opened = _sqlite(tmp_path)
    else:
        opened = _postgres(request.getfixturevalue("postgres"))
    with opened as store:
        yield store


def _wire(kind: str, **keys: JsonValue) -> dict[str, JsonValue]:
    return {"type": kind, **keys}


def _mark(name: str) -> str:
    return f"{name}-{MARKER}"


def _live(engine: Engine) -> None:
    """Messages of every kind with the marker in each of the person's fields."""
    user, device = _mark("user"), _mark("anon")
    data: JsonValue = {"mark": MARKER, "nested": {"list": [MARKER, {MARKER: MARKER * 400}]}}
    context: JsonValue = {"device": {"token": _mark("token"), "type": MARKER}, "ip": MARKER}
    both: dict[str, JsonValue] = {"userId": user, "anonymousId": device}
    engine.identify("ben", traits={"plan": "pro"})
    engine.track("signed_up", user_id="ben", properties={"mark": "no"})
    for number in range(3):
        body: dict[str, JsonValue] = {"properties": data, "context": context}
        ids = [_mark(f"m{number}-{step}") for step in range(8)]
        batch: list[WireMessage] = [
            _wire("track", event="signed_up", anonymousId=device, messageId=ids[0], **body),
            _wire("identify", traits=data, messageId=ids[1], context=context, **both),
            _wire("track", event="signed_up", userId=user, messageId=ids[2], **body),
            _wire("page", name="Pricing", messageId=ids[3], **both, **body),
            _wire("group", groupId="acme", userId=user, messageId=ids[4]),
            _wire("track", event="posted", userId=user, messageId=ids[5], **body),
            _wire("track", event="Device Created or Updated", userId=user, messageId=ids[6], **body),
            _wire("track", event="Delete Object", userId=user, messageId=ids[7],
                  properties={"objectId": MARKER}),
        ]  # fmt: skip
        assert not engine.ingest(batch).rejected
        engine.run_due()
    engine.identify(_mark("other"), traits={"mark": MARKER})
    engine.alias(user, previous_id=_mark("other"))
    engine.alias("ben", previous_id=user, source="client", message_id="held-merge")
    report: JsonValue = {"deliveryId": _mark("delivery"), "metric": _mark("metric")}
    actor: JsonValue = {"actor": _mark("actor")}
    engine.ingest(
        [
            _wire(
                "track",
                event="Report Delivery Event",
                userId=user,
                messageId=_mark("r"),
                properties=report,
                context=actor,
            ),
            _wire(
                "track",
                event="Report Content Event",
                userId=user,
                messageId=_mark("c"),
                properties={"deliveryId": _mark("content"), "actionType": _mark("action")},
            ),
            _wire(
                "track",
                event="Device Created or Updated",
                userId="ben",
                messageId="asked-by-another",
                context={"actor": user, "device": {"token": "ben's", "type": "ios"}},
            ),
        ]
    )
    engine.track("Delete Person", user_id=user, source="client", message_id=_mark("asked-before"))


def _found(store: Base) -> list[str]:
    return [name for name, content in store.files().items() if MARKER.encode() in content]


def test_nothing_of_an_erased_person_is_left_in_any_file(kept: Base) -> None:
    """Tables, free pages and write-ahead log hold no byte of it, and other people keep their data."""
    with Engine.open(kept.url, rules=book_of(*RULES), digest_key=b"secret") as engine:
        engine.channel("push")(lambda _: None)
        _live(engine)
        assert _found(kept), "the marker was never written: the test sees nothing"
        result = engine.track("Delete Person", user_id=_mark("user"), message_id=_mark("delete"))
        assert [request.outcome for request in result.requests] == [
            "ran",
            *["cancelled"] * 5,
        ]
        engine.run_due()
        late = engine.track("signed_up", user_id=_mark("user"), message_id=_mark("late"),
                            properties={"mark": MARKER}, timestamp="2020-01-01T00:00:00Z")  # fmt: skip
        assert late.decisions[0].reason == "deleted"
        assert engine.scrub()
        assert _found(kept) == []
        again = engine.track("Delete Person", user_id=_mark("user"), message_id=_mark("delete"))
        assert again.duplicates == 1
        deleted = [r for r in engine.requests.list() if r.action == "Delete Person"]
        (receipt,) = [request for request in deleted if request.outcome == "ran"]
        assert engine.audit.receipt(receipt.key).counts["messages"] == 20
        assert engine.audit.verify() == []
        sent = engine.deliveries(DeliveryState.SENT, limit=1000)
        assert {delivery.person for delivery in sent} == {"ben"}
    assert _found(kept) == []


def test_a_suppression_leaves_as_little(kept: Base) -> None:
    """It is a deletion that also ignores later messages."""
    with Engine.open(kept.url, rules=book_of(*RULES), digest_key=b"secret") as engine:
        engine.channel("push")(lambda _: None)
        _live(engine)
        engine.track("Suppress Person", user_id=_mark("user"), message_id=_mark("suppress"))
        engine.track("signed_up", user_id=_mark("user"), properties={"mark": MARKER})
        engine.track("signed_up", anonymous_id=_mark("anon"), properties={"mark": MARKER})
        engine.alias("ben", previous_id=_mark("user"))
        assert engine.scrub()
    assert _found(kept) == []


def test_a_hosts_engine_that_does_not_overwrite_is_made_to(tmp_path: Path) -> None:
    """Rows that the host's own connection deletes become zeros, too."""
    database = create_engine(f"sqlite:///{tmp_path}/host.db")
    with database.connect() as connection:
        connection.execute(text("PRAGMA secure_delete = OFF"))
    with Engine.open(database, rules=book_of(*RULES)) as engine:
        engine.channel("push")(lambda _: None)
        _live(engine)
        with database.begin() as connection:
            engine.track("Delete Person", user_id=_mark("user"), connection=connection)
        assert engine.scrub()
    database.dispose()
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert MARKER.encode() not in content


def test_scrubbing_waits_for_nobody(tmp_path: Path) -> None:
    """While another connection reads, it reports that, and the next round of due work does it."""
    url = f"sqlite:///{tmp_path}/shop.db"
    clock = FrozenClock()
    reader = create_engine(url)
    with Engine.open(url, rules=book_of(*RULES), clock=clock) as engine:
        engine.channel("push")(lambda _: None)
        _live(engine)
        with reader.connect() as connection:
            connection.exec_driver_sql("BEGIN")
            connection.exec_driver_sql("SELECT * FROM whereupon_message").fetchall()
            engine.track("Delete Person", user_id=_mark("user"))
            assert not engine.scrub()
            engine.run_due()
            connection.rollback()
        engine.run_due()
        content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
        assert MARKER.encode() not in content
    reader.dispose()


def test_an_error_that_is_logged_quotes_nobodys_data(tmp_path: Path) -> None:
    """The driver's errors name the statement, never its parameters."""
    with Engine.open(f"sqlite:///{tmp_path}/shop.db", rules=book_of(*RULES)) as engine:
        engine.identify("ada", traits={"mark": MARKER})
        other = create_engine(f"sqlite:///{tmp_path}/shop.db")
        with other.begin() as connection:
            connection.execute(text("DROP TABLE whereupon_person"))
        other.dispose()
        with pytest.raises(Exception, match="whereupon_person") as caught:
            engine.identify("ada", traits={"mark": MARKER})
    assert MARKER not in str(caught.value)
