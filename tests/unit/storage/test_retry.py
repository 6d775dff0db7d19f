"""Retries: a transaction that fails because of another one is repeated until patience ends."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from whereupon.errors import StoreError
from whereupon.ports import Session
from whereupon.storage import open_store
from whereupon.storage.deadline import Deadline, busy
from whereupon.storage.sql.transaction_retry import LostRaceError, retry


@contextmanager
def begin() -> Iterator[Session]:
    """A transaction somewhere."""
    with open_store("memory://").session() as session:
        yield session


def test_lost_races_are_tried_again_until_one_is_won() -> None:
    """Any number of them, while there is patience; so is a transaction that was not let in at once."""
    faults: list[StoreError] = [LostRaceError(reason="slow"), busy()] * 20

    def work(_session: Session) -> str:
        if faults:
            raise faults.pop()
        return "won"

    assert retry(begin, work, Deadline(600)) == "won"


@pytest.mark.parametrize("fault", [LostRaceError(reason="slow"), busy()])
def test_a_call_that_loses_every_race_is_busy_when_its_patience_ends(fault: StoreError) -> None:
    """The time counts, not the number of attempts: each may take long."""
    tries = 0

    def work(_session: Session) -> None:
        nonlocal tries
        tries += 1
        raise fault

    with pytest.raises(StoreError) as caught:
        retry(begin, work, Deadline(0.05))
    assert caught.value.code == "busy"
    assert tries > 1
    tries = 0
    with pytest.raises(StoreError):
        retry(begin, work, Deadline(0))
    assert tries == 1


def test_what_is_no_race_is_raised_at_once() -> None:
    """A repetition would not help."""

    def work(_session: Session) -> None:
        raise StoreError(code="full", reason="there is no room")

    with pytest.raises(StoreError, match="no room"):
        retry(begin, work, Deadline(600))
