"""The JSON Schema of test files and their reader: what an editor accepts is what `whereupon test` accepts."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import JsonValue
from tests.examples import examples
from tests.scenarios.commands import whereupon

from whereupon.errors import Severity
from whereupon.rules.loading import load_document, read_folder
from whereupon.rules.plan.tracking_plan import TrackingPlan
from whereupon.testing.case_reader import find_test_files, read_test_file
from whereupon.testing.schema import schema_of_tests

ROOT = Path(__file__).parents[3]
ALL = [*find_test_files(ROOT / "rules"), *find_test_files(ROOT / "fixtures")]
SOUND = [path for path in ALL if not read_test_file(path, TrackingPlan()).is_broken]
DOCUMENTS = [load_document(path)[0] for path in SOUND]
SCHEMA = Draft202012Validator(schema_of_tests())

ONLY_THE_READER_KNOWS = frozenset({"bad-instant", "duplicate-test", "out-of-order"})
"""What no schema can say: it takes the calendar, or two items side by side."""

ODD: list[JsonValue] = [
    None, True, False, 0, -1, 3, 1.5, "", "x", "+1h", "-1h", "1h", "+1", [], [None], {}, [{}], {"x": 1},
    "who", "whom", "server", "ran", "2026-01-31", {"track": "purchase"}, {"entered": "ada"}, [{"entered": "ada"}],
    {"has": {"x": 1}}, {"skipped": None, "reason": "who"}, {"identify": None}, {"track": "x", "repeat": 2, "id": "m"},
    {"track": "x", "every": "1m"}, {"tracked": "x"}, {"exited": "ada", "count": 0},
]  # fmt: skip
KEYS = ["at", "user", "repeat", "every", "id", "count", "rule", "by", "until", "x", "reason", "has"]


def _parts(value: JsonValue, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    yield path
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _parts(inner, (*path, key))


@st.composite
def _changed_files(draw: st.DrawFn) -> JsonValue:
    """A good file in which one or two parts are replaced, or given an extra key."""
    data = copy.deepcopy(draw(st.sampled_from(DOCUMENTS)))
    for _ in range(draw(st.integers(1, 2))):
        *above, last = draw(st.sampled_from([path for path in _parts(data) if path]))
        here: JsonValue = data
        for key in above:
            here = here[key]  # type: ignore[index]  # the path is one of the value's
        odd = copy.deepcopy(draw(st.sampled_from(ODD)))
        if isinstance(here, dict) and draw(st.booleans()):
            here[draw(st.sampled_from(KEYS))] = odd
        else:
            here[last] = odd  # type: ignore[index]  # ditto
    return data


@pytest.mark.parametrize("path", SOUND, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_schema_of_tests_accepts_every_sound_test_file(path: Path) -> None:
    """`whereupon schema --tests` is the schema of test files, of `rules/` and of `fixtures/`."""
    assert [error.message for error in SCHEMA.iter_errors(load_document(path)[0])] == []


def test_schema_of_tests_refuses_every_file_with_an_error_of_form() -> None:
    """An editor underlines what the reader refuses."""
    broken = [ROOT / "fixtures/rule-tests/broken-tests/cart.test.yaml"]
    assert [path for path in broken if SCHEMA.is_valid(load_document(path)[0])] == []


@examples(300)
@given(data=_changed_files())
def test_schema_of_tests_accepts_what_the_reader_accepts(data: JsonValue) -> None:
    """It accepts nothing else, except what only the reader can check."""
    errors = set(_errors(data))
    if not errors & ONLY_THE_READER_KNOWS:
        assert SCHEMA.is_valid(data) == (not errors), errors


def _errors(data: JsonValue) -> list[str]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "changed.test.json"
        path.write_text(json.dumps(data), encoding="utf-8")
        found = read_test_file(path, TrackingPlan()).diagnostics
    return [each.code for each in found if each.severity is Severity.ERROR]


def test_schema_of_tests_completes_events_and_rule_ids() -> None:
    """Made for a folder, it offers the folder's names, and each key has a sentence for the hover."""
    made = json.loads(whereupon("schema", "--tests", "--rules", str(ROOT / "rules")).stdout)
    names = {key: made["$defs"][key]["anyOf"][0]["enum"] for key in ("Event", "Rule")}
    read = read_folder(ROOT / "rules")
    assert set(names["Event"]) == set(read.plan.events)
    assert set(names["Rule"]) == {rule.id for rule in read.book.rules}
    Draft202012Validator.check_schema(made)
    valid = Draft202012Validator(made)
    for path in find_test_files(ROOT / "rules"):
        assert [error.message for error in valid.iter_errors(load_document(path)[0])] == []
    for definition in made["$defs"].values():
        for key, value in definition.get("properties", {}).items():
            assert value == {} or value["description"].endswith("."), key
