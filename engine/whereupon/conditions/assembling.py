"""From the conjuncts of a condition to the condition, unless it has errors or is too large."""

from collections.abc import Sequence
from typing import Final

from whereupon.conditions.condition import ALWAYS, Condition, Conjunct, conjunction
from whereupon.conditions.conjuncts import compiled, questions_of
from whereupon.conditions.setting import Setting
from whereupon.conditions.spelling import Path, too_large
from whereupon.errors import Severity

_FEW: Final = 100
"""So many conjuncts whose logic is brief are not too large together."""


def assembled(conjuncts: Sequence[Conjunct], path: Path, setting: Setting) -> Condition:
    """The condition of these conjuncts; `ALWAYS` if the setting knows of an error."""
    if not conjuncts:
        return ALWAYS
    if len(conjuncts) > _FEW or not all(conjunct.is_brief for conjunct in conjuncts):
        oversize = too_large(conjunction(conjuncts), path)
        if oversize is not None:
            setting.problems.append(oversize)
    if any(problem.severity is Severity.ERROR for problem in setting.problems):
        return ALWAYS
    return Condition(tuple(conjuncts), questions_of(conjuncts), compiled)
