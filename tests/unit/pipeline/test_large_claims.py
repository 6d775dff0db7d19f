"""Claims of many messages: they are carried out in chunks, with other calls in between, and end as in one piece."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Event
from time import monotonic
from typing import TypeVar

import pytest
from sqlalchemy import Connection, create_engine, event
from tests.rule_files import book_of
from tests.shop import NOON, news, purchase, thanks
from tests.threads import in_threads

from whereupon import Engine
from whereupon.conditions import ALWAYS, Data, History
from whereupon.decide import Notice
from whereupon.errors import StoreError
from whereupon.ports import Session, Store
from whereupon.rules.model import Rulebook
from whereupon.scheduling.clocks import FrozenClock
from whereupon.storage import StoreAddress
from whereupon.storage.memory.store import MemoryStore
from whereupon.storage.sql.store import SqlStore
from whereupon.storage.write_lock import FairLock

T = TypeVar("T")
PART = 5
FIRST = thanks(campaign="first", reentry="once")
LAST = thanks(campaign="last", retroactive={"take": "last"})
RULES = book_of(thanks(), FIRST, LAST)


def _opened(store: StoreAddress, rules: Rulebook = RULES, part: int = PART) -> Engine:
    engine = Engine.open(store, rules=rules, clock=FrozenClock(NOON))
    engine.pipeline.claim_chunk = part
    return engine


def _anonymous(number: int) -> dict[str, object]:
    return {**purchase(number), "userId": None, "anonymousId": "anon-1"}


def _record(engine: Engine, count: int) -> None:
    engine.ingest([_anonymous(number) for number in range(count)])


def _begin(engine: Engine) -> None:
    """Identify ada, and stop before the claim is carried out."""
    identify = {"type": "identify", "userId": "ada", "anonymousId": "anon-1", "messageId": "who"}
    once = _Once(engine.store)
    brief = Engine(once, engine.pipeline.index.book, clock=engine.clock)
    brief.pipeline.claim_chunk = engine.pipeline.claim_chunk
    assert brief.ingest([identify]).accepted == 1


class _Once:
    """A store that fails before the chunks of a claim."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.is_gone = True

    def session(self, connection: object = None) -> AbstractContextManager[Session]:
        """Open a session."""
        return self._store.session(connection)

    def reading(self) -> AbstractContextManager[Session]:
        """Open a session for reads."""
        return self._store.reading()

    def transact(self, work: Callable[[Session], T], *, alone: bool = False) -> T:
        """Do work, unless it is a chunk."""
        if alone and self.is_gone:
            raise StoreError(code="unreachable", reason="the machine is gone")
        return self._store.transact(work)

    def scrub(self) -> bool:
        """Scrub the store."""
        return self._store.scrub()

    def is_awaited(self) -> bool | None:
        """Ask the store."""
        return self._store.is_awaited()

    def watch(self, _changed: object) -> None:
        """Watch nothing."""

    def close(self) -> None:
        """Leave the store open: the test closes it."""


def _left(engine: Engine) -> int:
    """The number of unfinished claims."""
    with engine.store.session() as session:
        return len(session.due_claim_jobs(NOON + timedelta(days=99), 9))


def _outcomes(engine: Engine) -> list[tuple[str, str]]:
    """The outcomes of every purchase in the store, by rule."""
    return [
        (rule, each.sentence.partition(" by ")[0])
        for rule in ("thanks", "first", "last")
        for each in engine.explain("ada", rule, limit=999)
    ]


def test_claims_whose_device_did_much_after_them_are_taken() -> None:
    """What lies behind their reach is more than a chunk, and none of it is theirs."""
    with _opened("memory://") as engine:
        clock = engine.clock
        assert isinstance(clock, FrozenClock)
        clock.move_to(NOON + timedelta(hours=2))
        later = (NOON + timedelta(hours=1)).isoformat()
        engine.ingest([{**_anonymous(number), "timestamp": later} for number in range(4 * PART)])
        claims = [
            {"type": "identify", "userId": user, "anonymousId": device}
            for user, device in (("ada", "anon-1"), ("bob", "anon-2"))
        ]
        taken = engine.ingest([{**each, "timestamp": NOON.isoformat()} for each in claims])
        assert (taken.accepted, taken.rejected) == (2, [])
        assert _outcomes(engine) == []


