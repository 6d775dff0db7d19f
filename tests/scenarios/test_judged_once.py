"""Workers on one store judge each held request once: each judgement is one row of the audit log."""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from subprocess import PIPE, Popen

from tests.paths import ROOT
from tests.rule_files import campaign, guard
from tests.scenarios.judge_process import DUE, RULES
from tests.threads import in_threads
from tests.worlds import World

from whereupon.errors import RequestError
from whereupon.ports import Store
from whereupon.records import RequestOutcome
from whereupon.scheduling.clocks import FrozenClock
from whereupon.storage import open_store

PEOPLE = [f"person-{number}" for number in range(12)]


def asked(store: Store, *more: dict[str, object]) -> World:
    """A world in which the deletion of everybody was asked for, and cools off."""
    made = World([*RULES, *more], store)  # type: ignore[list-item]  # files of `worlds`
    for user in PEOPLE:
        made.identify(user, at=0)
        made.track("Delete Person", user, at=0)
    return made


def worker(made: World) -> World:
    """Another worker on the same store, when all cool-off times are over."""
    return World(made.files, made.home, FrozenClock(DUE))


def rows_of(store: Store, kind: str) -> Counter[object]:
    """The number of rows of a kind in the audit log, by request."""
    with store.session() as session:
        rows = session.audit_rows(0, 10_000)
    recorded = [row.facts for row in rows]
    return Counter(facts["request"] for facts in recorded if facts["kind"] == kind)


def check_judged_once(store: Store) -> None:
    """Each was judged when it came in, and once more; three ran, which is the limit."""
    made = World(list(RULES), store)
    assert set(rows_of(store, "judged").values()) == {2}
    ran = made.engine.requests.list(RequestOutcome.RAN)
    assert (len(ran), len(made.engine.requests.list(RequestOutcome.HELD))) == (3, len(PEOPLE) - 3)
    assert made.engine.audit.verify() == []


def test_a_worker_that_comes_second_leaves_what_the_first_has_judged(home: Store) -> None:
    """The second worker has seen that a request is due; when it gets the lock, that is no longer so."""
    waits = campaign("waits", "Signed In", whereupon=[{"wait": "10m"}, {"send": "push"}])
    made = asked(home, dict(waits))
    made.track("Signed In", PEOPLE[0], at=0)
    one, two = worker(made), worker(made)
    steps = one.engine.wake(DUE)
    next(steps)  # it has looked for requests that are due, and does what is due before them
    list(two.engine.wake(DUE))
    list(steps)
    check_judged_once(home)


def test_two_threads_judge_each_request_once(database: str) -> None:
    """In any interleaving."""
    with closing(open_store(database)) as store:
        workers = [worker(asked(store)), worker(World(list(RULES), store))]
        in_threads(2, lambda number: list(workers[number].engine.wake(DUE)))
        check_judged_once(store)


def test_two_processes_judge_each_request_once(postgres: str) -> None:
    """On a database where they work at the same time."""
    with closing(open_store(postgres)) as store:
        asked(store)
        with ExitStack() as stack:
            processes = [stack.enter_context(working(postgres)) for _ in range(2)]
            for process in processes:
                assert process.stdin is not None
                process.stdin.write("go\n")
                process.stdin.flush()
        check_judged_once(store)


@contextmanager
def working(database: str) -> Iterator[Popen[str]]:
    """A worker's process, ready to begin; it has ended at the end of the block."""
    command = [sys.executable, "-m", "tests.scenarios.judge_process", database]
    with Popen(command, stdin=PIPE, stdout=PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        assert process.wait(60) == 0


def test_each_approval_is_one_row_whoever_comes_first(database: str) -> None:
    """Of two simultaneous approvals with one name, one counts; with two names, both do."""
    rules = [guard("deletions", ["Delete Person"], approvals=3)]
    with closing(open_store(database)) as store:
        made = World(list(rules), store)
        made.identify("ada", at=0)
        (request,) = made.track("Delete Person", "ada", at=1).requests
        engines = [World(list(rules), store, made.clock).engine for _ in range(4)]

        def agree(number: int) -> None:
            with suppress(RequestError):
                engines[number].requests.approve(request.key, by=("lena", "omar")[number % 2])

        in_threads(4, agree)
        agreed = made.engine.requests.approvals(request.key)
        assert sorted(each.actor for each in agreed) == ["lena", "omar"]
        assert rows_of(store, "agreed") == {request.key: 2}
        assert rows_of(store, "judged") == {request.key: 3}
