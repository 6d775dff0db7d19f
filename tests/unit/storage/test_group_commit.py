"""Group commit: threads that wait at the same time share one transaction; each keeps its own failure."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Condition, Event, Thread, get_ident
from time import monotonic
from typing import Self

import pytest
from sqlalchemy import Connection, create_engine, event

from whereupon.errors import StoreError
from whereupon.ports import JointWork, Session
from whereupon.records import Changes
from whereupon.storage import open_store
from whereupon.storage.deadline import Deadline, busy
from whereupon.storage.sql import group_commit
from whereupon.storage.sql.group_commit import GroupCommit
from whereupon.storage.sql.store import SqlStore
from whereupon.storage.write_lock import FairLock, WriteLock
from whereupon.testing.contracts.samples import message


class Counted(SqlStore):
    """A store on SQLite that counts its commits, and knows how much work waits."""

    def __init__(self, path: Path) -> None:
        self.commits = 0
        self.interrupts_in: int | None = None
        engine = create_engine(f"sqlite:///{path}")
        event.listen(engine, "before_cursor_execute", self._count)
        for how in ("do_execute", "do_executemany"):
            event.listen(engine, how, self._interrupt)
        super().__init__(engine)
        self.engine = engine
        self.commits = 0

    def _count(self, _connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        self.commits += statement == "COMMIT"

    def _interrupt(self, _cursor: object, statement: str, *_: object) -> None:
        """Interrupt the thread while it writes, as Ctrl-C does."""
        if self.interrupts_in == get_ident() and statement.startswith("INSERT"):
            self.interrupts_in = None
            raise KeyboardInterrupt

    def await_waiting(self, count: int) -> None:
        """Return when so many pieces of work wait for a leader."""
        deadline = monotonic() + 60
        while self._group.waiting < count:
            assert monotonic() < deadline

    def await_lock(self, count: int) -> None:
        """Return when so many threads wait for the lock."""
        lock, deadline = self._write_lock, monotonic() + 60
        assert isinstance(lock, FairLock)
        while lock.waiting < count:
            assert monotonic() < deadline

    def known(self, numbers: range) -> set[int]:
        """The numbers whose messages are recorded."""
        with self.session() as session:
            found = session.known_messages([f"m-{n}" for n in numbers])
        return {int(message_id.removeprefix("m-")) for message_id in found}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Counted]:
    """A store of its own."""
    store = Counted(tmp_path / "shop.db")
    yield store
    store.engine.dispose()


def writing(number: int) -> Callable[[Session], int]:
    """Work that records the message with that number."""

    def work(session: Session) -> int:
        session.flush(Changes(messages=[message(number)]))
        return number

    return work


@contextmanager
def leader(store: Counted, *, alone: bool = False, fails: bool = False) -> Iterator[None]:
    """Let a thread lead, and not finish before the block does."""
    started, end = Event(), Event()

    def work(session: Session) -> None:
        started.set()
        assert end.wait(60)
        session.flush(Changes(messages=[message(1)]))
        if fails:
            raise ZeroDivisionError

    def transact() -> None:
        with suppress(ZeroDivisionError):
            store.transact(work, alone=alone)

    thread = Thread(target=transact)
    thread.start()
    assert started.wait(60)
    try:
        yield
    finally:
        end.set()
        thread.join()


def test_those_who_wait_share_a_commit(store: Counted) -> None:
    """Ten threads and two commits: the one that they waited for, and theirs."""
    threads = [Thread(target=store.transact, args=(writing(n),)) for n in range(2, 12)]
    with leader(store):
        for thread in threads:
            thread.start()
        store.await_waiting(10)
    for thread in threads:
        thread.join()
    assert store.commits == 2
    assert store.known(range(1, 12)) == set(range(1, 12))


def test_work_that_takes_long_is_in_no_transaction_of_others(store: Counted) -> None:
    """It is committed in its turn; work before it shares a commit, and does not wait for it."""
    threads = [Thread(target=store.transact, args=(writing(n),)) for n in (2, 3)]
    long = Thread(target=store.transact, args=(writing(4),), kwargs={"alone": True})
    with leader(store):
        for thread in (*threads, long):
            thread.start()
        store.await_waiting(2)
        store.await_lock(3)
    for thread in (*threads, long):
        thread.join()
    assert store.commits == 3
    assert store.known(range(1, 5)) == {1, 2, 3, 4}


def test_what_comes_while_work_takes_long_goes_with_its_commit(store: Counted) -> None:
    """So it waits for one commit, and not for two."""
    threads = [Thread(target=store.transact, args=(writing(n),)) for n in (2, 3)]
    with leader(store, alone=True):
        for thread in threads:
            thread.start()
        store.await_waiting(2)
    for thread in threads:
        thread.join()
    assert store.commits == 1
    assert store.known(range(1, 4)) == {1, 2, 3}


def test_long_work_that_raises_takes_nobody_with_it(store: Counted) -> None:
    """Nothing of it is left, and what came meanwhile is done by itself."""
    with leader(store, alone=True, fails=True):
        thread = Thread(target=store.transact, args=(writing(2),))
        thread.start()
        store.await_waiting(1)
    thread.join()
    assert store.known(range(1, 3)) == {2}


def test_ones_failure_is_its_own(store: Counted) -> None:
    """A failure is rolled back alone, and raised in its own thread; the rest is committed."""
    outcomes: dict[int, object] = {}

    def send(number: int) -> None:
        def work(session: Session) -> int:
            writing(number)(session)
            if number == 5:
                session.flush(Changes(messages=[message(1)]))  # recorded already
            return number

        try:
            outcomes[number] = store.transact(work)
        except StoreError as error:
            outcomes[number] = error.code

    threads = [Thread(target=send, args=(n,)) for n in range(4, 8)]
    with leader(store):
        for thread in threads:
            thread.start()
        store.await_waiting(4)
    for thread in threads:
        thread.join()
    assert outcomes == {4: 4, 5: "conflict", 6: 6, 7: 7}
    assert store.known(range(1, 8)) == {1, 4, 6, 7}


class Recording(JointWork[int]):
    """Records a message, with others at once or alone."""

    def __init__(self, number: int, calls: list[list[int]]) -> None:
        self.kind = "recording"
        self.number, self._calls = number, calls

    def __call__(self, session: Session) -> int:
        """Record it; the first message is recorded already."""
        self._calls.append([self.number])
        return writing(1 if self.number == BAD else self.number)(session)

    def together(self, session: Session, works: Sequence[Self]) -> Sequence[int]:
        """Record all of them."""
        numbers = [work.number for work in works]
        self._calls.append(numbers)
        made = [message(1 if number == BAD else number) for number in numbers]
        session.flush(Changes(messages=made))
        return numbers


BAD = 13


@pytest.mark.parametrize("numbers", [range(2, 8), range(10, 16)])
def test_joint_work_is_done_at_once_and_where_that_fails_alone(
    store: Counted, numbers: range
) -> None:
    """Each gets its own result; a bad piece fails in its own thread, and takes nobody with it."""
    calls, outcomes = list[list[int]](), dict[int, object]()

    def send(number: int) -> None:
        try:
            outcomes[number] = store.transact(Recording(number, calls))
        except StoreError as error:
            outcomes[number] = error.code

    threads = [Thread(target=send, args=(n,)) for n in numbers]
    with leader(store):
        for thread in threads:
            thread.start()
        store.await_waiting(len(numbers))
    for thread in threads:
        thread.join()
    assert store.commits == 2
    good = {number for number in numbers if number != BAD}
    assert outcomes == {n: n if n in good else "conflict" for n in numbers}
    assert store.known(range(1, 20)) == {1, *good}
    assert set(calls[0]) == set(numbers)
    assert len(calls) == (1 if BAD not in numbers else 1 + len(numbers))


@pytest.mark.parametrize("alone", [False, True], ids=["short", "long"])
def test_where_a_transaction_fails_as_a_whole_each_is_done_alone(
    store: Counted, *, alone: bool
) -> None:
    """Work that ends the shared transaction does not undo the others', or the leader's, however long that takes."""

    def ruin(session: Session) -> None:
        writing(9)(session)
        ended.append(session)
        session._connection.exec_driver_sql("ROLLBACK")  # type: ignore[attr-defined]  # noqa: SLF001 - as a full disk would
        raise ZeroDivisionError

    ended: list[Session] = []

    def send() -> None:
        with suppress(ZeroDivisionError):
            store.transact(ruin)

    threads = [Thread(target=send)]
    threads += [Thread(target=store.transact, args=(writing(n),)) for n in (2, 3)]
    with leader(store, alone=alone):
        for thread in threads:
            thread.start()
        store.await_waiting(3)
    for thread in threads:
        thread.join()
    assert len(ended) >= 1
    assert store.known(range(1, 10)) == {1, 2, 3}


def test_an_interruption_within_a_statement_is_an_interruption(store: Counted) -> None:
    """Wherever Ctrl-C hits, nothing of that transaction is recorded, and the store goes on."""
    store.interrupts_in = get_ident()
    with pytest.raises(KeyboardInterrupt):
        store.transact(writing(1))
    store.transact(writing(2))
    assert store.known(range(1, 3)) == {2}


def test_an_interrupted_leader_takes_nobody_with_it(store: Counted) -> None:
    """The leader is interrupted in the shared transaction; the others then do their own work."""
    outcomes: list[type[BaseException]] = []

    def lead() -> None:
        store.interrupts_in = get_ident()
        try:
            store.transact(writing(2))
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is looked at below
            outcomes.append(type(error))

    threads = [Thread(target=lead)]
    with leader(store):
        threads[0].start()
        store.await_lock(1)
        threads += [Thread(target=store.transact, args=(writing(n),)) for n in (3, 4)]
        for thread in threads[1:]:
            thread.start()
        store.await_waiting(3)
    for thread in threads:
        thread.join()
    assert outcomes == [KeyboardInterrupt]
    assert store.known(range(1, 5)) == {1, 3, 4}


class LastFirst(WriteLock):
    """A lock that goes to the last thread that asked, so that a leader may find its own work behind others'."""

    def __init__(self) -> None:
        self._guard = Condition()
        self._asked: list[int] = []
        self._holder: int | None = None

    def await_asking(self, count: int) -> None:
        """Return when so many threads wait for the lock."""
        with self._guard:
            assert self._guard.wait_for(lambda: len(self._asked) == count, 60)

    def reset_after_fork(self) -> None:
        """Do nothing: no process forks here."""

    def _is_mine(self) -> bool:
        return self._holder == get_ident()

    @contextmanager
    def _turn(self, _patience: Deadline | None) -> Iterator[None]:
        me = get_ident()
        with self._guard:
            self._asked.append(me)
            self._guard.notify_all()
            assert self._guard.wait_for(
                lambda: self._holder is None and self._asked[-1] == me, timeout=60
            )
            self._asked.pop()
            self._holder = me
        try:
            yield
        finally:
            self.pass_on()

    def _taken_if_free(self) -> bool:
        with self._guard:
            is_free = self._holder is None and not self._asked
            if is_free:
                self._holder = get_ident()
        return is_free

    def pass_on(self) -> None:
        """Let the last that has asked go on."""
        with self._guard:
            self._holder = None
            self._guard.notify_all()


