"""The published JSON Schema and the reader: what an editor accepts is what the engine accepts."""

import copy
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import JsonValue
from tests.examples import examples

from whereupon.errors import Severity
from whereupon.rules.loading import load_document
from whereupon.rules.reader import json_schema, parse_rule_file

ROOT = Path(__file__).parents[3]
FILES = sorted(
    path
    for path in (*(ROOT / "rules").rglob("*.yaml"), *(ROOT / "fixtures").rglob("*.good.*"))
    if ".test." not in path.name
)
DOCUMENTS = [load_document(path)[0] for path in FILES]
KINDS = ("campaign", "broadcast", "segment", "event", "guard", "settings")
SEGMENTS: dict[str, JsonValue] = {"pro-users": {"plan": "pro"}}
SCHEMA = Draft202012Validator(json_schema())

ONLY_THE_READER_KNOWS = frozenset(
    {
        "bad-cron", "bad-shares", "duplicate-name", "endless-again", "unreachable-arm", "bad-instant", "bad-regex", "bad-template", "bad-timezone", "conflicting-bounds",
        "conflicting-counts",
        "duplicate-key", "history-in-protect", "id-not-stem", "misplaced-secret", "same-without-trigger", "text-path", "too-few-approvers", "too-often", "unknown-action", "unknown-partial", "unknown-segment",
    }
)  # fmt: skip
"""What no schema can say: it takes knowing other files, the calendar, or a language within a text."""

ODD: list[JsonValue] = [
    None, True, False, 0, -1, 3, 1.5, "", "x", "*", "a*b", "Order *", "7d", "0s", "72 hours", "once",
    "properties.x", "person.x", "2026-01-31", "Delete Person", [], ["x"], [None], [[]], {}, [{}], {"x": 1},
    {"gt": 1}, {"gtt": 1}, {"in": "x"}, {"exists": "yes"}, {"between": [1]}, {"between": [1, 2]}, {"page": "*P*"}, {"once_per": "0s"},
    {"once_per_key": "x"}, {"leaves": "pro-users", "x": 1}, {"event": "x", "y": 1}, {"all": {"x": 1}},
    {"not": {}}, {"logic": {"foo": 1}}, {"logic": {"!": {"var": "event"}, "x": 1}}, {"segment": []},
    {"performed": {"event": "x", "never": True}}, {"performed": {"event": "x", "never": False}},
    {"performed": {"event": "x", "exactly": 1, "at_most": 1}}, {"wait": "1h", "send": "push"},
    {"send": "push", "to": "x"}, {"take": "none"}, {"type": ["x"]}, {"type": [[]]}, {"needed": 10},
    "{{ person.x }}", {"{% x %}": 1}, {"gt": "{{ 5 }}"}, {"in": ["x", "context.y"]}, {"matches": "{{ x }}"},
    {"logic": {"==": [{"var": "person.x"}, "person.y"]}}, {"logic": {"!": {"missing": ["person.x", ["person.y"]]}}},
    {"logic": {"in": [{"var": ["properties.x", "properties.y"]}, ["a", "{{ b }}"]]}}, {"starts_with": "event.x"},
    {"any_item": "x"}, {"any_item": ["x", 1]}, {"all_items": {"eq": 1, "x": "$.person.y"}}, {"no_item": {}}, {"any_item": None},
    {"any_item": {"x": {"no_item": {"gt": "$.properties.y"}}}}, {"any_item": {"segment": "pro-users"}}, {"any_item": "$.event"},
    {"any_item": {"matches": "$.person.x"}}, {"any_item": {"$.person.x": 1}}, "$.person.x", {"x": "$.person.x"},
    {"performed": {"event": "x", "same": ["a"]}}, {"same": {"a": "b"}}, {"same": ["properties.x"]}, {"same": "x"}, ["x.y"],
    {"event": "x", "same": ["a", "b"]}, {"event": "x", "same": []}, {"event": "x", "same": [1]}, {"event": "x", "same": {"a": "{{ b }}"}},
    "forever", "1y", "2w", "text", {"skips": "1y"}, {"skips": "0d"}, {"plan": "text"}, {"plan": {"type": "string"}},
]  # fmt: skip
KEYS = [
    "where",
    "who",
    "performed",
    "all",
    "exit",
    "max_age",
    "active",
    "limits",
    "keep",
    "channels",
    "attributes",
    "x",
]


def _parts(value: JsonValue, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    yield path
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _parts(inner, (*path, key))


def _at(value: JsonValue, path: tuple[str | int, ...]) -> JsonValue:
    for key in path:
        value = value[key]  # type: ignore[index]  # the path is one of the value's
    return value


@st.composite
def _changed_files(draw: st.DrawFn) -> JsonValue:
    """A good file in which one or two parts are replaced, removed, or given an extra key."""
    data = copy.deepcopy(draw(st.sampled_from(DOCUMENTS)))
    for _ in range(draw(st.integers(1, 2))):
        path = draw(st.sampled_from(list(_parts(data))))
        donor = draw(st.sampled_from(DOCUMENTS))
        part = draw(st.sampled_from(ODD)) if draw(st.booleans()) else donor
        if part is donor:
            part = _at(donor, draw(st.sampled_from(list(_parts(donor)))))
        here = _at(data, path[:-1]) if path else None
        if isinstance(here, dict) and draw(st.booleans()):
            here[draw(st.sampled_from(KEYS))] = copy.deepcopy(part)
        elif isinstance(here, dict | list):
            here[path[-1]] = copy.deepcopy(part)  # type: ignore[index]  # ditto
    return data


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_schema_accepts_every_good_file(path: Path) -> None:
    """An editor underlines nothing in the shipped rules."""
    assert [error.message for error in SCHEMA.iter_errors(load_document(path)[0])] == []


@examples(500)
@given(data=_changed_files())
def test_the_schema_accepts_what_the_reader_accepts(data: JsonValue) -> None:
    """It accepts nothing else, except what only the reader can check."""
    named = [data[kind] for kind in KINDS if kind in data] if isinstance(data, dict) else []
    file, diagnostics = parse_rule_file(data, stem=str(next(iter(named), "x")), segments=SEGMENTS)
    errors = {
        diagnostic.code for diagnostic in diagnostics if diagnostic.severity is Severity.ERROR
    }
    if not errors & ONLY_THE_READER_KNOWS:
        assert SCHEMA.is_valid(data) == (file is not None), diagnostics
