"""The step `split`: divide people among arms at random, the same for each person every time."""

from hashlib import blake2b

from whereupon.decide.idempotency import entrant_of
from whereupon.decide.steps.context import StepContext, StepResult
from whereupon.records import MarkKind
from whereupon.rules.model import Split
from whereupon.rules.steps.split import WHOLE


def run_split(step: Split, context: StepContext) -> StepResult:
    """Take the arm that the person's hash falls into, or has taken in this entry before."""
    entry = context.entry
    taken = arms_of(entry.arms)
    label = taken.get(step.split)
    if label is None or all(label != arm.label for arm in step.shares):
        user_id = entrant_of(entry, context.person.user_id)
        label = arm_for(step, user_id)
        taken[step.split] = label
    mark = context.mark(MarkKind.ARM, arm=label, detail=step.split)
    return context.into_arm(label, mark).changed(arms=written_arms(taken)), None


def arm_for(step: Split, user_id: str) -> str:
    """The arm of the person who entered by that user id."""
    place, reached = share_of(step.split, user_id), 0
    for arm in step.shares:
        reached += arm.share
        if place < reached:
            return arm.label
    return step.shares[-1].label


def share_of(name: str, user_id: str) -> int:
    """A number from 0 to 9,999 that depends on a name and a user id alone; the numbers are spread evenly."""
    text = f"{name}\x1f{user_id}".encode("utf-8", "replace")
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big") % WHOLE


def arms_of(written: str | None) -> dict[str, str]:
    """The arm that an entry took of each split."""
    pairs = (pair.partition("=") for pair in written.split(",")) if written else ()
    return {name: label for name, _, label in pairs}


def written_arms(taken: dict[str, str]) -> str:
    """The arms as an entry keeps them."""
    return ",".join(f"{name}={label}" for name, label in taken.items())
