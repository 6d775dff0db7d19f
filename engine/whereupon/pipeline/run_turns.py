"""When runs of broadcasts are due."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from whereupon.ports import Session
from whereupon.records import BroadcastRun


class RunTurn(NamedTuple):
    """When a run is due: one that is open on each person's clock, when the first of its people is."""

    at: datetime
    run: BroadcastRun


def turns_of(session: Session, runs: Sequence[BroadcastRun]) -> list[RunTurn]:
    """When runs are due."""
    is_open = {run.subject for run in runs if run.is_open}
    first = session.next_timers(is_open) if is_open else {}
    return [RunTurn(first.get(run.subject, run.due_at), run) for run in runs]