# --- the same as a whole ----------------------------------------------------------------------------


def test_a_claim_in_chunks_decides_what_a_whole_one_decides(place: str) -> None:
    """Every decision, in the order in which the messages happened; the explanations are the same afterwards."""
    with _opened(place) as engine, _opened("memory://", part=999) as other:
        for each in (engine, other):
            _record(each, 23)
        parted, whole = (
            each.identify("ada", anonymous_id="anon-1", message_id="who")
            for each in (engine, other)
        )
        answer = [(d.message_id, d.rule, d.reason) for d in parted.decisions]
        assert answer == [(d.message_id, d.rule, d.reason) for d in whole.decisions]
        assert sum(reason is None for _, _, reason in answer) == 23 + 1 + 1
        assert _outcomes(engine) == _outcomes(other)
        assert _left(engine) == 0


def test_with_a_hosts_connection_all_is_in_the_hosts_transaction(database: str) -> None:
    """It is one transaction for any claim: rolled back, nothing has happened."""
    with _opened(database) as engine:
        _record(engine, 23)
        host = create_engine(engine.store._engine.url)  # type: ignore[attr-defined]  # noqa: SLF001
        with host.connect() as connection:
            answer = engine.identify("ada", anonymous_id="anon-1", connection=connection)
            assert len(answer.decisions) == 3 * 23
            connection.rollback()
        with host.connect() as connection:
            answer = engine.identify("ada", anonymous_id="anon-1", connection=connection)
            connection.commit()
        host.dispose()
        assert len(answer.decisions) == 3 * 23


# --- in a batch, in an alias --------------------------------------------------------------------------


IDENTIFY: dict[str, object] = {
    "type": "identify",
    "userId": "ada",
    "anonymousId": "anon-1",
    "messageId": "who",
}
ALIAS: dict[str, object] = {
    "type": "alias",
    "userId": "ada",
    "previousId": "anon-1",
    "messageId": "who",
}
MERGE: dict[str, object] = {
    "type": "alias",
    "userId": "bob",
    "previousId": "cy",
    "messageId": "merge",
}
BATCHES: dict[str, list[dict[str, object]]] = {
    "beside others": [purchase(90, "bob"), IDENTIFY, purchase(91), purchase(92, "bob")],
    "first": [IDENTIFY, purchase(91), IDENTIFY],
    "an alias": [ALIAS],
    "an alias beside others": [purchase(90), ALIAS, purchase(91)],
    "behind a merge": [purchase(90, "cy"), MERGE, IDENTIFY, purchase(91, "cy")],
    "before a merge": [IDENTIFY, MERGE, purchase(91, "cy")],
    "before a deletion": [
        IDENTIFY,
        {"type": "track", "event": "Delete Person", "userId": "bob", "messageId": "gone"},
        purchase(91),
    ],
}


@pytest.mark.parametrize("name", BATCHES)
def test_a_claim_of_many_comes_to_the_same_wherever_it_stands(name: str, place: str) -> None:
    """With the same records and explanations; the claim is carried out when the call returns."""
    answer = []
    with _opened(place) as engine, _opened("memory://", part=999) as other:
        for each in (engine, other):
            each.ingest([purchase(80, "bob"), purchase(81, "cy")])
            _record(each, 23)
            result = each.ingest(BATCHES[name])
            assert _left(each) == 0
            answer.append((result.accepted, result.duplicates, list(result.decisions)))
        assert answer[0] == answer[1]
        assert _outcomes(engine) == _outcomes(other)


