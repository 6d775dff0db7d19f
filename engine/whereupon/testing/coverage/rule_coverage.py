"""What the tests of one rule have seen of it."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from whereupon.decide import Ended
from whereupon.decide.decisions import Decision, Outcome, Reason
from whereupon.messages.times import format_duration
from whereupon.records import EndReason
from whereupon.rules.model import (
    EveryTime,
    Exit,
    ExitOnCondition,
    ExitOnEvent,
    ExitOnLeaving,
    ExitOnWho,
    FolderSettings,
    Once,
    OnDate,
    OnQuiet,
    Rule,
    RuleKind,
    Segment,
)
from whereupon.testing.coverage.condition_probes import BOTH, WINDOW, noted, see_window
from whereupon.testing.coverage.goal_probes import GoalProbes
from whereupon.testing.coverage.probe import Path, Probe, uncovered_in
from whereupon.testing.coverage.settings_probes import ExemptProbes
from whereupon.testing.coverage.step_probes import StepProbes
from whereupon.testing.coverage.time_probes import TimeProbes
from whereupon.testing.reports import ENTERING, Seen, Uncovered
from whereupon.testing.simulation import Happened

_END_OF: Final = {
    ExitOnEvent: EndReason.EVENT,
    ExitOnLeaving: EndReason.SEGMENT,
    ExitOnWho: EndReason.WHO,
    ExitOnCondition: EndReason.CONDITION,
}


NO_SETTINGS: Final = FolderSettings()
NO_SEGMENTS: Final[Mapping[str, Segment]] = MappingProxyType({})


class Coverage:
    """Notes what tests see of a rule while `rule`, an instrumented copy of it, is run.

    Args:
        file: the rule's file.
        segments: of the folder, by id.
        settings: of the folder.

    Attributes:
        probes: of every part of the rule, with what has been seen.
    """

    def __init__(
        self,
        rule: Rule,
        file: str,
        segments: Mapping[str, Segment] = NO_SEGMENTS,
        settings: FolderSettings = NO_SETTINGS,
    ) -> None:
        self._file = file
        self.probes: list[Probe] = []
        self._entering = self._probe(ENTERING, BOTH, ())
        self._time = TimeProbes(rule, self.probes, segments)
        where = noted(rule.where, "where", ("where",), self.probes)
        who = noted(rule.who, "who", ("who",), self.probes)
        self._exits: list[tuple[Exit, Probe]] = []
        exits = tuple(self._noted_exit(leave, rule, n) for n, leave in enumerate(rule.exits))
        self._reentry = self._reentry_probe(rule)
        self._ages = [*self._age_probes(rule)]
        self._goal = GoalProbes(rule, self.probes)
        self._exempt = ExemptProbes(rule, settings, self.probes)
        self._steps = StepProbes(rule.route, self.probes)
        self.rule = replace(
            rule,
            where=where,
            who=who,
            exits=exits,
            route=self._steps.route,
            goal=self._goal.goal,
        )

    def note(self, happened: Happened) -> None:
        """Note what one test saw."""
        entered: set[str | None] = set()
        for record in happened.records:
            match record:
                case Decision() if record.rule == self.rule.id:
                    self._note_decision(record, entered)
                case Ended() if record.rule == self.rule.id:
                    self._note_end(record)
                case _:
                    pass
        self._entering.see(Seen.TRUE if entered else Seen.FALSE)
        entries = [entry for entry in happened.entries if entry.rule == self.rule.id]
        self._steps.note(entries)
        self._goal.note(entries, happened)
        self._time.note(happened)
        self._exempt.note(happened)

    def uncovered(self) -> Iterator[Uncovered]:
        """What was not seen, in the order of the rule's parts."""
        return uncovered_in(self._file, self.rule.id, self.probes)

    def _probe(self, part: str, wanted: tuple[Seen, ...], path: Path) -> Probe:
        probe = Probe(part, wanted, path)
        self.probes.append(probe)
        return probe

    # --- decisions ------------------------------------------------------------------------------

    def _note_decision(self, decision: Decision, entered: set[str | None]) -> None:
        self._goal.note_decision(decision)
        if decision.outcome is Outcome.ENTERED:
            if decision.person in entered:
                self._reentry.see(Seen.AGAIN)
            entered.add(decision.person)
        elif decision.reason is Reason.REENTRY:
            self._reentry.see(Seen.REFUSED)
        for probe, of_claims in self._ages:
            if decision.retroactive or not of_claims:
                self._note_age(probe, decision, of_claims=of_claims)

    def _note_age(self, probe: Probe, decision: Decision, *, of_claims: bool) -> None:
        """An age that was let in was inside of every window; one that was refused may be outside of another."""
        limit = self.rule.retroactive.within if of_claims else self.rule.max_age
        is_judged = decision.reason in {None, Reason.WHO, Reason.REENTRY, Reason.TOO_OLD}
        if limit is not None and is_judged:
            see_window(probe, decision.decided_at - decision.timestamp, limit)

    def _reentry_probe(self, rule: Rule) -> Probe:
        """Of `once` nobody enters again, of `every_time` nobody is refused, and a broadcast has no re-entry."""
        wanted: tuple[Seen, ...] = (Seen.AGAIN, Seen.REFUSED)
        match rule.reentry:
            case _ if rule.kind is RuleKind.BROADCAST:
                wanted = ()
            case Once():
                wanted = (Seen.REFUSED,)
            case EveryTime():
                wanted = (Seen.AGAIN,)
            case _:
                pass
        return self._probe("reentry", wanted, ("reentry",))

    def _age_probes(self, rule: Rule) -> Iterator[tuple[Probe, bool]]:
        """The windows that the file writes, each with whether it is of claimed messages.

        No moment of time is late in a test.
        """
        if "max_age" in rule.source and not isinstance(rule.triggers[0], OnDate | OnQuiet):
            part = f"max_age: {format_duration(rule.max_age)}"
            yield self._probe(part, WINDOW, ("max_age",)), False
        if rule.retroactive.within is not None:
            part = f"retroactive: within {format_duration(rule.retroactive.within)}"
            yield self._probe(part, WINDOW, ("retroactive", "within")), True

    # --- exits ----------------------------------------------------------------------------------

    def _noted_exit(self, leave: Exit, rule: Rule, place: int) -> Exit:
        if isinstance(leave, ExitOnWho):
            self._exits.append((leave, self._probe("stay", (Seen.ENDED,), ("stay",))))
            return leave
        path: Path = ("exit", place) if isinstance(rule.source.get("exit"), list) else ("exit",)
        changed, words = self._noted_part(leave, path)
        self._exits.append((leave, self._probe(f"exit: {words}", (Seen.ENDED,), path)))
        return changed

    def _noted_part(self, leave: Exit, path: Path) -> tuple[Exit, str]:
        """The part of `exit`, instrumented, and its words as the end of an entry says them."""
        match leave:
            case ExitOnEvent(event):
                where = noted(leave.where, "exit", (*path, "where"), self.probes)
                return replace(leave, where=where), event
            case ExitOnCondition(condition):
                text = " and ".join(conjunct.text for conjunct in condition.conjuncts)
                return replace(leave, condition=noted(condition, "exit", path, self.probes)), text
            case ExitOnLeaving(segment):
                return leave, segment
            case ExitOnWho():
                return leave, ""

    def _note_end(self, ended: Ended) -> None:
        for leave, probe in self._exits:
            words = probe.part.removeprefix("exit: ")
            if isinstance(leave, ExitOnWho):
                words = ended.end.detail or ""
            if (ended.end.reason, ended.end.detail) == (_END_OF[type(leave)], words):
                probe.see(Seen.ENDED)
