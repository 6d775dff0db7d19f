"""The step `wait_for`: wait until something happens, up to a bound."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import Discriminator, Field, JsonValue, Tag
from typing_extensions import override

from whereupon.conditions import ALWAYS, Condition
from whereupon.errors import Diagnostic
from whereupon.messages.times import format_duration
from whereupon.rules.field_types import MessageCondition, PositiveDuration, RawCondition, WholeName
from whereupon.rules.form import Form, IfMissing
from whereupon.rules.rule_reader import Path, RuleReader
from whereupon.rules.same import RawSame, Same, same_of
from whereupon.rules.steps.step_form import (
    ELSE,
    Arm,
    NestedSteps,
    Step,
    StepForm,
    Steps,
    read_steps,
)

if TYPE_CHECKING:
    from whereupon.rules.plan.plan_checker import PlanChecker


class Since(StrEnum):
    """From when on messages count: from the one that opened the entry, or from when the wait was reached."""

    ENTRY = "entry"
    STEP = "step"


FOREVER = "forever"


@dataclass(frozen=True, slots=True)
class WaitArm:
    """What a wait waits for: an event of the person's, or a condition over the person.

    Attributes:
        event: None for a condition over the person.
        where: over the event's properties.
        same: what the event must have in common with the message that opened the entry.
        who: over the person; `ALWAYS` for an event.
        again: whether the wait starts anew after the arm.
    """

    label: str
    event: str | None
    where: Condition
    who: Condition
    steps: Steps
    again: bool
    same: Same | None = None


@dataclass(frozen=True, slots=True)
class WaitFor(Step):
    """Wait until an arm's event happens, or its condition holds; its steps follow.

    Attributes:
        up_to: how long, from when the wait was reached; None for ever.
        otherwise: the steps if nothing of it happens in that time.
    """

    key = "wait_for"
    takes_time = True

    waits: tuple[WaitArm, ...]
    up_to: timedelta | None
    otherwise: Steps = ()
    since: Since = Since.ENTRY

    @property
    @override
    def in_words(self) -> str:
        """``waits for`` and what, and up to when."""
        bound = "" if self.up_to is None else f", up to {format_duration(self.up_to)}"
        return f"waits for {self.awaited_in_words}{bound}"

    @property
    def awaited_in_words(self) -> str:
        """What it waits for."""
        return " or ".join(_in_words(arm) for arm in self.waits)

    @property
    @override
    def arms(self) -> tuple[Arm, ...]:
        of_waits = (
            Arm(arm.label, arm.steps, ("wait_for", int(arm.label), "then")) for arm in self.waits
        )
        return (*of_waits, Arm(ELSE, self.otherwise, (ELSE,)))

    @property
    @override
    def is_exhaustive(self) -> bool:
        return not self.looping

    @property
    @override
    def looping(self) -> Collection[str]:
        return tuple(arm.label for arm in self.waits if arm.again)

    @property
    @override
    def holds_entry(self) -> bool:
        return True

    @property
    @override
    def conditions(self) -> tuple[Condition, ...]:
        asked = (self.condition, *(arm.who for arm in self.waits))
        return tuple(condition for condition in asked if condition is not ALWAYS)

    @property
    @override
    def awaited(self) -> Collection[str]:
        return tuple(arm.event for arm in self.waits if arm.event is not None)


def _in_words(arm: WaitArm) -> str:
    return arm.event or " and ".join(conjunct.text for conjunct in arm.who.conjuncts)


class EventArmForm(Form):
    """The wait is over when the person does something."""

    event: WholeName = Field(description="The event's name.", examples=["Teammate Invited"])
    where: MessageCondition = Field(
        default=None,
        description="A condition over the event's properties.",
        examples=[{"price": {"gt": 0}}],
    )
    same: RawSame = Field(
        default=None,
        description="Properties that the event has in common with the message that opened the entry.",
        examples=[["project_id"]],
    )
    then: NestedSteps = Field(
        default_factory=list,
        description="The steps that follow then; without any the entry goes on after the wait.",
        examples=[["exit"]],
    )
    again: bool = Field(
        default=False,
        description="Whether the wait starts anew after these steps, at most ten times.",
        examples=[True],
    )


class WhoArmForm(Form):
    """The wait is over when a condition over the person holds."""

    who: RawCondition = Field(
        description="A condition over the person, as the person is now.",
        examples=[{"plan": ["pro", "team"]}],
    )
    then: NestedSteps = Field(
        default_factory=list, description="The steps that follow then.", examples=[["exit"]]
    )
    again: bool = Field(
        default=False,
        description="Not for a condition: it would hold again at once.",
    )


def _tag(raw: object) -> str:
    return "<who>" if isinstance(raw, dict) and "who" in raw and "event" not in raw else "<event>"


_WaitArmForm: TypeAlias = Annotated[
    Annotated[EventArmForm, Tag("<event>")] | Annotated[WhoArmForm, Tag("<who>")],
    Discriminator(_tag),
]


class WaitForForm(StepForm):
    """Wait until something happens, or until the time is up."""

    step = WaitFor

    wait_for: list[_WaitArmForm] = Field(
        min_length=1,
        description="What to wait for, asked top down: events of the person's, or conditions over the person.",
        examples=[[{"event": "Order Completed", "then": ["exit"]}]],
    )
    up_to: Annotated[
        PositiveDuration | Literal["forever"],
        IfMissing("say how long to wait at most: up_to: 3d, or up_to: forever", code="no-bound"),
    ] = Field(
        description="How long to wait at most, from when the step is reached; or forever.",
        examples=["3d", "forever"],
    )
    since: Literal["entry", "step"] = Field(
        default="entry",
        description="From when on events count: from the message that opened the entry, or from this step.",
        examples=["step"],
    )
    else_: NestedSteps = Field(
        default_factory=list,
        alias="else",
        description="The steps if nothing of it happens in that time.",
        examples=[[{"send": "email"}]],
    )

    @override
    def inner(self) -> Iterator[tuple[Path, Sequence[StepForm]]]:
        for i, arm in enumerate(self.wait_for):
            yield ("wait_for", i, "then"), arm.then
        yield (ELSE,), self.else_

    @override
    def read_step(self, reader: RuleReader, path: Path) -> WaitFor:
        waits = tuple(_arm(form, i, reader, path) for i, form in enumerate(self.wait_for))
        otherwise = read_steps(self.else_, reader, (*path, ELSE))
        up_to = self.up_to if isinstance(self.up_to, timedelta) else None
        if up_to is None and otherwise:
            message = "a wait without an end never comes here: give up_to a duration"
            reader.report((*path, ELSE), "unreachable-arm", message)
        for i, wait in enumerate(waits):
            if any(_takes_all(each, wait) for each in waits[:i]):
                message = "an arm above takes all that this one waits for, so it is never taken"
                reader.report((*path, "wait_for", i), "unreachable-arm", message)
        return WaitFor(waits, up_to, otherwise, Since(self.since))

    @override
    @classmethod
    def check(
        cls, raw: dict[str, JsonValue], path: Path, checker: "PlanChecker"
    ) -> Iterator[Diagnostic]:
        """The events, the conditions and the steps of the arms."""
        from whereupon.rules.steps import check_steps  # noqa: PLC0415 - steps hold steps

        yield from checker.step_condition(raw.get("if"), (*path, "if"))
        arms = raw.get("wait_for")
        for i, arm in enumerate(arms if isinstance(arms, list) else ()):
            if not isinstance(arm, dict):
                continue
            place = (*path, "wait_for", i)
            if isinstance(event := arm.get("event"), str):
                yield from checker.event(event, (*place, "event"))
                where = arm.get("where")
                yield from checker.condition(where, (*place, "where"), "properties", events=[event])
                yield from checker.same(arm.get("same"), (*place, "same"), event)
            yield from checker.condition(arm.get("who"), (*place, "who"), "person")
            yield from check_steps(arm.get("then"), (*place, "then"), checker)
        yield from check_steps(raw.get(ELSE), (*path, ELSE), checker)


def _takes_all(earlier: WaitArm, later: WaitArm) -> bool:
    """Whether an arm takes whatever a later one waits for."""
    if later.event is None or earlier.event is None:
        return earlier.event is later.event and earlier.who == later.who
    is_wide = earlier.where is ALWAYS and earlier.same is None
    is_equal = (earlier.where, earlier.same) == (later.where, later.same)
    return earlier.event == later.event and (is_wide or is_equal)


def _arm(form: _WaitArmForm, i: int, reader: RuleReader, path: Path) -> WaitArm:
    place: Path = (*path, "wait_for", i)
    steps = read_steps(form.then, reader, (*place, "then"))
    if isinstance(form, WhoArmForm):
        if form.again:
            message = "the condition would hold again at once: take again out, or wait for an event"
            reader.report((*place, "again"), "endless-again", message)
        who = reader.condition(form.who, (*place, "who"), root="person")
        return WaitArm(str(i), None, ALWAYS, who, steps, again=False)
    where = reader.condition(form.where, (*place, "where"), root="properties")
    same = same_of(form.same, (*place, "same"), reader)
    return WaitArm(str(i), form.event, where, ALWAYS, steps, form.again, same)
