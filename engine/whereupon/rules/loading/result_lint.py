"""Lint of what steps read of functions: a result that no step of the rule asks for is never there."""

from collections.abc import Iterator

from whereupon.conditions.paths import parts_of
from whereupon.conditions.values import RESULTS
from whereupon.errors import Diagnostic
from whereupon.rules.model import Rule
from whereupon.rules.spelling import nearest
from whereupon.rules.steps.run import Run
from whereupon.rules.texts_in import Path


def functions_run(rule: Rule) -> tuple[str, ...]:
    """The functions that steps of a rule run, each once."""
    steps = (step for step in rule.route.every_step() if isinstance(step, Run))
    return tuple(dict.fromkeys(step.function for step in steps))


def unknown_result(rule: Rule, path: Path, name: str) -> Diagnostic | None:
    """What is wrong with reading the result of a function."""
    known = functions_run(rule)
    if name in known:
        return None
    hint = nearest(name, known) or "; add a step run: before this one, or take it out"
    message = f"no step of this rule runs {name}, so nothing is there{hint}"
    return Diagnostic.at(path, "unknown-variable", message)


def results_in_conditions(rule: Rule) -> Iterator[Diagnostic]:
    """The results that conditions of steps read and that are never there."""
    for place in rule.route.places.values():
        found: dict[str, None] = {}
        for condition in place.step.conditions:
            for variable in sorted(condition.variables):
                root, *rest = parts_of(variable)
                if root == RESULTS and rest:
                    found[rest[0]] = None
        for name in found:
            diagnostic = unknown_result(rule, place.path, name)
            if diagnostic is not None:
                yield diagnostic
