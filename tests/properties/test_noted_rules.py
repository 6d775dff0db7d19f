"""Rules that note what tests see do what they do otherwise, on any journey."""

from collections.abc import Iterator
from datetime import timedelta
from functools import partial

from tests.examples import seeds
from tests.properties.journey_runs import instant, journey, wire_of
from tests.properties.journeys import START, Journey
from tests.rule_files import book_of

from whereupon import Engine
from whereupon.messages.arrival import Arrival
from whereupon.messages.model import Message, SenderClass
from whereupon.messages.wire import parse_message
from whereupon.records import Entry
from whereupon.replay.records import Record
from whereupon.replay.stream_replay import Replay
from whereupon.rules.model import Rule, Rulebook
from whereupon.scheduling.clocks import FrozenClock
from whereupon.testing.coverage import Coverage
from whereupon.testing.reports import Seen

_SEEDS = seeds(60)


def _arrivals(whole: Journey) -> Iterator[Message]:
    now = instant(START)
    for happening in whole.happens:
        span = happening.get("pass") or happening.get("stall") or 0
        now += timedelta(seconds=span)
        for message in happening.get("arrive", ()):
            arrival = Arrival(now, SenderClass.SERVER, partial(str, message.get("messageId")))
            yield parse_message(wire_of(message), arrival)


def _ran(whole: Journey, rules: tuple[Rule, ...]) -> tuple[list[Record], list[Entry]]:
    """What became of a journey: its records in their order, and its entries."""
    records: list[Record] = []
    clock = FrozenClock(instant(START))
    with Engine.open("memory://", rules=Rulebook(rules=rules), clock=clock) as engine:
        replay = Replay(engine, clock, records.append)
        replay.feed(_arrivals(whole))
        replay.finish()
        with engine.store.session() as session:
            return records, list(session.scan(Entry))


def test_rules_that_note_what_tests_see_do_what_they_do_otherwise() -> None:
    """The same decisions, deliveries, ends, trails and conversions, whatever happens."""
    done = 0
    for seed in _SEEDS:
        whole = journey(seed)
        rules = book_of(*whole.rules).rules
        coverages = [Coverage(rule, "") for rule in rules]
        plain = _ran(whole, rules)
        noted = _ran(whole, tuple(coverage.rule for coverage in coverages))
        assert noted == plain, whole
        done += sum(Seen.DONE in probe.seen for each in coverages for probe in each.probes)
    assert done > len(_SEEDS)
