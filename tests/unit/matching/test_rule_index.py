"""The rule index: which rules a message names, and how much history it needs."""

import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.rule_files import book_of, broadcast, campaign, segment

from whereupon.conditions import (
    NO_HISTORY,
    Condition,
    Data,
    History,
    JsonValue,
    parse_condition,
)
from whereupon.matching import RuleIndex, RuleList
from whereupon.matching.rule_block import FEW
from whereupon.messages.model import MessageType
from whereupon.rules.model import OnMessage, Rule

TRACK, PAGE, IDENTIFY = MessageType.TRACK, MessageType.PAGE, MessageType.IDENTIFY
names = st.text("ab", max_size=3)
patterns = st.tuples(names, st.sampled_from(["", "*"])).map("".join).filter(bool)
whens = st.lists(st.lists(patterns, min_size=1, max_size=3), max_size=5)


@given(whens, names)
def test_the_index_names_what_a_plain_loop_names(whens: list[list[str]], name: str) -> None:
    """Each rule once, for exact names and prefixes alike."""
    files = [campaign(f"r-{place}", list(when)) for place, when in enumerate(whens)]
    index = RuleIndex(book_of(*files))
    named = [rule.id for rule in index.triggered_by(TRACK, name)]
    plainly = [
        rule.id
        for rule in index.book.rules
        if any(isinstance(t, OnMessage) and t.names_message(TRACK, name) for t in rule.triggers)
    ]
    assert sorted(named) == sorted(plainly)
    assert not index.triggered_by(PAGE, name)


def test_a_message_leads_to_rules_through_their_steps() -> None:
    """Through `track` to the rules of that event, through `set` to the rules of segments."""
    index = RuleIndex(
        book_of(
            segment("pros", plan="pro"),
            campaign("one", "a", whereupon=[{"track": "b"}]),
            campaign("two", "b", whereupon=[{"track": "a"}, {"set": {"plan": "pro"}}]),
            campaign("three", {"enters": "pros"}, whereupon=[{"track": "c"}]),
            campaign("four", "c"),
            campaign("five", "d"),
        )
    )
    assert sorted(rule.id for rule in index.reachable([(TRACK, "a")])) == [
        "four",
        "one",
        "three",
        "two",
    ]
    assert [rule.id for rule in index.reachable([(TRACK, "d")])] == ["five"]
    assert sorted(rule.id for rule in index.reachable([(IDENTIFY, "")])) == ["four", "three"]


def test_what_is_asked_of_the_past_is_the_widest_of_all() -> None:
    """For each name, the longest span that any reachable rule asks for."""
    index = RuleIndex(
        book_of(
            campaign("one", "a", who={"performed": {"event": "x", "within": "2d"}}),
            campaign("two", "a", who={"performed": {"event": "x", "within": "7d"}}, exit="y"),
            campaign("three", "b", who={"performed": {"event": "x"}}),
            campaign("four", "c"),
        )
    )
    assert index.trigger_match(TRACK, "a").history_window == {
        "x": timedelta(days=7),
        "y": timedelta(0),
    }
    assert index.trigger_match(TRACK, "b").history_window == {"x": None}
    assert not index.trigger_match(TRACK, "c").history_window
    assert index.counted_names == {"x", "y"}


def test_messages_that_break_silences_or_that_a_claim_chooses_among_are_plain() -> None:
    """Those that a goal or an exit hears are not."""
    index = RuleIndex(
        book_of(
            campaign("silent", {"quiet": "any", "for": "60d"}),
            campaign("looked", "look", where={"price": 1}, retroactive={"take": "last"}),
            campaign("joined", "join", goal={"event": "buy", "within": "7d"}, exit="leave"),
        )
    )
    plain = [index.trigger_match(TRACK, name).is_plain for name in ("look", "buy", "leave")]
    assert plain == [True, False, False]
    assert not index.trigger_match(IDENTIFY, "").is_plain


