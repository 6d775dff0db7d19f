"""The JSON Schema of conditions, for editors.

It accepts every condition that the parser accepts, and refuses as many others as JSON Schema can. Only the
parser knows whether a segment exists, a regular expression can be used, or two counts contradict each other.
"""

from collections.abc import Iterable
from typing import Final

from whereupon.conditions.item_tests import ITEM_TESTS
from whereupon.conditions.items import NOT_OUTSIDE
from whereupon.conditions.jsonlogic.standard import READERS, STANDARD
from whereupon.conditions.operators import OPERATORS
from whereupon.conditions.operators.operands import (
    DURATION,
    FILLED_IN,
    ONE_VALUE,
    READS_AS,
    SEVERAL_VALUES,
    Schema,
)
from whereupon.conditions.same import SAME_NAME_SCHEMA, SAME_SCHEMA
from whereupon.conditions.validation import TEMPLATE_PATTERN
from whereupon.conditions.values import JsonValue

_CONDITION: Final[Schema] = {"$ref": "#/$defs/Condition"}
_ON_MESSAGE: Final[Schema] = {"$ref": "#/$defs/MessageCondition"}
_LOGIC: Final[JsonValue] = {"$ref": "#/$defs/Logic"}
_LOGIC_PATHS: Final[JsonValue] = {"$ref": "#/$defs/LogicPaths"}
_OUTSIDE: Final[JsonValue] = {
    "type": "string",
    "pattern": r"^\s*\$\.(event|properties|context|person)\b",
}
_ITEMS: Final[dict[str, JsonValue]] = {
    "anyOf": [ONE_VALUE.schema, SEVERAL_VALUES.schema, _OUTSIDE, {"$ref": "#/$defs/ItemCondition"}]
}
_OF_PERSONS: Final[JsonValue] = {"description": "Of persons alone: write it in who.", "not": {}}


def condition_schemas() -> dict[str, JsonValue]:
    """The schemas of ``Condition`` (over a person), ``MessageCondition`` (over a message), and their parts."""
    return {
        "Condition": _mapping(
            _CONDITION,
            segment={
                "description": "The person is in this segment; of a list, in each of them.",
                "examples": ["pro-users"],
                "anyOf": [{"type": "string"}, _listed({"type": "string"})],
            },
            performed={
                "description": "How often the person did something: at least once, if no count is given.",
                "examples": [{"event": "purchase", "at_least": 3, "within": "30d"}],
                "$ref": "#/$defs/Performed",
            },
        ),
        "MessageCondition": _mapping(_ON_MESSAGE, segment=_OF_PERSONS, performed=_OF_PERSONS),
        "ItemCondition": _of_items(),
        "Performed": _performed(),
        "Operators": {
            "type": "object",
            "description": "What is expected, by operators.",
            "properties": {**_operators(), **_item_tests()},
            "additionalProperties": False,
            "minProperties": 1,
        },
        "Same": SAME_SCHEMA,
        "SameName": SAME_NAME_SCHEMA,
        "Logic": _logic(),
        "LogicPaths": _logic_paths(),
    }


def _mapping(itself: Schema, **further: JsonValue) -> dict[str, JsonValue]:
    several = _listed(itself)
    return {
        "type": "object",
        "description": (
            "Dotted paths and what is expected there: a value, a list, or operators. "
            f"A dot in a name has a backslash before it. {READS_AS}"
        ),
        "examples": [{"product": "socks", "price": {"gt": 20}}],
        "minProperties": 1,
        "properties": {
            "all": {
                "description": "Every one of these conditions holds.",
                "examples": [[{"plan": "pro"}, {"vip": True}]],
                **several,
            },
            "any": {
                "description": "At least one of these conditions holds.",
                "examples": [[{"plan": "pro"}, {"vip": True}]],
                **several,
            },
            "not": {
                "description": "This condition does not hold.",
                "examples": [{"plan": "free"}],
                **itself,
            },
            "logic": {
                "description": "Standard JSONLogic: it compares two values, and computes.",
                "examples": [{">": [{"var": "properties.price"}, {"var": "person.budget"}]}],
                "type": "object",
                "minProperties": 1,
                "maxProperties": 1,
                "allOf": [_LOGIC],
            },
            **further,
        },
        "propertyNames": {"not": {"pattern": TEMPLATE_PATTERN}},
        "additionalProperties": {
            "anyOf": [ONE_VALUE.schema, SEVERAL_VALUES.schema, {"$ref": "#/$defs/Operators"}]
        },
    }


