"""Whether a person reached the goal of a rule before they entered."""

from collections.abc import Mapping

from whereupon.conditions import NO_HISTORY, Failure
from whereupon.conditions.same import same_key
from whereupon.decide.evaluation import Evaluation
from whereupon.decide.history import event_data
from whereupon.messages.model import MessageType
from whereupon.records import NOTHING
from whereupon.rules.model import Goal


def reached_before(goal: Goal, evaluation: Evaluation, *, is_own: bool = True) -> Failure | None:
    """Why a person is kept out who reached the goal before; None if the goal does not ask, or they had not.

    Args:
        evaluation: of the message that would open the entry; its `see` has been called.
        is_own: whether the message is the person's.
    """
    if not goal.skips_reached:
        return None
    count = evaluation.history.count(goal.performed) or 0
    is_track = is_own and evaluation.type is MessageType.TRACK and evaluation.name == goal.event
    if is_track and _meets(goal, evaluation):
        count -= 1  # the opening message is no earlier one
    if count <= 0:
        return None
    return Failure(f"has never performed {goal.event}", {f"performed {goal.event}": count})


def _meets(goal: Goal, evaluation: Evaluation) -> bool:
    """Whether the opening message would meet the goal that is tied to itself."""
    properties = evaluation.properties
    if not same_key(goal.same, properties, properties):
        return False
    person = evaluation.data.get("person")
    data = event_data(
        goal.where,
        goal.event,
        properties,
        evaluation.timestamp,
        person if isinstance(person, Mapping) else NOTHING,
    )
    return goal.where.holds(data, NO_HISTORY)
