"""Operators at work while processes send, and processes that are killed amid an operator's decision."""

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from threading import Event, Lock

import pytest
from tests.rule_files import book_of
from tests.scenarios.operator_process import EDITED, RULES
from tests.shop import NOON, news, purchase

from whereupon import Delivery, Engine, OperationError, StoreError, UnknownNameError
from whereupon.ports import Session, Settlement
from whereupon.records import RULE_PAUSED, DeliveryState, EntryState
from whereupon.scheduling.clocks import FrozenClock

_MINUTE = timedelta(minutes=1)
_NAMES = [f"user-{number}" for number in range(60)]


def _opened(database: str, clock: FrozenClock | None = None) -> Engine:
    return Engine.open(database, rules=RULES, clock=clock or FrozenClock(NOON))


def _buy(engine: Engine) -> None:
    engine.ingest([{**purchase(1, name), "messageId": name} for name in _NAMES])


@contextmanager
def _killed_once(database: str, verb: str, begun: Callable[[Engine], bool]) -> Iterator[Engine]:
    """A process does what an operator said, and is killed once it has begun; then another engine is there."""
    command = [sys.executable, "-m", "tests.scenarios.operator_process", database, verb]
    with _opened(database) as watching:
        process = subprocess.Popen(command)
        while process.poll() is None and not begun(watching):
            pass
        process.send_signal(signal.SIGKILL)
        process.wait()
        yield watching


def _inside(engine: Engine) -> int:
    return sum(count.people for count in engine.entries.counts())


@pytest.mark.slow
def test_who_is_left_by_a_killed_process_is_ended_by_the_same_call(database: str) -> None:
    """The audit log says of each chunk that was committed, and of no other."""
    with _opened(database) as engine:
        _buy(engine)
    with _killed_once(database, "end", lambda e: _inside(e) < len(_NAMES)) as engine:
        left = _inside(engine)
        assert engine.entries.end("thanks", by="kim") == left
        assert _inside(engine) == 0
        told = [r.facts for r in engine.audit.rows() if r.facts["kind"] == "entries-ended"]
        by = Counter[object]()
        for each in told:
            number = each["entries"]
            assert isinstance(number, int)
            by[each["actor"]] += number
        assert by == Counter({"tim": len(_NAMES) - left, "kim": left}) - Counter({"kim": 0})
        assert engine.audit.verify() == []


@pytest.mark.slow
def test_who_is_left_by_a_killed_process_is_moved_by_the_same_call(database: str) -> None:
    """Everybody goes on in one version, and gets its text, once."""
    sent = Counter[tuple[str, object]]()
    with _opened(database) as engine:
        _buy(engine)
        old = engine.pipeline.index.by_id["thanks"].digest
    new = next(rule.digest for rule in EDITED.rules if rule.id == "thanks")

    def begun(engine: Engine) -> bool:
        return any(count.version == new for count in engine.entries.counts("thanks"))

    with _killed_once(database, "move", begun) as engine:
        engine.reload(EDITED)
        counts = {c.version: c.people for c in engine.entries.counts("thanks")}
        assert engine.entries.move("thanks", by="kim").moved == counts.get(old, 0)
        assert engine.audit.verify() == []
    with Engine.open(
        database, rules=EDITED, clock=FrozenClock(NOON + timedelta(hours=1))
    ) as engine:
        engine.channel("push")(lambda d: sent.update([(d.person, d.content["title"])]))
        engine.run_due()
    assert sent == Counter((name, title) for name in _NAMES for title in ("First", "Mended"))


@pytest.mark.slow
def test_a_cancellation_is_carried_through_by_another_process(database: str) -> None:
    """The decision is in the run's row, so nobody has to make it again."""
    with _opened(database) as engine:
        engine.ingest([{"type": "identify", "userId": name} for name in _NAMES])
        engine.trigger("news", key="june")
        engine.run_due()
        engine.broadcasts.cancel("news", by="tim")
    with _killed_once(database, "cancel", lambda e: _inside(e) < len(_NAMES)) as engine:
        engine.run_due()
        assert _inside(engine) == 0
        assert engine.broadcasts.show("news", "news:june").waiting == 0
        assert {each.state for each in engine.deliveries(limit=99)} == {DeliveryState.WITHHELD}


