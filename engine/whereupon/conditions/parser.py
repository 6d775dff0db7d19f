"""The two ways into this package: a condition of a rule file, and plain JSONLogic."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, Literal

from whereupon.conditions.condition import ALWAYS, NO_HISTORY, Condition
from whereupon.conditions.conjuncts import assembled
from whereupon.conditions.context import UTC, Known, Setting
from whereupon.conditions.scope import bounded
from whereupon.conditions.short_form import read_condition
from whereupon.conditions.validation import spelling_problems, too_large
from whereupon.conditions.values import JsonValue, without_undefined
from whereupon.errors import Diagnostic, Severity, WhereuponError

_NO_SEGMENTS: Final[Mapping[str, JsonValue]] = MappingProxyType({})


class LogicInvalidError(WhereuponError, ValueError):
    """JSONLogic that cannot be compiled; ``problems`` holds every error and warning of it."""

    def __init__(self, *, problems: tuple[Diagnostic, ...]) -> None:
        self.problems = problems
        super().__init__("; ".join(f"{problem.code}: {problem.message}" for problem in problems))


def parse_condition(
    raw: JsonValue,
    *,
    root: Literal["properties", "person"],
    segments: Mapping[str, JsonValue] = _NO_SEGMENTS,
    history_allowed: bool = False,
    zone: str = UTC,
    known: Known | None = None,
) -> tuple[Condition, tuple[Diagnostic, ...]]:
    """Compile the ``where`` or ``who`` of a rule file, and say everything that is wrong with it.

    Args:
        raw: the condition as the file has it; None, where it has none, always holds.
        root: what the paths of the short form start from.
        segments: the raw condition of every segment, by its name.
        history_allowed: whether ``segment`` and ``performed`` may be used, as in ``who``.
        zone: the timezone of dates without an offset, in the condition and in the data.
        known: where conjuncts are kept that more conditions may share; None to share nothing.

    Returns:
        The condition, which is `ALWAYS` where a problem is an error; and every problem, with its
        path within ``raw``.
    """
    if raw is None:
        return ALWAYS, ()
    oversize = too_large(raw, ())
    if oversize is not None:
        return ALWAYS, (oversize,)
    setting = Setting(
        root,
        segments,
        history_allowed=history_allowed,
        zone=zone,
        known={} if known is None else known,
    )
    condition = assembled(read_condition(raw, (), setting), (), setting)
    return condition, tuple(setting.problems)


def parse_logic(logic: JsonValue) -> Callable[[JsonValue], JsonValue]:
    """Compile standard JSONLogic to a function of its data.

    What is undefined comes out as null, and so does what would take too much work (see `scope`).

    Raises:
        LogicInvalidError: the logic has an unknown operator, or is too deep or too large.
    """
    from whereupon.conditions.compiler import evaluator_of  # noqa: PLC0415 - no rule file needs it

    oversize = too_large(logic, ())
    problems = (oversize,) if oversize else tuple(spelling_problems(logic, ()))
    if any(problem.severity is Severity.ERROR for problem in problems):
        raise LogicInvalidError(problems=problems)
    evaluate = bounded(evaluator_of(logic, questions={}))

    def apply(data: JsonValue) -> JsonValue:
        return without_undefined(evaluate(data, NO_HISTORY))

    return apply