@pytest.mark.parametrize("name", BATCHES)
def test_a_claim_of_many_comes_to_the_same_in_a_hosts_transaction(name: str, database: str) -> None:
    """It is carried out in the same steps there, one after another."""
    with _opened(database) as engine, _opened("memory://", part=999) as other:
        for each in (engine, other):
            each.ingest([purchase(80, "bob"), purchase(81, "cy")])
            _record(each, 23)
        host = create_engine(engine.store._engine.url)  # type: ignore[attr-defined]  # noqa: SLF001
        with host.begin() as connection:
            answer = engine.ingest(BATCHES[name], connection=connection)
        host.dispose()
        expected = other.ingest(BATCHES[name])
        assert answer.accepted == expected.accepted
        assert list(answer.decisions) == list(expected.decisions)
        assert _left(engine) == 0
        assert _outcomes(engine) == _outcomes(other)


def test_what_the_engine_fails_on_is_named_by_its_place_in_the_whole_batch() -> None:
    """Though the batch is decided in several transactions."""

    def explode(data: Data, _history: object) -> bool:
        properties = data["properties"]
        assert isinstance(properties, dict)
        if properties.get("number") == 91:
            message = "too deep"
            raise RecursionError(message)
        return True

    first, *_ = book_of(thanks()).rules
    rules = Rulebook(rules=(replace(first, where=replace(ALWAYS, holds=explode)),))
    with _opened("memory://", rules) as engine:
        _record(engine, 23)
        result = engine.ingest(
            [purchase(90), IDENTIFY, purchase(92), purchase(91), purchase(93, "bob")]
        )
        assert [(each.index, each.code) for each in result.rejected] == [(3, "poison")]
        assert result.accepted == 4


def test_many_small_claims_of_a_batch_share_transactions_of_bounded_size(tmp_path: Path) -> None:
    """Ten devices with four messages each: one transaction claims three chunks at most."""
    counted = Counted(tmp_path / "shop.db")
    with _opened(counted.database, book_of(thanks())) as engine:
        devices = [f"anon-{number}" for number in range(10)]
        for number, device in enumerate(devices):
            engine.ingest(
                [{**_anonymous(10 * number + n), "anonymousId": device} for n in range(4)]
            )
        with counted.counting() as statements:
            answer = engine.ingest(
                [
                    {"type": "identify", "userId": f"user-{device}", "anonymousId": device}
                    for device in devices
                ]
            )
        assert len(answer.decisions) == 40
        assert statements.count("COMMIT") == 4  # of three devices, three, three and one
    counted.database.dispose()


def test_a_batch_is_divided_at_a_claim_of_many(tmp_path: Path) -> None:
    """The messages before it with its start, its chunks, and the messages behind it: other calls come in between."""
    counted = Counted(tmp_path / "shop.db")
    with _opened(counted.database, book_of(thanks())) as engine:
        _record(engine, 23)
        with counted.counting() as statements:
            answer = engine.ingest([purchase(90, "bob"), IDENTIFY, purchase(91), purchase(92)])
        assert len(answer.decisions) == 26
        assert statements.count("COMMIT") == 2 + 5 + 1
    counted.database.dispose()


def test_a_claim_that_was_interrupted_is_carried_out_by_the_next_due_work(place: str) -> None:
    """Not only a minute later, if the process that started it is still running."""
    with _opened(place) as engine:
        _record(engine, 23)
        once = _Once(engine.store)
        brief = Engine(once, RULES, clock=engine.clock)
        brief.pipeline.claim_chunk = PART
        assert brief.ingest([IDENTIFY]).accepted == 1
        assert _left(engine) == 1
        once.is_gone = False
        answer = [d for done in brief.wake(NOON) for d in done.decisions]
        assert len(answer) == 3 * 23
        assert _left(engine) == 0


