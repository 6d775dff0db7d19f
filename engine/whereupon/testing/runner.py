"""The run of rule tests: every message goes through a real engine with a frozen clock and a store in memory."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TypeAlias

from whereupon.decide.decisions import Decision, Outcome
from whereupon.engine import Engine
from whereupon.errors import (
    Diagnostic,
    MessageRejectedError,
    RequestError,
    Severity,
    UnknownNameError,
)
from whereupon.messages.model import Message
from whereupon.messages.times import earlier, format_instant, later
from whereupon.messages.wire import Arrival, parse_message
from whereupon.records import Request, RequestOutcome
from whereupon.replay.records import Record
from whereupon.replay.stream_replay import Replay
from whereupon.rules.loading import read_folder
from whereupon.rules.model import Guard, Rule, Rulebook
from whereupon.rules.spelling import nearest
from whereupon.scheduling.clocks import FrozenClock
from whereupon.testing.case_reader import find_test_files, read_test_file
from whereupon.testing.cases import (
    BroadcastCall,
    EffectKind,
    GivenMessage,
    OperatorAct,
    OperatorVerb,
    RuleTest,
    RuleTestFile,
    offset,
)
from whereupon.testing.comparison import compare
from whereupon.testing.coverage import Coverage
from whereupon.testing.observation import observe
from whereupon.testing.reports import TESTS, RuleTestReport, RuleTestResult, Uncovered

Subject: TypeAlias = Rule | Guard

_OF_A_RULE = frozenset({EffectKind.ENTERED, EffectKind.DELIVERY, EffectKind.WITHHELD})
_OF_A_GUARD = frozenset({EffectKind.REQUEST})


def run_rule_tests(folder: Path) -> RuleTestReport:
    """Run every test file below a rules folder, against all of the folder's rules.

    A rule's test counts only the effects of the rule that the file is named after, and the requests that
    the test expects. A guard's test counts only the requests for the guard's actions. Nothing is raised:
    what is wrong with a file is a diagnostic.
    """
    read = read_folder(folder)
    book, found = read.book, read.diagnostics
    files = [read_test_file(path, read.plan) for path in find_test_files(folder)]
    if any(d.severity is Severity.ERROR for d in found):
        return RuleTestReport((*found, *(d for file in files for d in file.diagnostics)))
    subjects = _subjects(book)
    files = [_checked(file, subjects) for file in files]
    sound = [file for file in files if not file.is_broken]
    coverages = {
        file.subject: Coverage(subject)
        for file in sound
        if isinstance(subject := subjects[file.subject], Rule)
    }
    results = tuple(
        _run(test, file, subjects[file.subject], book, coverages.get(file.subject))
        for file in sound
        for test in file.tests
    )
    diagnostics = (*found, *(d for file in files for d in file.diagnostics))
    uncovered = [*_untested(book, files), *(u for c in coverages.values() for u in c.uncovered())]
    return RuleTestReport(diagnostics, results, tuple(sorted(uncovered, key=_by_rule)))


def _by_rule(uncovered: Uncovered) -> str:
    return uncovered.rule


def _subjects(book: Rulebook) -> dict[str, Subject]:
    subjects: dict[str, Subject] = {guard.id: guard for guard in book.guards}
    return subjects | {rule.id: rule for rule in book.rules}


# --- what no test can be run for ------------------------------------------------------------------


def _untested(book: Rulebook, files: Sequence[RuleTestFile]) -> Iterator[Uncovered]:
    tested = {file.subject for file in files}
    for subject in _subjects(book):
        if subject not in tested:
            yield Uncovered(subject, TESTS, "true")


def _checked(file: RuleTestFile, subjects: dict[str, Subject]) -> RuleTestFile:
    """The file with what is wrong with it in view of the rules of the folder."""
    subject = subjects.get(file.subject)
    if subject is None:
        diagnostics = [_without_rule(file, subjects)]
    elif isinstance(subject, Guard) and not file.is_broken:
        diagnostics = list(_not_guarded(file, subject))
    else:
        return file
    located = [file.positions.locate(diagnostic, file.name) for diagnostic in diagnostics]
    return replace(file, diagnostics=(*located, *file.diagnostics))


def _without_rule(file: RuleTestFile, subjects: dict[str, Subject]) -> Diagnostic:
    hint = nearest(file.subject, subjects)
    message = (
        f"no rule and no guard is called {file.subject}{hint or '; write it, or rename this file'}"
    )
    return Diagnostic.at((), "test-without-rule", message)


def _not_guarded(file: RuleTestFile, guard: Guard) -> Iterator[Diagnostic]:
    """Expected effects that no test of a guard looks at."""
    for test, each in enumerate(file.tests):
        for place, expected in enumerate(each.expected):
            path = ("tests", test, "expect", place)
            action = str(expected.facts.get("action"))
            if expected.kind is not EffectKind.REQUEST:
                text = f"a guard's tests expect requests; {expected.kind} belongs to a rule's"
                yield Diagnostic.at((*path, expected.kind.value), "not-guarded", text)
            elif action not in guard.actions:
                hint = nearest(action, guard.actions) or f"; it has {', '.join(guard.actions)}"
                text = f"this guard does not name the action {action!r}{hint}"
                yield Diagnostic.at((*path, "request"), "not-guarded", text)


# --- running --------------------------------------------------------------------------------------


def _run(
    test: RuleTest, file: RuleTestFile, subject: Subject, book: Rulebook, coverage: Coverage | None
) -> RuleTestResult:
    began = perf_counter()
    failures = _failures(test, subject, book, coverage)
    seconds = perf_counter() - began
    return RuleTestResult(file.name, subject.id, test.name, test.line, failures, seconds)


def _failures(
    test: RuleTest, subject: Subject, book: Rulebook, coverage: Coverage | None
) -> tuple[str, ...]:
    arrivals, rejections = _arrivals(test)
    if rejections:
        return rejections
    records, refusals = _records(test, arrivals, _with_notes(book, coverage))
    if refusals:
        return refusals
    if coverage is not None:
        entered = any(_enters(record, coverage.rule) for record in records)
        coverage.note_entering(entered=entered)
    complete = _OF_A_RULE if isinstance(subject, Rule) else _OF_A_GUARD
    happened = tuple(observe(records, subject, test.start))
    return compare(test.expected, happened, complete=complete)


def _arrivals(
    test: RuleTest,
) -> tuple[list[Message | OperatorAct | BroadcastCall], tuple[str, ...]]:
    """The arrivals of a test, and a sentence for each message that the engine rejects."""
    arrivals: list[Message | OperatorAct | BroadcastCall] = []
    rejections: list[str] = []
    for place, given in enumerate(test.given, start=1):
        if not isinstance(given, GivenMessage):
            arrivals.append(given)
            continue
        try:
            arrivals.append(_message(test, given, place))
        except MessageRejectedError as error:
            where = f"message {place} ({given.subject} at {offset(given.at)})"
            rejections.append(f"{where} was rejected: {error.code}: {error.reason}")
    return arrivals, tuple(rejections)


def _message(test: RuleTest, given: GivenMessage, place: int) -> Message:
    received_at = later(test.start, given.at)
    happened_at = earlier(received_at, given.happened)
    raw = {**given.wire, "timestamp": format_instant(happened_at)}
    return parse_message(raw, Arrival(received_at, given.source, lambda: f"given-{place}"))


def _with_notes(book: Rulebook, coverage: Coverage | None) -> Rulebook:
    """The book with an instrumented copy of the rule under test."""
    if coverage is None:
        return book
    noted = coverage.rule
    return replace(book, rules=tuple(noted if r.id == noted.id else r for r in book.rules))


def _records(
    test: RuleTest, arrivals: Sequence[Message | OperatorAct | BroadcastCall], book: Rulebook
) -> tuple[list[Record], tuple[str, ...]]:
    """The records of the engine, and a sentence for each act that did not go as the test says."""
    records: list[Record] = []
    refusals: list[str] = []
    clock = FrozenClock(test.start)
    with Engine.open("memory://", rules=book, clock=clock) as engine:
        replay = Replay(engine, clock, records.append)
        for arrival in arrivals:
            match arrival:
                case Message():
                    replay.feed([arrival])
                case BroadcastCall():
                    act = partial(_call_up, arrival, refusals)
                    replay.perform(later(test.start, arrival.at), act)
                case OperatorAct():
                    act = partial(_act, arrival, refusals)
                    replay.perform(later(test.start, arrival.at), act)
        replay.finish(None if test.until is None else later(test.start, test.until))
    return records, tuple(refusals)


def _call_up(call: BroadcastCall, refusals: list[str], engine: Engine) -> list[Record]:
    """Trigger a broadcast as the host does. Its deliveries are due work."""
    try:
        engine.trigger(call.broadcast, key=call.key, properties=call.properties)
    except UnknownNameError as error:
        refusals.append(f"trigger at {offset(call.at)}: {error}")
    return []


def _act(act: OperatorAct, refusals: list[str], engine: Engine) -> list[Record]:
    """Do what the operator does, and return the requests that it changed."""
    code, changed = None, list[Request]()
    try:
        changed = _done(act, engine)
    except RequestError as error:
        code = error.code
    except UnknownNameError:
        code = "not-held"
    if code != act.refused:
        expected = f"refused as {act.refused}" if act.refused else "allowed"
        happened = f"refused as {code}" if code else "allowed"
        when = offset(act.at)
        refusals.append(f"{act.subject} at {when}: expected to be {expected}, but was {happened}")
    return [*changed]


def _done(act: OperatorAct, engine: Engine) -> list[Request]:
    requests = engine.requests
    if act.verb is OperatorVerb.CLOSE:
        requests.close(act.what, by=act.by)
        return []
    for request in requests.list(RequestOutcome.HELD):
        if request.action == act.what and act.person in {None, request.person}:
            if act.verb is OperatorVerb.APPROVE:
                return [requests.approve(request.key, by=act.by)]
            return [requests.cancel(request.key, by=act.by)]
    raise UnknownNameError(kind="held request", name=act.what)


def _enters(record: Record, rule: Rule) -> bool:
    if not isinstance(record, Decision):
        return False
    return record.rule == rule.id and record.outcome is Outcome.ENTERED
