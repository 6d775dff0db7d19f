"""Every name in a test file, held to the tracking plan: events, properties, attributes and channels."""

from collections.abc import Iterator

from pydantic import JsonValue

from whereupon.errors import Diagnostic, Severity
from whereupon.rules.loading.plan import Path, Plan
from whereupon.rules.loading.planned import names_of_attributes, names_of_properties


def names_in_tests(data: JsonValue, plan: Plan) -> Iterator[Diagnostic]:
    """What is wrong with the names in a test file's content, in view of the plan."""
    for path, test in _items(data, (), "tests"):
        for place, given in _items(test, path, "given"):
            yield from _given(given, place, plan)
        for place, expected in _items(test, path, "expect"):
            yield from _expected(expected, place, plan)


def _items(raw: JsonValue, path: Path, key: str) -> Iterator[tuple[Path, JsonValue]]:
    listed = raw.get(key) if isinstance(raw, dict) else None
    for place, item in enumerate(listed if isinstance(listed, list) else ()):
        yield (*path, key, place), item


def _given(raw: JsonValue, path: Path, plan: Plan) -> Iterator[Diagnostic]:
    if not isinstance(raw, dict):
        return
    if isinstance(event := raw.get("track"), str):
        found = plan.event_diagnostic(event, (*path, "track"))
        if found is not None and found.severity is Severity.ERROR:
            yield found  # a name that resembles none is a decoy, which is what tests are for
        yield from names_of_properties(raw.get("properties"), (*path, "properties"), event, plan)
    elif "identify" in raw:
        yield from names_of_attributes(raw.get("traits"), (*path, "traits"), plan)


def _expected(raw: JsonValue, path: Path, plan: Plan) -> Iterator[Diagnostic]:
    for key in ("delivery", "withheld"):
        channel = raw.get(key) if isinstance(raw, dict) else None
        found = plan.channel_diagnostic(channel, (*path, key)) if isinstance(channel, str) else None
        if found is not None:
            yield found