# --- who comes between ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_another_thread_waits_for_one_chunk_at_most(kind: str, tmp_path: Path) -> None:
    """A thread that asked for the write lock meanwhile gets it before the next chunk."""
    store = MemoryStore() if kind == "memory" else SqlStore(f"sqlite:///{tmp_path}/shop.db")
    lock = store._write_lock  # noqa: SLF001 - to know that somebody waits
    assert isinstance(lock, FairLock)
    started, order = Event(), list[str]()

    def look(data: Data, _history: object) -> bool:
        properties = data["properties"]
        assert isinstance(properties, dict)
        number = properties.get("number")
        if number == "bob" and number not in order:  # it may be looked at twice
            order.append("bob")
        elif number == PART + 1:  # in the second part of five
            started.set()
            deadline = monotonic() + 60
            while not lock.waiting and monotonic() < deadline:
                pass
        elif number == 2 * PART:
            order.append("the third part")
        return True

    first, *_ = book_of(thanks()).rules
    rules = Rulebook(rules=(replace(first, where=replace(ALWAYS, holds=look)),))
    with Engine(store, rules, clock=FrozenClock(NOON)) as engine, ThreadPoolExecutor(1) as pool:
        engine.pipeline.claim_chunk = PART
        _record(engine, 5 * PART)
        claiming = pool.submit(lambda: engine.identify("ada", anonymous_id="anon-1"))
        assert started.wait(60)
        engine.track("purchase", user_id="bob", properties={"number": "bob"})
        assert len(claiming.result(60).decisions) == 5 * PART
    assert order == ["bob", "the third part"]


def test_claims_at_the_same_time_are_decided_once(place: str) -> None:
    """Several threads claim, and others send messages of the same person meanwhile."""
    answer: list[tuple[str, str]] = []
    with _opened(place, book_of(thanks()), part=2) as engine:
        _record(engine, 20)

        def work(number: int) -> None:
            done = engine.ingest([{**purchase(100 + number), "anonymousId": "anon-1"}])
            answer.extend((d.message_id, d.rule) for d in done.decisions)

        in_threads(6, work)
        assert _left(engine) == 0
        numbers = [*range(20), *range(100, 106)]
        assert sorted(answer) == sorted((f"purchase-{number}", "thanks") for number in numbers)


# --- those who began it are gone --------------------------------------------------------------------


def test_an_abandoned_claim_is_due_work_after_a_minute(place: str) -> None:
    """It is recorded when the identify is answered, and nothing of it is lost."""
    with _opened(place) as engine:
        _record(engine, 23)
        _begin(engine)
        with engine.store.session() as session:
            assert session.next_claim_due() == NOON + timedelta(minutes=1)
        assert [*engine.wake(NOON)] == []
        assert _left(engine) == 1
        answer = [d for done in engine.wake(NOON + timedelta(minutes=1)) for d in done.decisions]
        assert [d.message_id for d in answer if d.rule == "thanks"] == [
            f"purchase-{number}" for number in range(23)
        ]
        assert _left(engine) == 0


def test_a_message_of_the_person_carries_the_claim_out_first(place: str) -> None:
    """The claim's decisions are in the answer, before the call's own."""
    with _opened(place) as engine:
        _record(engine, 12)
        _begin(engine)
        answer = engine.ingest([purchase(99)])
        assert [d.message_id for d in answer.decisions if d.rule == "thanks"] == [
            *(f"purchase-{number}" for number in range(12)),
            "purchase-99",
        ]
        assert [d.reason for d in answer.decisions if d.rule == "first"].count(None) == 1
        assert _left(engine) == 0


def test_a_deletion_carries_the_claim_out_first(place: str) -> None:
    """All claimed messages are erased, and nothing of the claim is done later."""
    with _opened(place) as engine:
        _record(engine, 12)
        _begin(engine)
        assert engine.track("Delete Person", user_id="ada").requests[0].outcome == "ran"
        assert _left(engine) == 0
        with engine.store.session() as session:
            assert session.counts().entries == session.counts().persons == 0


def test_a_broadcast_carries_the_claim_out_first(place: str) -> None:
    """Its audience is evaluated with the claimed messages."""
    who = {"performed": {"event": "purchase", "at_least": 12}}
    with _opened(place, book_of(thanks(), news(who=who))) as engine:
        _record(engine, 12)
        _begin(engine)
        engine.trigger("news")
        answer = [d.rule for done in engine.wake(NOON) for d in done.decisions]
        assert answer == ["thanks"] * 12 + ["news"]


