"""The key `whereupon`: the steps of a rule, in their order."""

from typing import Annotated, cast

from pydantic import Field

from whereupon.rules.form import IfMissing
from whereupon.rules.keys.key_row import Key
from whereupon.rules.rule_reader import RuleReader
from whereupon.rules.steps import AnyStepForm
from whereupon.rules.steps.step_form import Step, StepForm


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
)
