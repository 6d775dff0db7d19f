"""The key `whereupon`: the steps of a rule, in their order."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, cast

from pydantic import Field, JsonValue

from whereupon.errors import Diagnostic
from whereupon.rules.form import IfMissing
from whereupon.rules.keys.key_row import Key
from whereupon.rules.route import Route
from whereupon.rules.rule_reader import RuleReader
from whereupon.rules.steps import AnyStepForm, check_steps
from whereupon.rules.steps.step_form import StepForm, read_steps

if TYPE_CHECKING:
    from whereupon.rules.plan.plan_checker import PlanChecker


def _read(forms: list[StepForm], reader: RuleReader) -> Route:
    """The steps; rules whose steps are written alike share them."""
    written = f"{reader.zone} {reader.clock} {reader.untied} {reader.source.get('whereupon')!r}"
    known = reader.pool.steps.get(written)
    if known is not None:
        return cast("Route", known)
    found = Route(read_steps(forms, reader, ("whereupon",)))
    _check_names(found, reader)
    if not reader.diagnostics:
        reader.pool.steps[written] = found
    return found


def _check_names(route: Route, reader: RuleReader) -> None:
    """A name is an address, so no two steps have the same."""
    if route.is_plain:
        return
    known: set[str] = set()
    for steps, path in route.lists():
        for place, step in enumerate(steps):
            if step.name is not None and step.name in known:
                message = f"another step of the rule is called {step.name} already; name this one otherwise"
                reader.report((*path, place, "name"), "duplicate-name", message)
            known |= set() if step.name is None else {step.name}


def _check(raw: JsonValue, checker: "PlanChecker") -> Iterator[Diagnostic]:
    return check_steps(raw, ("whereupon",), checker)


WHEREUPON = Key(
    name="whereupon",
    attribute="route",
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
