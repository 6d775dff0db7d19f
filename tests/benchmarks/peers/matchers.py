"""The workload's conditions, as a shop writes them with each library, or by hand.

Each function gives a matcher: from an event's name and properties to the rules that they satisfy.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import business_rules.engine
import zen
from business_rules.variables import BaseVariables, numeric_rule_variable, string_rule_variable
from conditions import json_logic

Rule = Mapping[str, Any]
Properties = dict[str, Any]
Matcher = Callable[[str, Properties], list[Rule]]


def matchers(rules: Iterable[Rule]) -> dict[str, Matcher]:
    """A matcher of these rules by each library, by its name."""
    every = list(rules)
    return {
        "json-logic-qubit": _each(every, _logic, json_logic("qubit")),
        "business-rules": _business(every),
        "zen-engine": _each(every, _expression, lambda compiled, data: compiled.evaluate(data)),
        "conditions by hand": _each(every, _by_hand, lambda test, data: test(data)),
    }


def _each(
    rules: list[Rule], write: Callable[[Rule], Any], holds: Callable[[Any, Properties], Any]
) -> Matcher:
    written = defaultdict(list)
    for rule in rules:
        written[rule["when"]].append((rule, write(rule["where"])))
    return lambda name, data: [rule for rule, test in written.get(name, ()) if holds(test, data)]


def _logic(where: Rule) -> dict[str, Any]:
    return {
        "and": [
            {"==": [{"var": "category"}, where["category"]]},
            {"in": [{"var": "country"}, where["country"]]},
            {">": [{"var": "price"}, 100]},
            {"==": [{"var": "currency"}, "EUR"]},
        ]
    }


def _expression(where: Rule) -> Any:
    countries = json.dumps(where["country"])
    text = f'category == "{where["category"]}" and country in {countries}'
    return zen.compile_expression(f'{text} and price > 100 and currency == "EUR"')


def _by_hand(where: Rule) -> Callable[[Properties], bool]:
    category, countries = where["category"], set(where["country"])
    return lambda data: (
        data["category"] == category
        and data["country"] in countries
        and data["price"] > 100
        and data["currency"] == "EUR"
    )


class _Variables(BaseVariables):
    def __init__(self, data: Properties) -> None:
        self.data = data

    @string_rule_variable()
    def category(self) -> str:
        return self.data["category"]

    @string_rule_variable()
    def country(self) -> str:
        return self.data["country"]

    @numeric_rule_variable()
    def price(self) -> float:
        return self.data["price"]

    @string_rule_variable()
    def currency(self) -> str:
        return self.data["currency"]


def _business(rules: list[Rule]) -> Matcher:
    holds = business_rules.engine.check_conditions_recursively
    ask = _each(rules, _conditions, holds)
    return lambda name, data: ask(name, _Variables(data))


def _conditions(where: Rule) -> dict[str, Any]:
    countries = [_test("country", "equal_to", country) for country in where["country"]]
    return {
        "all": [
            _test("category", "equal_to", where["category"]),
            {"any": countries},
            _test("price", "greater_than", 100),
            _test("currency", "equal_to", "EUR"),
        ]
    }


def _test(name: str, operator: str, value: object) -> dict[str, object]:
    return {"name": name, "operator": operator, "value": value}
