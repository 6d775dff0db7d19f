"""Large batches that let short work in between: it waits for a portion, and nothing else is different."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from time import monotonic
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event
from tests.rule_files import book_of
from tests.shop import NOON, purchase, thanks
from typing_extensions import override

from whereupon import Engine
from whereupon.errors import StoreError
from whereupon.pipeline.portions import PORTION
from whereupon.ports import Session
from whereupon.scheduling.clocks import FrozenClock
from whereupon.storage.memory.store import MemoryStore
from whereupon.storage.sql.store import SqlStore
from whereupon.storage.write_lock import FairLock
from whereupon.web.door import Door, DoorOptions
from whereupon.web.door.callers import Callers
from whereupon.web.http import Request

T = TypeVar("T")
RULES = book_of(thanks(), thanks(campaign="first", reentry="once"))
_PATIENCE = 60.0


class _Awaited(MemoryStore):
    """A store that others wait for when the test says so."""

    def __init__(self, answers: Iterator[bool]) -> None:
        super().__init__()
        self._answers = answers

    @override
    def is_awaited(self) -> bool:
        return next(self._answers, False)


def _messages() -> st.SearchStrategy[list[dict[str, object]]]:
    """Purchases of few people, who are anonymous at times and known later; some are sent twice, some are bad."""
    ids = st.integers(0, 60).map(str)
    people = st.sampled_from(["ada", "bob"])
    visitors = st.sampled_from(["anon-1", "anon-2"])
    known = st.builds(lambda n, who: {**purchase(int(n)), "userId": who}, ids, people)
    unknown = st.builds(
        lambda n, who: {**purchase(int(n)), "userId": None, "anonymousId": who}, ids, visitors
    )
    claims = st.builds(
        lambda n, who, was: {
            "type": "identify",
            "userId": who,
            "anonymousId": was,
            "messageId": f"who-{n}",
            "timestamp": NOON.isoformat(),
        },
        ids,
        people,
        visitors,
    )
    merges = st.just({"type": "alias", "userId": "ada", "previousId": "bob", "messageId": "one"})
    bad = st.just({"type": "track", "userId": "ada"})
    return st.lists(st.one_of(known, unknown, claims, merges, bad), max_size=4 * PORTION)


def _taken(batch: list[dict[str, object]], *, awaited: list[bool] | None = None) -> object:
    """What is answered, and what is there afterwards; in one transaction, or in portions."""
    store = MemoryStore() if awaited is None else _Awaited(iter(awaited))
    with Engine(store, RULES, clock=FrozenClock(NOON)) as engine:
        for person in ("ada", "bob"):
            engine.identify(person, message_id=person)
        answered = engine.ingest(batch, yielding=awaited is not None)
        why = {
            (person, rule): [each.sentence for each in engine.explain(person, rule, limit=999)]
            for person in ("ada", "bob")
            for rule in ("thanks", "first")
        }
        return (
            (answered.accepted, answered.duplicates, answered.rejected),
            [
                (each.message_id, each.rule, each.outcome, each.reason)
                for each in answered.decisions
            ],
            why,
        )


@given(_messages(), st.lists(st.booleans(), max_size=9))
def test_whoever_comes_in_between_the_result_is_that_of_one_transaction(
    batch: list[dict[str, object]], awaited: list[bool]
) -> None:
    """What is accepted, rejected and decided, and why."""
    assert _taken(batch, awaited=awaited) == _taken(batch)


class _Shop(SqlStore):
    """A store on a file with one writer at a time, that knows who waits for it."""

    def await_turns(self, count: int) -> None:
        """Return when so many threads wait for the one that writes."""
        lock, until = self._write_lock, monotonic() + _PATIENCE
        assert isinstance(lock, FairLock)
        while lock.waiting < count:
            assert monotonic() < until

    def message_ids(self) -> list[str]:
        """The ids of the messages, in the order in which they were stored."""
        with self._engine.connect() as connection:
            rows = connection.exec_driver_sql(
                "SELECT message_id FROM whereupon_message ORDER BY key"
            )
            return [each[0] for each in rows]

    def count_commits(self) -> list[str]:
        """A list that grows with every commit."""
        commits: list[str] = []

        def count(_connection: object, _cursor: object, statement: str, *_: object) -> None:
            if statement == "COMMIT":
                commits.append(statement)

        event.listen(self._engine, "before_cursor_execute", count)
        return commits


@pytest.fixture
def store(tmp_path: Path) -> Iterator[_Shop]:
    """One of its own."""
    with closing(_Shop(f"sqlite:///{tmp_path / 'shop.db'}")) as store:
        yield store


def _batch(size: int = 4 * PORTION) -> list[dict[str, object]]:
    return [purchase(number) for number in range(size)]


def _order(store: _Shop, *, yielding: bool) -> list[str]:
    """The ids of the messages of a large batch, and of a short one that comes while it waits, as they were stored."""
    with Engine(store, RULES) as engine, ThreadPoolExecutor(2) as threads:
        with store.session():  # so that both wait, one behind the other
            large = threads.submit(engine.ingest, _batch(), yielding=yielding)
            store.await_turns(1)
            short = threads.submit(engine.ingest, purchase(999))
            store.await_turns(2)
        assert (large.result(_PATIENCE).accepted, short.result(_PATIENCE).accepted) == (100, 1)
    return store.message_ids()


def test_a_short_one_comes_in_behind_the_first_portion(store: _Shop) -> None:
    """It waits for twenty-five messages, not for a hundred."""
    assert _order(store, yielding=True).index("purchase-999") == PORTION


def test_a_batch_of_the_library_is_one_transaction(store: _Shop) -> None:
    """Unless it is told to yield, nothing comes in between its messages."""
    assert _order(store, yielding=False).index("purchase-999") in {0, 100}


def test_a_batch_for_which_nobody_waits_is_one_transaction(store: _Shop) -> None:
    """One commit, so that it costs what it did."""
    with Engine(store, RULES) as engine:
        commits = store.count_commits()
        engine.ingest(_batch(), yielding=True)
        assert len(commits) == 1


class _Failing(_Awaited):
    """A store that fails once, after the first portion."""

    def __init__(self) -> None:
        super().__init__(iter([False, True]))
        self._calls = 0

    @override
    def transact(self, work: Callable[[Session], T], *, alone: bool = False) -> T:
        self._calls += alone
        if alone and self._calls == 2:
            raise StoreError(code="unreachable", reason="the machine is gone")
        return super().transact(work, alone=alone)


def test_what_is_sent_again_after_a_failure_between_portions_is_taken_once() -> None:
    """The portion that was stored is known by its ids, and the rest goes in."""
    with Engine(_Failing(), RULES) as engine:
        with pytest.raises(StoreError):
            engine.ingest(_batch(), yielding=True)
        again = engine.ingest(_batch(), yielding=True)
        assert (again.duplicates, again.accepted) == (PORTION, 3 * PORTION)
        assert len(engine.deliveries(person="ada", limit=999)) == 100 + 1


@pytest.mark.parametrize("is_shared", [True, False])
def test_the_door_yields_while_several_keys_send(is_shared: bool) -> None:
    """A batch of which a portion was stored is answered with 503, and with 200 when it is sent again."""
    with Engine(_Failing(), RULES) as engine:
        secret = engine.keys.create("backend", kind="server").secret
        door = Door(engine, Callers(engine.keys.check), DoorOptions(), lambda: is_shared)
        request = Request(
            method="POST",
            path="/v1/batch",
            headers={"authorization": f"Bearer {secret}"},
            body=json.dumps({"batch": _batch()}).encode(),
        )
        statuses = [door.answer(request).status for _ in range(2)]
        assert statuses == ([503, 200] if is_shared else [200, 200])
        assert len(engine.deliveries(person="ada", limit=999)) == 100 + 1
