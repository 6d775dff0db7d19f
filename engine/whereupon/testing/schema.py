"""The JSON Schema of test files: it accepts what the reader of them accepts, as far as a schema can tell.

Made for one folder, it completes the folder's events with their properties, its rules, attributes and
channels. Made for none, it says the form alone.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from pydantic import JsonValue

from whereupon.rules.form import Form
from whereupon.rules.plan.tracking_plan import OWN_ATTRIBUTES, TrackingPlan
from whereupon.testing.expected_items import EXPECTED
from whereupon.testing.file_forms import TestFileForm, TestForm
from whereupon.testing.given_items import GIVEN

_Schema = dict[str, JsonValue]

_NAMES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("track", "tracked", "event"), "Event"),
    **dict.fromkeys(("trigger", "rule"), "Rule"),
    **dict.fromkeys(("delivery", "withheld"), "Channel"),
    **dict.fromkeys(("traits", "has"), "Attributes"),
}
"""Keys of items whose values a folder knows, and the definition that has them."""
_EVENT_KEYS: Final = ("track", "tracked")
_ITEM_KEYS: Final[Mapping[str, Mapping[str, type[Form]]]] = {"given": GIVEN, "expect": EXPECTED}


def schema_of_tests(
    plan: TrackingPlan | None = None, rules: Iterable[str] = ()
) -> dict[str, JsonValue]:
    """The JSON Schema (2020-12) of a test file, by which editors complete.

    Args:
        plan: what a folder describes; None for the form alone.
        rules: the ids of the folder's rules.
    """
    plan = TrackingPlan() if plan is None else plan
    items = {form.__name__: form for forms in _ITEM_KEYS.values() for form in forms.values()}
    definitions: _Schema = {
        "Test": _listing(_form(TestForm), _ITEM_KEYS),
        **{name: _item(form, plan) for name, form in items.items()},
        "JsonValue": {},
        "Event": _one_of("An event.", plan.events),
        "Rule": _one_of("A rule.", rules),
        "Channel": _one_of("A channel.", plan.channels or ()),
        "Attributes": _known_keys(
            "Attributes of a person.", {*(plan.attributes or ()), *OWN_ATTRIBUTES}
        ),
    }
    file = _form(TestFileForm)
    _properties(file)["tests"] = {
        **_part(file, "tests"),
        "items": {"$ref": "#/$defs/Test"},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **file,
        "title": "A file of tests of a rule",
        "$defs": definitions,
    }


# --- forms ----------------------------------------------------------------------------------------


def _form(form: type[Form]) -> _Schema:
    """The schema of a form, without defaults that say nothing."""
    schema: _Schema = form.model_json_schema()
    schema.pop("$defs", None)  # of JsonValue alone, which is any value
    for part in _properties(schema).values():
        if isinstance(part, dict) and part.get("default", False) in (None, {}, []):
            del part["default"]
    return schema


def _properties(schema: _Schema) -> _Schema:
    properties = schema["properties"]
    assert isinstance(properties, dict)  # noqa: S101 - pydantic writes a mapping
    return properties


def _part(schema: _Schema, key: str) -> _Schema:
    part = _properties(schema)[key]
    assert isinstance(part, dict)  # noqa: S101 - ditto
    return part


def _listing(schema: _Schema, lists: Mapping[str, Mapping[str, type[Form]]]) -> _Schema:
    """The schema of a test, whose lists have an item of any of their forms."""
    for key, forms in lists.items():
        refs: list[JsonValue] = [{"$ref": f"#/$defs/{form.__name__}"} for form in forms.values()]
        _properties(schema)[key] = {**_part(schema, key), "items": {"anyOf": refs}}
    return schema


def _item(form: type[Form], plan: TrackingPlan) -> _Schema:
    """The schema of an item, which knows the names of the folder."""
    schema = _form(form)
    for key, definition in _NAMES.items():
        if key in _properties(schema):
            _properties(schema)[key] = {
                **_part(schema, key),
                "allOf": [{"$ref": f"#/$defs/{definition}"}],
            }
    named = next((key for key in _EVENT_KEYS if key in _properties(schema)), None)
    if named is not None and plan.events:
        schema["allOf"] = [*_properties_of_events(named, plan)]
    return schema


def _properties_of_events(key: str, plan: TrackingPlan) -> Iterator[JsonValue]:
    """For each event that a file describes, the names of its properties."""
    for event, properties in plan.events.items():
        if properties:
            known = _known_keys(f"Properties of {event}.", properties)
            yield {
                "if": {"properties": {key: {"const": event}}, "required": [key]},
                "then": {"properties": {"properties": known}},
            }


# --- names of a folder ----------------------------------------------------------------------------


def _one_of(description: str, names: Iterable[str]) -> _Schema:
    """A text; editors offer these names, and others are allowed."""
    known: list[JsonValue] = [*sorted(names)]
    schema: _Schema = {"description": description}
    return {**schema, "anyOf": [{"enum": known}, {}]} if known else schema


def _known_keys(description: str, names: Iterable[str]) -> _Schema:
    """A mapping; editors offer these keys, and others are allowed."""
    return {"description": description, "properties": {name: {} for name in sorted(names)}}
