"""The step `split`: divide people among arms at random, the same for each person every time."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import AfterValidator, Field, JsonValue
from typing_extensions import override

from whereupon.errors import Diagnostic
from whereupon.rules.form import Form, invalid
from whereupon.rules.rule_reader import Path, RuleReader
from whereupon.rules.steps.step_form import Arm, NestedSteps, Step, StepForm, Steps, read_steps

if TYPE_CHECKING:
    from whereupon.rules.plan.plan_checker import PlanChecker

WHOLE: Final = 10_000
"""The shares of all arms together, in ten thousandths."""
_LABEL: Final = re.compile(r"[a-z0-9][a-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class SplitArm:
    """One arm; `share` in ten thousandths."""

    label: str
    share: int
    steps: Steps


@dataclass(frozen=True, slots=True)
class Split(Step):
    """Take an arm by a stable hash of the split's name and the person.

    Attributes:
        split: the name, by which the hash goes.
    """

    key = "split"

    split: str
    shares: tuple[SplitArm, ...]

    @property
    @override
    def in_words(self) -> str:
        return f"is split by {self.split}"

    @property
    @override
    def is_exhaustive(self) -> bool:
        return True

    @property
    @override
    def arms(self) -> tuple[Arm, ...]:
        return tuple(
            Arm(each.label, each.steps, ("split", "arms", each.label, "then"))
            for each in self.shares
        )


def _label(text: str) -> str:
    if not _LABEL.fullmatch(text):
        raise invalid(
            code="bad-name",
            text="the name of a split or of its arm is lower-case letters, digits and hyphens, such as subject-june",
        )
    return text


_Label = Annotated[
    str, AfterValidator(_label), Field(json_schema_extra={"pattern": f"^{_LABEL.pattern}$"})
]


class ShareForm(Form):
    """An arm of a split."""

    share: Annotated[float, Field(ge=0, le=100)] | Annotated[int, Field(ge=0, le=100)] = Field(
        description="How many of a hundred people take the arm, with up to two decimals.",
        examples=[50],
    )
    then: NestedSteps = Field(
        default_factory=list, description="The steps of the arm.", examples=[[{"send": "email"}]]
    )


class SplitOptions(Form):
    """The name of a split, and its arms."""

    name: _Label = Field(
        description="The split's name: people who meet it in another version or rule take the same arm.",
        examples=["subject-june"],
    )
    arms: dict[_Label, ShareForm] = Field(
        min_length=1,
        description="The arms by name; their shares make 100 together.",
        examples=[{"a": {"share": 50, "then": []}, "b": {"share": 50, "then": []}}],
    )


class SplitForm(StepForm):
    """Divide people among arms at random; a person takes the same arm each time."""

    step = Split

    split: SplitOptions = Field(
        description="The split's name and its arms, each with its share of a hundred.",
        examples=[{"name": "subject-june", "arms": {"a": {"share": 50}, "b": {"share": 50}}}],
    )

    @override
    def inner(self) -> Iterator[tuple[Path, Sequence[StepForm]]]:
        for label, arm in self.split.arms.items():
            yield ("split", "arms", label, "then"), arm.then

    @override
    def read_step(self, reader: RuleReader, path: Path) -> Split:
        place: Path = (*path, "split", "arms")
        arms: list[SplitArm] = []
        for label, form in self.split.arms.items():
            share = round(form.share * 100)
            if abs(share - form.share * 100) > 1e-6:  # noqa: PLR2004 - what a float is off by
                message = "a share has at most two decimals, such as 33.34"
                reader.report((*place, label, "share"), "bad-shares", message)
            steps = read_steps(form.then, reader, (*place, label, "then"))
            arms.append(SplitArm(label, share, steps))
        total = sum(arm.share for arm in arms)
        if total != WHOLE:
            message = f"the shares of the arms make {total / 100:g} together; they must make 100"
            reader.report(place, "bad-shares", message)
        return Split(self.split.name, tuple(arms))

    @override
    @classmethod
    def check(
        cls, raw: dict[str, JsonValue], path: Path, checker: "PlanChecker"
    ) -> Iterator[Diagnostic]:
        """The step's `if`, and the steps of the arms."""
        from whereupon.rules.steps import check_steps  # noqa: PLC0415 - steps hold steps

        yield from checker.step_condition(raw.get("if"), (*path, "if"))
        options = raw.get("split")
        arms = options.get("arms") if isinstance(options, dict) else None
        for label, arm in (arms if isinstance(arms, dict) else {}).items():
            then = arm.get("then") if isinstance(arm, dict) else None
            yield from check_steps(then, (*path, "split", "arms", label, "then"), checker)
