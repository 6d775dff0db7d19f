"""The JSON Schema of conditions, for editors: what a condition may look like as it is written.

It says no more than the reader does, and as much as JSON Schema can: that a segment exists, that a regular
expression can be used or that two counts leave something between them is the reader's alone to say.
"""

from collections.abc import Iterable
from types import MappingProxyType
from typing import Final

from whereupon.conditions.jsonlogic.expressions import STANDARD
from whereupon.conditions.validation import PATH_PATTERN, TEMPLATE_PATTERN
from whereupon.conditions.values import JsonValue

_CONDITION: Final[JsonValue] = {"$ref": "#/$defs/Condition"}
_ON_MESSAGE: Final[JsonValue] = {"$ref": "#/$defs/MessageCondition"}
_LOGIC: Final[JsonValue] = {"$ref": "#/$defs/Logic"}
_LOGIC_PATHS: Final[JsonValue] = {"$ref": "#/$defs/LogicPaths"}
_OF_PERSONS: Final[JsonValue] = {"description": "Of persons alone: write it in who.", "not": {}}
_DURATION: Final[JsonValue] = {
    "type": "string",
    "pattern": r"^(\d{1,9}[smhd])+$",
    "examples": ["30d"],
}
_FILLED_IN: Final[JsonValue] = {
    "type": "string",
    "anyOf": [{"pattern": TEMPLATE_PATTERN}, {"pattern": PATH_PATTERN}],
}
_ONE: Final[JsonValue] = {"type": ["string", "number", "boolean"], "not": _FILLED_IN}
_SEVERAL: Final[JsonValue] = {"type": "array", "items": _ONE, "minItems": 1}
_BOUND: Final[JsonValue] = {
    "anyOf": [{"type": "number"}, {"type": "string", "pattern": r"\d"}],
    "not": _FILLED_IN,
}
_TEXT: Final[JsonValue] = {"type": ["string", "number"], "minLength": 1, "not": _FILLED_IN}
_INSTANT: Final[JsonValue] = {
    "type": "string",
    "pattern": "-",
    "not": _FILLED_IN,
    "examples": ["2026-01-31"],
}
_REGEX: Final[JsonValue] = {"type": "string", "minLength": 1, "not": _FILLED_IN}
_MEETING: Final = (
    "A number is met by texts that read as it, too; true and false by their words, in any case."
)


def _with(shape: JsonValue, example: JsonValue) -> JsonValue:
    return {**_as_mapping(shape), "examples": [example]}


def _as_mapping(shape: JsonValue) -> dict[str, JsonValue]:
    assert isinstance(shape, dict)  # noqa: S101 - every shape here is a mapping
    return shape


OPERATORS: Final = MappingProxyType[str, tuple[str, JsonValue]](
    {
        "eq": (f"It is this. {_MEETING}", _with(_ONE, "socks")),
        "ne": (f"It is there, and is not this. {_MEETING}", _with(_ONE, "socks")),
        "gt": ("It is a number, or a text that reads as one, and greater than this.", _with(_BOUND, 20)),
        "gte": ("It is a number, or a text that reads as one, and at least this.", _with(_BOUND, 20)),
        "lt": ("It is a number, or a text that reads as one, and less than this.", _with(_BOUND, 20)),
        "lte": ("It is a number, or a text that reads as one, and at most this.", _with(_BOUND, 20)),
        "in": (f"It is one of these. {_MEETING}", _with(_SEVERAL, ["socks", "shoes"])),
        "not_in": (f"It is there, and is none of these. {_MEETING}", _with(_SEVERAL, ["socks", "shoes"])),
        "contains": ("It is a text with this part, or a list with this item.", _with(_ONE, "wool")),
        "starts_with": ("It is a text that starts with this.", _with(_TEXT, "wool")),
        "ends_with": ("It is a text that ends with this.", _with(_TEXT, "socks")),
        "matches": ("It is a text in which this regular expression is found (RE2's: no look-arounds, no references back).", _with(_REGEX, "^(wool|silk) ")),
        "exists": ("It is there, and not null; with false it is missing, or null.", _with({"type": "boolean"}, True)),
        "before": ("It is a time before this.", _INSTANT),
        "after": ("It is a time after this.", _INSTANT),
        "within": ("It is a time no further than this from the message's own, before or after it.", _DURATION),
    }
)  # fmt: skip
"""Each operator of the short form: what it says, and the shape of what it is given."""


def condition_shapes() -> dict[str, JsonValue]:
    """The definitions: ``Condition`` over a person, ``MessageCondition`` over a message, and their parts."""
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
        "Performed": _performed(),
        "Operators": {
            "type": "object",
            "description": "What is expected, by operators.",
            "properties": {
                name: {"description": says, **_as_mapping(shape)}
                for name, (says, shape) in OPERATORS.items()
            },
            "additionalProperties": False,
            "minProperties": 1,
        },
        "Logic": _logic(),
        "LogicPaths": _logic_paths(),
    }


def _mapping(itself: JsonValue, **further: JsonValue) -> JsonValue:
    several = _listed(itself)
    return {
        "type": "object",
        "description": (
            "Dotted paths and what is expected there: a value, a list, or operators. "
            f"A dot in a name has a backslash before it. {_MEETING}"
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
                **_as_mapping(itself),
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
        "additionalProperties": {"anyOf": [_ONE, _SEVERAL, {"$ref": "#/$defs/Operators"}]},
    }


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
                **_as_mapping(_DURATION),
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
    """An object of one key is an operator's call; any other value stands for itself."""
    return {
        "description": "JSONLogic over event, properties, context, person, timestamp and type.",
        "if": {"type": "object", "minProperties": 1, "maxProperties": 1},
        "then": {
            "propertyNames": {"enum": list(STANDARD)},
            "properties": dict.fromkeys(("var", "missing", "missing_some"), _LOGIC_PATHS),
            "additionalProperties": _LOGIC,
        },
        "else": {"items": _LOGIC, "not": _FILLED_IN},
    }


def _logic_paths() -> JsonValue:
    """What names the values to read: texts that are paths, or logic that computes one."""
    return {
        "if": {"type": "array"},
        "then": {"items": _LOGIC_PATHS},
        "else": {"anyOf": [{"type": "string"}, _LOGIC]},
    }


def _listed(item: JsonValue) -> dict[str, JsonValue]:
    return {"type": "array", "items": item, "minItems": 1}
