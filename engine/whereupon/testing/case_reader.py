"""Test files as values: every test, and everything that is wrong with the file, located."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import JsonValue

import whereupon.testing.item_forms as forms
from whereupon.errors import Diagnostic, Location
from whereupon.messages.model import SenderClass
from whereupon.messages.times import ZERO
from whereupon.rules.form import Form
from whereupon.rules.loading import Positions, has_plain_name, load_document
from whereupon.rules.plan.tracking_plan import TrackingPlan
from whereupon.testing.cases import (
    BroadcastCall,
    Effect,
    EffectKind,
    GivenMessage,
    OperatorAct,
    OperatorVerb,
    RuleTest,
    RuleTestFile,
    offset,
)
from whereupon.testing.form_reading import form_for, validated
from whereupon.testing.plan_checks import names_in_tests

START = datetime(2026, 1, 5, 9, tzinfo=UTC)
"""When a test starts that does not say: a Monday."""

_WIRE_NAMES = {
    "user": "userId",
    "anonymous": "anonymousId",
    "previous": "previousId",
    "id": "messageId",
    **{name: name for name in ("properties", "traits", "context")},
}
_MAIN_NAMES = {
    "track": "event",
    "page": "name",
    "screen": "name",
    "identify": "userId",
    "alias": "userId",
    "group": "groupId",
}
_FACTS = {
    **dict.fromkeys(("entered", "skipped", "to"), "person"),
    **dict.fromkeys(("delivery", "withheld"), "channel"),
    "request": "action",
}


def find_test_files(folder: Path) -> list[Path]:
    """Every ``*.test.yaml`` and ``*.test.json`` below a folder, sorted.

    Hidden files are skipped. So are files whose names cannot be printed: reading the rules reports them.
    """
    return sorted(
        path
        for suffix in (".yaml", ".json")
        for path in folder.rglob(f"*.test{suffix}")
        if path.is_file()
        and has_plain_name(path, folder)
        and not any(p.startswith(".") for p in path.relative_to(folder).parts)
    )


def read_test_file(path: Path, plan: TrackingPlan) -> RuleTestFile:
    """Read one file, with everything that is wrong with it; its names are checked against the plan."""
    data, positions, text_diagnostics = load_document(path)
    file = path.as_posix()
    diagnostics: list[Diagnostic] = []
    tests: tuple[RuleTest, ...] = ()
    if () in positions.values:
        tests = tuple(_tests(data, positions, diagnostics))
        diagnostics += names_in_tests(data, plan)
    located = (positions.locate(diagnostic, file) for diagnostic in diagnostics)
    return RuleTestFile(
        name=file,
        subject=path.name.partition(".test.")[0],
        tests=tests,
        positions=positions,
        diagnostics=tuple(sorted({*map(_for_test_file, text_diagnostics), *located}, key=_order)),
    )


def _for_test_file(found: Diagnostic) -> Diagnostic:
    """A diagnostic about the text, in terms of a test file."""
    if found.code != "empty-file":
        return found
    return replace(found, message="this file is empty; start it with tests:")


def _order(diagnostic: Diagnostic) -> tuple[Location, str, str]:
    return diagnostic.location, diagnostic.code, diagnostic.message


def _tests(
    data: JsonValue, positions: Positions, diagnostics: list[Diagnostic]
) -> Iterator[RuleTest]:
    file = validated(forms.TestFileForm, data, (), diagnostics)
    raw_tests = file.tests if file else data.get("tests") if isinstance(data, dict) else None
    first: dict[str, int] = {}
    for place, raw in enumerate(raw_tests if isinstance(raw_tests, list) else ()):
        line = positions.values[("tests", place)][0]
        test = _test(raw, place, line, diagnostics)
        if test is None:
            continue
        if test.name in first:
            text = f"a test on line {first[test.name]} has this name already; give it another"
            diagnostics.append(Diagnostic.at(("tests", place, "name"), "duplicate-test", text))
        first.setdefault(test.name, line)
        yield test


def _test(raw: JsonValue, place: int, line: int, diagnostics: list[Diagnostic]) -> RuleTest | None:
    form = validated(forms.TestForm, raw, ("tests", place), diagnostics)
    items = raw if isinstance(raw, dict) else {}
    given = _given(items.get("given"), place, diagnostics)
    expected = tuple(_expected(items.get("expect"), place, diagnostics))
    if form is None:
        return None
    start = START if form.start is None else form.start
    return RuleTest(form.name, line, start, form.until, tuple(given), expected)


def _given(
    raw: JsonValue, test: int, diagnostics: list[Diagnostic]
) -> list[GivenMessage | OperatorAct | BroadcastCall]:
    given: list[GivenMessage | OperatorAct | BroadcastCall] = []
    arrival = ZERO
    for place, item in enumerate(raw if isinstance(raw, list) else ()):
        path = ("tests", test, "given", place)
        found = form_for(item, forms.GIVEN, path, diagnostics)
        form = validated(found[1], item, path, diagnostics) if found else None
        if found is None or form is None:
            continue
        if form.at is not None and form.at < arrival:
            text = (
                f"this arrives before what is above it ({offset(arrival)}); put them in order, "
                "and say with happened: -5m that one happened earlier than it arrives"
            )
            diagnostics.append(Diagnostic.at((*path, "at"), "out-of-order", text))
        arrival = max(arrival, form.at or ZERO)
        if isinstance(form, forms.MessageItem):
            given.append(_message(found[0], form, arrival))
        elif isinstance(form, forms.CallItem):
            given.append(BroadcastCall(arrival, form.trigger, form.key, form.properties))
        else:
            given.append(_operator_act(found[0], form, arrival))
    return given


def _operator_act(kind: str, form: forms.OperatorActItem, at: timedelta) -> OperatorAct:
    said = form.model_dump()
    return OperatorAct(
        at, OperatorVerb(kind), said[kind], said.get("person"), form.by, refused=form.refused
    )


def _message(kind: str, form: forms.MessageItem, arrival: timedelta) -> GivenMessage:
    said = form.model_dump(exclude={"at", "happened", "source"}, exclude_unset=True)
    main: JsonValue = said.pop(kind)
    wire: dict[str, JsonValue] = {_WIRE_NAMES[name]: value for name, value in said.items()}
    return GivenMessage(
        at=arrival,
        happened=form.happened or ZERO,
        source=SenderClass(form.source),
        wire={"type": kind, _MAIN_NAMES[kind]: main, **wire},
        subject=f"{kind} {main}" if main is not None else kind,
    )


def _expected(raw: JsonValue, test: int, diagnostics: list[Diagnostic]) -> Iterator[Effect]:
    for place, item in enumerate(raw if isinstance(raw, list) else ()):
        path = ("tests", test, "expect", place)
        found = form_for(item, forms.EXPECTED, path, diagnostics)
        form = validated(found[1], item, path, diagnostics) if found else None
        if found is not None and form is not None:
            yield _effect(EffectKind(found[0]), form)


def _effect(kind: EffectKind, form: Form) -> Effect:
    own = type(form).model_fields
    said: Mapping[str, JsonValue | timedelta] = form.model_dump(exclude_unset=True)
    facts = {
        _FACTS.get(name, name): offset(value) if isinstance(value, timedelta) else value
        for name, value in said.items()
        if name in own
    }
    return Effect(kind, facts, form.model_extra or {})
