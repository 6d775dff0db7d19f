"""A key of campaigns and broadcasts, as a row of a table."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from whereupon.conditions import Condition
from whereupon.errors import Diagnostic
from whereupon.rules.rule_reader import RuleReader

if TYPE_CHECKING:
    from whereupon.rules.plan.plan_checker import PlanChecker


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key of a rule file: how it is written, and how its value is read.

    Attributes:
        name: the key as it is written.
        attribute: the attribute of `Rule` that holds the value.
        written: the type of what is written, as pydantic takes it.
        field: the default, the description and examples, as pydantic takes them.
        read: makes the value of what is written; diagnostics go to the reader.
        check: checks the names in what is written against the tracking plan; None if there are none.
        lint: warns of what is likely a mistake, given the value, what is written, and the condition of each
            segment by its id; None if nothing is.
    """

    name: str
    attribute: str
    written: object
    field: object
    read: Callable[[Any, RuleReader], object]
    check: "Callable[[JsonValue, PlanChecker], Iterator[Diagnostic]] | None" = None
    lint: Callable[[Any, JsonValue, Mapping[str, Condition]], Iterator[Diagnostic]] | None = None
