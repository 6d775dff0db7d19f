"""Runs of broadcasts."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from pydantic import JsonValue

from whereupon.records.operations import Operation, OperationKind, Operations, Sweep

MISSED = "missed"
"""The reason of a run whose time passed, too long ago to make up for it."""

OVERTAKEN = "overtaken"
"""The reason of a run whose time passed, and instead of which a newer time ran that had passed as well."""

STILL_RUNNING = "still-running"
"""The reason of a run whose time came while the one before still let people in."""

CANCELLED = "cancelled"
"""The reason of a run that an operator cancelled."""

NAMED = "named"
"""The reason of a run that went to the people whom its call named, and not to an audience."""


class RunState(StrEnum):
    """How a run stands. The words never change.

    Attributes:
        PLANNED: it begins at its time.
        RUNNING: its audience is being let in.
        PAUSED: an operator has paused it.
        DONE: its audience was let in whole. Entries and deliveries that it has made may still go on.
        CANCELLED: an operator has cancelled it.
        MISSED: its time passed during a standstill or during the run before, and it did not run.
    """

    PLANNED = "planned"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    CANCELLED = "cancelled"
    MISSED = "missed"


RunPlace: TypeAlias = tuple[datetime, str, str]
"""Where a run stands among all runs: its time, its broadcast, its occasion."""


class LetIn(NamedTuple):
    """People whom a run has let in lately, and when the last of them entered."""

    at: datetime
    people: int


@dataclass(frozen=True, slots=True)
class BroadcastRun:
    """One sending of a broadcast to its audience, in chunks that survive a restart.

    Attributes:
        occasion: the triggering message (see `ref_of`), or the rule and the scheduled time; unique.
        due_at: when its next chunk is due; before it begins, when that is.
        cursor: the key of the last person that was looked at; None if the audience is done.
        facts: as of an `Entry`.
        admitted: how many persons have entered so far.
        reason: `MISSED`, `OVERTAKEN` or `STILL_RUNNING` if it did not run; `NAMED`; `CANCELLED`; else None.
        sweep: what is being done to its entries and deliveries since an operator paused, resumed or cancelled
            it; None if there is nothing to do or to undo.
        operations: what operators did to it.
        let_in: of a broadcast with a `rate`, when it let people in lately, oldest first.
        closes_at: of a run on each person's clock, when the last clocks on earth show its time; else None. It
            begins with a pass over all people, which makes a timer for each (`subject`). Then it is due when it
            closes, and each person enters when their timer is.
    """

    rule: str
    digest: str
    occasion: str
    timestamp: datetime
    due_at: datetime
    cursor: int | None
    facts: Mapping[str, JsonValue]
    depth: int = 0
    message_key: int = 0
    admitted: int = 0
    reason: str | None = None
    sweep: Sweep | None = None
    operations: Operations = ()
    let_in: tuple[LetIn, ...] = ()
    closes_at: datetime | None = None

    @property
    def subject(self) -> str:
        """The subject of the timers of its people, if it is on each person's clock (see `Timer`)."""
        return f"run/{self.occasion}"

    @property
    def is_open(self) -> bool:
        """Whether it lets each person in at their own time; before that, it makes their timers."""
        return self.cursor is not None and self.due_at == self.closes_at

    @property
    def place(self) -> RunPlace:
        """Where it stands among all runs, which are ordered by time."""
        return self.timestamp, self.rule, self.occasion

    @property
    def paused(self) -> Operation | None:
        """Who paused it and when; None if it is not paused, or was resumed or cancelled since."""
        last = self.operations[-1] if self.operations else None
        return last if last is not None and last.kind is OperationKind.PAUSED else None

    def state_at(self, now: datetime) -> RunState:
        """How it stands at an instant."""
        if self.is_cancelled:
            return RunState.CANCELLED
        if self.reason in {MISSED, OVERTAKEN, STILL_RUNNING}:
            return RunState.MISSED
        if self.paused is not None:
            return RunState.PAUSED
        if self.cursor is None:
            return RunState.DONE
        return RunState.PLANNED if self.cursor == 0 and self.due_at > now else RunState.RUNNING

    @property
    def is_cancelled(self) -> bool:
        """Whether an operator cancelled it."""
        return self.reason == CANCELLED