def test_a_preview_sees_a_claim_carried_out(place: str) -> None:
    """Only messages that are not claimed yet are shown."""
    with _opened(place) as engine:
        _record(engine, 12)
        _begin(engine)
        assert engine.preview_identify("ada", anonymous_id="anon-1").claimed == ()
        assert _left(engine) == 0


def test_a_hosts_connection_carries_a_claim_out_within_its_transaction(database: str) -> None:
    """It cannot wait for another transaction."""
    with _opened(database) as engine:
        _record(engine, 12)
        _begin(engine)
        host = create_engine(engine.store._engine.url)  # type: ignore[attr-defined]  # noqa: SLF001
        with host.connect() as connection:
            engine.ingest([purchase(99)], connection=connection)
            connection.rollback()
        assert _left(engine) == 1
        with host.connect() as connection:
            engine.ingest([purchase(99)], connection=connection)
            connection.commit()
        host.dispose()
        assert _left(engine) == 0
        assert len(engine.explain("ada", "thanks", limit=99)) == 13


# --- what the engine fails on -----------------------------------------------------------------------


def test_a_claimed_message_on_which_the_engine_fails_holds_up_no_other(place: str) -> None:
    """The person owns it, no rule evaluates it, and a notice says so."""

    def explode(data: Data, _history: object) -> bool:
        properties = data["properties"]
        assert isinstance(properties, dict)
        if properties.get("number") in {7, 8}:
            message = "too deep"
            raise RecursionError(message)
        return True

    first, *_ = book_of(thanks()).rules
    rules = Rulebook(rules=(replace(first, where=replace(ALWAYS, holds=explode)),))
    with _opened(place, rules) as engine:
        _record(engine, 12)
        answer = engine.identify("ada", anonymous_id="anon-1")
        warned = [each for each in answer.warnings if isinstance(each, Notice)]
        assert [(each.code, each.message_id) for each in warned] == [
            ("claimed-failed", "purchase-7"),
            ("claimed-failed", "purchase-8"),
        ]
        assert len(answer.decisions) == 10
        assert _left(engine) == 0
        with engine.store.session() as session:
            (ada,) = session.identifiers(["ada"], [])
            assert len(session.claimed_messages(ada.key, 99)) == 12


# --- what is too old ----------------------------------------------------------------------------------


def test_only_messages_young_enough_for_some_rule_are_evaluated(place: str) -> None:
    """The others become the person's together: a notice says so, and each is explained."""
    looked_at: list[object] = []

    def look(data: Data, history: History) -> bool:
        properties = data["properties"]
        assert isinstance(properties, dict)
        looked_at.append(properties.get("number"))
        return holds(data, history)

    first, *_ = book_of(thanks(where={"number": {"ne": 1}})).rules
    holds = first.where.holds
    rules = Rulebook(rules=(replace(first, where=replace(first.where, holds=look)),))
    with _opened(place, rules) as engine:
        engine.ingest([_old(number) for number in range(12)])
        answer = engine.identify("ada", anonymous_id="anon-1")
        assert set(looked_at) == {9, 10, 11}  # three days
        assert [each.reason for each in answer.decisions] == [None, None, None]
        ((code, text),) = [(each.code, each.message) for each in answer.warnings]
        assert code == "claimed-together"
        assert text.startswith("9 of the messages")
        explained = engine.explain("ada", "thanks", limit=99)
        reasons = [each.reason for each in reversed(explained)]
        assert reasons == ["too-old", "where", *["too-old"] * 7, None, None, None]
        assert all(each.retroactive for each in explained)


def _old(number: int) -> dict[str, object]:
    """A purchase on a day of its own; the last three of twelve are young enough."""
    return {**_anonymous(number), "timestamp": f"2026-05-{20 + number}T12:00:00Z"}


