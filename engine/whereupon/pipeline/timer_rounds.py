"""Timers: they ring when they are due, and those of new subjects are made for the people who are there already."""

from datetime import datetime

from whereupon.conditions.prefilter import EVERYBODY
from whereupon.decide import BatchResult, armed
from whereupon.matching import SubjectKind, TimedSubject
from whereupon.pipeline.decision_rounds import DecisionRounds
from whereupon.ports import Session
from whereupon.records import Arming, Changes

ARMING_CHUNK = 1_000
"""Persons whose timers of a new subject are made in one transaction."""


class TimerRounds(DecisionRounds):
    """Makes the timers of new subjects, chunk by chunk."""

    def begin_armings(self, session: Session, now: datetime) -> bool:
        """Note each subject that is new or has changed as one to be armed; whether there was any.

        As a process begins with a rulebook, what is noted of other subjects goes: if one of them comes back, what
        people have done meanwhile has not moved its timers, so that it is to be armed anew.
        """
        subjects = self.index.timed.by_name.values()
        begins = bool(self.index.book.rules) and not self._versions.has_begun_to_arm
        if not subjects and not begins:
            return False
        known = {arming.place for arming in session.armings()}
        new = [Arming(each.name, each.digest, now, 0) for each in subjects]
        changes: dict[tuple[str, str], Arming | None]
        changes = {each.place: each for each in new if each.place not in known}
        if begins:
            others = {*filter(_is_of_everybody, known)} - {each.place for each in new}
            changes |= dict.fromkeys(others)
            self._versions.has_begun_to_arm = not others
        if changes:
            session.flush(Changes(armings=changes))
        return bool(changes)

    def carry_on_arming(self, session: Session, now: datetime) -> BatchResult | None:
        """Make the timers of one subject for the next persons; None if nothing is left that this engine can do yet.

        Args:
            session: the transaction.
            now: the clock's time.
        """
        subjects = self.index.timed.by_name
        for arming in self._without_early(session, now) if subjects else ():
            taken = session.take_arming(arming)
            if taken is not None:
                return self._arm(session, taken, subjects[arming.subject])
        return None

    def _without_early(self, session: Session, now: datetime) -> list[Arming]:
        """What is to be armed, without that of which the pass over all people may not begin yet."""
        subjects = self.index.timed.by_name.values()
        ours = {(each.name, each.digest) for each in subjects}
        waiting = [
            each for each in session.armings() if each.cursor is not None and each.place in ours
        ]
        earlier = self._versions.before_arming
        earlier.look(session, [each.place for each in waiting if not each.cursor], now)
        return [each for each in waiting if each.cursor or earlier.are_over(each.place, now)]

    def _arm(self, session: Session, arming: Arming, subject: TimedSubject) -> BatchResult:
        after = arming.cursor or 0
        stretch = session.take_audience(after, ARMING_CHUNK, EVERYBODY, ARMING_CHUNK)
        loader = self._loader(session)
        loader.require_all_claims()  # claims that are not carried out would be missing in the history
        snapshot = loader.past.for_arming(stretch.persons, subject, arming.begun_at)
        advanced = arming._replace(cursor=stretch.cursor)

        def attempt() -> BatchResult:
            result = armed(snapshot, subject, arming.begun_at, self.index, self.settings)
            result.changes.armings[advanced.place] = advanced
            return result

        return self._decide_and_write(session, snapshot, 1, attempt)


def _is_of_everybody(place: tuple[str, str]) -> bool:
    """Whether the subject is not about the people inside a rule, who arm it themselves."""
    return not place[0].startswith(SubjectKind.INSIDE.named(""))
