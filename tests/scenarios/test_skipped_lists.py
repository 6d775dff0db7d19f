"""Messages that open no rule as they arrive: their own row says so, and each rule's reason is told for ever."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from sqlalchemy import create_engine, event
from tests.rule_files import book_of
from tests.shop import NOON, purchase, thanks
from tests.stores import tables_in

from whereupon import Engine
from whereupon.rules.model import Retention, Rulebook
from whereupon.scheduling.clocks import FrozenClock

CHEAP = thanks(where={"number": {"lt": 100}})
GIFT = thanks(campaign="gift", where={"number": {"gt": 900}})
DEAR = thanks(where={"number": {"gt": 500}})
RULES = book_of(CHEAP, GIFT)


def opened(url: str, rules: Rulebook = RULES, at: datetime = NOON) -> Engine:
    """An engine at an instant."""
    return Engine.open(url, rules=rules, clock=FrozenClock(at))


def because(engine: Engine, rule: str = "thanks") -> dict[str, str]:
    """Why each of Ada's purchases did not open a rule."""
    explained = engine.explain("ada", rule)
    assert {each.outcome for each in explained} <= {"skipped"}
    return {each.message_id: each.sentence.partition(": ")[2] for each in explained}


def rows_of(url: str, table: str) -> Sequence[tuple[object, ...]]:
    """The rows of a table."""
    return tables_in(url)[f"whereupon_{table}"]


def test_messages_that_open_nothing_are_one_row_each(database: str) -> None:
    """Of known people, and of anonymous ones, whom only broadcasts look at; the list is numbered once."""
    plain = [purchase(number) for number in range(100, 600)]
    unknown = [{**purchase(number), "userId": None, "anonymousId": "a"} for number in (700, 701)]
    with opened(database) as engine:
        engine.ingest([*plain, *unknown])
        engine.ingest([purchase(number) for number in range(800, 900)])
        assert len(because(engine)) == len(because(engine, "gift")) == 20  # the newest ones
    assert len(rows_of(database, "message")) == 602
    assert rows_of(database, "skips") == []
    assert len(rows_of(database, "skipped_list")) == 1


def test_a_batch_of_plain_messages_writes_no_statement_about_skips(database: str) -> None:
    """Once the list has its number."""
    asked: list[str] = []
    host = create_engine(database)
    event.listen(host, "before_cursor_execute", lambda *of: asked.append(of[2]))
    with Engine.open(host, rules=RULES, clock=FrozenClock(NOON)) as engine:
        engine.ingest([purchase(100)])
        asked.clear()
        engine.ingest([purchase(number) for number in range(101, 400)])
    host.dispose()
    about = [each for each in asked if "skip" in each]
    assert [each for each in about if "whereupon_message" not in each] == []
    assert asked


def test_each_rules_reason_is_told_after_a_reload_and_a_restart(database: str) -> None:
    """In the version that the message met, whatever the rulebook says now."""
    with opened(database) as engine:
        engine.ingest([purchase(200)])
        first = because(engine)
        engine.reload(book_of(DEAR))
        engine.ingest([purchase(300)])
        assert because(engine).keys() == {"purchase-200", "purchase-300"}
        assert because(engine)["purchase-200"] == first["purchase-200"]
        told = because(engine), because(engine, "gift")
    assert told[0]["purchase-200"] != told[0]["purchase-300"]
    assert told[1].keys() == {"purchase-200"}
    with opened(database, book_of(thanks(where={"number": {"eq": 1}}))) as engine:
        assert (because(engine), because(engine, "gift")) == told


def test_two_processes_with_different_rulebooks_each_say_what_their_messages_met(
    database: str,
) -> None:
    """Their messages take turns, each with keys from the process's own block."""
    with opened(database) as one, opened(database, book_of(DEAR)) as other:
        for number in range(100, 110, 2):
            one.ingest([purchase(number)])
            other.ingest([purchase(number + 1)])
        told = because(one)
        assert because(other) == told
        assert because(one, "gift").keys() == {f"purchase-{n}" for n in range(100, 110, 2)}
    kinds = ["less than" in told[f"purchase-{number}"] for number in range(100, 110)]
    assert kinds == [True, False] * 5


def test_what_a_claim_brings_is_said_beside_it(place: str) -> None:
    """A message that broadcasts skipped as it arrived; campaigns skip it when its person is known."""
    sale: dict[str, object] = {
        "broadcast": "sale",
        "when": "purchase",
        "where": {"number": {"gt": 900}},
    }
    sale |= {"whereupon": [{"send": "email", "subject": "Sale"}]}
    with opened(place, book_of(CHEAP, sale)) as engine:
        engine.ingest([{**purchase(200), "userId": None, "anonymousId": "a"}])
        engine.identify("ada", anonymous_id="a")
        (of_broadcast,) = engine.explain("ada", "sale")
        (of_campaign,) = engine.explain("ada", "thanks")
    assert (of_broadcast.outcome, of_broadcast.retroactive) == ("skipped", True)
    assert (of_campaign.outcome, of_campaign.retroactive) == ("skipped", True)


@pytest.mark.parametrize("days", [29, 31])
def test_they_are_told_for_as_long_as_skips_are_kept(place: str, days: int) -> None:
    """After that the message is there, and nothing is said of it."""
    clock = FrozenClock(NOON)
    keep = Retention(skips=timedelta(days=30))
    with Engine.open(place, rules=book_of(CHEAP), clock=clock, keep=keep) as engine:
        engine.ingest([purchase(200)])
        clock.move_to(NOON + timedelta(days=days))
        engine.run_due()
        engine.ingest([purchase(300)])
        expected = {"purchase-300"} | ({"purchase-200"} if days < 30 else set())
        assert because(engine).keys() == expected
        assert (engine.kept_since("skips") is None) is (days < 30)
        assert len(engine.timeline("ada")) == 2
