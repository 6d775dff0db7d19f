"""Runs of broadcasts on each person's clock: they make a timer for each person, and let the person in when it rings."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from whereupon.conditions.prefilter import EVERYBODY
from whereupon.decide import BatchResult, Reason, Snapshot, miss_own_time, own_time, turns_at
from whereupon.pipeline.audience_rounds import AudienceRounds
from whereupon.pipeline.run_turns import RunTurn
from whereupon.ports import Session, Stretch
from whereupon.records import BroadcastRun, Changes, Person
from whereupon.rules.model import Rule

OWN_TIME_CHUNK = 1_000
"""Persons whose timers one transaction makes, or whom it lets in."""


class OwnTimeRounds(AudienceRounds):
    """Lets the audiences of broadcasts enter, all at once or each person at their own time."""

    def without_early(
        self, session: Session, runs: Sequence[BroadcastRun], now: datetime
    ) -> list[BroadcastRun]:
        """Runs without those whose pass over all people may not begin yet, since it could miss a person.

        Args:
            runs: all that wait.
            now: the clock's time.
        """
        places = {(run.subject, run.digest): run for run in runs if _has_not_opened(run)}
        earlier = self._versions.before_runs
        earlier.look(session, places, now)
        early = [run for place, run in places.items() if not earlier.are_over(place, now)]
        return [run for run in runs if run not in early]

    def send_turn(self, session: Session, turn: RunTurn, *, now: datetime) -> BatchResult | None:
        """Do the next part of a run that is due; None if another process holds the people whose turn it is."""
        run = turn.run
        rule = self._versions.rule_of(session, run.digest)
        if run.closes_at is None or rule is None:
            return self.send(session, run, now=now)
        if not run.is_open:
            return self._make_timers(session, run, rule, run.closes_at)
        return self._let_in_at(session, run, rule, turn.at, max(turn.at, now))

    def _make_timers(
        self, session: Session, run: BroadcastRun, rule: Rule, closes_at: datetime
    ) -> BatchResult:
        """Make the timers of the next people. A person whose time has passed already is skipped when their timer rings.

        `who` is asked then, too: a person may come to meet it until their own time.
        """
        stretch = session.take_audience(run.cursor or 0, OWN_TIME_CHUNK, EVERYBODY, OWN_TIME_CHUNK)
        settings = self.index.book.settings
        last = max((person.key for person in stretch.persons), default=run.cursor or 1)
        done = replace(run, cursor=stretch.cursor or last)
        if stretch.cursor is None:
            done = replace(done, due_at=closes_at)
        result = BatchResult()
        result.changes.armed = {
            (person.key, run.subject): own_time(run.timestamp, person, rule, settings)
            for person in stretch.persons
        }
        result.changes.runs[run.rule, run.occasion] = done
        self.write(session, result.changes)
        return result

    def _let_in_at(
        self, session: Session, run: BroadcastRun, rule: Rule, at: datetime, now: datetime
    ) -> BatchResult | None:
        """Let the next people in whose turn comes at an instant; the run ends when nobody's comes any more."""
        rung = session.take_due_timers([run.subject], at, OWN_TIME_CHUNK)
        if not rung:
            return None if session.next_timers([run.subject]) else self._close(session, run, now)
        keys = {timer.person_key for timer in rung}
        self._loader(session).require_claims(keys)
        persons = sorted(session.persons(keys), key=lambda person: person.key)
        turns = turns_at(run, rule, persons, self.index.book.settings, at, now)
        theirs = replace(run, timestamp=at, due_at=at)
        result, after = BatchResult(), run
        if turns.come:
            stretch = Stretch(turns.come, run.cursor)
            result = self._send_around(session, theirs, rule, stretch, now)
            sent = result.changes.runs[run.rule, run.occasion]
            after = replace(sent, timestamp=run.timestamp, due_at=run.due_at)
        if turns.missed:
            result.join(self._miss(session, theirs, rule, turns.missed, now))
        timers = {(key, run.subject): turns.later.get(key) for key in keys}
        self._note(session, result, after, timers)
        return result

    def _note(
        self,
        session: Session,
        result: BatchResult,
        run: BroadcastRun,
        timers: Mapping[tuple[int, str], datetime | None],
    ) -> None:
        """Write what becomes of the timers, and the run as it is for all people."""
        changes = Changes(timers=dict(timers), runs={(run.rule, run.occasion): run})
        session.flush(changes)
        result.changes.timers |= changes.timers
        result.changes.runs |= changes.runs

    def _miss(
        self,
        session: Session,
        run: BroadcastRun,
        rule: Rule,
        missed: Sequence[tuple[Person, Reason]],
        now: datetime,
    ) -> BatchResult:
        snapshot = Snapshot()
        snapshot.persons = {person.key: person for person, _ in missed}
        return self._decide_and_write(
            session,
            snapshot,
            len(missed),
            lambda: miss_own_time(snapshot, run, rule, missed, self.index, self.settings, now),
        )

    def _close(self, session: Session, run: BroadcastRun, now: datetime) -> BatchResult:
        rule = self._versions.rule_of(session, run.digest)
        return self._send_to(session, run, rule, Stretch([], None), now)


def _has_not_opened(run: BroadcastRun) -> bool:
    """Whether a run on each person's clock has not begun with its pass over all people."""
    return run.closes_at is not None and run.cursor == 0
