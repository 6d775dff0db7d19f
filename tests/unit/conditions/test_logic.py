"""Plain JSONLogic: what the reference answers, and that nothing is ever raised."""

import json
import math
from collections import Counter

import pytest
from fixtures.jsonlogic.cases import OPERATORS
from fixtures.jsonlogic.corpus import CORPUS
from fixtures.jsonlogic.ours import compiled
from fixtures.jsonlogic.reference import decoded, is_same
from tests.unit.conditions.messages import diagnostics_of

from whereupon.conditions import JsonValue
from whereupon.conditions.jsonlogic.standard import STANDARD
from whereupon.errors import Severity

CASES = [json.loads(line) for line in CORPUS.read_text(encoding="ascii").splitlines()]
DEEP: JsonValue = []
for _ in range(50_000):
    DEEP = [DEEP]
EXTREMES: dict[str, JsonValue] = {
    "huge": 10**5000,
    "low": -(10**400),
    "nan": math.nan,
    "infinity": math.inf,
    "digits": "9" * 5000,
    "deep": DEEP,
}


@pytest.mark.parametrize("operator", OPERATORS)
def test_every_operator_answers_as_the_reference_does(operator: str) -> None:
    """The corpus holds what json-logic-js answered, coercions and odd operands included."""
    cases = [case for case in CASES if operator in case["rule"]]
    assert len(cases) >= 50
    differing = [
        case
        for case in cases
        if "result" in case
        and not is_same(compiled(case["rule"])(case["data"]), decoded(case["result"]))
    ]
    assert differing == []


def test_the_corpus_covers_the_standard() -> None:
    """At least two thousand answers, of every operator that the standard has."""
    counts = Counter(next(iter(case["rule"])) for case in CASES)
    assert counts.keys() == set(STANDARD)
    assert sum("result" in case for case in CASES) >= 2000


def test_what_the_reference_throws_at_is_answered() -> None:
    """Data that break one rule must not stop the others."""
    thrown = [case for case in CASES if "throws" in case]
    assert len(thrown) >= 5
    for case in thrown:
        compiled(case["rule"])(case["data"])


@pytest.mark.parametrize(
    ("rule", "data", "result"),
    [
        ({">": [{"var": "p"}, 20]}, {"p": "23.45"}, True),
        ({">": [{"var": "p"}, 20]}, {"p": "abc"}, False),
        ({"<": [{"var": "p"}, 20]}, {}, True),
        ({"===": [True, 1]}, None, False),
        ({"==": [True, 1]}, None, True),
        ({"in": [True, [1]]}, None, False),
        ({"==": [9007199254740993, 9007199254740992]}, None, True),
        ({"cat": [1e21, [None, [1, []]], -0.0, {}]}, None, "1e+21,1,0[object Object]"),
        ({"substr": ["a😀b", 1, 2]}, None, "😀"),
        ({"var": ["missing", "default"]}, {}, "default"),
        ({"var": "list.length"}, {"list": [1, 2]}, 2),
        ({"and": []}, None, None),
        ({"map": [[1], {"and": []}]}, None, [None]),
        ([{"var": "a"}, 2], {"a": 1}, [1, 2]),
        ("text", None, "text"),
        ({"a": 1, "b": {"var": "x"}}, None, {"a": 1, "b": {"var": "x"}}),
        ({"*": []}, None, None),
        ({"missing_some": [1, None]}, None, None),
        ({"var": "constructor"}, {}, None),
        ({"missing": {"var": "keys"}}, {"keys": [{"var": "a"}]}, [{"var": "a"}]),
    ],
)
def test_a_rule_gives(rule: JsonValue, data: JsonValue, result: JsonValue) -> None:
    """Examples of the reference's rules; the last five are ours, where it throws or runs data."""
    assert is_same(compiled(rule)(data), result)


@pytest.mark.parametrize("value", EXTREMES.values(), ids=EXTREMES.keys())
@pytest.mark.parametrize(
    "rule",
    [
        *(
            {"+": [{"var": ""}, 1]},
            {"-": {"var": ""}},
            {"%": [{"var": ""}, 2]},
            {"/": [1, {"var": ""}]},
        ),
        *({"cat": {"var": ""}}, {"substr": [{"var": ""}, 0, 5]}, {"==": [{"var": ""}, "1"]}),
        *({"<": [{"var": ""}, "1"]}, {"in": [{"var": ""}, [1]]}, {"max": [{"var": ""}, 1]}),
        *({"===": [{"var": ""}, {"var": ""}]}, {"var": {"var": ""}}, {"merge": {"var": ""}}),
        *({"substr": ["abc", {"var": ""}, {"var": ""}]}, {"missing": {"var": ""}}),
    ],
)
def test_extreme_data_raises_nothing(rule: JsonValue, value: JsonValue) -> None:
    """Numbers beyond the doubles, and lists fifty thousand deep."""
    compiled(rule)(value)


def test_a_rule_that_doubles_a_value_for_each_item_stays_bounded() -> None:
    """Texts and lists that an evaluation makes are limited by the work that it may do."""
    twice: JsonValue = [{"var": "accumulator"}, {"var": "accumulator"}]
    for operator in ("cat", "merge"):
        rule: JsonValue = {"reduce": [{"var": ""}, {operator: twice}, "ab"]}
        grown = compiled(rule)([0] * 10)
        assert isinstance(grown, str | list)
        assert len(grown) in {2_048, 1_024}
        assert compiled(rule)([0] * 40) is None


def test_bad_logic_is_refused_with_its_diagnostics() -> None:
    """All diagnostics are reported, each with its place."""
    diagnostics = diagnostics_of({"logic": {"and": [{"nope": 1}, {"neither": {"var": "a"}}]}})
    assert [
        diagnostic.path for diagnostic in diagnostics if diagnostic.severity is Severity.ERROR
    ] == [
        ("logic", "and", 0, "nope"),
        ("logic", "and", 1, "neither"),
    ]


def test_logic_too_deep_for_the_interpreter_is_refused() -> None:
    """Neither parsing nor evaluating may run into the recursion limit."""
    (diagnostic,) = diagnostics_of({"logic": {"!": DEEP}})
    assert diagnostic.code == "too-deep"


def test_a_list_of_the_data_is_never_changed() -> None:
    """Evaluation makes its own lists."""
    data: JsonValue = {"list": [3, None, [1]]}
    compiled({"merge": [{"var": "list"}, {"map": [{"var": "list"}, {"and": []}]}]})(data)
    assert data == {"list": [3, None, [1]]}


def test_a_text_of_minus_zero_keeps_its_sign_when_multiplied() -> None:
    """As parseFloat reads it; the number -0 is written "0" first, and so read as zero."""
    assert str(compiled({"*": ["-0", 0]})({})) == "-0.0"
    assert str(compiled({"*": [-0.0, 0]})({})) == "0.0"
    assert str(compiled({"*": ["-0", 1, 1]})({})) == "0.0"
