"""What the door asks of the database beside the messages: nothing."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, event
from tests.door import CLIENT, SERVER, DoorOfTest, opened_door


def batch(number: int, key: str | None = None) -> dict[str, object]:
    """Ten messages that are new, and the key in the body if it is named."""
    messages = [
        {"type": "track", "event": "seen", "userId": "ada", "messageId": f"{number}-{place}"}
        for place in range(10)
    ]
    return {"batch": messages, **({} if key is None else {"writeKey": key})}


@pytest.fixture
def counted(tmp_path: Path) -> Iterator[tuple[DoorOfTest, Counter[str]]]:
    """A door on SQLite, and the statements that were executed."""
    asked: Counter[str] = Counter()
    database = create_engine(f"sqlite:///{tmp_path / 'shop.db'}")

    def count(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        asked[statement] += 1

    with opened_door(store=database) as door:
        for key in (SERVER, CLIENT):  # keys are read, and names are met
            assert door.post("/v1/batch", batch(-len(key), key), key)[0] == 200
        door.engine.keys.write_uses()
        event.listen(database, "before_cursor_execute", count)
        yield door, asked
    database.dispose()


@pytest.mark.parametrize(("key", "source"), [(SERVER, "server"), (CLIENT, "client")])
def test_a_request_costs_no_statement_beside_those_of_its_messages(
    counted: tuple[DoorOfTest, Counter[str]], key: str, source: str
) -> None:
    """The key is looked up in memory, wherever it stands, and its use is noted later."""
    door, asked = counted
    door.engine.ingest(batch(0), source=source)  # type: ignore[arg-type]
    alone = Counter(asked)
    assert alone.total() > 3
    for number, where in ((1, key), (2, None)):
        asked.clear()
        assert door.post("/v1/batch", batch(number, key), where) == (200, {"success": True})
        assert asked == alone


def test_a_guess_at_a_key_costs_no_statement(counted: tuple[DoorOfTest, Counter[str]]) -> None:
    """But one now and then, for all guesses together: a key may have been made just now."""
    door, asked = counted
    for number in range(200):
        assert door.post("/v1/batch", batch(1), f"wk_guess-{number}")[0] == 401
    assert asked.total() < 40
