"""What is due by an instant: entries that wait, and timers."""

from collections.abc import Collection, Sequence
from datetime import datetime

from whereupon.decide import Snapshot
from whereupon.messages.model import Message
from whereupon.pipeline.load.load_plan import LoadPlan
from whereupon.pipeline.rule_versions import RuleVersions
from whereupon.pipeline.work_scope import Versions, due_versions
from whereupon.ports import Session
from whereupon.records import Entry, Timer

DUE_LIMIT = 1_000
"""Waiting entries woken in one transaction."""


class CrowdedError(Exception):
    """More entries come due among the messages than one batch wakes: wake some, or take fewer."""


class DueLoader:
    """Reads what is due."""

    def __init__(self, session: Session, versions: RuleVersions) -> None:
        self._session = session
        self._versions = versions

    def plan(
        self,
        loaded: Snapshot,
        load_plan: LoadPlan,
        messages: Sequence[Message],
        until: datetime,
        versions: Versions,
        subjects: Collection[str],
    ) -> None:
        """Plan to wake the entries and timers that are due, of persons whom the batch then touches, too.

        Args:
            versions, subjects: see `BatchLoader.for_batch`.
        """
        due = self._due(messages, until, versions)
        timers = self._ringing(messages, until, subjects)
        load_plan.person_keys.update(entry.person_key for entry in due)
        load_plan.person_keys.update(timer.person_key for timer in timers)
        load_plan.due = None if messages else due
        load_plan.is_cut = len(due) * max(1, len(versions or ())) >= DUE_LIMIT
        load_plan.wakes = [entry.due_at for entry in due if entry.due_at is not None]
        load_plan.wakes += (timer.due_at for timer in timers)
        if not messages and subjects:
            load_plan.until = loaded.until = _horizon(until, due, timers)

    def _due(self, messages: Sequence[Message], until: datetime, versions: Versions) -> list[Entry]:
        """What is due; where nothing else is to do, only what others are not at already."""
        if not messages:
            nothing = versions is not None and not versions
            return [] if nothing else self._session.take_due_entries(until, DUE_LIMIT, versions)
        ours = due_versions(self._session, self._versions, until)
        due = self._session.due_entries(until, DUE_LIMIT, ours) if ours != [] else []
        if len(due) == DUE_LIMIT:
            raise CrowdedError
        return due

    def _ringing(
        self, messages: Sequence[Message], until: datetime, subjects: Collection[str]
    ) -> list[Timer]:
        """The timers that are due; where nothing else is to do, only those that others are not at already."""
        if not messages:
            return self._session.take_due_timers(subjects, until, DUE_LIMIT) if subjects else []
        names = self._versions.index.timed.by_name
        due = self._session.due_timers(names, until, DUE_LIMIT) if names else []
        if len(due) == DUE_LIMIT:
            raise CrowdedError
        return due


def _horizon(until: datetime, due: Sequence[Entry], timers: Sequence[Timer]) -> datetime:
    """Up to when one transaction goes: if more is due than it takes, up to the last that it has, so that all is done in order."""
    ends = [until]
    if len(due) >= DUE_LIMIT and due[-1].due_at is not None:
        ends.append(due[-1].due_at)
    if len(timers) >= DUE_LIMIT:
        ends.append(timers[-1].due_at)
    return min(ends)
