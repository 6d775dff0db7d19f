"""Requests that carry an idempotency key, and the answers that are kept for them."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from threading import Barrier, Thread

import pytest
from tests.stores import KINDS
from tests.worlds import NOON

from whereupon.engine import Engine
from whereupon.operations.answers import KEPT, LEASE, Use
from whereupon.records import KeptAnswer
from whereupon.rules.model import Retention
from whereupon.scheduling.clocks import FrozenClock


@pytest.fixture(params=KINDS)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """An engine on a store of each kind."""
    urls = {"memory": "memory://", "sqlite": "sqlite://"}
    url = urls.get(request.param) or request.getfixturevalue("postgres")
    with closing(Engine.open(url, clock=FrozenClock(NOON), keep=Retention())) as opened:
        yield opened


def test_a_request_is_done_once(engine: Engine) -> None:
    """The same one gets the kept answer, another one under its key is refused; each caller has keys of their own."""
    answers = engine.answers
    asked = answers.asked(("key-1", "POST /x", "k"), b"{}")
    assert answers.begin(asked) is Use.NEW
    assert answers.begin(asked) is Use.BUSY
    answers.finish(asked, '{"n": 1}')
    assert answers.begin(asked) == '{"n": 1}'
    assert answers.begin(answers.asked(("key-1", "POST /x", "k"), b"[]")) is Use.OTHER
    assert answers.begin(answers.asked(("key-2", "POST /x", "k"), b"[]")) is Use.NEW
    assert answers.asked(("a", "bc"), b"") != answers.asked(("ab", "c"), b"")


def test_a_request_that_changed_nothing_may_be_sent_anew(engine: Engine) -> None:
    """Its key is free again, for any request."""
    asked = engine.answers.asked(("key-1", "k"), b"{}")
    assert engine.answers.begin(asked) is Use.NEW
    engine.answers.finish(asked, None)
    assert engine.answers.begin(engine.answers.asked(("key-1", "k"), b"[]")) is Use.NEW


def test_a_request_that_was_cut_short_is_done_anew(engine: Engine) -> None:
    """A process that was killed keeps a key no longer than a request may take."""
    clock = engine.clock
    assert isinstance(clock, FrozenClock)
    asked = engine.answers.asked(("key-1", "k"), b"{}")
    assert engine.answers.begin(asked) is Use.NEW
    clock.move_to(NOON + LEASE - timedelta(seconds=1))
    assert engine.answers.begin(asked) is Use.BUSY
    clock.move_to(NOON + LEASE)
    assert engine.answers.begin(asked) is Use.NEW


def test_an_answer_is_kept_for_a_day_and_pruned(engine: Engine) -> None:
    """Afterwards the key may be used anew, and the due work has taken the row away."""
    clock = engine.clock
    assert isinstance(clock, FrozenClock)
    asked = engine.answers.asked(("key-1", "k"), b"{}")
    engine.answers.begin(asked)
    engine.answers.finish(asked, "{}")
    clock.move_to(NOON + KEPT)
    assert engine.prune(dry_run=True).gone["answers"] == 1
    engine.run_due()
    with engine.store.reading() as session:
        assert list(session.scan(KeptAnswer)) == []
    assert engine.answers.begin(asked) is Use.NEW


def test_of_many_at_once_one_is_done(engine: Engine) -> None:
    """However many threads send the same request, it begins once."""
    asked = engine.answers.asked(("key-1", "k"), b"{}")
    barrier, begun = Barrier(8), list[Use | str]()

    def send() -> None:
        barrier.wait()
        begun.append(engine.answers.begin(asked))

    threads = [Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, begun)) == [str(Use.BUSY)] * 7 + [str(Use.NEW)]
