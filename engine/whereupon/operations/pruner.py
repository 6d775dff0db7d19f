"""Pruning: finished records older than their retention are removed, and what has expired in an inbox.

A step looks at a bounded number of rows, by key, in one transaction. A pass through all tables is due work from
time to time. Marks in the store say where the next step begins, so several processes can share a pass; a step that
two processes do at once removes nothing twice.

Messages, persons, requests and the audit log stay. An entry that keeps its person from entering again stays, too,
without the data of its message.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from functools import partial
from types import MappingProxyType

from whereupon.decide.caps import longest_window
from whereupon.matching import RuleIndex
from whereupon.messages.times import FIRST_INSTANT, ZERO, as_micros, from_micros
from whereupon.ports import Clock, Session, Store
from whereupon.records import PruneStep, RetainedKind, RetentionCutoff, gone_mark
from whereupon.rules.model import EveryTime, NotWhileActive, Retention

REACH = 1_000
"""Rows that one transaction looks at."""

MOST_STEPS = 20
"""Transactions of one round of due work; other work that is due then gets its turn."""

_PASSES = 20
"""Passes through all tables within the shortest retention; one a day is enough, though."""
_SHORTEST, _LONGEST = timedelta(minutes=1), timedelta(days=1)
_AT, _KIND, _CURSOR = "prune_at", "prune_kind", "prune_cursor"
_KINDS = tuple(RetainedKind)
_LEAST_UNASKED = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class Pruned:
    """What a pruning removed.

    Attributes:
        gone: rows by kind: ``skips``, ``deliveries``, ``entries``, ``set_aside``, ``inbox``,
            ``answers``, ``runs``, ``open_skips``, ``time_skips``.
        emptied: entries that stay without the data of their messages, since they keep their persons from entering
            again.
    """

    gone: Mapping[str, int]
    emptied: int = 0


NOTHING_PRUNED = Pruned(MappingProxyType(dict.fromkeys(_KINDS, 0)))


class Pruner:
    """Removes records that are older than their retention.

    Args:
        keep: the retention in force; None if nothing is removed.
        index: the rules in use, which say whether an entry keeps its person out.
    """

    def __init__(
        self,
        store: Store,
        keep: Callable[[], Retention | None],
        index: Callable[[], RuleIndex],
        clock: Clock,
    ) -> None:
        self._store = store
        self._keep = keep
        self._index = index
        self._clock = clock

    def prune(self, *, dry_run: bool = False) -> Pruned:
        """Remove all of it now, in as many transactions as it takes."""
        total = NOTHING_PRUNED
        for bygones in self._all(self._clock.now()):
            if dry_run:
                with self._store.reading() as session:
                    total = _added(total, bygones.kind, session.count_prunable(bygones))
                continue
            cursor: int | None = 0
            while cursor is not None:
                step = partial(_let_go, bygones=bygones, after=cursor)
                found = self._store.transact(step, alone=True)
                total = _added(total, bygones.kind, found)
                cursor = found.cursor
        return total

    def run_due(self) -> None:
        """Do the next steps of a pass, if one is due."""
        if self._keeps_all():
            return
        with self._store.reading() as session:
            if _due_at(session) > self._clock.now():
                return
        for _ in range(MOST_STEPS):
            if self._store.transact(self._step, alone=True) is None:
                return

    def next_due(self, session: Session) -> datetime | None:
        """When the next step is due, now at the earliest; None if nothing is ever due."""
        return None if self._keeps_all() else max(_due_at(session), self._clock.now())

    def _keeps_all(self) -> bool:
        return not any(True for _ in self._times())

    def _times(self) -> Iterator[tuple[RetainedKind, timedelta]]:
        keep = self._keep()
        if keep is None:
            return
        for each in fields(Retention):
            time = getattr(keep, each.name)
            if time is not None:
                kind = RetainedKind(each.name)
                yield kind, max(time, self._counted(kind))
        yield RetainedKind.INBOX, ZERO
        yield RetainedKind.ANSWERS, ZERO
        yield RetainedKind.OPEN_SKIPS, ZERO
        if keep.skips is not None:
            yield RetainedKind.TIME_SKIPS, keep.skips
        if keep.entries is not None:
            yield RetainedKind.RUNS, keep.entries

    def _counted(self, kind: RetainedKind) -> timedelta:
        """How long records of a kind count under caps."""
        if kind is not RetainedKind.DELIVERIES:
            return ZERO
        return longest_window(self._index().book.settings.caps)

    def _all(self, now: datetime) -> Iterator[RetentionCutoff]:
        times = dict(self._times())
        return (self._bygones(kind, times[kind], now) for kind in _KINDS if kind in times)

    def _bygones(self, kind: RetainedKind, time: timedelta, now: datetime) -> RetentionCutoff:
        before = _earlier(now, time)
        if kind is not RetainedKind.ENTRIES:
            return RetentionCutoff(kind, before, before)
        rules = self._index().book.rules
        unasked = max([_LEAST_UNASKED, time, *(rule.max_age for rule in rules)])
        lasting = {r.id for r in rules if not isinstance(r.reentry, EveryTime | NotWhileActive)}
        return RetentionCutoff(kind, before, _earlier(now, unasked), frozenset(lasting))

    def _step(self, session: Session) -> PruneStep | None:
        """Do one step, from where the last one ended; None if no pass is due."""
        now = self._clock.now()
        if _due_at(session) > now:
            return None
        number, after = session.mark(_KIND) or 0, session.mark(_CURSOR) or 0
        kinds = dict(self._times())
        kind = _KINDS[number % len(_KINDS)]
        found = PruneStep(0)
        if kind in kinds:
            found = _let_go(session, bygones=self._bygones(kind, kinds[kind], now), after=after)
        if found.cursor is None and number + 1 >= len(_KINDS):
            shortest = min(filter(None, kinds.values()), default=_LONGEST * _PASSES)
            pause = min(max(shortest / _PASSES, _SHORTEST), _LONGEST)
            session.set_mark(_AT, as_micros(now + pause))
        session.set_mark(_CURSOR, found.cursor or 0)
        session.set_mark(_KIND, number if found.cursor is not None else (number + 1) % len(_KINDS))
        return found


def kept_since(session: Session, kind: RetainedKind) -> datetime | None:
    """From when on all records of that kind are there; None if none was ever removed."""
    found = session.mark(gone_mark(kind))
    if found is None:
        return None
    since = from_micros(found)
    if kind is RetainedKind.SKIPS:  # the mark goes ahead of the oldest ones
        first = session.first_received()
        return since if first is not None and first < since else None
    return since


def _let_go(session: Session, *, bygones: RetentionCutoff, after: int) -> PruneStep:
    found = session.prune(bygones, after, REACH)
    if found.gone:
        name, before = gone_mark(bygones.kind), as_micros(bygones.before)
        session.set_mark(name, max(before, session.mark(name) or before))
    return found


def _due_at(session: Session) -> datetime:
    at = session.mark(_AT)
    return FIRST_INSTANT if at is None else from_micros(at)


def _earlier(now: datetime, time: timedelta) -> datetime:
    return max(now - time, FIRST_INSTANT) if now - FIRST_INSTANT > time else FIRST_INSTANT


def _added(total: Pruned, kind: RetainedKind, found: PruneStep) -> Pruned:
    gone = {**total.gone, kind: total.gone[kind] + found.gone}
    return replace(total, gone=MappingProxyType(gone), emptied=total.emptied + found.emptied)
