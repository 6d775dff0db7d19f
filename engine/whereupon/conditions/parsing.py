"""Ways in."""

from collections.abc import Callable
from whereupon.conditions.compiling import compile_tree
from whereupon.conditions.condition import NO_HISTORY
from whereupon.conditions.spelling import spelling_problems, too_large
from whereupon.conditions.tree import STANDARD, parse_tree, registry_of
from whereupon.conditions.values import JsonValue, without_undefined
from whereupon.errors import Problem, Severity, WhereuponError

_STANDARD = registry_of(STANDARD)


class LogicInvalidError(WhereuponError, ValueError):
    """JSONLogic that cannot be compiled; ``problems`` holds every error and warning of it."""

    def __init__(self, *, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        super().__init__("; ".join(f"{problem.code}: {problem.message}" for problem in problems))


def parse_logic(logic: JsonValue) -> Callable[[JsonValue], JsonValue]:
    """Compile standard JSONLogic to a function of its data.

    Raises:
        LogicInvalidError: the logic has an unknown operator, or is too deep or too large.
    """
    oversize = too_large(logic, ())
    problems = (oversize,) if oversize else tuple(spelling_problems(logic, ()))
    if any(problem.severity is Severity.ERROR for problem in problems):
        raise LogicInvalidError(problems=problems)
    evaluate = compile_tree(parse_tree(logic, registry=_STANDARD), questions={})

    def apply(data: JsonValue) -> JsonValue:
        return without_undefined(evaluate(data, NO_HISTORY))

    return apply
