"""The index and a plain loop over the rules select the same, for all messages."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from hypothesis import given
from hypothesis import strategies as st
from tests.properties.test_conditions import HOSTILE, RAW, SHORT_FORMS
from tests.rule_files import book_of, campaign

from whereupon.conditions import Data, JsonValue, Performed, parse_condition
from whereupon.matching import RuleList
from whereupon.matching.criteria import criteria_of
from whereupon.matching.rule_block import versions_of
from whereupon.rules.model import Rule

(USUAL,) = book_of(campaign("usual", "purchase")).rules

CLOSE: st.SearchStrategy[JsonValue] = st.sampled_from(
    (
        "socks",
        "20",
        "20.0",
        "1",
        "",
        "true",
        "False",
        " 20",
        20,
        20.5,
        1,
        0,
        -1,
        2**53 + 1,
        True,
        False,
    )
)
"""Values near enough to each other that tests of them hold, or nearly do."""
NEAR: st.SearchStrategy[JsonValue] = st.one_of(
    CLOSE,
    st.lists(CLOSE, min_size=1, max_size=3),
    st.builds(lambda value: {"ne": value}, CLOSE),
    st.builds(lambda value: {"not_in": value}, st.lists(CLOSE, min_size=1, max_size=3)),
    st.builds(lambda value: {"exists": value}, st.booleans()),
    st.dictionaries(
        st.sampled_from(("gt", "gte", "lt", "lte")),
        st.sampled_from((-1, 0, 1, 19, 20, 20.5, 21, "20")),
        min_size=1,
        max_size=2,
    ),
)
LIKELY: st.SearchStrategy[JsonValue] = st.dictionaries(
    st.sampled_from("ab"), NEAR, min_size=1, max_size=2
)
"""Conditions that an index can use, of values near to each other."""


def performing(before: dict[str, JsonValue], after: dict[str, JsonValue]) -> JsonValue:
    """A condition on the person with a question to the history in the middle."""
    return {**before, "performed": {"event": "x"}, **after}


PERFORMED: st.SearchStrategy[JsonValue] = st.builds(
    performing,
    st.dictionaries(st.sampled_from("ab"), st.sampled_from(("20", 20, True)), max_size=1),
    st.dictionaries(st.sampled_from("cd"), st.sampled_from(("20", 20, True)), max_size=1),
)


@dataclass(frozen=True, slots=True)
class Always:
    """A history in which everything happened, or nothing."""

    times: int

    def count(self, performed: Performed) -> int:  # noqa: ARG002 - the port's signature
        """As often."""
        return self.times


@st.composite
def rules(draw: st.DrawFn) -> list[Rule]:
    """Rules with one name, with conditions of every kind, on the message and on the person."""
    made = []
    wheres = st.one_of(st.none(), LIKELY, LIKELY, SHORT_FORMS, RAW)
    whos = st.one_of(st.none(), st.none(), LIKELY, SHORT_FORMS, RAW, PERFORMED)
    for place, (where, who) in enumerate(draw(st.lists(st.tuples(wheres, whos), max_size=8))):
        made.append(
            replace(
                USUAL,
                id=f"r-{place}",
                where=parse_condition(where, root="properties")[0],
                who=parse_condition(who, root="person", history_allowed=True)[0],
            )
        )
    return made


VALUES = st.dictionaries(st.sampled_from("abcde"), st.one_of(CLOSE, HOSTILE))
MESSAGES = st.builds(
    lambda properties, person: {"event": "so", "properties": properties, "person": person},
    VALUES,
    VALUES,
)


def entering(rule_list: Sequence[Rule], data: Data, history: Always) -> list[str]:
    """The rules whose conditions hold, by the plain loop."""
    return [r.id for r in rule_list if r.where.holds(data, history) and r.who.holds(data, history)]


@given(rules(), MESSAGES, st.integers(0, 1), st.integers(1, 4), st.sampled_from((0, 3, 100)))
def test_the_index_and_the_plain_loop_agree(
    rules: list[Rule], data: dict[str, JsonValue], times: int, block: int, few: int
) -> None:
    """No rule is missing, certain rules hold, and excluded rules fail without the history."""
    history = Always(times)
    rule_list = RuleList.of(rules, block=block, few=few)
    candidates = list(rule_list.candidates(data))
    found = [each.rule for each in candidates]
    assert [each.place for each in candidates] == sorted({each.place for each in candidates})
    assert entering(found, data, history) == entering(rules, data, history)
    assert all(each.rule.where.holds(data, history) for each in candidates if each.is_certain)
    assert all(criteria_of(each.rule).is_open for each in candidates if not each.is_certain)
    plainly = [rule for rule in rules if rule.where.holds(data, history)]
    assert [r for r in found if not criteria_of(r).is_open] == [
        r for r in plainly if r in found and not criteria_of(r).is_open
    ]
    for rule in rules:
        assert rule in found or not criteria_of(rule).is_open
        if rule not in found and rule.where.holds(data, history):
            assert rule.who.failing(data, Always(0)) == rule.who.failing(data, Always(1))


@given(rules(), rules(), MESSAGES)
def test_a_list_that_shares_blocks_is_as_if_made_anew(
    rules: list[Rule], others: list[Rule], data: dict[str, JsonValue]
) -> None:
    """Two lists share their common blocks, wherever these are in the lists."""
    mixed = [each for both in zip_longest(rules, others) for each in both if each is not None]
    changed = [replace(rule, digest=f"{place}-other") for place, rule in enumerate(others)]
    earlier = RuleList.of(rules, block=3, few=2)
    for ours in (rules[1:], [*rules, *changed], [*changed, *rules], mixed):
        rule_list = RuleList.of(ours, earlier=earlier, block=3, few=2)
        anew = RuleList.of(ours)
        assert [versions_of([rule]) for rule in rule_list] == [versions_of([rule]) for rule in ours]
        assert rule_list.revision == anew.revision
        history = Always(1)
        found = [each.rule for each in rule_list.candidates(data)]
        assert entering(found, data, history) == entering(ours, data, history)
    assert RuleList.of(rules, earlier=earlier, block=3, few=2) is earlier