def test_a_small_claim_makes_every_decision(place: str) -> None:
    """Also for messages that are too old."""
    with _opened(place, book_of(thanks())) as engine:
        engine.ingest([_old(number) for number in range(PART)])
        answer = engine.identify("ada", anonymous_id="anon-1")
        assert [each.reason for each in answer.decisions] == ["too-old"] * PART
        assert answer.warnings == []


@pytest.mark.parametrize("step", [1, -1])
def test_old_messages_of_a_device_go_to_the_next_login(step: int, place: str) -> None:
    """Two people claim it in one batch, in either order; inert messages are divided as all others are."""
    claims = [
        {**IDENTIFY, "userId": user, "messageId": user, "timestamp": f"2026-05-{day}T00:00:00Z"}
        for user, day in (("ada", 24), ("bob", 29))
    ]
    with _opened(place) as engine, _opened("memory://", part=999) as other:
        for each in (engine, other):
            each.ingest([_old(number) for number in range(10)])
            each.ingest(claims[::step])
        for user, count in (("ada", 4), ("bob", 5)):
            theirs, expected = (
                [(why.message_id, why.sentence) for why in each.explain(user, "thanks")]
                for each in (engine, other)
            )
            assert theirs == expected
            assert len(theirs) == count


# --- work, counted ----------------------------------------------------------------------------------


class Counted:
    """A store on SQLite that counts statements and transactions."""

    def __init__(self, path: Path) -> None:
        self.database = create_engine(f"sqlite:///{path}")
        event.listen(self.database, "before_cursor_execute", self._count)
        self.statements: list[str] = []

    def _count(self, _connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        self.statements.append(statement)

    @contextmanager
    def counting(self) -> Iterator[list[str]]:
        """Count the statements of a block."""
        self.statements = []
        yield self.statements


def _claim(engine: Engine, counted: Counted, count: int, number: int) -> list[str]:
    """The statements of an identify that claims so many messages, once all names are known."""
    anonymous = f"anon-{number}"
    ids = {"anonymousId": anonymous, "userId": None}
    engine.ingest(
        [{**purchase(1000 * number + n), **ids} for n in range(count)],
    )
    with counted.counting() as statements:
        answer = engine.identify(f"user-{number}", anonymous_id=anonymous)
    assert len(answer.decisions) == count
    return list(statements)


def test_a_claim_of_one_chunk_is_one_round_of_bulk_work(tmp_path: Path) -> None:
    """Ten messages and four hundred take the same statements."""
    counted = Counted(tmp_path / "shop.db")
    with _opened(counted.database, book_of(thanks()), part=400) as engine:
        _claim(engine, counted, 10, 1)
        ten, many = (_claim(engine, counted, n, k) for n, k in ((10, 2), (400, 3)))
        assert len(ten) == len(many)
    counted.database.dispose()


def test_each_chunk_of_a_claim_takes_the_same_statements(tmp_path: Path) -> None:
    """Statements grow with the chunks; each concerns the messages of one chunk at most."""
    counted = Counted(tmp_path / "shop.db")
    with _opened(counted.database, book_of(thanks()), part=20) as engine:
        _claim(engine, counted, 100, 1)
        found = {n: _claim(engine, counted, 20 * n, n) for n in (2, 5, 10)}
        commits = {n: statements.count("COMMIT") for n, statements in found.items()}
        assert commits == {n: 1 + n for n in found}
        lengths = {n: len(statements) for n, statements in found.items()}
        a_part = (lengths[10] - lengths[5]) / 5
        assert lengths[5] - lengths[2] == 3 * a_part
        assert a_part < 40
    counted.database.dispose()


def test_a_batch_with_more_than_the_claim_is_one_transaction(tmp_path: Path) -> None:
    """Messages behind the claim need its results."""
    counted = Counted(tmp_path / "shop.db")
    with _opened(counted.database, book_of(thanks())) as engine:
        _record(engine, 12)
        identify = {"type": "identify", "userId": "ada", "anonymousId": "anon-1"}
        with counted.counting() as statements:
            answer = engine.ingest([identify, purchase(99)])
        assert len(answer.decisions) == 13
        assert statements.count("COMMIT") == 1
    counted.database.dispose()
