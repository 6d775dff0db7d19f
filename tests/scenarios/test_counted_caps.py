"""What caps cost, counted: one statement more for a batch, and nothing for a folder without any."""

from datetime import UTC, datetime

from sqlalchemy import create_engine
from tests.rule_files import File, book_of, campaign
from tests.scenarios.test_counted_work import Statements

from whereupon.engine import Engine
from whereupon.scheduling.clocks import FrozenClock

RULE = campaign("offer", "buy", whereupon=[{"send": "email", "subject": "Socks"}])
CAP: File = {"settings": "settings", "cap": [{"at_most": 3, "per": "7d"}]}


def _counted(url: str, *files: File, size: int) -> tuple[int, int]:
    """How many statements a batch takes, once every name has been met, and how many are about caps as it is handed over."""
    database = create_engine(url)
    clock = FrozenClock(datetime(2026, 3, 1, tzinfo=UTC))
    with Engine.open(database, rules=book_of(*files), clock=clock) as engine:
        engine.channel("email", concurrency=1)(lambda _: None)
        people = [f"person-{number}" for number in range(size)]
        batch = [{"type": "track", "event": "buy", "userId": person} for person in people]
        engine.ingest(batch)
        engine.run_due()
        counted = Statements(database)
        engine.ingest(batch)
        ingested = counted.asked.total()
        engine.run_due()
    database.dispose()
    asked = counted.asked.items()
    return ingested, sum(times for statement, times in asked if "other.kind IS NULL" in statement)


def test_a_batch_under_a_cap_takes_one_statement_more(database: str) -> None:
    """However many people it has; a hand-over takes one more at most, and a folder without caps none."""
    few, many = _counted(database, CAP, RULE, size=20), _counted(database, CAP, RULE, size=40)
    without = _counted(database, RULE, size=40)
    assert few[0] == many[0]
    assert many[0] - without[0] == 1
    assert without[1] == 0 < many[1] <= 40
