"""A rule as a tree of its steps in words, with the people who stand at each: what `whereupon graph` draws."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple, TypeAlias, assert_never

from pydantic import JsonValue

from whereupon.conditions import ALWAYS, Condition
from whereupon.conditions.paths import path_of
from whereupon.conditions.sentence import same_words
from whereupon.insight.outcomes import headline_of
from whereupon.messages.times import format_duration, format_instant
from whereupon.records import EntryCount, EntryState
from whereupon.rules.model import (
    END,
    Branch,
    EveryTime,
    Exit,
    ExitOnCondition,
    ExitOnEvent,
    ExitOnLeaving,
    ExitOnWho,
    NotWhileActive,
    OnCall,
    Once,
    OncePer,
    OncePerCalendar,
    OncePerKey,
    OnDate,
    OnKnown,
    OnMessage,
    OnQuiet,
    OnSchedule,
    OnSegment,
    Rule,
    RuleKind,
    Send,
    Split,
    Step,
    Trigger,
    Wait,
    WaitArm,
    WaitFor,
)
from whereupon.rules.route import base_of
from whereupon.rules.same import Same
from whereupon.rules.steps.step_form import ELSE, Arm
from whereupon.templates import ContentValue, Template

OTHERWISE = "otherwise"


class People(NamedTuple):
    """How many people stand at a step.

    Attributes:
        here: in the version that is drawn, those in `paused` included.
        paused: of these, how many an operator has paused.
        elsewhere: in other versions, at the step of the same address.
    """

    here: int = 0
    paused: int = 0
    elsewhere: int = 0


@dataclass(frozen=True, slots=True)
class GraphArm:
    """An arm of a step.

    Attributes:
        label: stands in the addresses of its steps.
        words: who takes it, or when.
        again: whether the step starts anew after it.
    """

    label: str
    words: str
    steps: "tuple[GraphStep, ...]"
    again: bool = False

    @property
    def ends(self) -> bool:
        """Whether nobody goes on behind it, since the entry ends in it."""
        return any(step.ends for step in self.steps)


@dataclass(frozen=True, slots=True)
class GraphStep:
    """A step.

    Attributes:
        kind: the step's key in the rule file.
        words: what it does.
        condition: its `if` in words; None without one.
        arms: every arm that people may take, also one that the file leaves out since it has no steps.
        people: those whose next step it is.
    """

    address: str
    kind: str
    words: str
    condition: str | None
    arms: tuple[GraphArm, ...]
    people: People

    @property
    def ends(self) -> bool:
        """Whether nobody goes on behind it."""
        if self.condition is not None:
            return False
        return self.kind == "exit" or (bool(self.arms) and all(arm.ends for arm in self.arms))


@dataclass(frozen=True, slots=True)
class RuleGraph:
    """A rule as a tree.

    Attributes:
        version: the digest.
        about: what stands above the steps, as a word and its words: ``when``, ``where``, ``who``, ``exit`` and others.
        at_end: people who wait behind the last step.
        is_counted: whether people were counted.
        lost: people in other versions at steps that this version lacks.
    """

    rule: str
    kind: RuleKind
    version: str
    description: str
    about: tuple[tuple[str, str], ...]
    steps: tuple[GraphStep, ...]
    at_end: People
    is_counted: bool
    lost: tuple[EntryCount, ...]


Counts: TypeAlias = Mapping[str, People]


def graph_of(rule: Rule, counts: Sequence[EntryCount] | None = None) -> RuleGraph:
    """A rule as a tree.

    Args:
        counts: who is inside the rule, in any version; None if nobody has counted.
    """
    known = {*rule.route.places, END}
    inside = [each for each in counts or () if each.rule == rule.id]
    people = _people(inside, rule.digest)
    return RuleGraph(
        rule=rule.id,
        kind=rule.kind,
        version=rule.digest,
        description=rule.description,
        about=tuple(_about(rule)),
        steps=_steps(rule, rule.steps, "", people),
        at_end=people.get(END, People()),
        is_counted=counts is not None,
        lost=tuple(each for each in inside if base_of(each.address) not in known),
    )


def _people(counts: Iterable[EntryCount], version: str) -> Counts:
    found: dict[str, People] = {}
    for each in counts:
        address, number = base_of(each.address), each.people
        was = found.get(address, People())
        if each.version != version:
            found[address] = was._replace(elsewhere=was.elsewhere + number)
            continue
        paused = number if each.state is EntryState.PAUSED else 0
        found[address] = was._replace(here=was.here + number, paused=was.paused + paused)
    return found


# --- above the steps --------------------------------------------------------------------------------


def _about(rule: Rule) -> Iterator[tuple[str, str]]:
    yield "when", " or ".join(_trigger(each) for each in rule.triggers)
    for name, condition in (("where", rule.where), ("who", rule.who)):
        if condition is not ALWAYS:
            yield name, words_of(condition)
    if rule.kind is RuleKind.CAMPAIGN:
        yield "re-entry", _reentry(rule)
    if rule.exits:
        yield "exit", " or ".join(_exit(each) for each in rule.exits)
    yield from _settings(rule)
    if not rule.active.on:
        yield "active", "no: it is switched off, nobody enters, and who is inside stands still"


def _settings(rule: Rule) -> Iterator[tuple[str, str]]:
    if rule.goal is not None:
        goal = rule.goal
        since = " after the first delivery" if goal.after_send else ""
        ends = "; it ends the entry" if goal.exits else ""
        reached = _narrowed(goal.event, goal.where, goal.same)
        yield "goal", f"{reached}, within {format_duration(goal.within)}{since}{ends}"
    if rule.holdout is not None:
        group = (
            ""
            if rule.holdout.group is None
            else f", as every rule of the group {rule.holdout.group}"
        )
        yield "holdout", f"{rule.holdout.share / 100:g} % are kept out to compare with{group}"
    if rule.grace is not None:
        yield "grace", f"{format_duration(rule.grace)} for who"
    if rule.live:
        yield "content", "live: texts are those of the version in use"
    if rule.active.on and rule.active.until is not None:
        yield "active", f"lets people in until {format_instant(rule.active.until)}"


def _trigger(trigger: Trigger) -> str:
    match trigger:
        case OnMessage(type_, names, prefixes):
            patterns = [*names, *(f"{prefix}*" for prefix in prefixes)]
            kind = "" if type_ == "track" else f"{type_} "
            return f"{kind}{' or '.join(patterns)}"
        case OnSegment(segment, change):
            return f"the person {change} the segment {segment}"
        case OnKnown():
            return "the person becomes known"
        case OnDate() | OnQuiet():
            return trigger.in_words
        case OnSchedule(cron, timezone):
            whose = "each person's own clock" if timezone == "person" else timezone
            return f"the schedule {cron} ({whose})"
        case OnCall():
            return "the application calls for it"
        case _:
            assert_never(trigger)


def _reentry(rule: Rule) -> str:
    match rule.reentry:
        case Once():
            return "once"
        case EveryTime():
            return "every time"
        case OncePer(period):
            return f"once per {format_duration(period)}"
        case OncePerCalendar(span):
            return f"once per calendar {span}"
        case OncePerKey(path):
            return f"once per {path_of(path)}"
        case NotWhileActive():
            return "not while an earlier entry runs"
        case _:
            assert_never(rule.reentry)


def _exit(leave: Exit) -> str:
    match leave:
        case ExitOnEvent(event, where, same):
            return _narrowed(event, where, same)
        case ExitOnLeaving(segment):
            return f"leaving the segment {segment}"
        case ExitOnCondition(condition):
            return words_of(condition)
        case ExitOnWho():
            return "no longer one of those who may enter"
        case _:
            assert_never(leave)


def words_of(condition: Condition) -> str:
    """A condition in words."""
    return " and ".join(conjunct.text for conjunct in condition.conjuncts)


def _narrowed(event: str, where: Condition, same: Same | None) -> str:
    """An event, and what it must be like."""
    said = event if where is ALWAYS else f"{event} where {words_of(where)}"
    return said if same is None else f"{said} with {same_words(same)}"


def where_words(rule: Rule | None, address: str) -> str:
    """Where people stand: at a step until something happens, or before one, and what that does.

    Args:
        rule: the version that they follow; None if it cannot be read any more.
    """
    place = None if rule is None else rule.route.place(address)
    if place is None:
        return "behind the last step" if address == END else f"before step {address}"
    return (
        f"{'at' if place.step.holds_entry else 'before'} step {address}, which {_words(place.step)}"
    )


# --- the steps --------------------------------------------------------------------------------------


def _steps(rule: Rule, steps: Sequence[Step], before: str, people: Counts) -> tuple[GraphStep, ...]:
    return tuple(
        _step(rule, step, step.name or f"{before}{i}", people) for i, step in enumerate(steps)
    )


def _step(rule: Rule, step: Step, address: str, people: Counts) -> GraphStep:
    return GraphStep(
        address=address,
        kind=step.key,
        words=_words(step),
        condition=None if step.condition is ALWAYS else words_of(step.condition),
        arms=tuple(_arms(rule, step, address, people)),
        people=people.get(address, People()),
    )


def _words(step: Step) -> str:
    match step:
        case Send(content=content) if said := headline_of(
            {name: _written(each) for name, each in content.items()}
        ):
            return f"{step.in_words} “{said}”"
        case Wait(span=timedelta() as span):
            return f"waits {format_duration(span)}"
        case WaitFor(up_to=None):
            return f"{step.in_words}, for ever"
    return step.in_words


def _written(value: ContentValue) -> JsonValue:
    """A text of a step, as its file has it."""
    if isinstance(value, Template):
        return value.source
    return value if isinstance(value, str) else None


def _arms(rule: Rule, step: Step, address: str, people: Counts) -> Iterator[GraphArm]:
    said = _arm_words(step)
    arms: list[Arm] = list(step.arms)
    if ELSE in said and all(arm.label != ELSE for arm in arms):
        arms.append(Arm(ELSE, (), ()))
    for label, steps, _ in arms:
        if label in said:  # the arm behind a wait without an end is none
            inner = _steps(rule, steps, f"{address}.{label}.", people)
            yield GraphArm(label, said[label], inner, again=label in step.looping)


def _arm_words(step: Step) -> Mapping[str, str]:
    """Who takes each arm, or when, by its label."""
    match step:
        case Branch(branches=branches):
            said = {
                each.label: OTHERWISE
                if each.condition is ALWAYS
                else f"if {words_of(each.condition)}"
                for each in branches
            }
            return said if OTHERWISE in said.values() else {**said, ELSE: OTHERWISE}
        case Split(shares=shares):
            return {each.label: f"{each.label}: {each.share / 100:g} %" for each in shares}
        case WaitFor(waits=waits, up_to=up_to):
            when = {each.label: _awaited(each) for each in waits}
            late = {} if up_to is None else {ELSE: f"after {format_duration(up_to)}"}
            return when | late
    return {}


def _awaited(arm: WaitArm) -> str:
    if arm.event is None:
        return f"once {words_of(arm.who)}"
    return f"on {_narrowed(arm.event, arm.where, arm.same)}"
