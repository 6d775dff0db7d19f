"""Matching by the index, and by a loop over the rules of the name, timed by pytest-benchmark.

Run by `tests.benchmarks.matching`, which says in ``WHEREUPON_RULES`` how many rules.
Both give the same rules for every message, or nothing is timed.
"""

import os
from collections.abc import Callable, Iterator

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from tests.benchmarks.peers.rule_mix import Mix

from whereupon.conditions import NO_HISTORY, Data, parse_condition
from whereupon.matching import RuleIndex
from whereupon.messages.model import MessageType
from whereupon.rules.model import OnMessage, Route, Rule, Rulebook, RuleKind

COUNT = int(os.environ.get("WHEREUPON_RULES", "1000"))
MESSAGES = 200
Match = Callable[[str, Data], list[Rule]]


def rules() -> Iterator[Rule]:
    """The rules as values; only what matching looks at is read."""
    for source in Mix().rules(COUNT):
        where, diagnostics = parse_condition(source["where"], root="properties")
        assert not diagnostics
        rule_id = str(source["campaign"])
        yield Rule(
            id=rule_id,
            kind=RuleKind.CAMPAIGN,
            description="",
            triggers=(OnMessage(MessageType.TRACK, (str(source["when"]),)),),
            route=Route(()),
            source=source,
            digest=rule_id,
            where=where,
        )


@pytest.fixture(scope="module")
def index() -> RuleIndex:
    """All rules, arranged."""
    return RuleIndex(Rulebook(rules=tuple(rules())))


@pytest.fixture(scope="module")
def messages(index: RuleIndex) -> list[tuple[str, Data]]:
    """Names and data, for each of which both ways give the same."""
    drawn: list[tuple[str, Data]] = [*Mix().messages(MESSAGES)]
    for name, data in drawn:
        assert by_index(index, name, data) == by_loop(index, name, data)
    return drawn


def by_loop(index: RuleIndex, name: str, data: Data) -> list[Rule]:
    """Every rule of the name, one after another."""
    rules = index.triggered_by(MessageType.TRACK, name)
    return [rule for rule in rules if rule.where.holds(data, NO_HISTORY)]


def by_index(index: RuleIndex, name: str, data: Data) -> list[Rule]:
    """Those that the message may satisfy."""
    rule_list = index.triggered_by(MessageType.TRACK, name)
    return [candidate.rule for candidate in rule_list.candidates(data)]


@pytest.mark.parametrize("match", [by_index, by_loop])
def test_matching(
    benchmark: BenchmarkFixture,
    index: RuleIndex,
    messages: list[tuple[str, Data]],
    match: Callable[[RuleIndex, str, Data], list[Rule]],
) -> None:
    """All messages, in turn."""
    benchmark.extra_info["count"] = len(messages)

    def every_message() -> None:
        for name, data in messages:
            match(index, name, data)

    benchmark.pedantic(  # type: ignore[no-untyped-call]  # pytest-benchmark has no types
        every_message, rounds=9 if COUNT < 50_000 else 5, warmup_rounds=1
    )
