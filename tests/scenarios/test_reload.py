"""Reloading rules while the engine runs: between two batches, all at once or not at all."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread

import pytest
from tests.rule_files import book_of
from tests.shop import NOON, news, purchase, thanks

from whereupon import (
    Delivery,
    DeliveryState,
    Engine,
    RulesInvalidError,
    StoreError,
    UnknownNameError,
)
from whereupon.scheduling.clocks import FrozenClock

_RULE = """
campaign: {name}
when: purchase
reentry: every_time
whereupon:
  - send: push
    title: {title}
"""


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty store."""
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres"))
    return "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/shop.db"


@pytest.fixture
def sent() -> list[tuple[str, str]]:
    """Rule and title of everything that the channel got."""
    return []


@pytest.fixture
def engine(store: str, sent: list[tuple[str, str]]) -> Iterator[Engine]:
    """An engine with a campaign for purchases, and a channel that keeps its deliveries."""
    with Engine.open(store, rules=book_of(thanks()), clock=FrozenClock(NOON)) as opened:
        opened.channel("push")(lambda d: sent.append((d.rule, str(d.content["title"]))))
        yield opened


def test_the_next_batch_is_decided_under_the_new_rulebook(
    engine: Engine, sent: list[tuple[str, str]]
) -> None:
    """Earlier batches were decided under the old one."""
    engine.ingest([purchase(1)])
    engine.reload(
        book_of(thanks(campaign="praise", whereupon=[{"send": "push", "title": "Well done"}]))
    )
    engine.ingest([purchase(2)])
    engine.run_due()
    assert sent == [("thanks", "Thanks"), ("praise", "Well done")]


def test_people_inside_go_on_with_the_version_that_they_entered(
    engine: Engine, sent: list[tuple[str, str]]
) -> None:
    """A wait that began under an old version ends with that version's text."""
    later = [{"wait": "1h"}, {"send": "push", "title": "Old"}]
    newer = [{"wait": "1h"}, {"send": "push", "title": "New"}]
    engine.reload(book_of(thanks(whereupon=later)))
    engine.ingest([purchase(1)])
    engine.reload(book_of(thanks(whereupon=newer)))
    engine.ingest([purchase(2, "ben")])
    clock = engine.clock
    assert isinstance(clock, FrozenClock)
    clock.move_to(NOON + timedelta(hours=2))
    engine.run_due()
    assert sorted(sent) == [("thanks", "New"), ("thanks", "Old")]


def test_a_folder_with_errors_changes_nothing(
    engine: Engine, sent: list[tuple[str, str]], tmp_path: Path
) -> None:
    """The call raises with every error, and the old rulebook stays in use."""
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "praise.yaml").write_text(_RULE.format(name="praise", title="Praise"))
    (folder / "broken.yaml").write_text("campaign: broken\nwhen: purchase\nwhereupno: []\n")
    with pytest.raises(RulesInvalidError):
        engine.reload(folder)
    engine.ingest([purchase(1)])
    (folder / "broken.yaml").unlink()
    engine.reload(folder)
    engine.ingest([purchase(2)])
    engine.run_due()
    assert sent == [("thanks", "Thanks"), ("praise", "Praise")]


def test_broadcasts_follow_the_new_rulebook(engine: Engine) -> None:
    """A new one can be called and is planned. One that is gone cannot be called, and its plan is left alone."""
    cron = news(broadcast="weekly", when={"cron": "0 9 * * MON"})
    engine.reload(book_of(news(), cron))
    engine.trigger("news")
    engine.run_due()
    assert [run.timestamp.weekday() for run in engine.runs("weekly")] == [0]
    engine.reload(book_of(thanks()))
    with pytest.raises(UnknownNameError):
        engine.trigger("news")
    assert [(each.rule, str(each.why)) for each in engine.status().left_alone] == [
        ("weekly", "unknown-rule")
    ]


def test_a_rule_that_is_switched_off_during_a_round_sends_no_more(engine: Engine) -> None:
    """Deliveries that were leased already wait until the rule is on again; no attempt is counted."""
    sent: list[str] = []

    @engine.channel("push")
    def _(delivery: Delivery) -> None:
        sent.append(str(delivery.message_id))
        if len(sent) == 1:
            engine.reload(book_of(thanks(active=False)))

    engine.ingest([purchase(number) for number in range(3)])
    engine.run_due()
    assert len(sent) == 1
    waiting = engine.deliveries(DeliveryState.PENDING)
    assert [each.attempts for each in waiting] == [0, 0]
    engine.reload(book_of(thanks()))
    assert isinstance(engine.clock, FrozenClock)
    engine.clock.move_to(NOON + timedelta(hours=1))
    engine.run_due()
    assert sorted(sent) == [f"purchase-{number}" for number in range(3)]


def test_an_action_of_the_hosts_stays_registered(engine: Engine) -> None:
    """A reload does not change what the host registered."""
    closed: list[str | None] = []
    engine.action("Close Account", destructive=False)(lambda call: closed.append(call.person))
    engine.reload(book_of())
    engine.track("Close Account", user_id="ada")
    engine.run_due()
    assert closed == ["ada"]


def test_each_batch_is_decided_under_one_rulebook(store: str) -> None:
    """However often it is replaced: two rules that are replaced together are seen together."""
    pair = (thanks(campaign="a"), thanks(campaign="b"))
    other = (thanks(campaign="c"), thanks(campaign="d"))
    with Engine.open(store, rules=book_of(*pair), clock=FrozenClock(NOON)) as engine:
        done = Event()

        def swap() -> None:
            while not done.is_set():
                engine.reload(book_of(*other))
                engine.reload(book_of(*pair))

        swapping = Thread(target=swap)
        swapping.start()
        try:
            answers = [engine.ingest([purchase(number)]) for number in range(30)]
        finally:
            done.set()
            swapping.join()
        for answered in answers:
            entered = {each.rule for each in answered.decisions if each.outcome == "entered"}
            assert entered in ({"a", "b"}, {"c", "d"})


def test_a_closed_engine_takes_no_rulebook(store: str) -> None:
    """As it accepts no other call."""
    engine = Engine.open(store)
    engine.close()
    with pytest.raises(StoreError, match="closed"):
        engine.reload(book_of())