def test_a_name_that_no_rule_uses_is_unused() -> None:
    """A name is unused unless a rule names it, counts it, or exits by it; an identify is always used."""
    index = RuleIndex(book_of(campaign("one", "a", who={"performed": {"event": "x"}}, exit="y")))
    assert [index.trigger_match(TRACK, name).is_unused for name in ("a", "x", "y", "z")] == [
        False,
        False,
        False,
        True,
    ]
    assert not index.trigger_match(IDENTIFY, "").is_unused


def test_only_a_broadcasts_event_starts_one() -> None:
    """A campaign of the same name starts none."""
    index = RuleIndex(book_of(broadcast("sale", "a"), campaign("one", "b")))
    assert index.trigger_match(TRACK, "a").broadcasts
    assert not index.trigger_match(TRACK, "b").broadcasts


# --- many rules of one name -------------------------------------------------------------------------


def counting(rule: Rule, asked: list[str]) -> Rule:
    """The rule, with a record of when its conditions are evaluated."""

    def noted(condition: Condition) -> Condition:
        def holds(data: Data, history: History) -> bool:
            asked.append(rule.id)
            return condition.holds(data, history)

        return replace(condition, holds=holds)

    return replace(rule, where=noted(rule.where), who=noted(rule.who))


def shop(count: int, asked: list[str]) -> RuleList:
    """Campaigns of one name, each for its own product, bound and plan."""
    rules = book_of(
        *(
            campaign(
                f"r-{n}",
                "purchase",
                where={"product": f"p{n % 50}", "price": {"gte": n}},
                who={"plan": ["pro", f"plan-{n % 7}"]},
            )
            for n in range(count)
        )
    ).rules
    return RuleList.of(counting(rule, asked) for rule in rules)


def purchase(product: JsonValue, price: JsonValue, plan: JsonValue = "pro") -> Data:
    """A purchase."""
    return {"properties": {"product": product, "price": price}, "person": {"plan": plan}}


def test_only_rules_that_a_message_may_satisfy_are_evaluated() -> None:
    """Of five hundred rules, none that its product, price or the person's plan rules out, and few others."""
    asked: list[str] = []
    rule_list = shop(500, asked)
    found = [each.rule.id for each in rule_list.candidates(purchase("p7", 57.5))]
    assert found == ["r-7", "r-57"]
    assert len(asked) <= 2 * len(found) + 2
    asked.clear()
    assert not list(rule_list.candidates(purchase("p7", 3)))
    assert len(asked) <= 1  # the bound is in the price's own cell
    asked.clear()
    assert not list(rule_list.candidates(purchase("none", 57.5)))
    assert not list(rule_list.candidates(purchase("p7", 57.5, plan="free")))
    assert not asked


def test_a_value_of_no_usual_type_is_evaluated_where_it_matters() -> None:
    """A list is left to evaluation: the index ignores its attribute, and uses the others."""
    asked: list[str] = []
    rule_list = shop(500, asked)
    assert not list(rule_list.candidates(purchase(["p7"], 57.5)))
    assert len(asked) <= 2 * 60


POOL: list[JsonValue] = [
    *(
        "socks",
        "",
        " ",
        "20",
        " 20 ",
        "20.0",
        "0x14",
        "1e400",
        "NaN",
        "true",
        "null",
        "é",
        "1.20.3",
    ),
    *(20, 20.0, 19, 20.5, 21, 0, -0.0, 1, -1, 2**53, 2**53 + 1, -(2**70), 10**400, 1e308),
    *(True, False),
]
HOSTILE: list[JsonValue] = [None, [], [20], ["socks"], [[20]], {}, {"a": 1}, math.inf, math.nan]
BOUNDS: list[JsonValue] = [-1, 0, 1, 19.5, 20, 20.5, 2**60, "20", "1.20.3"]
ORDER = ("gt", "gte", "lt", "lte")


def pairs() -> Iterator[list[JsonValue]]:
    """Lists of two values of the pool."""
    for one, other in pairwise(POOL):
        yield [one, other]


