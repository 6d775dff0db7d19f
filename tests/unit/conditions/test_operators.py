"""The table of operators: every row is whole, and its columns agree with one another."""

import dataclasses
import json
from collections.abc import Iterator

import pytest
from jsonschema import Draft202012Validator
from tests.unit.conditions.messages import message, where, who

from whereupon.conditions import NO_HISTORY, JsonValue
from whereupon.conditions.clocks import DEFAULT_CLOCK
from whereupon.conditions.compiler import evaluator_of
from whereupon.conditions.condition import in_turn
from whereupon.conditions.jsonlogic.standard import STANDARD
from whereupon.conditions.operators import ADDITIONS, OPERATORS, Addition, Operator
from whereupon.conditions.prefilter import passes
from whereupon.conditions.pushdown import prefilter_of

ROWS = [pytest.param(row, id=name) for name, row in OPERATORS.items()]
PATH: JsonValue = {"var": "properties.it"}
SCALARS: tuple[JsonValue, ...] = (
    *(None, True, False, 0, 1, 19, 20, 20.5, 21, -1, 10**400, "", "20", " 20 ", "true", "TRUE"),
    *("socks", "shoes", "wool", "wool socks", "silk ", "2026-01-30", "2026-01-31", "2026-02-01"),
)
VALUES: list[JsonValue] = [
    *SCALARS,
    "2024-06-29T12:00:00Z",
    "2024-07-03",
    "1990-06-30",
    [],
    ["socks"],
    ["wool"],
    [20],
    {},
    {"it": 1},
]


def operators_in(logic: JsonValue) -> Iterator[str]:
    """The names of the operators of a logic."""
    if isinstance(logic, dict):
        for name, operands in logic.items():
            yield name
            if name != "var":
                yield from operators_in(operands)
    elif isinstance(logic, list):
        for each in logic:
            yield from operators_in(each)


def near(example: JsonValue) -> list[JsonValue]:
    """Return values near an operand, and the values that every operator is tried on."""
    options = example if isinstance(example, list) else [example]
    return [*VALUES, *options, *(f"{option} and more" for option in options)]


@pytest.mark.parametrize("kind", [Operator, Addition])
def test_a_row_says_something_in_every_column(kind: type[Operator | Addition]) -> None:
    """No column has a default: what an operator lacks is written out as None."""
    required = dataclasses.MISSING
    for column in dataclasses.fields(kind):
        assert column.default is required, column.name
        assert column.default_factory is required, column.name


@pytest.mark.parametrize("row", ROWS)
def test_a_row_has_an_example_that_it_takes(row: Operator) -> None:
    """The check, the schema, the words and the logic all accept operands like the example."""
    assert row.operand.check(row.example) is None
    assert Draft202012Validator(row.operand.schema).is_valid(row.example)
    assert row.operand.check({}) is not None
    assert not Draft202012Validator(row.operand.schema).is_valid({})
    assert row.hint.endswith(".")
    assert row.words(row.example).strip()
    used = {name for name in operators_in(row.logic(PATH, row.example)) if name != "var"}
    own = {row.addition.name} if row.addition else set()
    assert used - STANDARD.keys() == own


def test_an_addition_has_a_name_of_its_own_and_one_test() -> None:
    """Two rows may share an addition; no two additions share a name."""
    rows = [row.addition for row in OPERATORS.values() if row.addition is not None]
    for addition in rows:
        assert ADDITIONS[addition.name] is addition
        assert addition.name.startswith("@")
        assert (addition.test is None) is (addition.timed_test is not None)
        assert (addition.turns is None) is (addition.timed_test is None)


@pytest.mark.parametrize("row", ROWS)
def test_a_row_means_the_same_however_it_is_evaluated(row: Operator) -> None:
    """As generated source, as closures, one conjunct at a time, and below a `not`."""
    condition = where({"it": {row.name: row.example}})
    denied = where({"not": {"it": {row.name: row.example}}})
    evaluate = evaluator_of(condition.logic, questions={})
    answers = set()
    for value in near(row.example):
        data = message({"it": value})
        answer = condition.holds(data, NO_HISTORY)
        assert answer is bool(evaluate(data, NO_HISTORY)), value
        assert answer is in_turn(condition.conjuncts)(data, NO_HISTORY), value
        assert answer is not denied.holds(data, NO_HISTORY), value
        answers.add(answer)
    assert answers == {True, False}
    assert row.name == "exists" or not condition.holds(message({}), NO_HISTORY)


@pytest.mark.parametrize("row", ROWS)
def test_a_prefilter_keeps_back_nobody_for_whom_its_operator_holds(row: Operator) -> None:
    """The prefilter of the negated operator keeps back nobody either."""
    tried: list[JsonValue] = [
        {"it": {row.name: row.example}},
        {"not": {"it": {row.name: row.example}}},
    ]
    for raw in tried:
        condition = who(raw)
        for value in near(row.example):
            data = message(person={"it": value})
            if condition.holds(data, NO_HISTORY):
                assert passes(prefilter_of(condition, message()), {"it": value}), (raw, value)


@pytest.mark.parametrize("row", ROWS)
def test_an_index_reads_the_logic_of_a_row_or_says_nothing(row: Operator) -> None:
    """A predicate is about the path, and rows without an index have none."""
    (conjunct,) = where({"it": {row.name: row.example}}).conjuncts
    predicate = conjunct.predicate
    operand = DEFAULT_CLOCK.beside(row.example) if row.operand.of_person else row.example
    assert json.dumps(conjunct.logic) == json.dumps(row.logic(PATH, operand))
    if row.addition is None or row.addition.index is not None:
        assert predicate is not None
        assert predicate.path == "properties.it"
    else:
        assert predicate is None
