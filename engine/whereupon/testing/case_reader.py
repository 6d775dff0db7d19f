"""Test files as values: every test, and everything that is wrong with the file, located."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from pathlib import Path

from pydantic import JsonValue

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
from whereupon.testing.expected_items import EXPECTED
from whereupon.testing.file_forms import TestFileForm, TestForm
from whereupon.testing.form_reading import Path as Place
from whereupon.testing.form_reading import form_for, validated
from whereupon.testing.given_items import GIVEN, CallItem, MessageItem, OperatorActItem
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
_NOT_SENT = {"at", "happened", "source", "repeat", "every"}
_MAIN_NAMES = {
    "track": "event",
    "page": "name",
    "screen": "name",
    "identify": "userId",
    "alias": "userId",
    "group": "groupId",
}
_FACTS = {
    **dict.fromkeys(("entered", "skipped", "exited", "converted", "to", "user"), "person"),
    **dict.fromkeys(("delivery", "withheld"), "channel"),
    "request": "action",
    "tracked": "event",
    "ran": "function",
}
_CONTENT = {EffectKind.TRACKED: "properties", EffectKind.HAS: "has"}
"""The key of an expectation whose value is content; that of a delivery is every key that the form lacks."""


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
    functions: Mapping[str, JsonValue] = {}
    if () in positions.values:
        form = validated(TestFileForm, data, (), diagnostics)
        functions = form.functions or {} if form is not None else {}
        raw = data.get("tests") if isinstance(data, dict) else None
        tests = tuple(_tests(raw, positions, functions, diagnostics))
        diagnostics += names_in_tests(data, plan)
    located = (positions.locate(diagnostic, file) for diagnostic in diagnostics)
    return RuleTestFile(
        name=file,
        subject=path.name.partition(".test.")[0],
        tests=tests,
        functions=functions,
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
    raw_tests: JsonValue,
    positions: Positions,
    functions: Mapping[str, JsonValue],
    diagnostics: list[Diagnostic],
) -> Iterator[RuleTest]:
    first: dict[str, int] = {}
    for place, raw in enumerate(raw_tests if isinstance(raw_tests, list) else ()):
        line = positions.values[("tests", place)][0]
        test = _test(raw, place, line, diagnostics)
        if test is None:
            continue
        test = replace(test, functions={**functions, **test.functions}) if functions else test
        if test.name in first:
            text = f"a test on line {first[test.name]} has this name already; give it another"
            diagnostics.append(Diagnostic.at(("tests", place, "name"), "duplicate-test", text))
        first.setdefault(test.name, line)
        yield test


def _test(raw: JsonValue, place: int, line: int, diagnostics: list[Diagnostic]) -> RuleTest | None:
    form = validated(TestForm, raw, ("tests", place), diagnostics)
    items = raw if isinstance(raw, dict) else {}
    given = _given(items.get("given"), place, diagnostics)
    expected = tuple(_expected(items.get("expect"), place, diagnostics))
    if form is None:
        return None
    start = START if form.start is None else form.start
    return RuleTest(
        form.name,
        line,
        start,
        form.until,
        tuple(given),
        expected,
        arms=form.arms or {},
        functions=form.functions or {},
        holdout=form.holdout,
    )


def _given(
    raw: JsonValue, test: int, diagnostics: list[Diagnostic]
) -> list[GivenMessage | OperatorAct | BroadcastCall]:
    """What is given, in the order in which it arrives; items of one time stay in the order of the file."""
    given: list[GivenMessage | OperatorAct | BroadcastCall] = []
    earliest = latest = ZERO
    for place, item in enumerate(raw if isinstance(raw, list) else ()):
        path = ("tests", test, "given", place)
        found = form_for(item, GIVEN, path, diagnostics)
        form = validated(found[1], item, path, diagnostics) if found else None
        if found is None or form is None:
            continue
        if form.at is not None and form.at < earliest:
            text = (
                f"this arrives before what is above it ({offset(earliest)}); put them in order, "
                "and say with happened: -5m that one happened earlier than it arrives"
            )
            diagnostics.append(Diagnostic.at((*path, "at"), "out-of-order", text))
        arrival = latest if form.at is None else form.at
        items = _items(found[0], form, arrival, place + 1)
        given += items
        diagnostics += _misplaced(form, path)
        earliest = max(earliest, arrival)
        latest = max(latest, items[-1].at)
    return sorted(given, key=attrgetter("at"))


def _items(
    kind: str, form: MessageItem | OperatorActItem | CallItem, arrival: timedelta, place: int
) -> Sequence[GivenMessage | OperatorAct | BroadcastCall]:
    """What one item gives: one thing, or repeated messages."""
    if isinstance(form, MessageItem):
        message = _message(kind, form, arrival, place)
        step = form.every or ZERO
        return [message.repeated(turn, step) for turn in range(form.repeat or 1)]
    if isinstance(form, CallItem):
        return [BroadcastCall(arrival, form.trigger, form.key, form.properties)]
    return [_operator_act(kind, form, arrival)]


def _misplaced(form: Form, path: Place) -> Iterator[Diagnostic]:
    """Keys that say nothing beside the others, or contradict them."""
    if not isinstance(form, MessageItem):
        return
    if form.every is not None and form.repeat is None:
        text = "every says when the next of repeated messages arrives; add repeat: with how many"
        yield Diagnostic.at((*path, "every"), "unsupported-key", text)
    if form.id is not None and form.repeat is not None:
        text = (
            "each of repeated messages has an id of its own; to send one message again, write it "
            "again, with this id"
        )
        yield Diagnostic.at((*path, "id"), "unsupported-key", text)


def _operator_act(kind: str, form: OperatorActItem, at: timedelta) -> OperatorAct:
    said = form.model_dump()
    return OperatorAct(
        at, OperatorVerb(kind), said[kind], said.get("person"), form.by, refused=form.refused
    )


def _message(kind: str, form: MessageItem, arrival: timedelta, place: int) -> GivenMessage:
    said = form.model_dump(exclude=_NOT_SENT, exclude_unset=True)
    main: JsonValue = said.pop(kind)
    wire: dict[str, JsonValue] = {_WIRE_NAMES[name]: value for name, value in said.items()}
    return GivenMessage(
        at=arrival,
        happened=form.happened or ZERO,
        source=SenderClass(form.source),
        wire={"type": kind, _MAIN_NAMES[kind]: main, **wire},
        subject=f"{kind} {main}" if main is not None else kind,
        place=place,
    )


def _expected(raw: JsonValue, test: int, diagnostics: list[Diagnostic]) -> Iterator[Effect]:
    for place, item in enumerate(raw if isinstance(raw, list) else ()):
        path = ("tests", test, "expect", place)
        found = form_for(item, EXPECTED, path, diagnostics)
        form = validated(found[1], item, path, diagnostics) if found else None
        if found is not None and form is not None:
            yield _effect(EffectKind(found[0]), form)


def _effect(kind: EffectKind, form: Form) -> Effect:
    own = type(form).model_fields
    said: dict[str, JsonValue | timedelta] = form.model_dump(exclude_unset=True)
    count = said.pop("count", None)
    content = said.pop(_CONTENT[kind], {}) if kind in _CONTENT else form.model_extra or {}
    facts = {
        _FACTS.get(name, name): offset(value) if isinstance(value, timedelta) else value
        for name, value in sorted(said.items(), key=_time_last)
        if name in own
    }
    return Effect(
        kind,
        facts,
        content if isinstance(content, dict) else {},
        count=count if isinstance(count, int) else None,
    )


def _time_last(fact: tuple[str, object]) -> bool:
    return fact[0] == "at"
