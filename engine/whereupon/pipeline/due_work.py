"""One step of due work: the next waits that are over, the next chunk of a broadcast, or of a claim.

A step is one transaction. If several processes do due work on one store, each takes work that no other has taken.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from whereupon.decide import BatchResult
from whereupon.pipeline.batches import Pipeline
from whereupon.pipeline.broadcasts import schedule_broadcasts
from whereupon.pipeline.freed_places import lets_wait
from whereupon.pipeline.run_turns import RunTurn, turns_of
from whereupon.pipeline.sweeps import release, sweep, swept_runs
from whereupon.ports import Session
from whereupon.records import Request

STEPS_TOGETHER = 100
"""Steps of a round of due work before the deliveries that are due go out."""
REQUESTS_TOGETHER = 500
"""Requests that are read at once, and that may expire in one transaction."""


@dataclass(frozen=True, slots=True)
class Step:
    """What a step did, and up to when broadcasts have been sent, if it sent one."""

    result: BatchResult
    sent_at: datetime | None = None


def take_step(
    session: Session,
    pipeline: Pipeline,
    *,
    until: datetime,
    now: datetime,
    scheduled_at: datetime | None,
    opens: bool = True,
) -> Step | None:
    """Do the next due work; None if there is none for this process.

    Args:
        session: the transaction.
        pipeline: does the work.
        until: what is due by then.
        now: the clock's time; earlier work is done late, as of now.
        scheduled_at: the time for which broadcasts are planned; None leaves scheduled broadcasts alone.
        opens: whether time alone may let people into rules.
    """
    done = _kept_up(session, pipeline, until=until, now=now, scheduled_at=scheduled_at, opens=opens)
    if done is not None:
        return Step(done)
    turn = _next_turn(session, pipeline, until, now, scheduled=scheduled_at is not None)
    by_then = until if turn is None else turn.at
    woken = pipeline.wake(session, by_then, now=now, opens=opens)
    if woken is not None and (woken.changes.entries or woken.changes.timers):
        return Step(woken)  # otherwise another process has them
    sent = None if turn is None else pipeline.send_turn(session, turn, now=now)
    return None if turn is None or sent is None else Step(sent, turn.at)


def _kept_up(
    session: Session,
    pipeline: Pipeline,
    *,
    until: datetime,
    now: datetime,
    scheduled_at: datetime | None,
    opens: bool,
) -> BatchResult | None:
    """What comes before entries, timers and runs: planning, what operators decided, changed caps, claims, arming."""
    if scheduled_at is not None and schedule_broadcasts(session, pipeline.index, scheduled_at):
        return BatchResult()  # a step of its own, since runs are locked before anything else
    wakes = lets_wait(pipeline.index.book.settings)
    timed = pipeline.index.timed.by_name
    if any(sweep(session, run, wakes=wakes, timed=timed) for run in swept_runs(session)):
        return BatchResult()
    for pause in session.resumed_rules():
        release(session, pause)
        return BatchResult()
    if pipeline.look_again(session, now):
        return BatchResult()
    for job in session.due_claim_jobs(until, 1):
        part = pipeline.carry_on(session, job.anonymous_key)
        if part is not None:
            return part
    if opens and pipeline.begin_armings(session, now):
        return BatchResult()
    return pipeline.carry_on_arming(session, now) if opens else None


def _next_turn(
    session: Session, pipeline: Pipeline, until: datetime, now: datetime, *, scheduled: bool
) -> RunTurn | None:
    by_id = pipeline.index.by_id

    def order(turn: RunTurn) -> tuple[datetime, int, datetime, str, str]:
        """What is late counts as due now; then the priority decides, the due time, and the rule's id."""
        at, run = turn
        rule = by_id.get(run.rule)
        priority = 0 if rule is None else rule.priority
        return max(at, now), -priority, at, run.rule, run.occasion

    runs = pipeline.without_early(session, session.waiting_runs(), now)
    due = [turn for turn in turns_of(session, runs) if turn.at <= until]
    for turn in sorted(due, key=order):
        if (scheduled or turn.run.message_key) and pipeline.is_ours(session, turn.run):
            taken = session.take_run(turn.run)
            if taken is None or taken.paused is not None:
                continue
            if (
                taken != turn.run
            ):  # another process has gone on with it, and it may be due later now
                (turn,) = turns_of(session, [taken])  # noqa: PLW2901 - as it is now
            if turn.at <= until:
                return turn
    return None


def due_together(
    due: Sequence[Request], until: datetime, clock: datetime
) -> Iterator[tuple[datetime, datetime, list[Request]]]:
    """Due requests in the groups in which they are judged again: expired ones together, every other one alone.

    Yields:
        When the first of a group was due, the instant of judging, and the requests.
    """

    def moment_of(request: Request) -> datetime:
        return min([at for at in (request.due_at, request.expires_at) if at is not None] + [until])

    def piece_of(request: Request) -> tuple[datetime, int]:
        now = max(moment_of(request), clock)
        is_over = request.expires_at is not None and request.expires_at <= now
        return now, 0 if is_over else request.key

    for (now, _), piece in groupby(due, piece_of):
        requests = list(piece)
        yield min(map(moment_of, requests)), now, requests
