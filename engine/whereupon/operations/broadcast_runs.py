"""Runs of broadcasts, for the people who operate the engine: which there are; pause, resume, cancel."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import NamedTuple, TypeAlias, TypeVar

from whereupon.decide import BatchResult
from whereupon.errors import OperationError, UnknownNameError
from whereupon.messages.times import format_instant
from whereupon.operations.operators import checked_name, operator_record
from whereupon.pipeline.claim_runner import ClaimRunner
from whereupon.pipeline.current import CurrentPipeline
from whereupon.ports import Clock, HostTransaction, Session, Store
from whereupon.records import (
    CANCELLED,
    INSIDE,
    BroadcastRun,
    Changes,
    Operation,
    OperationKind,
    RunPlace,
    RunState,
    Sweep,
    with_operation,
)

T = TypeVar("T")
RunList: TypeAlias = list[BroadcastRun]

_SWEEPS = {
    OperationKind.PAUSED: Sweep.PAUSE,
    OperationKind.RESUMED: Sweep.RESUME,
    OperationKind.CANCELLED: Sweep.CANCEL,
}


class RunPage(NamedTuple):
    """Some runs, newest first.

    Attributes:
        next: give it as ``before`` to read on; None if there are no more.
    """

    runs: RunList
    next: RunPlace | None


class RunProgress(NamedTuple):
    """A run, and how far it is.

    Attributes:
        waiting: how many of its deliveries are pending, held or paused.
        ahead: to how many people it has not come yet, whether or not they will be let in.
    """

    run: BroadcastRun
    waiting: int
    ahead: int = 0


class BroadcastRuns:
    """The runs of broadcasts, and what operators do about them."""

    def __init__(
        self,
        store: Store,
        current: CurrentPipeline,
        clock: Clock,
        wake: Callable[[], None],
        emit: Callable[[BatchResult], object],
    ) -> None:
        self._store = store
        self._current = current
        self._claims = ClaimRunner(store, current)
        self._clock = clock
        self._wake = wake
        self._emit = emit

    def list(
        self, broadcast: str | None = None, *, before: RunPlace | None = None, limit: int = 100
    ) -> RunPage:
        """Runs, newest first: planned, under way, paused, done, cancelled, missed (see `BroadcastRun.state_at`).

        Args:
            broadcast: only of this one; by default of all.
            before: where to begin; by default at the newest.
            limit: the most runs to return.
        """
        with self._store.reading() as session:
            if broadcast is None:
                runs = session.runs_before(before, limit)
            else:
                place = None if before is None else (before[0], before[2])
                runs = session.runs_of(broadcast, limit, place)
        return RunPage(runs, runs[-1].place if len(runs) == limit else None)

    def unfinished(self) -> RunList:
        """The runs whose audience has not been let in whole, planned ones among them, by due time."""
        with self._store.reading() as session:
            return session.waiting_runs()

    def show(self, broadcast: str, run: str) -> RunProgress:
        """One run, by its occasion; raises `UnknownNameError`."""
        with self._store.reading() as session:
            found = session.run(broadcast, run)
            if found is None:
                raise _unknown(broadcast, run)
            waiting = session.count_waiting_of_run(broadcast, run)
            return RunProgress(found, waiting, session.count_ahead(found))

    # --- deciding ---------------------------------------------------------------------------------

    def pause(
        self,
        broadcast: str,
        *,
        by: str,
        run: str | None = None,
        connection: HostTransaction | None = None,
    ) -> BroadcastRun:
        """Pause a run: nobody more is let in, and who was let in stands still, as do deliveries that wait.

        Entries and deliveries are paused by due work, in chunks. A run that is paused stays as it is. While a
        scheduled run is paused, the broadcast's next time is not planned.

        Args:
            broadcast: its id.
            by: who decides it, by name.
            run: the occasion of the run; by default the only one that has begun and is not over.
            connection: the host's connection, whose transaction is used.

        Raises:
            UnknownNameError: there is no such run.
            OperationError: the run is over (``done``) or cancelled (``cancelled``), several are under way
                (``which-run``), or ``by`` names nobody (``no-actor``).
        """
        return self._decide(broadcast, run, by, OperationKind.PAUSED, connection)

    def resume(
        self,
        broadcast: str,
        *,
        by: str,
        run: str | None = None,
        connection: HostTransaction | None = None,
    ) -> BroadcastRun:
        """Resume a paused run with all of its entries, also those that were paused by themselves.

        Raises as `pause` does, and `OperationError` with the code ``not-paused``.
        """
        return self._decide(broadcast, run, by, OperationKind.RESUMED, connection)

    def cancel(
        self,
        broadcast: str,
        *,
        by: str,
        run: str | None = None,
        connection: HostTransaction | None = None,
    ) -> BroadcastRun:
        """Cancel a run for good: nobody more is let in, entries end, deliveries that wait are withdrawn.

        What was handed to a channel stays. Entries and deliveries are ended by due work, in chunks. Raises as
        `pause` does.
        """
        return self._decide(broadcast, run, by, OperationKind.CANCELLED, connection)

    def _decide(
        self,
        broadcast: str,
        run: str | None,
        by: str,
        kind: OperationKind,
        connection: HostTransaction | None,
    ) -> BroadcastRun:
        done = Operation(kind, checked_name(by, broadcast), self._clock.now())
        return self._done(partial(self._operate, broadcast, run, done), connection)

    def _operate(
        self, broadcast: str, occasion: str | None, done: Operation, session: Session
    ) -> BroadcastRun:
        named = occasion or self._only_run(session, broadcast, done)
        run = session.lock_run(broadcast, named)
        if run is None:
            raise _unknown(broadcast, named)
        session.lock_requests()
        if done.kind is OperationKind.PAUSED and run.paused is not None:
            return run
        _check(session, run, done)
        changed = replace(
            run, sweep=_SWEEPS[done.kind], operations=with_operation(run.operations, done)
        )
        if done.kind is OperationKind.CANCELLED:
            changed = replace(changed, cursor=None, reason=CANCELLED)
        when = format_instant(run.timestamp)
        record = operator_record(f"run-{done.kind}", done.by, done.at, rule=run.rule, run_at=when)
        changes = Changes(operated_runs={(run.rule, run.occasion): changed}, records=[record])
        self._current.pipeline.write(session, changes)
        return changed

    def _only_run(self, session: Session, broadcast: str, done: Operation) -> str:
        """The run that is meant if none is named; the newest that is not over comes first."""
        paused = done.kind is OperationKind.RESUMED
        newest = session.runs_of(broadcast, 20)
        if not newest:
            known = tuple(r.id for r in self._current.pipeline.index.book.rules)
            raise UnknownNameError(kind="broadcast with a run", name=broadcast, known=known)
        begun = [run for run in newest if _has_begun(run, done.at) or run.paused is not None]
        found = [
            run
            for run in begun
            if (run.paused is not None if paused else not _is_over(session, run))
        ]
        if len(found) == 1:
            return found[0].occasion
        if not found:
            reason = f"no run of {broadcast} is {'paused' if paused else 'under way'}"
            code = "not-paused" if paused else "done"
            raise OperationError(code=code, name=broadcast, reason=reason)
        names = ", ".join(run.occasion for run in found)
        reason = f"several runs of {broadcast} are under way: say which of {names}"
        raise OperationError(code="which-run", name=broadcast, reason=reason)

    def _done(self, work: Callable[[Session], T], connection: HostTransaction | None) -> T:
        """Do work in a transaction of the store's own, or in the host's."""
        if connection is not None:
            with self._store.session(connection) as session:
                return self._claims.within(session).transact(work)
        done = self._claims.transact(work)
        self._wake()
        return done


def _unknown(broadcast: str, run: str) -> UnknownNameError:
    return UnknownNameError(kind=f"run of {broadcast}", name=run)


def _has_begun(run: BroadcastRun, now: datetime) -> bool:
    return run.state_at(now) is not RunState.PLANNED


def _is_over(session: Session, run: BroadcastRun) -> bool:
    """Whether nothing of the run can be stopped any more."""
    if run.cursor is not None or run.paused is not None:
        return False
    if run.is_cancelled:
        return True
    inside = session.entries_of_run(run.rule, run.occasion, INSIDE, 1)
    return not inside and not session.count_waiting_of_run(run.rule, run.occasion)


def _check(session: Session, run: BroadcastRun, done: Operation) -> None:
    """Raise if a decision about the run makes no sense as it stands."""
    name = run.occasion
    if run.is_cancelled:
        raise OperationError(code="cancelled", name=name, reason=f"{name} was cancelled")
    if done.kind is OperationKind.RESUMED and run.paused is None:
        raise OperationError(code="not-paused", name=name, reason=f"{name} is not paused")
    if _is_over(session, run):
        reason = f"{name} is over: all that it made was handed over or has ended"
        raise OperationError(code="done", name=name, reason=reason)
