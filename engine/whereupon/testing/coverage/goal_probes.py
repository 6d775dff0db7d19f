"""The probes of a rule's goal and holdout: met and missed, held out and let in, and the goal's window."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from whereupon.decide.decisions import Decision, Outcome, Reason
from whereupon.messages.times import ZERO, format_duration
from whereupon.records import Entry
from whereupon.rules.model import Goal, Rule
from whereupon.testing.coverage.condition_probes import WINDOW, noted, see_window
from whereupon.testing.coverage.probe import Probe
from whereupon.testing.reports import Seen
from whereupon.testing.simulation import Happened

_REACHED: Final = (Seen.MET, Seen.MISSED)
_HELD: Final = (Seen.HELD_OUT, Seen.LET_IN)


class GoalProbes:
    """The probes of one rule's goal and holdout.

    Attributes:
        goal: the goal, instrumented; None if the rule has none.
    """

    def __init__(self, rule: Rule, probes: list[Probe]) -> None:
        self.goal = rule.goal
        self._reached = self._window = self._before = self._held = None
        if rule.goal is not None:
            where = noted(rule.goal.where, "goal", ("goal", "where"), probes)
            self.goal = replace(rule.goal, where=where)
            self._reached = _added(probes, f"goal: {rule.goal.event}", _REACHED, "goal")
            self._window = _window(rule, rule.goal, probes)
            if rule.goal.skips_reached:
                self._before = _added(probes, "goal: already", (Seen.KEPT_OUT,), "goal")
        if rule.holdout is not None:
            self._held = _added(probes, "holdout", _HELD, "holdout")

    def note_decision(self, decision: Decision) -> None:
        """Note whether a person was held out, or kept out since they had reached the goal."""
        if self._held is not None and decision.outcome is Outcome.ENTERED:
            self._held.see(Seen.LET_IN)
        if self._held is not None and decision.reason is Reason.HOLDOUT:
            self._held.see(Seen.HELD_OUT)
        if self._before is not None and decision.reason is Reason.GOAL_MET:
            self._before.see(Seen.KEPT_OUT)

    def note(self, entries: Sequence[Entry], happened: Happened) -> None:
        """Note which of these entries reached the goal, and what was just too late for it."""
        if self._reached is None or self.goal is None:
            return
        for entry in entries:
            self._reached.see(Seen.MISSED if entry.converted_at is None else Seen.MET)
        if self._window is None:
            return
        names = [m for m in happened.messages if m.name == self.goal.event]
        for entry in entries:
            ages = (m.timestamp - entry.timestamp for m in names if m.owner == entry.person_key)
            for age in ages:
                if age > ZERO:
                    see_window(self._window, age, self.goal.within)


def _added(probes: list[Probe], part: str, wanted: Sequence[Seen], key: str) -> Probe:
    probe = Probe(part, wanted, (key,))
    probes.append(probe)
    return probe


def _window(rule: Rule, goal: Goal, probes: list[Probe]) -> Probe | None:
    """The probe of the goal's window; None if the file writes none."""
    written = rule.source.get("goal")
    if not isinstance(written, dict) or "within" not in written:
        return None
    part = f"goal: {goal.event} within {format_duration(goal.within)}"
    return _added(probes, part, WINDOW, "goal")
