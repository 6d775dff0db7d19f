"""pydantic's errors about a rule file as diagnostics, with what is said of rule files alone."""

from collections.abc import Mapping

from whereupon.errors import Diagnostic
from whereupon.rules import form_errors
from whereupon.rules.files import FILES
from whereupon.rules.form_errors import FormError
from whereupon.rules.reader.words import misplaced
from whereupon.rules.rule_reader import Path
from whereupon.rules.spelling import nearest
from whereupon.rules.steps import STEPS
from whereupon.rules.steps.step_form import StepForm


def diagnostic_from(error: FormError, *, kind: str) -> Diagnostic:
    """What is wrong, and what to write instead, in a file of that kind."""
    match error.type:
        case "extra_forbidden":
            return _unknown_key(error, kind=kind)
        case "unknown-step":
            return _unknown_step(error.path, error.found)
        case "too_short" if error.path == ("whereupon",):
            message = "there are no steps; write at least one, such as - send: push"
            return Diagnostic.at(error.path, "no-steps", message)
    return form_errors.diagnostic_from(error)


def _unknown_key(error: FormError, *, kind: str) -> Diagnostic:
    """A key that the form does not have: misspelt, or of another kind of file or step."""
    path, key, form = error.path, error.key, error.form
    if kind == "broadcast" and len(path) == 1 and key in FILES["campaign"].model_fields:
        return _campaign_only(path, key)
    if kind == "campaign" and len(path) == 1 and key in FILES["broadcast"].model_fields:
        message = f"{key} is for broadcasts; take it out of a campaign"
        return Diagnostic.at(path, "unsupported-key", message)
    if not issubclass(form, StepForm):
        return form_errors.unknown_key(error)
    if key in STEPS and not STEPS[key].is_word:
        message = f"one step does one thing: put {key} into a step of its own, after a new -"
        return Diagnostic.at(path, "unknown-key", message)
    return misplaced(path) or form_errors.unknown_key(error)


def _campaign_only(path: Path, key: str) -> Diagnostic:
    if key == "reentry":
        message = "a broadcast has no reentry: each run admits a person once; take it out"
        return Diagnostic.at(path, "reentry-in-broadcast", message)
    return Diagnostic.at(
        path, "unsupported-key", f"{key} is for campaigns; take it out of a broadcast"
    )


def _unknown_step(path: Path, raw: object) -> Diagnostic:
    if not isinstance(raw, Mapping) or not raw:
        hint = nearest(raw, STEPS) if isinstance(raw, str) else ""
        message = f"a step is a mapping such as send: push or wait: 2h, or exit{hint}"
        return Diagnostic.at(path, "unknown-step", message)
    first = str(next(iter(raw)))
    if first in STEPS:  # written as a word alone
        message = f"write the step as - {first}, with no colon"
        return Diagnostic.at((*path, first), "unknown-step", message)
    hint = nearest(first, STEPS) or f"; the steps are {', '.join(STEPS)}"
    return Diagnostic.at((*path, first), "unknown-step", f"there is no step {first!r}{hint}")
