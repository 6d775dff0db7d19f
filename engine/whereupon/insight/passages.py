"""What an entry passed on its way, and at which step it stands, as clauses of a sentence."""

from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Final

from pydantic import JsonValue

from whereupon.insight.clauses import as_clause, values_seen
from whereupon.messages.times import format_instant
from whereupon.records import NEVER, UNTIL, Entry, Mark, MarkKind, mark_at
from whereupon.rules.model import END, Rule, Step, WaitFor
from whereupon.rules.steps.step_form import ELSE

INTERNAL: Final = frozenset({"message_key"})
"""What a mark keeps for the engine alone."""


class Tense(Enum):
    """Whether a clause is told as it happens, or afterwards."""

    PRESENT = 0
    PAST = 1


_VERBS: Final[Mapping[MarkKind, tuple[str, str]]] = {
    MarkKind.STEP_IF: ("leaves out", "left out"),
    MarkKind.ARM: ("takes", "took"),
    MarkKind.WAITS: ("comes to", "came to"),
    MarkKind.PASSED: ("goes on from", "went on from"),
    MarkKind.EXPIRED: ("goes on from", "went on from"),
    MarkKind.RAN: ("is done with", "was done with"),
    MarkKind.FAILED: ("gives up", "gave up"),
    MarkKind.QUIET: ("waits with", "waited with"),
    MarkKind.CAP: ("waits with", "waited with"),
}


def passage_words(mark: Mark, rule: Rule | None, tense: Tense = Tense.PAST) -> str:
    """What an entry did at a step: a verb and its object, and why.

    Args:
        rule: the version that the entry follows; None if it cannot be read any more.
    """
    if mark.kind is MarkKind.LATE:
        happened = f"{mark.detail} of {format_instant(mark.at)}{_by(mark)}"
        return f"heard too late of {happened}: the wait at step {mark.address} was over"
    verb = _VERBS[mark.kind][tense.value] if mark.kind in _VERBS else f"{mark.kind}"
    return f"{verb} {_OBJECTS.get(mark.kind, _step_words)(mark, rule)}"


def _step_words(mark: Mark, rule: Rule | None) -> str:
    does = _does(rule, mark.address)
    return f"step {mark.address}" + (f", which {does}" if does else "")


def _left_out(mark: Mark, rule: Rule | None) -> str:
    does = _does(rule, mark.address)
    step = f"step {mark.address}" + (f" ({does})" if does else "")
    seen = values_seen(mark.values)
    asked = f"since its `if` asks that {as_clause(mark.detail or '')}"
    return f"{step}, {asked}" + (f", but {seen}" if seen else "")


def _arm(mark: Mark, rule: Rule | None) -> str:
    step = None if rule is None else rule.route.place(mark.address)
    of = f"of step {mark.address}"
    if mark.arm is None:
        return f"no arm {of}, since none holds"
    if step is not None and step.step.key == "split":
        return f"the arm {mark.arm} {of}, in the split {mark.detail}"
    if mark.detail is None:
        return f"the arm {mark.arm} {of}, since no arm before it holds"
    seen = values_seen(mark.values)
    return f"the arm {mark.arm} {of}, since {as_clause(mark.detail)}" + (
        f" ({seen})" if seen else ""
    )


def _passed(mark: Mark, _rule: Rule | None) -> str:
    happened = mark.values.get("timestamp")
    if happened is None:
        return f"step {mark.address} by the arm {mark.arm}, since {as_clause(mark.detail or '')}"
    return f"step {mark.address} by the arm {mark.arm}, by {mark.detail} of {happened}{_by(mark)}"


def _expired(mark: Mark, _rule: Rule | None) -> str:
    return f"step {mark.address} by the arm {mark.arm}, since the time of its wait is up"


def _held_back(mark: Mark, rule: Rule | None) -> str:
    return f"{_step_words(mark, rule)}, until {mark.values.get(UNTIL)}: {_SEND_WAITS[mark.kind]}"


