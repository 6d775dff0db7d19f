"""The trail of an entry: what it passed on its way, beside the sends that its deliveries tell of.

A rule of sends and plain waits leaves no trail.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias

from pydantic import JsonValue


class MarkKind(StrEnum):
    """What happened at a step. The words never change.

    Attributes:
        STEP_IF: the step was left out, since its `if` did not hold.
        ARM: a `branch` or a `split` chose an arm, or a branch had none that holds.
        WAITS: the entry reached a step at which it waits for something.
        PASSED: what a `wait_for` waits for happened, or held already.
        EXPIRED: the time of a `wait_for` was up.
        LATE: a message came that happened before a wait's time was up, and came after it.
        RAN: the host's function, or the webhook, was called.
        FAILED: the call was given up.
        SENT: a delivery to the person was made; kept for rules with a goal.
        QUIET: the entry reached a `send` in quiet hours, and waits at it for their end.
        CAP: the entry reached a `send` for which there was no place under a cap, and waits at it for one.
        CONVERTED: the person reached the goal.
    """

    STEP_IF = "step-if"
    ARM = "arm"
    WAITS = "waits"
    PASSED = "passed"
    EXPIRED = "expired"
    LATE = "late"
    RAN = "ran"
    FAILED = "failed"
    SENT = "sent"
    QUIET = "quiet"
    CAP = "cap"
    CONVERTED = "converted"


_RAN, _FAILED = MarkKind.RAN, MarkKind.FAILED  # looked up slowly as attributes
NO_VALUES: Final[Mapping[str, JsonValue]] = MappingProxyType({})


class Mark(NamedTuple):
    """One thing that happened to an entry at a step.

    Attributes:
        address: of the step; for `CONVERTED`, of the last send before it, or empty.
        at: when; for `LATE` and `CONVERTED`, when the message happened.
        arm: the label of the arm that the entry took; None if it took none; for `CONVERTED`, `Entry.arms`.
        detail: the condition in words, the event's name, the channel, or a reason.
        values: what a condition saw, what a function returned (under ``result``), the idempotency key of
            a delivery (under ``delivery``), or until when an entry waits at a send (under ``until``).
        message_id: of the message that did it; None if none did.
    """

    kind: MarkKind
    address: str
    at: datetime
    arm: str | None = None
    detail: str | None = None
    values: Mapping[str, JsonValue] = NO_VALUES
    message_id: str | None = None


Trail: TypeAlias = tuple[Mark, ...]


def mark_at(trail: Trail, address: str, *kinds: MarkKind) -> Mark | None:
    """The last mark of these kinds at a step."""
    for mark in reversed(trail):
        if mark.address == address and mark.kind in kinds:
            return mark
    return None


UNTIL: Final = "until"
"""The value of a mark of an entry that waits at a send: until when, as an instant in text."""
RESULT: Final = "result"
"""The value of a mark that a function returned."""
FUNCTION: Final = "function"
"""The value of a mark of a call that was given up: the function's name."""


def results_of(trail: Trail) -> dict[str, JsonValue]:
    """What functions returned, by their names; of several calls the last, and nothing if that one failed."""
    found: dict[str, JsonValue] = {}
    for mark in trail:
        if mark.kind is _RAN and mark.detail is not None and RESULT in mark.values:
            found[mark.detail] = mark.values[RESULT]
        elif mark.kind is _FAILED:
            found.pop(str(mark.values.get(FUNCTION)), None)
    return found
