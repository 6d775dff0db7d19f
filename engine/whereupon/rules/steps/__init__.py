"""The steps of `whereupon:`, one module each: the value, the form, and the way from one to the other.

A new step is a module here and its row in `STEPS`; the rule form, the schema, the words of the grammar
and the diagnostics are made from that table. What a step does to an entry is written in `decide.steps`.

For others: `STEPS`, `StepForm`; the values are re-exported by `rules.model`.
"""

from collections.abc import Iterator, Mapping
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import Discriminator, JsonValue, Tag

from whereupon.errors import Diagnostic
from whereupon.rules.rule_reader import Path
from whereupon.rules.steps.branch import BranchForm
from whereupon.rules.steps.exit import LeaveForm
from whereupon.rules.steps.run import RunForm
from whereupon.rules.steps.send import SendForm
from whereupon.rules.steps.set import SetForm
from whereupon.rules.steps.split import SplitForm
from whereupon.rules.steps.step_form import StepForm
from whereupon.rules.steps.track import TrackForm
from whereupon.rules.steps.wait import WaitForm
from whereupon.rules.steps.wait_for import WaitForForm
from whereupon.rules.steps.webhook import WebhookForm

if TYPE_CHECKING:
    from whereupon.rules.plan.plan_checker import PlanChecker

_FORMS: tuple[type[StepForm], ...] = (
    WaitForm,
    SetForm,
    TrackForm,
    SendForm,
    WebhookForm,
    WaitForForm,
    BranchForm,
    SplitForm,
    RunForm,
    LeaveForm,
)

STEPS: Final[Mapping[str, type[StepForm]]] = {form.step.key: form for form in _FORMS}
"""The form of each step by its key. A mapping with two of the keys is the step that stands first here."""


def _tag(raw: object) -> str | None:
    """Which form a step has that is written like this; None for no step."""
    for key, form in STEPS.items():
        if (form.is_word and raw == key) or (isinstance(raw, dict) and key in raw):
            return f"<{key}>"
    return None


if TYPE_CHECKING:
    AnyStepForm = StepForm
else:
    AnyStepForm = Annotated[
        reduce(or_, (Annotated[form, Tag(f"<{key}>")] for key, form in STEPS.items())),
        Discriminator(_tag, custom_error_type="unknown-step", custom_error_message="unknown step"),
    ]
"""A step as it is written, of whichever kind."""


def check_steps(raw: JsonValue, path: Path, checker: "PlanChecker") -> Iterator[Diagnostic]:
    """Check the names in a list of steps, as it is written, against the tracking plan."""
    for place, step in enumerate(raw if isinstance(raw, list) else ()):
        if isinstance(step, dict):
            for key in step.keys() & STEPS.keys():
                yield from STEPS[key].check(step, (*path, place), checker)
