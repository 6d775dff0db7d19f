"""``same``: two messages tell of the same thing, such as one order, if the same value is in both.

Keys compare as ids do, as trimmed text: 1001, 1001.0 and "1001" are one key. A missing, empty or blank value
is no key, and is the same as nothing.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from whereupon.conditions.paths import parts_of, path_of
from whereupon.conditions.validation import Fault, Path, template_in_name
from whereupon.conditions.values import JsonValue
from whereupon.messages.codec import encode_canonically
from whereupon.messages.wire import digits_of

Names: TypeAlias = tuple[str, ...]
"""The names that lead to a property, outermost first."""
Properties: TypeAlias = Mapping[str, JsonValue]


class Pair(NamedTuple):
    """A property of the message that is compared, and the triggering message's that it must equal."""

    theirs: Names
    triggers: Names


@dataclass(frozen=True, slots=True)
class Same:
    """The properties by which a message is tied to the triggering message: all pairs must be equal."""

    pairs: tuple[Pair, ...]

    def missing(self, trigger: Properties) -> str | None:
        """The path of the first property that the triggering message gives no key in; None if it gives all."""
        given = (pair.triggers for pair in self.pairs)
        return next((path_of(each) for each in given if key_at(each, trigger) is None), None)


def same_key(same: Same | None, theirs: Properties, trigger: Properties) -> bool:
    """Whether a message is about the same thing as the triggering message; always, without `same`.

    Args:
        theirs: the message's properties.
        trigger: the triggering message's properties.
    """
    return same is None or all(
        (key := key_at(pair.triggers, trigger)) is not None and key == key_at(pair.theirs, theirs)
        for pair in same.pairs
    )


def key_at(names: Iterable[str], properties: Mapping[str, object]) -> str | None:
    """The key at a path of an object; None if there is no key."""
    value: object = properties
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return key_of(value)


def key_of(value: object) -> str | None:
    """The key that a value is, as JSON text by which keys compare; None if the value is no key.

    The key of a number is its digits (1001.0 is 1001), of a boolean its word, of an object or list its JSON.
    """
    match value:
        case bool():
            value = "true" if value else "false"
        case str():
            value = value.strip()
        case int() | float():
            value = digits_of(value)
        case _:
            pass
    return encode_canonically(value).decode() if value else None


# --- from rule files --------------------------------------------------------------------------------

SAME_SCHEMA: Final[dict[str, JsonValue]] = {
    "description": (
        "Properties that must equal those of the triggering message: their names, or "
        "{THEIRS: THE TRIGGER'S} where the names differ. A blank value equals nothing."
    ),
    "examples": [["order_id"], {"invoice_id": "id"}],
    "anyOf": [
        {"type": "array", "items": {"$ref": "#/$defs/SameName"}, "minItems": 1},
        {
            "type": "object",
            "propertyNames": {"$ref": "#/$defs/SameName"},
            "additionalProperties": {"$ref": "#/$defs/SameName"},
            "minProperties": 1,
        },
    ],
}
"""The JSON Schema of ``same``; it refers to `SAME_NAME_SCHEMA` as ``SameName``."""
_EMPTY_NAME: Final = r"(^|(?<!\\)(?:\\\\)*\.)(\.|(?![\s\S]))"
"""A pattern: an end of the path, or a dot that separates names, beside another one."""
SAME_NAME_SCHEMA: Final[dict[str, JsonValue]] = {
    "type": "string",
    "description": "The path of a property; a dot in a name has a backslash before it.",
    "minLength": 1,
    "not": {"pattern": rf"^(properties|person|context|event)\.|\{{\{{|\{{%|{_EMPTY_NAME}"},
}
_ROOTS: Final = frozenset({"properties", "person", "context", "event"})


def same_faults(raw: JsonValue) -> Iterator[tuple[Path, Fault]]:
    """What is wrong with a ``same`` as it is written: the place below it, a code and what to write."""
    written = [*_written(raw)]
    if not written:
        text = "same takes names of properties; write [order_id], or {invoice_id: id}: theirs, and the trigger's"
        yield (), ("wrong-type", text)
    for place, theirs, triggers in written:
        fault = _name_fault(theirs) or _name_fault(triggers)
        if fault is not None:
            yield (place,), fault


def read_same(raw: JsonValue) -> Same:
    """The value of a ``same`` that has no fault."""
    return Same(
        tuple(Pair(parts_of(str(one)), parts_of(str(other))) for _, one, other in _written(raw))
    )


def _written(raw: JsonValue) -> Iterator[tuple[str | int, JsonValue, JsonValue]]:
    """Each pair as it is written, with its place: theirs, and the trigger's."""
    if isinstance(raw, list):
        for place, name in enumerate(raw):
            yield place, name, name
    elif isinstance(raw, dict):
        for theirs, triggers in raw.items():
            yield theirs, theirs, triggers


def _name_fault(name: JsonValue) -> Fault | None:
    if not isinstance(name, str) or not name:
        return "wrong-type", "this takes the name of a property, such as order_id"
    if template_in_name(name) is not None:
        return (
            "template-in-condition",
            "names of properties stand here; write one without braces, such as order_id",
        )
    root, *rest = parts_of(name)
    if root in _ROOTS and rest:
        short = path_of(rest)
        return "path-as-value", f"names of properties stand here; write {short} for {name[:60]}"
    if not all([root, *rest]):
        return "wrong-type", "a name in this path is empty; write one such as order.id"
    return None
