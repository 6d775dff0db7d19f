"""Steps with other steps in their arms."""

from collections.abc import Callable
from dataclasses import replace

from whereupon.rules.model import Branch, Split, Step, WaitFor
from whereupon.rules.steps.step_form import Arm, Steps


def with_arms(step: Step, steps_of: Callable[[Arm], Steps]) -> Step:
    """The step with other steps in its arms.

    Args:
        steps_of: from an arm of the step to the arm's new steps.
    """
    within = [steps_of(arm) for arm in step.arms]
    match step:
        case Branch():
            branches = zip(step.branches, within, strict=True)
            return replace(step, branches=tuple(replace(a, steps=s) for a, s in branches))
        case Split():
            shares = zip(step.shares, within, strict=True)
            return replace(step, shares=tuple(replace(a, steps=s) for a, s in shares))
        case WaitFor():
            *of_waits, otherwise = within
            waits = zip(step.waits, of_waits, strict=True)
            changed = tuple(replace(a, steps=s) for a, s in waits)
            return replace(step, waits=changed, otherwise=otherwise)
        case _:
            return step
