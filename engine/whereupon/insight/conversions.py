"""What an entry says of its rule's goal: reached by what, and after which delivery; as a clause of a sentence."""

from collections.abc import Sequence

from whereupon.messages.times import format_instant
from whereupon.records import Delivery, Entry, Mark, MarkKind


def conversion_of(entry: Entry) -> Mark | None:
    """The mark of the entry's conversion; None if the person has not reached the goal."""
    return next((mark for mark in entry.trail if mark.kind is MarkKind.CONVERTED), None)


def converted(entry: Entry, deliveries: Sequence[Delivery] = ()) -> str | None:
    """That the person reached the goal, as a clause; None if they have not.

    Args:
        deliveries: those that the entry made.
    """
    mark = conversion_of(entry)
    if mark is None:
        return None
    reached = f"they reached the goal by {mark.detail} of {format_instant(mark.at)}"
    if mark.address:
        key = mark.values.get("delivery")
        channels = (each.channel for each in deliveries if each.idempotency_key == key)
        sent = next(channels, "the send")
        reached += f", after {sent} of step {mark.address}"
    elif not entry.is_held_out:
        reached += ", before anything was sent"
    return reached if mark.arm is None else f"{reached}, in arm {mark.arm}"