def _operators() -> dict[str, JsonValue]:
    return {
        name: {"description": row.hint, **row.operand.schema, "examples": [row.example]}
        for name, row in OPERATORS.items()
    }


def _item_tests() -> dict[str, JsonValue]:
    return {
        name: {"description": test.hint, "examples": [test.example], **_ITEMS}
        for name, test in ITEM_TESTS.items()
    }


def _of_items() -> JsonValue:
    """A condition over an item: operators ask for the item itself, and values may stand outside of it."""
    beside: dict[str, JsonValue] = {
        name: {
            "description": row.hint,
            "anyOf": [row.operand.schema, _OUTSIDE],
            "examples": [row.example],
        }
        for name, row in OPERATORS.items()
        if name not in NOT_OUTSIDE
    }
    operators: dict[str, JsonValue] = {**_operators(), **beside, **_item_tests()}
    mapping = _mapping(
        {"$ref": "#/$defs/ItemCondition"},
        segment=_OF_PERSONS,
        performed=_OF_PERSONS,
        **operators,
    )
    mapping["description"] = (
        "What an item satisfies: its values by their paths, the item itself by operators, "
        "and what is outside of it by $.person.…, $.properties.… and $.context.…"
    )
    mapping["additionalProperties"] = {
        "anyOf": [
            ONE_VALUE.schema,
            SEVERAL_VALUES.schema,
            _OUTSIDE,
            {
                "type": "object",
                "description": "What is expected, by operators.",
                "properties": operators,
                "additionalProperties": False,
                "minProperties": 1,
            },
        ]
    }
    return mapping


def _performed() -> JsonValue:
    count: dict[str, JsonValue] = {"type": "integer", "minimum": 0}
    return {
        "type": "object",
        "description": "How often the person did something: at least once where no count is given.",
        "properties": {
            "event": {
                "description": "The event's name.",
                "examples": ["purchase"],
                "type": "string",
                "minLength": 1,
            },
            "where": {
                "description": "A condition over the event's properties: only such events count.",
                "examples": [{"price": {"gte": 10}}],
                "anyOf": [_ON_MESSAGE, {"type": "null"}],
            },
            "same": {
                "description": "Only events count of which these properties equal the triggering message's.",
                "examples": [["order_id"]],
                "$ref": "#/$defs/Same",
            },
            "at_least": {"description": "So many times, or more.", "examples": [3], **count},
            "at_most": {"description": "So many times, or less.", "examples": [2], **count},
            "exactly": {
                "description": "So many times, no more and no less.",
                "examples": [1],
                **count,
            },
            "never": {"description": "Not once.", "examples": [True], "const": True},
            "within": {
                "description": "How far back from the message's time it counts.",
                **DURATION.schema,
                "examples": ["30d"],
            },
        },
        "required": ["event"],
        "additionalProperties": False,
        "not": {"anyOf": [{"required": pair} for pair in _contradictions()]},
    }


def _contradictions() -> Iterable[list[JsonValue]]:
    yield ["never", "exactly"]
    for alone in ("never", "exactly"):
        for count in ("at_least", "at_most"):
            yield [alone, count]


def _logic() -> JsonValue:
    """An object of one key calls an operator; any other value stands for itself."""
    return {
        "description": "JSONLogic over event, properties, context, person, timestamp and type.",
        "if": {"type": "object", "minProperties": 1, "maxProperties": 1},
        "then": {
            "propertyNames": {"enum": list(STANDARD)},
            "properties": dict.fromkeys(READERS, _LOGIC_PATHS),
            "additionalProperties": _LOGIC,
        },
        "else": {"items": _LOGIC, "not": FILLED_IN},
    }


def _logic_paths() -> JsonValue:
    """The operands of ``var`` and its like: texts that are paths, or logic that computes a path."""
    return {
        "if": {"type": "array"},
        "then": {"items": _LOGIC_PATHS},
        "else": {"anyOf": [{"type": "string"}, _LOGIC]},
    }


def _listed(item: JsonValue) -> dict[str, JsonValue]:
    return {"type": "array", "items": item, "minItems": 1}
