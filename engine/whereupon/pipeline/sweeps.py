"""Sweeps: what an operator decided about a run of a broadcast is done to all that it has made, chunk by chunk.

The run's row says which sweep is not done yet, so a process that dies leaves it to another one. A chunk needs no cursor:
what is done is no longer in a state that the sweep looks for. Entries come first, since they may make deliveries;
in a resumption they come last, so that what they make leaves behind what they made before. Likewise a rule that is
resumed lets its deliveries wait again before its entries go on.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Final, NamedTuple

from whereupon.matching import SubjectKind
from whereupon.messages.times import LAST_INSTANT
from whereupon.pipeline.freed_places import wake_by_withdrawals
from whereupon.ports import Session
from whereupon.records import (
    INSIDE,
    WAITING,
    WITHDRAWN,
    BroadcastRun,
    Changes,
    DeliveryState,
    EndReason,
    Entry,
    EntryEnd,
    EntryState,
    Operation,
    OperationKind,
    RulePause,
    Sweep,
    with_operation,
)

SWEEP_CHUNK = 500
"""Entries or deliveries that one transaction changes."""


class _Swept(NamedTuple):
    """What a sweep changes: entries and deliveries in these states."""

    entries: tuple[EntryState, ...]
    deliveries: tuple[DeliveryState, ...]


_SWEPT: Final[Mapping[Sweep, _Swept]] = {
    Sweep.PAUSE: _Swept((EntryState.ACTIVE,), (DeliveryState.PENDING, DeliveryState.HELD)),
    Sweep.RESUME: _Swept((EntryState.PAUSED,), (DeliveryState.PAUSED,)),
    Sweep.CANCEL: _Swept(INSIDE, WAITING),
}


def swept_runs(session: Session) -> list[BroadcastRun]:
    """The runs of which a sweep is not done."""
    return [run for run in session.swept_runs() if run.sweep is not Sweep.PAUSED]


def paused_runs(session: Session) -> list[BroadcastRun]:
    """The runs that operators have paused."""
    return [run for run in session.swept_runs() if run.paused is not None]


def release(session: Session, pause: RulePause) -> None:
    """Let the next deliveries wait again that a paused rule held back; the last chunk ends its resumption."""
    keys = session.deliveries_of_pause(pause.rule, SWEEP_CHUNK)
    changes = Changes(halted=dict.fromkeys(keys, False))
    if not keys:
        changes.pauses[pause.rule] = None
    session.flush(changes)


def sweep(
    session: Session, run: BroadcastRun, *, wakes: bool = False, timed: Collection[str] = ()
) -> bool:
    """Do the next chunk of a run's sweep; False if another process is at it, or has done it.

    Args:
        wakes: whether a send may wait for a place under a cap that a withdrawn delivery gives back.
        timed: the subjects that time may change.
    """
    taken = session.take_swept_run(run)
    if taken is None or taken.sweep is None or taken.sweep is Sweep.PAUSED:
        return False
    kinds = (_drop_timers, _sweep_entries, _sweep_deliveries)
    for each in reversed(kinds) if taken.sweep is Sweep.RESUME else kinds:
        changes = each(session, taken, _SWEPT[taken.sweep])
        if changes is not None:
            break
    else:
        end = Sweep.PAUSED if taken.sweep is Sweep.PAUSE else None
        done = replace(taken, sweep=end)
        changes = Changes(operated_runs={(taken.rule, taken.occasion): done})
    if taken.sweep is Sweep.RESUME and taken.operations:  # time may have changed something
        subject, at = SubjectKind.INSIDE.named(taken.rule), taken.operations[-1].at
        persons = {each.person_key for each in changes.entries.values() if subject in timed}
        changes.armed.update({(person, subject): at for person in persons})
    if wakes and changes.withdrawn and taken.operations:
        wake_by_withdrawals(session, changes, taken.operations[-1].at)
    session.flush(changes)
    return True


def _drop_timers(session: Session, run: BroadcastRun, _: _Swept) -> Changes | None:
    """What changes in the next timers of a run that is cancelled; None if none are left. Nobody lets them ring."""
    if run.closes_at is None or run.sweep is not Sweep.CANCEL:
        return None
    timers = session.due_timers([run.subject], LAST_INSTANT, SWEEP_CHUNK)
    places = ((timer.person_key, timer.subject) for timer in timers)
    return Changes(timers=dict.fromkeys(places)) if timers else None


def _sweep_entries(session: Session, run: BroadcastRun, swept: _Swept) -> Changes | None:
    """What changes in the next entries; None if none are left."""
    entries = _locked_entries(session, run, swept.entries)
    if not entries:
        return None
    return Changes(entries={entry.key: _swept(entry, run) for entry in entries})


def _sweep_deliveries(session: Session, run: BroadcastRun, swept: _Swept) -> Changes | None:
    """What changes in the next deliveries; None if none are left."""
    keys = session.deliveries_of_run(run.rule, run.occasion, swept.deliveries, SWEEP_CHUNK)
    if not keys:
        return None
    if run.sweep is Sweep.CANCEL:
        return Changes(withdrawn=dict.fromkeys(keys, WITHDRAWN))
    return Changes(halted=dict.fromkeys(keys, run.sweep is Sweep.PAUSE))


def _locked_entries(
    session: Session, run: BroadcastRun, states: tuple[EntryState, ...]
) -> list[Entry]:
    while True:
        found = session.entries_of_run(run.rule, run.occasion, states, SWEEP_CHUNK)
        if not session.lock({entry.person_key for entry in found}, ()):
            return found


def _swept(entry: Entry, run: BroadcastRun) -> Entry:
    """The entry as the run's last operation leaves it."""
    done = run.operations[-1] if run.operations else Operation(OperationKind.ENDED, "", run.due_at)
    operated = entry.changed(operations=with_operation(entry.operations, done))
    if run.sweep is Sweep.PAUSE:
        return operated.changed(state=EntryState.PAUSED)
    if run.sweep is Sweep.RESUME:
        return operated.changed(state=EntryState.ACTIVE)
    return operated.finished(EntryEnd(EndReason.CANCELLED, done.at, done.by))
