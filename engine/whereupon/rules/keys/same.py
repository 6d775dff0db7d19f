"""`same`: ties a message to the triggering message, by properties that must be equal.

The value and the comparison stand in `conditions.same`, because `performed` has them, too.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from pydantic import BeforeValidator, JsonValue, WithJsonSchema

from whereupon.conditions.paths import parts_of
from whereupon.conditions.same import Same, read_same, same_faults, same_key
from whereupon.errors import Diagnostic
from whereupon.rules.form import there
from whereupon.rules.rule_reader import Path, RuleReader

if TYPE_CHECKING:
    from whereupon.rules.plan.plan_checker import PlanChecker

__all__ = ["RawSame", "Same", "check_same", "same_key", "same_of"]

RawSame = Annotated[JsonValue, BeforeValidator(there), WithJsonSchema({"x-ref": "#/$defs/Same"})]
"""A `same` as it is written, the type of a key of a form; `same_of` reads it."""


def same_of(raw: JsonValue, path: Path, reader: RuleReader) -> Same | None:
    """The value of a `same`; None if there is none, or if it has a fault, which the reader keeps."""
    if raw is None:
        return None
    faults = [*same_faults(raw)]
    for place, fault in faults:
        reader.report((*path, *place), *fault)
    return None if faults else reader.pool.one(read_same(raw))


def check_same(
    raw: JsonValue, path: Path, event: str, checker: "PlanChecker"
) -> Iterator[Diagnostic]:
    """The names in a `same` against the tracking plan: the event's properties, and the trigger's.

    Args:
        event: the event whose properties are compared with the trigger's.
    """
    if raw is None or any(True for _ in same_faults(raw)):
        return
    pairs = raw.items() if isinstance(raw, dict) else ((name, name) for name in _names(raw))
    for place, (theirs, triggers) in enumerate(pairs):
        here = (*path, theirs if isinstance(raw, dict) else place)
        found = [*checker.value_of(("properties", *parts_of(theirs)), here, [event])]
        yield from found
        if not found:
            yield from checker.value(("properties", *parts_of(str(triggers))), here)


def _names(raw: JsonValue) -> list[str]:
    return [str(name) for name in raw] if isinstance(raw, list) else []
