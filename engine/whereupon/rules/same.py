"""`same`: ties a message to the triggering message, by properties that must be equal.

The value and the comparison stand in `conditions.same`, because `performed` has them, too. The
names are checked by `PlanChecker.same`.
"""

from typing import Annotated

from pydantic import BeforeValidator, JsonValue, WithJsonSchema

from whereupon.conditions.same import Same, read_same, same_faults, same_key
from whereupon.rules.form import there
from whereupon.rules.rule_reader import Path, RuleReader

__all__ = ["RawSame", "Same", "same_key", "same_of"]

RawSame = Annotated[JsonValue, BeforeValidator(there), WithJsonSchema({"x-ref": "#/$defs/Same"})]
"""A `same` as it is written, the type of a key of a form; `same_of` reads it."""


def same_of(raw: JsonValue, path: Path, reader: RuleReader) -> Same | None:
    """The value of a `same`; None if there is none, or if it has a fault, which the reader keeps."""
    if raw is None:
        return None
    if reader.untied is not None:
        message = f"same compares with the triggering message, and {reader.untied}"
        reader.report(path, "same-without-trigger", message)
        return None
    faults = [*same_faults(raw)]
    for place, fault in faults:
        reader.report((*path, *place), *fault)
    return None if faults else reader.pool.one(read_same(raw))
