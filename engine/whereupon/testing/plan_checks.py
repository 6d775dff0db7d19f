"""Every name in a test file against the tracking plan: events, properties, attributes and channels."""

from collections.abc import Iterator

from pydantic import JsonValue

from whereupon.errors import Diagnostic, Severity
from whereupon.rules.plan.plan_checker import PlanChecker
from whereupon.rules.plan.tracking_plan import TrackingPlan
from whereupon.rules.rule_reader import Path


def names_in_tests(data: JsonValue, plan: TrackingPlan) -> Iterator[Diagnostic]:
    """What is wrong with the names in a test file's content, in view of the plan."""
    checker = PlanChecker(plan)
    for path, test in _items(data, (), "tests"):
        for place, given in _items(test, path, "given"):
            yield from _given(given, place, checker)
        for place, expected in _items(test, path, "expect"):
            yield from _expected(expected, place, checker)


def _items(raw: JsonValue, path: Path, key: str) -> Iterator[tuple[Path, JsonValue]]:
    listed = raw.get(key) if isinstance(raw, dict) else None
    for place, item in enumerate(listed if isinstance(listed, list) else ()):
        yield (*path, key, place), item


def _given(raw: JsonValue, path: Path, checker: PlanChecker) -> Iterator[Diagnostic]:
    if not isinstance(raw, dict):
        return
    if isinstance(event := raw.get("track"), str):
        for found in checker.event(event, (*path, "track")):
            if found.severity is Severity.ERROR:  # an unknown name that resembles none is a decoy
                yield found
        yield from checker.properties(raw.get("properties"), (*path, "properties"), event)
    elif "identify" in raw:
        yield from checker.attributes(raw.get("traits"), (*path, "traits"))


def _expected(raw: JsonValue, path: Path, checker: PlanChecker) -> Iterator[Diagnostic]:
    if not isinstance(raw, dict):
        return
    for key in ("delivery", "withheld"):
        if isinstance(channel := raw.get(key), str):
            yield from checker.channel(channel, (*path, key))
    for key in ("tracked", "event"):
        if isinstance(event := raw.get(key), str) and "delivery" not in raw:
            yield from checker.event(event, (*path, key))
    if isinstance(event := raw.get("tracked"), str):
        yield from checker.properties(raw.get("properties"), (*path, "properties"), event)
    if "has" in raw:
        yield from checker.attributes(raw["has"], (*path, "has"))
