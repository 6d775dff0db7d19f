"""Holdouts: who is kept out of a rule at random, so that the others can be compared with them."""

from whereupon.decide.steps.split import share_of
from whereupon.rules.model import Rule


def is_held_out(rule: Rule, user_id: str) -> bool:
    """Whether a person belongs to the rule's holdout.

    It depends on the holdout's group, or else the rule's id, and on the user id alone. So it stays when the rule
    changes; when the share grows, nobody leaves the holdout.

    Args:
        user_id: the person's first.
    """
    holdout = rule.holdout
    if holdout is None:
        return False
    name = rule.id if holdout.group is None else holdout.group
    return share_of(f"holdout\x1f{name}", user_id) < holdout.share
