"""Other libraries' matching: a loop over the rules of the message's name, timed by pyperf.

Run by `tests.benchmarks.matching` in the peers' environment, with ``WHEREUPON_RULES``. Each rule is compiled
beforehand where the library can; what a library finds is checked against the rule itself.
"""

import json
import os
import sys
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import datalogic_py
import pyperf
import rule_engine
import zen
from conditions import Evaluate, json_logic
from rule_mix import Mix

COUNT = int(os.environ.get("WHEREUPON_RULES", "100"))
MESSAGES = 20
OPERATORS = {"gt": ">", "gte": ">=", "lte": "<=", "ne": "!="}
Where = dict[str, Any]


def logic_of(where: Where) -> Any:
    """The rule's condition as JSONLogic."""
    return {"and": [_logic(name, expected) for name, expected in where.items()]}


def _logic(name: str, expected: Any) -> Any:
    variable = {"var": f"properties.{name}"}
    if isinstance(expected, list):
        return {"in": [variable, expected]}
    if not isinstance(expected, dict):
        return {"==": [variable, expected]}
    ((operator, value),) = expected.items()
    if operator == "exists":
        return {"!=": [variable, None]}
    return {OPERATORS[operator]: [variable, value]}


def expression_of(where: Where) -> str:
    """The rule's condition as an expression over the properties."""
    return " and ".join(_term(name, expected) for name, expected in where.items())


def _term(name: str, expected: Any) -> str:
    if isinstance(expected, list):
        return f"{name} in {json.dumps(expected)}"
    if not isinstance(expected, dict):
        return f"{name} == {json.dumps(expected)}"
    ((operator, value),) = expected.items()
    if operator == "exists":
        return f"{name} != null"
    return f"{name} {OPERATORS[operator]} {json.dumps(value)}"


def holds(where: Where, data: dict[str, Any]) -> bool:
    """Whether the rule's condition holds, as its words say."""
    return all(_holds(data["properties"].get(name), expected) for name, expected in where.items())


def _holds(value: Any, expected: Any) -> bool:
    if isinstance(expected, list):
        return value in expected
    if not isinstance(expected, dict):
        return value == expected
    ((operator, fixed),) = expected.items()
    tests = {
        "gt": lambda: value > fixed,
        "gte": lambda: value >= fixed,
        "lte": lambda: value <= fixed,
        "ne": lambda: value != fixed,
        "exists": lambda: value is not None,
    }
    return tests[operator]()


def _by(apply: Callable[[Any, dict[str, Any]], Any]) -> Callable[[Where], Evaluate]:
    def compiled(where: Where) -> Evaluate:
        logic = logic_of(where)
        return lambda data: apply(logic, data)

    return compiled


def _zen(where: Where) -> Evaluate:
    evaluate = zen.compile_expression(expression_of(where)).evaluate
    return lambda data: evaluate(data["properties"])


def _rule_engine(where: Where) -> Evaluate:
    context = rule_engine.Context(default_value=None)
    matches = rule_engine.Rule(expression_of(where), context=context).matches
    return lambda data: matches(data["properties"])


def _datalogic(where: Where) -> Evaluate:
    return ENGINE.compile(json.dumps(logic_of(where))).evaluate


ENGINE = datalogic_py.Engine()
PEERS: dict[str, Callable[[Where], Evaluate]] = {
    "datalogic-py": _datalogic,
    "json-logic-qubit": _by(json_logic("qubit")),
    "panzi-json-logic": _by(json_logic("panzi")),
    "zen-engine": _zen,
    "rule-engine": _rule_engine,
}


def arranged(compiled: Callable[[Where], Evaluate]) -> dict[str, list[tuple[Where, Evaluate]]]:
    """The rules by name."""
    rules: dict[str, list[tuple[Where, Evaluate]]] = defaultdict(list)
    for rule in Mix().rules(COUNT):
        rules[rule["when"]].append((rule["where"], compiled(rule["where"])))
    return rules


def main() -> None:
    """Check what each library finds, and time it."""
    messages = Mix().messages(MESSAGES)
    runner = pyperf.Runner()
    runner.parse_args()
    for peer, compiled in PEERS.items():
        rules = arranged(compiled)
        for name, data in messages:
            for where, evaluate in rules[name]:
                if bool(evaluate(data)) != holds(where, data):
                    sys.exit(f"{peer} is wrong about {where} and {data['properties']}")

        def every_message(rules: dict[str, list[tuple[Where, Evaluate]]] = rules) -> None:
            for name, data in messages:
                for _, evaluate in rules[name]:
                    evaluate(data)

        runner.bench_func(peer, every_message, inner_loops=MESSAGES)


if __name__ == "__main__":
    main()
