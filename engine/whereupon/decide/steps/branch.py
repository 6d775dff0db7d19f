"""The step `branch`: go on by the first arm whose condition holds."""

from whereupon.conditions import ALWAYS, Condition
from whereupon.decide.steps.context import StepContext, StepResult
from whereupon.records import MarkKind
from whereupon.rules.model import Branch

_ARM = MarkKind.ARM  # an attribute of an enumeration is looked up slowly


def run_branch(step: Branch, context: StepContext) -> StepResult:
    """Take the arm; the mark says which, by which condition, and what it saw."""
    data, history = context.data(), context.history()
    for arm in step.branches:
        if arm.condition is ALWAYS or arm.condition.holds(data, history):
            values = {
                name: value
                for conjunct in arm.condition.conjuncts
                for name, value in conjunct.seen(data, history).items()
            }
            text = in_words(arm.condition)
            mark = context.mark(_ARM, arm=arm.label, detail=text, values=values)
            return context.into_arm(arm.label, mark), None
    return context.next_step().marked(context.mark(_ARM)), None


def in_words(condition: Condition) -> str | None:
    """A condition in words; None for the one that always holds."""
    return " and ".join(conjunct.text for conjunct in condition.conjuncts) or None
