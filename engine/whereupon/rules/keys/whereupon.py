"""The key `whereupon`: the steps of a rule, in their order."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, cast

from pydantic import Field, JsonValue

from whereupon.errors import Diagnostic
from whereupon.rules.form import IfMissing
from whereupon.rules.keys.key_row import Key
from whereupon.rules.rule_reader import RuleReader
from whereupon.rules.steps import STEPS, AnyStepForm
from whereupon.rules.steps.step_form import Step, StepForm

if TYPE_CHECKING:
    from whereupon.rules.plan.plan_checker import PlanChecker


def _read(forms: list[StepForm], reader: RuleReader) -> tuple[Step, ...]:
    """The steps; rules whose steps are written alike share them."""
    written = repr(reader.source.get("whereupon"))
    known = reader.pool.steps.get(written)
    if known is not None:
        return cast("tuple[Step, ...]", known)
    found = tuple(form.read(reader, ("whereupon", i)) for i, form in enumerate(forms))
    if not reader.diagnostics:
        reader.pool.steps[written] = found
    return found


def _check(raw: JsonValue, checker: "PlanChecker") -> Iterator[Diagnostic]:
    for place, step in enumerate(raw if isinstance(raw, list) else ()):
        if isinstance(step, dict):
            for key in step.keys() & STEPS.keys():
                yield from STEPS[key].check(step, ("whereupon", place), checker)


WHEREUPON = Key(
    name="whereupon",
    attribute="steps",
    written=Annotated[
        list[AnyStepForm],
        IfMissing(
            "say what happens: add whereupon: with a list of steps, such as - send: push",
            code="no-steps",
        ),
    ],
    field=Field(
        min_length=1,
        description="The steps, done one after another for each person who enters.",
        examples=[[{"wait": "2h"}, {"send": "push", "title": "Thanks!"}]],
    ),
    read=_read,
    check=_check,
)
