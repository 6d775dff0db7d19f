"""Many writers on one database, about the same few people: the result is as if they had taken turns."""

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from subprocess import PIPE, Popen

import pytest
from tests.paths import ROOT
from tests.rule_files import book_of
from tests.scenarios.writer_process import PURCHASES, RULES, End, end_of, write
from tests.shop import NOON, news
from tests.stores import tables_in
from tests.threads import in_threads

from whereupon import Engine
from whereupon.scheduling.clocks import FrozenClock

AFTERWARDS = NOON + timedelta(hours=1)


@pytest.fixture(scope="module")
def serial(tmp_path_factory: pytest.TempPathFactory) -> End:
    """The result of one writer alone."""
    url = f"sqlite:///{tmp_path_factory.mktemp('serial')}/shop.db"
    clock = FrozenClock(NOON)
    with Engine.open(url, rules=RULES, clock=clock) as engine:
        _be_silent(engine)
        write(engine, 0)
        clock.move_to(AFTERWARDS)
        engine.run_due()
    end = end_of(url)
    entries, deliveries = end["entries"], end["deliveries"]
    assert isinstance(entries, list)
    assert isinstance(deliveries, list)
    assert len(entries) == len(deliveries) == 3 * PURCHASES
    return end


def _be_silent(engine: Engine) -> None:
    for name in ("push", "email"):
        engine.channel(name)(lambda _: None)


@contextmanager
def _writers(url: str, count: int) -> Iterator[Sequence[Popen[str]]]:
    command = [sys.executable, "-m", "tests.scenarios.writer_process", url]
    with ExitStack() as stack:
        started = [
            stack.enter_context(
                Popen([*command, str(n)], stdin=PIPE, stdout=PIPE, text=True, cwd=ROOT)
            )
            for n in range(count)
        ]
        try:
            yield started
        finally:
            for process in started:
                process.kill()


def _all_write(processes: Sequence[Popen[str]], word: str) -> None:
    """Wait until every process has printed this, and let all of them go on at once."""
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == f"{word}\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()


@pytest.mark.slow
def test_processes_that_write_at_once_end_as_one_that_writes_alone(
    database: str, serial: End
) -> None:
    """Nothing is lost, nobody enters twice, and each delivery is sent once, by one of them."""
    with _writers(database, 3) as processes:
        _all_write(processes, "ready")
        _all_write(processes, "written")
        delivered = Counter(
            line for process in processes for line in process.communicate()[0].split()
        )
        assert [process.returncode for process in processes] == [0, 0, 0]
    assert end_of(database) == serial
    assert len(delivered) == 3 * PURCHASES
    assert set(delivered.values()) == {1}


def test_threads_that_write_at_once_end_as_one_that_writes_alone(
    database: str, serial: End
) -> None:
    """Four threads on one engine and four on another."""
    clock = FrozenClock(NOON)
    with (
        Engine.open(database, rules=RULES, clock=clock) as one,
        Engine.open(database, rules=RULES, clock=clock) as other,
    ):
        for engine in (one, other):
            _be_silent(engine)
        in_threads(8, lambda number: write((one, other)[number % 2], number))
        clock.move_to(AFTERWARDS)
        in_threads(8, lambda number: (one, other)[number % 2].run_due())
    assert end_of(database) == serial


def test_what_is_deleted_while_others_write_stays_deleted(database: str) -> None:
    """For any concurrent message, nothing from before the deletion is left of her."""
    clock = FrozenClock(NOON)
    with Engine.open(database, rules=RULES, clock=clock) as engine:
        _be_silent(engine)

        def work(number: int) -> None:
            if number == 0:
                for _ in range(3):
                    engine.track("Delete Person", user_id="user-4", timestamp=NOON)
            else:
                write(engine, number)

        in_threads(5, work)
    people = end_of(database)["people"]
    assert isinstance(people, list)
    assert not [names for names in people if "user-4" in names]


def test_broadcasts_that_are_due_together_are_sent_by_several(database: str) -> None:
    """Each is sent to everybody once, by two engines together; each has its next time after that."""
    daily = {"cron": "0 9 * * *", "timezone": "UTC"}
    rules = book_of(*[news(broadcast=name, when=daily) for name in ("news", "more")])
    clock = FrozenClock(NOON)
    sent: list[tuple[str, str]] = []
    with (
        Engine.open(database, rules=rules, clock=clock) as one,
        Engine.open(database, rules=rules, clock=clock) as other,
    ):
        for engine in (one, other):
            engine.channel("email")(lambda d: sent.append((d.rule, d.person)))
        one.ingest([{"type": "identify", "userId": f"user-{n}"} for n in range(1500)])
        clock.move_to(AFTERWARDS + timedelta(days=1))
        in_threads(2, lambda number: (one, other)[number].run_due())
        one.run_due()
    assert Counter(rule for rule, _ in sent) == {"news": 1500, "more": 1500}
    assert len(set(sent)) == 3000
    waiting = [row for row in tables_in(database)["whereupon_run"] if row[5] is not None]
    assert len(waiting) == 2


def test_files_of_the_queue_hold_nothing(tmp_path: Path) -> None:
    """The file beside an SQLite file in which its writers queue has no content."""
    with Engine.open(f"sqlite:///{tmp_path}/shop.db", rules=RULES) as engine:
        engine.track("purchase", user_id="ada")
    assert (tmp_path / "shop.db-turn").read_bytes() == b""