def expectations() -> Iterator[JsonValue]:
    """Everything that the short form can ask of one attribute, in every way that an index knows."""
    yield {"exists": True}
    yield {"exists": False}
    for value in POOL:
        yield value
        yield {"ne": value}
        yield {"exists": True, "ne": value, "gte": 0}
        yield {"eq": value, "in": ["20", 20]}
    for pair in pairs():
        yield pair
        yield {"not_in": pair}
    for bound in BOUNDS:
        yield from ({operator: bound} for operator in ORDER)
        yield from ({"gt": bound, "lt": other} for other in BOUNDS)


def raw_logic() -> Iterator[JsonValue]:
    """Standard comparisons, in which null counts as 0."""
    several: JsonValue = ["20", 20]
    for operator in ("==", "!=", "===", ">", ">=", "<", "<=", "in"):
        for value in (*POOL, None, several):
            yield {"logic": {operator: [{"var": "properties.a"}, value]}}


@pytest.mark.parametrize("block", [64, 2_048])
def test_every_expectation_finds_what_it_holds_for(block: int) -> None:
    """For every type of operand and value, with exactly JavaScript's conversions."""
    (usual,) = book_of(campaign("usual", "purchase")).rules
    raw: list[JsonValue] = [*({"a": each} for each in expectations()), *raw_logic()]
    conditions = [parse_condition(each, root="properties")[0] for each in raw]
    rules = [replace(usual, id=f"r-{n}", where=each) for n, each in enumerate(conditions)]
    rule_list = RuleList.of(rules, block=block, few=0)
    for value in (*POOL, *HOSTILE):
        data: Data = {"properties": {"a": value}, "person": {}}
        found = [each.rule.id for each in rule_list.candidates(data)]
        assert found == [r.id for r in rules if r.where.holds(data, NO_HISTORY)], value
    found = [each.rule.id for each in rule_list.candidates({"properties": {}, "person": {}})]
    assert found == [r.id for r in rules if r.where.holds({"properties": {}}, NO_HISTORY)]


def test_names_with_few_rules_evaluate_each_once() -> None:
    """Without tables: a plain loop costs less."""
    asked: list[str] = []
    rule_list = shop(FEW - 1, asked)
    assert [each.rule.id for each in rule_list.candidates(purchase("p7", 57.5))] == ["r-7"]
    assert asked.count("r-7") == 2
    assert len(asked) == FEW


def test_an_index_of_another_rulebook_shares_the_names_that_did_not_change() -> None:
    """The rules of a name are arranged anew only if one of them changed, appeared or was removed."""
    files = [campaign("one", "a"), campaign("two", "b"), campaign("all", "*")]
    index = RuleIndex(book_of(*files))
    same, own = index.triggered_by(TRACK, "b"), index.triggered_by(TRACK, "a")
    edited = campaign("one", ["a", "c"], where={"x": 1})
    changed = index.with_book(book_of(edited, *files[1:]))
    assert changed.triggered_by(TRACK, "b") is same
    assert [rule.digest for rule in changed.triggered_by(TRACK, "a")] == [
        own[0].digest,
        changed.by_id["one"].digest,
    ]
    assert [rule.id for rule in changed.triggered_by(TRACK, "c")] == ["all", "one"]
    assert list(index.triggered_by(TRACK, "a")) == list(own)
    gone = changed.with_book(book_of(*files[1:]))
    assert [rule.id for rule in gone.triggered_by(TRACK, "a")] == ["all"]
    assert gone.by_id.keys() == {"two", "all"}


@given(whens, whens, names)
def test_an_index_that_shares_names_is_as_if_made_anew(
    before: list[list[str]], after: list[list[str]], name: str
) -> None:
    """For any names that the old and the new rules have."""
    index = RuleIndex(book_of(*(campaign(f"r-{n}", list(when)) for n, when in enumerate(before))))
    index.triggered_by(TRACK, name)
    book = book_of(*(campaign(f"r-{n}", list(when)) for n, when in enumerate(after)))
    changed, anew = index.with_book(book), RuleIndex(book)
    assert list(changed.triggered_by(TRACK, name)) == list(anew.triggered_by(TRACK, name))
