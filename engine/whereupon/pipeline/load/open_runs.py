"""The runs on each person's clock in which something that happens now may bring a person's turn nearer."""

from datetime import datetime

from whereupon.decide import Snapshot
from whereupon.matching import RuleIndex
from whereupon.messages.times import later
from whereupon.pipeline.earlier_transactions import LONGEST_TRANSACTION
from whereupon.ports import Session


def load_open_runs(session: Session, index: RuleIndex, loaded: Snapshot, until: datetime) -> None:
    """Load the runs that are open: a person may become known, or a message or a step may change a clock.

    A run that opens soon is among them: it may open before this transaction commits, and its pass over all people
    does not see a new person until then.

    Args:
        until: up to when the transaction goes.
    """
    if index.timed.clock_names is None:
        return
    soon = later(until, LONGEST_TRANSACTION)
    loaded.open_runs = [
        run
        for run in session.waiting_runs()
        if run.closes_at is not None and (run.cursor or run.due_at <= soon)
    ]
