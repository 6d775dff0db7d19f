"""Rules that time opens are new while a transaction is open that makes a person known: the person is not missed."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection
from tests.rule_files import book_of, campaign
from tests.worlds import DAY, NOON, after

from whereupon.engine import Engine
from whereupon.rules.model import Rulebook
from whereupon.scheduling.clocks import FrozenClock
from whereupon.storage.sql.database_url import engine_of

RENEWAL = book_of(
    campaign(
        "renewal",
        {"date": "person.renews_at"},
        whereupon=[{"send": "push", "title": "Renew!"}],
    )
)
MARCH_3 = {"renews_at": "2026-03-03"}


@pytest.fixture
def host(postgres: str) -> Iterator[Connection]:
    """A host's own transaction on PostgreSQL."""
    database, _ = engine_of(postgres, patience=30)
    with database.connect() as connection, connection.begin():
        yield connection
    database.dispose()


def _entered(store: str, minutes: float, rules: Rulebook = RENEWAL) -> list[str]:
    """Who is sent something once time has passed up to then, by name."""
    clock = FrozenClock(after(minutes))
    with Engine.open(store, rules=rules, clock=clock) as engine:
        engine.run_due()
        return sorted(each.person for each in engine.deliveries(limit=9))


def test_a_person_who_becomes_known_under_older_rules_meanwhile_has_a_date(
    postgres: str, host: Connection
) -> None:
    """The transaction knows nothing of the new rule. Timers for people are made when it is over."""
    clock = FrozenClock(NOON)
    with Engine.open(postgres, rules=book_of(), clock=clock) as older:
        older.identify("ada", traits=MARCH_3)
        older.identify("rosa", traits=MARCH_3, connection=host)
    with Engine.open(postgres, rules=RENEWAL, clock=clock) as newer:
        newer.run_due()
        host.commit()
        newer.run_due()
    assert _entered(postgres, 2 * DAY) == ["ada", "rosa"]


def test_a_transaction_that_does_not_end_keeps_a_new_rule_waiting_for_an_hour(
    postgres: str, host: Connection
) -> None:
    """It may be one that a host has forgotten."""
    clock = FrozenClock(NOON)
    with Engine.open(postgres, rules=book_of(), clock=clock) as older:
        older.identify("ada", traits={"renews_at": "2026-03-01T12:30:00Z"})
        older.track("view", anonymous_id="anon-1", connection=host)
    with Engine.open(postgres, rules=RENEWAL, clock=clock) as newer:
        newer.run_due()
        clock.move_to(after(59))
        newer.run_due()
        assert newer.deliveries(limit=9) == []
        clock.move_to(after(60))
        newer.run_due()
        assert [each.person for each in newer.deliveries(limit=9)] == ["ada"]
