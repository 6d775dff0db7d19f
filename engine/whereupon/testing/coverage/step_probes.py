"""Steps that note when they are done, and what their conditions see; and the probes of arms and waits."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from whereupon.conditions import ALWAYS, Condition, Conjunct, Data, History
from whereupon.conditions.condition import in_turn
from whereupon.records import Entry, Mark, MarkKind
from whereupon.rules.model import Branch, Step, WaitFor
from whereupon.rules.route import Route, base_of
from whereupon.rules.steps.step_form import ELSE, Arm, Steps
from whereupon.testing.coverage.condition_probes import noted
from whereupon.testing.coverage.probe import Path, Probe
from whereupon.testing.nested_steps import with_arms
from whereupon.testing.reports import Seen

_SEEN: Final = {MarkKind.PASSED: Seen.PASSED, MarkKind.EXPIRED: Seen.EXPIRED}


class StepProbes:
    """The probes of a rule's steps.

    Attributes:
        route: the steps, instrumented. They have the addresses of the rule's own.
    """

    def __init__(self, route: Route, probes: list[Probe]) -> None:
        self._places = {place.path: place for place in route.places.values()}
        self._probes = probes
        self._arms: dict[tuple[str, str], Probe] = {}
        self._waits: dict[str, Probe] = {}
        steps = self._noted(route.steps, ("whereupon",))
        self.route = Route(steps, is_plain=route.is_plain)

    def note(self, entries: Iterable[Entry]) -> None:
        """Note which arms these entries took, and how their waits ended."""
        for entry in entries:
            for mark in entry.trail:
                self._note_mark(mark)

    def _note_mark(self, mark: Mark) -> None:
        address = base_of(mark.address)
        if mark.arm is not None and (address, mark.arm) in self._arms:
            self._arms[address, mark.arm].see(Seen.TAKEN)
        if mark.kind in _SEEN and address in self._waits:
            self._waits[address].see(_SEEN[mark.kind])

    # --- instrumented steps ---------------------------------------------------------------------

    def _noted(self, steps: Steps, path: Path) -> Steps:
        return tuple(self._noted_step(step, (*path, n)) for n, step in enumerate(steps))

    def _noted_step(self, step: Step, path: Path) -> Step:
        address = self._places[path].address
        asked = noted(step.condition, "if", (*path, "if"), self._probes, address)
        done = Probe(step.in_words, (Seen.DONE,), path, address)
        self._probes.append(done)
        if isinstance(step, WaitFor):
            self._wait_probe(step, path, address)
        changed = with_arms(
            replace(step, condition=_and_done(asked, done)),
            lambda arm: self._noted_arm(arm, path, address),
        )
        match changed:
            case Branch():
                return self._noted_branch(changed, path, address)
            case WaitFor():
                return self._noted_wait(changed, path, address)
            case _:
                return changed

    def _noted_arm(self, arm: Arm, path: Path, address: str) -> Steps:
        """The steps of an arm, which has a probe of its own; that a wait expired is a probe of the wait."""
        place = (*path, *arm.path)
        if address not in self._waits or arm.label != ELSE:
            probe = Probe(f"arm {arm.label}", (Seen.TAKEN,), place[:-1], address)
            self._probes.append(probe)
            self._arms[address, arm.label] = probe
        return self._noted(arm.steps, place)

    def _noted_branch(self, step: Branch, path: Path, address: str) -> Branch:
        arms = []
        for arm in step.branches:
            place = (*path, *arm.path[:-1], "if")
            asked = noted(arm.condition, f"arm {arm.label}", place, self._probes, address)
            arms.append(replace(arm, condition=asked))
        return replace(step, branches=tuple(arms))

    def _wait_probe(self, step: WaitFor, path: Path, address: str) -> None:
        ends = (Seen.PASSED,) if step.up_to is None else (Seen.PASSED, Seen.EXPIRED)
        probe = Probe(step.in_words, ends, path, address)
        self._probes.append(probe)
        self._waits[address] = probe

    def _noted_wait(self, step: WaitFor, path: Path, address: str) -> WaitFor:
        arms = []
        for n, arm in enumerate(step.waits):
            place, key = (*path, "wait_for", n), f"arm {arm.label}"
            where = noted(arm.where, key, (*place, "where"), self._probes, address)
            who = noted(arm.who, key, (*place, "who"), self._probes, address)
            arms.append(replace(arm, where=where, who=who))
        return replace(step, waits=tuple(arms))


def _and_done(condition: Condition, done: Probe) -> Condition:
    """The condition of a step, which notes that it holds, and that the step is done therefore."""

    def test(_data: Data, _history: History) -> bool:
        done.seen.add(Seen.DONE)
        return True

    conjuncts: Sequence[Conjunct] = (
        *condition.conjuncts,
        Conjunct(test=test, text="", logic=None),
    )
    if condition is ALWAYS:
        return Condition(
            conjuncts=tuple(conjuncts), performed=(), compile_=in_turn, holds=in_turn(conjuncts)
        )
    return replace(condition, conjuncts=tuple(conjuncts), holds=in_turn(conjuncts))
