"""The JSON Schema of one value of the tracking plan: which types it names that there are not."""

from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from whereupon.errors import Diagnostic
from whereupon.rules.fields import SCHEMA_TYPES
from whereupon.rules.form import shown
from whereupon.rules.rule_reader import Path
from whereupon.rules.spelling import nearest


def type_problems(schema: Mapping[str, JsonValue], path: Path) -> Iterator[Diagnostic]:
    """The types that a value's schema names and that there are not."""
    declared = schema.get("type")
    for type_ in declared if isinstance(declared, list) else [declared]:
        if type_ is not None and type_ not in SCHEMA_TYPES:
            named = repr(type_) if isinstance(type_, str) else f"is {shown(type_)}"
            hint = nearest(str(type_), SCHEMA_TYPES) or f"; write {', '.join(SCHEMA_TYPES)}"
            yield Diagnostic.at((*path, "type"), "unknown-type", f"no type {named}{hint}")
