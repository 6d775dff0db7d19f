"""Which due work an engine may do, and what it leaves alone.

An engine does the due work of rules that its rulebook has and has not switched off, in versions that it can read. It
leaves the rest as due as it was, for other engines. So an older process in a rolling deploy, or a script without
rules, ends no journey and drops no broadcast.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from whereupon.matching import SubjectKind
from whereupon.pipeline.rule_versions import RuleVersions
from whereupon.pipeline.run_turns import turns_of
from whereupon.pipeline.sweeps import swept_runs
from whereupon.ports import Session
from whereupon.records import NEVER, BroadcastRun
from whereupon.runtime.lazy import cached_property

Versions: TypeAlias = Collection[str] | None
"""The digests of the rule versions whose due entries are run; None for all versions."""


class Why(StrEnum):
    """Why due work is left alone. The words never change."""

    UNKNOWN_RULE = "unknown-rule"
    UNREADABLE = "unreadable"
    PAUSED = "paused"
    PAUSED_BY_OPERATOR = "paused-by-operator"


class LeftAlone(NamedTuple):
    """Due work of one rule that this engine leaves to others, or until the rule is switched on again.

    Attributes:
        entries: how many people are inside.
        runs: how many of its broadcasts have not ended.
        due_at: when the first of it is or was due.
    """

    rule: str
    why: Why
    entries: int
    runs: int
    due_at: datetime


def due_versions(session: Session, versions: RuleVersions, until: datetime) -> Versions:
    """The rule versions whose entries this engine may run, among those with an entry due by an instant."""
    due = [each for each in session.waiting_versions() if each.due_at <= until]
    scope = _Scope(session, versions)
    ours = [v.digest for v in due if scope.why_entry(v.rule, v.digest) is None]
    return None if due and len(ours) == len(due) else ours


def due_subjects(
    session: Session, versions: RuleVersions, until: datetime, *, opens: bool = True
) -> list[str]:
    """The subjects of which a timer is due by an instant that this engine may let ring."""
    versions.read_followed(session)
    subjects = _subjects(session, versions, opens=opens)
    first = session.next_timers(subjects) if subjects else {}
    return sorted(name for name, due_at in first.items() if due_at <= until)


def _subjects(session: Session, versions: RuleVersions, *, opens: bool = True) -> list[str]:
    """The subjects whose timers this engine may let ring: not those of people inside a rule that stands still."""
    subjects = versions.index.timed.by_name.values()
    scope = _Scope(session, versions)
    return [
        each.name
        for each in subjects
        if (opens if each.kind is not SubjectKind.INSIDE else scope.goes_on(each.of))
    ]


def is_ours(session: Session, versions: RuleVersions, run: BroadcastRun) -> bool:
    """Whether this engine may go on with a broadcast's run."""
    return _Scope(session, versions).why_run(run) is None


def next_duty(session: Session, versions: RuleVersions) -> datetime | None:
    """When the next entry or broadcast is due that this engine may run."""
    scope = _Scope(session, versions)
    entries = (
        version.due_at
        for version in session.waiting_versions()
        if version.due_at != NEVER and scope.why_entry(version.rule, version.digest) is None
    )
    ours = [run for run in session.waiting_runs() if scope.why_run(run) is None]
    runs = (turn.at for turn in turns_of(session, ours))
    swept = (run.due_at for run in swept_runs(session))
    resumed = (pause.since for pause in session.resumed_rules())
    subjects = _subjects(session, versions)
    timers = session.next_timers(subjects).values() if subjects else ()
    armings = session.armings() if subjects else ()
    known = {(each.name, each.digest) for each in versions.index.timed.by_name.values()}
    armed = (a.begun_at for a in armings if a.cursor is not None and a.place in known)
    return min((*entries, *runs, *swept, *resumed, *timers, *armed), default=None)


def left_alone(session: Session, versions: RuleVersions) -> list[LeftAlone]:
    """Everything that this engine leaves alone, due or not yet, by rule."""
    scope = _Scope(session, versions)
    found = [
        (version, why)
        for version in session.waiting_versions()
        if (why := scope.why_entry(version.rule, version.digest)) is not None
    ]
    counts = session.count_entries([version.digest for version, _ in found])
    left = [
        LeftAlone(version.rule, why, counts.get(version.digest, 0), 0, version.due_at)
        for version, why in found
    ]
    left += [
        LeftAlone(run.rule, why, 0, 1, run.due_at)
        for run in session.waiting_runs()
        if (why := scope.why_run(run)) is not None
    ]
    return _together(left)


def _together(left: Iterable[LeftAlone]) -> list[LeftAlone]:
    found: dict[tuple[str, Why], LeftAlone] = {}
    for each in left:
        known = found.get((each.rule, each.why))
        if known is not None:
            each = LeftAlone(  # noqa: PLW2901 - the sum of both
                each.rule,
                each.why,
                known.entries + each.entries,
                known.runs + each.runs,
                min(known.due_at, each.due_at),
            )
        found[each.rule, each.why] = each
    return sorted(found.values())


class _Scope:
    """What one engine may do in one transaction."""

    def __init__(self, session: Session, versions: RuleVersions) -> None:
        self._session = session
        self._versions = versions

    @cached_property
    def _paused(self) -> frozenset[str]:
        every = (*self._session.rule_pauses(), *self._session.resumed_rules())
        return frozenset(pause.rule for pause in every)

    def goes_on(self, rule_id: str) -> bool:
        """Whether a rule is in the rulebook and does not stand still."""
        current = self._versions.index.by_id.get(rule_id)
        return current is not None and current.active.on and rule_id not in self._paused

    def why_entry(self, rule_id: str, digest: str) -> Why | None:
        """Why entries of a version are left alone; None if they are not."""
        current = self._versions.index.by_id.get(rule_id)
        if current is None:
            return Why.UNKNOWN_RULE
        if not current.active.on:
            return Why.PAUSED
        if rule_id in self._paused:
            return Why.PAUSED_BY_OPERATOR
        known = self._versions.rule_of(self._session, digest) is not None
        return None if known else Why.UNREADABLE

    def why_run(self, run: BroadcastRun) -> Why | None:
        """The same for a run. One that is only planned does not start while its file switches the rule off."""
        why = self.why_entry(run.rule, run.digest)
        current = self._versions.index.by_id.get(run.rule)
        if why is Why.PAUSED and current is not None and run.digest == current.digest:
            return why if run.cursor else None
        if why is None and run.paused is not None:
            return Why.PAUSED_BY_OPERATOR
        return why
