"""The key `protect` of guard files: persons whom no action touches."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from pydantic import BeforeValidator, JsonValue, WithJsonSchema

from whereupon.conditions import Condition
from whereupon.conditions.paths import root_of
from whereupon.conditions.values import OF_THE_PERSON, ROOTS
from whereupon.errors import Diagnostic
from whereupon.rules.form import there
from whereupon.rules.rule_reader import RuleReader

if TYPE_CHECKING:
    from whereupon.rules.plan.plan_checker import PlanChecker

_SCHEMA: dict[str, JsonValue] = {
    "anyOf": [
        {"x-ref": "#/$defs/Condition"},
        {"type": "array", "items": {"x-ref": "#/$defs/Condition"}},
    ]
}
ProtectForm = Annotated[JsonValue, BeforeValidator(there), WithJsonSchema(_SCHEMA)]


def read_protect(raw: JsonValue, reader: RuleReader) -> Iterator[Condition]:
    """The conditions over the person. A condition that reads anything else is an error."""
    if raw is None:
        return
    listed = raw if isinstance(raw, list) else [raw]
    for place, each in enumerate(listed):
        path = ("protect", place) if isinstance(raw, list) else ("protect",)
        if each is None:
            message = "nothing is written here: give it a condition, or take the - out"
            reader.report(path, "wrong-type", message)
            continue
        condition = reader.condition(each, path, root="person")
        if condition.performed:
            message = "protect looks at a person's attributes; what they did is not read here"
            reader.report(path, "history-in-protect", message)
        if strange := _not_of_the_person(condition):
            message = (
                f"protect looks at a person's attributes, and never sees {', '.join(strange)}, "
                "so it would protect no person; write person.NAME"
            )
            reader.report(path, "message-in-protect", message)
        yield condition


def check_protect(raw: JsonValue, checker: "PlanChecker") -> Iterator[Diagnostic]:
    """Check the names in the conditions against the tracking plan."""
    if not isinstance(raw, list):
        yield from checker.condition(raw, ("protect",), "person")
    for place, each in enumerate(raw if isinstance(raw, list) else ()):
        yield from checker.condition(each, ("protect", place), "person")


def _not_of_the_person(condition: Condition) -> list[str]:
    """What a condition reads besides the person; empty if the condition computes what it reads."""
    read = condition.variables
    if read.issuperset(ROOTS):
        return []
    return sorted(name for name in read if root_of(name) not in OF_THE_PERSON)