@dataclass
class Undivided:
    """A transaction that has no parts."""

    session: Session

    @contextmanager
    def part(self) -> Iterator[Session]:
        """Return the transaction itself."""
        yield self.session

    def whole(self) -> Session:
        """Return the transaction itself."""
        return self.session

    def is_open(self) -> bool:
        """It never ends early."""
        return True


def test_what_is_committed_is_never_done_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A leader's own work may still be in the queue when another leader comes to it."""
    monkeypatch.setattr(group_commit, "MOST", 2)
    lock = LastFirst()
    home = open_store("memory://")

    @contextmanager
    def together() -> Iterator[Undivided]:
        with home.session() as session:
            yield Undivided(session)

    group = GroupCommit(lock, alone=home.session, together=together)
    done: list[str] = []
    started, end = Event(), Event()

    def hold(_session: Session) -> None:
        started.set()
        assert end.wait(60)

    holder = Thread(target=group.transact, args=(hold,), kwargs={"alone": True})
    holder.start()
    assert started.wait(60)
    threads = []
    for place, name in enumerate("abcd", start=1):
        thread = Thread(
            target=group.transact, args=(lambda _session, name=name: done.append(name),)
        )
        thread.start()
        lock.await_asking(place)
        threads.append(thread)
    end.set()
    for thread in (holder, *threads):
        thread.join()
    assert sorted(done) == ["a", "b", "c", "d"]