def test_a_rule_is_resumed_after_whoever_puts_a_delivery_off_because_it_is_paused(
    postgres: str,
) -> None:
    """Else the delivery would wait for a resumption that is over."""
    sent = list[str]()
    with (
        _opened(postgres) as one,
        Engine.open(
            postgres, rules=RULES, clock=FrozenClock(NOON), patience=timedelta(seconds=0.2)
        ) as two,
    ):
        one.ingest(purchase(1, "ada"))
        one.entries.pause("thanks", by="tim")
        (delivery,) = one.deliveries(limit=9)

        def put_off(session: Session) -> None:
            assert session.leased_now([delivery.key])[delivery.key].is_paused
            with pytest.raises(StoreError):
                two.entries.resume("thanks", by="kim")
            end = (delivery.attempts, delivery.due_at, RULE_PAUSED)
            session.settle([Settlement(delivery.key, DeliveryState.PAUSED, *end)])

        one.store.transact(put_off)
        two.entries.resume("thanks", by="kim")
        one.channel("push")(lambda each: sent.append(each.person))
        one.run_due()
    assert sent == ["ada"]


@pytest.mark.slow
def test_nobody_gets_anything_twice_or_not_at_all_whoever_pauses_and_resumes(
    database: str,
) -> None:
    """Two processes send while an operator pauses and resumes people, the rule, and both together."""
    clock, sent, lock = FrozenClock(NOON), Counter[tuple[str, object]](), Lock()

    def push(delivery: Delivery) -> None:
        with lock:
            sent[delivery.person, delivery.content["title"]] += 1

    with _opened(database, clock) as one, _opened(database, clock) as two:
        one.channel("push")(push)
        two.channel("push")(push)
        _buy(one)
        over = Event()

        def work(engine: Engine) -> None:
            while not over.is_set():
                engine.run_due()

        with ThreadPoolExecutor(2) as pool:
            working = [pool.submit(work, engine) for engine in (one, two)]
            try:
                _pause_and_resume(one, clock)
            finally:
                over.set()
            for each in working:
                each.result()
        for engine in (one, two):
            engine.run_due()
        clock.move_to(NOON + timedelta(hours=9))
        one.run_due()
        assert one.entries.counts() == []
        assert one.audit.verify() == []
    assert sent == Counter((name, title) for name in _NAMES for title in ("First", "Second"))


def _pause_and_resume(engine: Engine, clock: FrozenClock) -> None:
    """Pause and resume some in turn, let the time of the second message come amid it, and resume everything."""
    entries = engine.entries
    for turn in range(40):
        inside = entries.list(rule="thanks", limit=99).entries
        for entry in inside[turn % 7 :: 7]:
            decide = entries.pause if entry.state is EntryState.ACTIVE else entries.resume
            with suppress(OperationError):  # a worker may have ended it meanwhile
                decide(entry.key, by="tim")
        decide_rule = entries.resume if entries.pauses() else entries.pause
        decide_rule("thanks", by="tim")
        if turn == 20:
            clock.move_to(NOON + timedelta(hours=2))
    if entries.pauses():
        entries.resume("thanks", by="tim")
    for entry in entries.list(rule="thanks", state=EntryState.PAUSED, limit=99).entries:
        entries.resume(entry.key, by="tim")


@pytest.mark.slow
def test_people_are_erased_while_a_broadcast_that_one_of_them_set_off_is_paused(
    database: str,
) -> None:
    """The erasure blanks the run; neither waits for the other in a circle, and nothing is left of the person."""
    rules = book_of(news(when="Sale Started", whereupon=[{"wait": "1h"}, {"send": "push"}]))
    with (
        Engine.open(database, rules=rules, clock=FrozenClock(NOON), patience=_MINUTE) as one,
        Engine.open(database, rules=rules, clock=FrozenClock(NOON), patience=_MINUTE) as two,
    ):
        one.ingest([{"type": "identify", "userId": name} for name in _NAMES])
        for name in _NAMES[:20]:
            one.track("Sale Started", user_id=name)
        one.run_due()
        runs = one.broadcasts.list("news").runs

        def operate() -> None:
            for run in runs:
                with suppress(
                    OperationError, UnknownNameError
                ):  # it may be called otherwise by now
                    two.broadcasts.pause("news", by="tim", run=run.occasion)
                two.run_due()

        with ThreadPoolExecutor(2) as pool:
            working = pool.submit(operate)
            for name in _NAMES[:20]:
                one.track("Delete Person", user_id=name)
            working.result()
        two.run_due()
        assert {run.facts.get("event") for run in one.broadcasts.list("news").runs} == {None}
        assert len(one.broadcasts.list("news", limit=99).runs) == len(runs)
