"""The order of arrival: in any order, the same people get the same messages."""

from collections.abc import Sequence
from pathlib import Path
from random import Random  # noqa: TID251 - seeded
from typing import TypeAlias

import pytest
from fixtures.shop_stream import messages as shop_messages
from tests.paths import RULES, STREAMS
from tests.stores import owners_of, tables_in, tables_of
from tests.stream_files import write_stream

from whereupon import Engine
from whereupon.messages.codec import JsonError, decode
from whereupon.messages.streams import StreamReader
from whereupon.ports import Store
from whereupon.replay.records import Summary
from whereupon.replay.stream_replay import replay
from whereupon.rules.loading import open_rules
from whereupon.scheduling.clocks import FrozenClock
from whereupon.storage import MemoryStore, open_store

Line: TypeAlias = dict[str, object]
_STREAMS = sorted(STREAMS.glob("*.jsonl"))

# A delete erases what arrived before it and silences, of what arrives after it, only what happened
# before it. So how much is left of the deleted person depends on the order, as it
# should, and nothing of hers or of the device that only she claimed is compared.
_DELETED = {"source-story": {"lin", "anon-lin-tablet"}}

# An alias merges those who are known when it arrives, and a suppression silences what arrives after
# it: what these two streams are about is their order.
_ABOUT_ORDER = {"merged-in-one-alias", "silenced-ids"}


def _messages(stream: Path) -> list[Line]:
    """The stream's messages one by one, without their arrival, each with its own id.

    A line without a messageId gets one by its place, which is no more what it was when shuffled.
    """
    found: list[Line] = []
    for raw in stream.read_bytes().splitlines():
        try:
            body = decode(raw)
        except JsonError:
            continue
        if not isinstance(body, dict):
            continue
        batch = body.get("batch")
        items = batch if isinstance(batch, list) else [body]
        inherited: Line = {name: body[name] for name in ("sentAt", "context") if name in body}
        found += [{**inherited, **item} for item in items if isinstance(item, dict)]
    for place, message in enumerate(found):
        message.pop("receivedAt", None)
        message["messageId"] = message.get("messageId") or f"place-{place}"
    return found


def _owners(lines: Sequence[Line], folder: Path) -> dict[str, str]:
    engines: list[Engine] = []

    def open_engine(clock: FrozenClock) -> Engine:
        engines.append(Engine.open("memory://", clock=clock))
        return engines[-1]

    stream = write_stream(folder / "shuffled.jsonl", *lines)
    replay(StreamReader().read(stream), open_engine, lambda _: None)
    return owners_of(engines[0])


def _compared(owners: dict[str, str], lines: Sequence[Line], gone: set[str]) -> dict[str, str]:
    erased = {
        str(line["messageId"])
        for line in lines
        if {str(line.get("userId")), str(line.get("anonymousId"))} & gone
    }
    return {message_id: owner for message_id, owner in owners.items() if message_id not in erased}


@pytest.mark.parametrize(
    "stream",
    [stream for stream in _STREAMS if stream.stem not in _ABOUT_ORDER],
    ids=lambda stream: stream.stem,
)
def test_any_order_of_arrival_ends_in_the_same_claims(stream: Path, tmp_path: Path) -> None:
    """The owner of a message follows from the messages' own times, not from their arrival."""
    lines = _messages(stream)
    gone = _DELETED.get(stream.stem, set())
    expected = _compared(_owners(lines, tmp_path), lines, gone)
    assert expected
    for seed in range(50):
        shuffled = Random(seed).sample(lines, len(lines))  # noqa: S311
        found = _compared(_owners(shuffled, tmp_path), lines, gone)
        assert found == expected, f"seed {seed}"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Sequence[Line], dict[str, str]]:
    """The messages of a shop of shared devices, and their owners if they come in their order."""
    lines = [dict(message) for message in shop_messages(3_000, seed=7, per_day=400)]
    return lines, _owners(lines, tmp_path_factory.mktemp("shop"))


@pytest.mark.parametrize("seed", range(5))
def test_any_order_of_arrival_ends_in_the_same_claims_in_a_shop_of_shared_devices(
    seed: int, shop: tuple[Sequence[Line], dict[str, str]], tmp_path: Path
) -> None:
    """Also if people own several devices, share some, and come back on them."""
    lines, owners = shop
    shuffled = Random(seed).sample(lines, len(lines))  # noqa: S311
    assert _owners(shuffled, tmp_path) == owners


def _replayed(stream: Path, store: Store) -> tuple[Engine, Summary]:
    engines: list[Engine] = []

    def open_engine(clock: FrozenClock) -> Engine:
        engines.append(Engine(store, open_rules(RULES), clock=clock))
        return engines[-1]

    summary = replay(StreamReader().read(stream), open_engine, lambda _: None)
    return engines[0], summary


@pytest.mark.parametrize("stream", _STREAMS, ids=lambda stream: stream.stem)
def test_replaying_a_stream_twice_into_one_database_changes_nothing(
    stream: Path, database: str
) -> None:
    """Every row of every table is as it was; the ids of erased messages stay known."""
    _, first = _replayed(stream, open_store(database))
    before = tables_in(database)
    _, second = _replayed(stream, open_store(database))
    assert tables_in(database) == before
    assert second.accepted == second.decisions == second.deliveries == second.requests == 0
    assert second.duplicates == first.accepted + first.duplicates


@pytest.mark.parametrize("stream", _STREAMS, ids=lambda stream: stream.stem)
def test_replaying_a_stream_twice_into_memory_changes_nothing(stream: Path) -> None:
    """The store in memory gives the same guarantee."""
    store = MemoryStore()
    engine, first = _replayed(stream, store)
    before = tables_of(engine)
    again = MemoryStore()
    again.schema = store.schema  # the first replay has closed its own
    _, second = _replayed(stream, again)
    assert tables_of(engine) == before
    assert second.duplicates == first.accepted + first.duplicates