def test_who_waits_for_a_leader_gives_up_when_patience_ends(store: Counted) -> None:
    """Its work is not done afterwards; work that the leader has already begun is done all the same."""
    codes: list[str] = []

    def send(number: int) -> None:
        try:
            store._group.transact(writing(number), 0.05)  # noqa: SLF001 - a patience of its own
        except StoreError as error:
            codes.append(error.code)

    threads = [Thread(target=send, args=(n,)) for n in (2, 3)]
    with leader(store):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert store._group.waiting == 0  # noqa: SLF001
    assert codes == ["busy", "busy"]
    assert store.known(range(1, 4)) == {1}


class Overtaken(FairLock):
    """A lock for which a waiting thread gives up just when a leader does its work."""

    def __init__(self, led: Event) -> None:
        super().__init__()
        self._led = led
        self.impatient: int | None = None

    def take_if_free(self) -> bool:
        """Never: every thread waits, if only for a moment."""
        return False

    @contextmanager
    def _turn(self, patience: Deadline | None) -> Iterator[None]:
        if get_ident() == self.impatient:
            assert self._led.wait(60)
            raise busy()
        with super()._turn(patience):
            yield


def test_what_a_leader_is_at_is_waited_for() -> None:
    """Its owner's patience ends meanwhile, but the work is done, and the answer says so."""
    led, home, done = Event(), open_store("memory://"), list[str]()
    lock = Overtaken(led)

    @contextmanager
    def together() -> Iterator[Undivided]:
        with home.session() as session:
            yield Undivided(session)

    group = GroupCommit(lock, alone=home.session, together=together)

    def slow(_session: Session) -> None:
        led.set()
        done.append("slow")

    def send() -> None:
        lock.impatient = get_ident()
        group.transact(slow)
        done.append("told")

    waiting, leading = Thread(target=send), Thread(target=group.transact, args=(lambda _: None,))
    waiting.start()
    deadline = monotonic() + 60
    while not group.waiting:
        assert monotonic() < deadline
    leading.start()
    for thread in (waiting, leading):
        thread.join(60)
    assert done == ["slow", "told"]
