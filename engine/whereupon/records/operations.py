"""What operators did to entries, to runs of broadcasts and to rules, as it is kept beside these."""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, TypeAlias

MOST_KEPT = 20
"""The newest operations that are kept beside one entry or run; the audit log has all."""


class OperationKind(StrEnum):
    """What an operator did. The words never change."""

    PAUSED = "paused"
    RESUMED = "resumed"
    MOVED = "moved"
    ENDED = "ended"
    CANCELLED = "cancelled"


class Operation(NamedTuple):
    """One thing that an operator did.

    Attributes:
        by: the operator's name, as the host gave it.
        detail: of a move, the digest of the version that was left.
    """

    kind: OperationKind
    by: str
    at: datetime
    detail: str | None = None


Operations: TypeAlias = tuple[Operation, ...]
"""What operators did, oldest first."""


def with_operation(before: Operations, operation: Operation) -> Operations:
    """The operations with one more; the oldest go, if there are too many."""
    return (*before, operation)[-MOST_KEPT:]


def latest(operations: Operations, kind: OperationKind) -> Operation | None:
    """The newest operation of a kind."""
    return next((each for each in reversed(operations) if each.kind is kind), None)


class Sweep(StrEnum):
    """What is done, chunk by chunk, to the entries and deliveries of a run or a rule; ``paused`` when they are."""

    PAUSE = "pause"
    PAUSED = "paused"
    RESUME = "resume"
    CANCEL = "cancel"


class RulePause(NamedTuple):
    """A rule that an operator has paused: nobody enters it, and who is inside stands still.

    Attributes:
        by: the operator's name.
        sweep: ``resume`` since it was resumed, until every delivery that it held back waits again.
    """

    rule: str
    by: str
    since: datetime
    sweep: Sweep | None = None