_SEND_WAITS: Final[Mapping[MarkKind, str]] = {
    MarkKind.QUIET: "their quiet hours last until then",
    MarkKind.CAP: "they have been sent as much as a cap allows",
}
"""Why an entry waits at a send, as a clause."""


def _given_up(mark: Mark, _rule: Rule | None) -> str:
    return f"the call of step {mark.address}: {mark.detail}"


_OBJECTS = {
    MarkKind.STEP_IF: _left_out,
    MarkKind.ARM: _arm,
    MarkKind.PASSED: _passed,
    MarkKind.EXPIRED: _expired,
    MarkKind.FAILED: _given_up,
    MarkKind.QUIET: _held_back,
    MarkKind.CAP: _held_back,
}


def _by(mark: Mark) -> str:
    return "" if mark.message_id is None else f" ({mark.message_id})"


def _does(rule: Rule | None, address: str) -> str:
    place = None if rule is None else rule.route.place(address)
    return "" if place is None else place.step.in_words


def shown_values(mark: Mark) -> dict[str, JsonValue]:
    """What a mark's condition saw, or its function returned."""
    return {name: value for name, value in mark.values.items() if name not in INTERNAL}


# --- where an entry stands ----------------------------------------------------------------------------


def next_step(rule: Rule, address: str) -> str:
    """What an entry does next, as a verb and its object, with the step's address unless the rule is but a list."""
    place = rule.route.place(address)
    if place is None:
        return "is over"
    return place.step.in_words + ("" if rule.route.is_plain else f" (step {address})")


def waits_at(rule: Rule, address: str, due_at: datetime | None) -> str:
    """What an entry waits for that has come to a step at which it waits for something, and until when."""
    place = rule.route.place(address)
    if place is None:
        return f"waits at step {address}"
    return f"{_waits_for(place.step, due_at)} (step {address})"


def held_at(entry: Entry, rule: Rule) -> str:
    """What an entry waits for that stands at a step until something happens; empty if it waits for the time alone."""
    if mark_at(entry.trail, entry.address, MarkKind.WAITS) is None:
        return ""
    return waits_at(rule, entry.address, entry.due_at)


def _waits_for(step: Step, due_at: datetime | None) -> str:
    until = None if due_at is None or due_at == NEVER else format_instant(due_at)
    if isinstance(step, WaitFor):
        return f"waits for {step.awaited_in_words}" + (f", up to {until}" if until else "")
    if step.key == "wait":
        what = step.in_words.removeprefix("waits until ")
        return f"waits until {what}" + (f", which is {until}" if until else "")
    return f"waits until it knows how its call ends: it {step.in_words}"


def step_after(entry: Entry, rule: Rule) -> str:
    """The address that an entry comes to when the time is up for which it stands at a step."""
    place = rule.route.place(entry.address)
    if place is None:
        return END
    if ELSE in {arm.label for arm in place.step.arms}:
        return rule.route.arm(entry.address, ELSE)
    return rule.route.after(entry.address)


def _why_at_send(entry: Entry) -> str:
    """A clause on why an entry waits at a send; empty if the time before the send is not up."""
    mark = mark_at(entry.trail, entry.address, *_SEND_WAITS)
    if mark is None or entry.due_at is None:
        return ""
    is_that = mark.values.get(UNTIL) == format_instant(entry.due_at)
    return f", since {_SEND_WAITS[mark.kind]}" if is_that else ""


def standing(entry: Entry, rule: Rule | None) -> str:
    """Where a running entry stands: what it waits for, until when, and what comes then; a verb and its object."""
    if entry.due_at is None:
        return f"is {entry.state}"
    held = "" if rule is None else held_at(entry, rule)
    if rule is None or not held:
        waits = f"waits until {format_instant(entry.due_at)}{_why_at_send(entry)}"
        return waits if rule is None else f"{waits}; then it {next_step(rule, entry.address)}"
    place = rule.route.place(entry.address)
    if entry.due_at == NEVER and place is not None and isinstance(place.step, WaitFor):
        return f"{held}, for ever"
    return f"{held}; then it {next_step(rule, step_after(entry, rule))}"
