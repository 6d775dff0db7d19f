"""The step `branch`: go on by the first arm whose condition holds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, TypeAlias

from pydantic import Discriminator, Field, JsonValue, Tag
from typing_extensions import override

from whereupon.conditions import ALWAYS, Condition
from whereupon.errors import Diagnostic
from whereupon.rules.field_types import RawCondition
from whereupon.rules.form import Form
from whereupon.rules.rule_reader import Path, RuleReader
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


@dataclass(frozen=True, slots=True)
class BranchArm:
    """One arm; its condition is `ALWAYS` for the arm of all others."""

    label: str
    condition: Condition
    steps: Steps
    path: Path


@dataclass(frozen=True, slots=True)
class Branch(Step):
    """Take the first arm whose condition holds for the person; without one, go on."""

    key = "branch"

    branches: tuple[BranchArm, ...]

    @property
    @override
    def in_words(self) -> str:
        return "branches"

    @property
    @override
    def arms(self) -> tuple[Arm, ...]:
        return tuple(Arm(each.label, each.steps, each.path) for each in self.branches)

    @property
    @override
    def is_exhaustive(self) -> bool:
        return self.branches[-1].condition is ALWAYS

    @property
    @override
    def conditions(self) -> tuple[Condition, ...]:
        asked = (self.condition, *(each.condition for each in self.branches))
        return tuple(condition for condition in asked if condition is not ALWAYS)


class IfArmForm(Form):
    """An arm for those whom a condition holds for."""

    if_: RawCondition = Field(
        alias="if",
        description="A condition over the person; the first arm whose condition holds is taken.",
        examples=[{"plan": "team"}],
    )
    then: NestedSteps = Field(
        default_factory=list, description="The steps of the arm.", examples=[[{"send": "email"}]]
    )


class ElseArmForm(Form):
    """The arm for those whom no other arm takes; it stands last."""

    else_: NestedSteps = Field(
        alias="else", description="The steps for all others.", examples=[[{"send": "email"}]]
    )


def _tag(raw: object) -> str:
    return "<else>" if isinstance(raw, dict) and ELSE in raw and "if" not in raw else "<if>"


_ArmForm: TypeAlias = Annotated[
    Annotated[IfArmForm, Tag("<if>")] | Annotated[ElseArmForm, Tag("<else>")],
    Discriminator(_tag),
]


class BranchForm(StepForm):
    """Go on by the first arm whose condition holds; the arms join again after the step."""

    step = Branch

    branch: list[_ArmForm] = Field(
        min_length=1,
        description="The arms, top down: the first whose condition holds is taken.",
        examples=[[{"if": {"plan": "team"}, "then": [{"send": "email"}]}, {"else": []}]],
    )

    @override
    def inner(self) -> Iterator[tuple[Path, Sequence[StepForm]]]:
        for i, arm in enumerate(self.branch):
            if isinstance(arm, ElseArmForm):
                yield ("branch", i, ELSE), arm.else_
            else:
                yield ("branch", i, "then"), arm.then

    @override
    def read_step(self, reader: RuleReader, path: Path) -> Branch:
        arms: list[BranchArm] = []
        for i, form in enumerate(self.branch):
            place: Path = ("branch", i)
            if isinstance(form, ElseArmForm):
                inner = (*place, ELSE)
                steps = read_steps(form.else_, reader, (*path, *inner))
                arms.append(BranchArm(ELSE, ALWAYS, steps, inner))
                if i + 1 < len(self.branch):
                    message = "no arm after else is ever taken: put else last"
                    reader.report((*path, "branch", i + 1), "unreachable-arm", message)
            else:
                _check_reached(self.branch[:i], form, reader, (*path, *place))
                condition = reader.condition(
                    form.if_, (*path, *place, "if"), root="person", in_steps=True
                )
                inner = (*place, "then")
                steps = read_steps(form.then, reader, (*path, *inner))
                arms.append(BranchArm(str(i), condition, steps, inner))
        return Branch(tuple(arms))

    @override
    @classmethod
    def check(
        cls, raw: dict[str, JsonValue], path: Path, checker: "PlanChecker"
    ) -> Iterator[Diagnostic]:
        """The conditions of the arms, and their steps."""
        from whereupon.rules.steps import check_steps  # noqa: PLC0415 - steps hold steps

        yield from checker.step_condition(raw.get("if"), (*path, "if"))
        arms = raw.get("branch")
        for i, arm in enumerate(arms if isinstance(arms, list) else ()):
            if not isinstance(arm, dict):
                continue
            place = (*path, "branch", i)
            yield from checker.step_condition(arm.get("if"), (*place, "if"))
            for key in ("then", ELSE):
                yield from check_steps(arm.get(key), (*place, key), checker)


def _check_reached(
    before: Sequence[IfArmForm | ElseArmForm], arm: IfArmForm, reader: RuleReader, path: Path
) -> None:
    if any(isinstance(each, IfArmForm) and each.if_ == arm.if_ for each in before):
        message = "an arm above has the same condition, so this one is never taken"
        reader.report(path, "unreachable-arm", message)
