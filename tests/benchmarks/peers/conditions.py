"""Other libraries' evaluation of the condition, timed by pyperf in the peers' environment.

Run by `tests.benchmarks.conditions`; the two libraries that call themselves ``json_logic`` are each
in a folder of their own beside the environment's.
"""

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import business_rules.engine
import datalogic_py
import pyperf
import rule_engine
import zen
from business_rules.variables import (
    BaseVariables,
    numeric_rule_variable,
    string_rule_variable,
)
from condition import ANSWERS, EXPRESSION, LOGIC, MESSAGES

Evaluate = Callable[[dict[str, Any]], Any]


def json_logic(folder: str) -> Callable[[Any, dict[str, Any]], Any]:
    """One of the two packages of that name."""
    home = Path(sys.prefix) / folder / "json_logic" / "__init__.py"
    found = importlib.util.spec_from_file_location(
        f"{folder}_json_logic", home, submodule_search_locations=[str(home.parent)]
    )
    module = importlib.util.module_from_spec(found)
    sys.modules[found.name] = module
    found.loader.exec_module(module)
    return module.jsonLogic


def _applied(folder: str) -> Evaluate:
    apply = json_logic(folder)
    return lambda data: apply(LOGIC, data)


class _Variables(BaseVariables):
    def __init__(self, data: dict[str, Any]) -> None:
        self.properties = data["properties"]

    @string_rule_variable
    def product(self) -> str:
        return self.properties["product"]

    @numeric_rule_variable
    def price(self) -> float:
        return self.properties["price"]

    @string_rule_variable
    def country(self) -> str:
        return self.properties["country"]


def _test(name: str, operator: str, value: object) -> dict[str, Any]:
    return {"name": name, "operator": operator, "value": value}


def _business_rules() -> Evaluate:
    countries = [_test("country", "equal_to", name) for name in ("fr", "de", "it")]
    conditions = {
        "all": [
            _test("product", "equal_to", "socks"),
            _test("price", "greater_than", 20),
            {"any": countries},
        ]
    }
    check = business_rules.engine.check_conditions_recursively
    return lambda data: check(conditions, _Variables(data))


def _zen() -> Evaluate:
    terms = EXPRESSION
    for name in ("product", "price", "country"):
        terms = terms.replace(f"{name} ", f"properties.{name} ")
    return zen.compile_expression(terms).evaluate


def _rule_engine() -> Evaluate:
    matches = rule_engine.Rule(EXPRESSION).matches
    return lambda data: matches(data["properties"])


PEERS: dict[str, Evaluate] = {
    "datalogic-py": datalogic_py.Engine().compile(json.dumps(LOGIC)).evaluate,
    "json-logic-qubit": _applied("qubit"),
    "panzi-json-logic": _applied("panzi"),
    "zen-engine": _zen(),
    "rule-engine": _rule_engine(),
    "business-rules": _business_rules(),
}


def every_message(evaluate: Evaluate) -> None:
    """Evaluate the condition for each message."""
    for data in MESSAGES:
        evaluate(data)


if __name__ == "__main__":
    for name, evaluate in PEERS.items():
        answers = [bool(evaluate(data)) for data in MESSAGES]
        if answers != ANSWERS:
            sys.exit(f"{name} answers {answers}")
    runner = pyperf.Runner()
    for name, evaluate in PEERS.items():
        runner.bench_func(name, every_message, evaluate, inner_loops=len(MESSAGES))
