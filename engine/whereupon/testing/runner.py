"""The run of rule tests: each with the rules that it is about, on a frozen clock, in a store in memory."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

from whereupon.errors import Diagnostic
from whereupon.rules.loading import Folder, read_folder
from whereupon.rules.model import ExitOnLeaving, OnSegment, Rule, Rulebook
from whereupon.testing.case_reader import find_test_files, read_test_file
from whereupon.testing.cases import BroadcastCall, Effect, EffectKind, RuleTest, RuleTestFile
from whereupon.testing.comparison import compare
from whereupon.testing.coverage import SETTINGS, Coverage, SettingsCoverage
from whereupon.testing.folder_checks import FolderChecks, Subject
from whereupon.testing.forcing import forced
from whereupon.testing.needed import NeededRules
from whereupon.testing.observation import Observer
from whereupon.testing.reports import TESTS, RuleTestReport, RuleTestResult, Seen, Uncovered
from whereupon.testing.simulation import SimulationError, simulate

_OF_A_RULE = frozenset({EffectKind.ENTERED, EffectKind.DELIVERY, EffectKind.WITHHELD})
_OF_A_GUARD = frozenset({EffectKind.REQUEST})


def run_rule_tests(folder: Path) -> RuleTestReport:
    """Run every test file below a rules folder.

    A test is run with the rule that its file is named after, with the rules that it names, and with all
    that these can set off; the segments, guards, events and settings of the folder are always there. It
    counts the effects of its own rule, and of others those that it expects. A guard's test counts only the
    requests for the guard's actions. The tests of a rule whose file has an error fail, and the others are
    run. Nothing is raised: what is wrong with a file is a diagnostic.
    """
    tests = _Tests.read(folder)
    results = tuple(
        _Run(tests, file).result(test)
        for file in tests.files
        if not file.is_broken
        for test in file.tests
    )
    uncovered = [*tests.untested(), *(u for c in tests.coverages.values() for u in c.uncovered())]
    if results:
        uncovered += tests.settings.uncovered()
    return RuleTestReport(tests.diagnostics, results, tuple(sorted(uncovered, key=_by_rule)))


def check_test_files(
    folder: Path, *, secrets: Collection[str] | None = None
) -> tuple[Diagnostic, ...]:
    """What is wrong with the rule files and test files of a folder; no test is run.

    Args:
        folder: where the files are.
        secrets: the names of all secrets that the host has; None if they are not known.
    """
    return _Tests.read(folder, secrets).diagnostics


def _by_rule(uncovered: Uncovered) -> tuple[str, int]:
    place = uncovered.location
    return uncovered.rule, 0 if place is None else place.line


@dataclass(frozen=True, slots=True)
class _Tests:
    """The rules and the test files of a folder.

    Attributes:
        subjects: the rules and guards that may be tested, by id; not those whose file has an error.
        coverages: of each rule that has tests.
        settings: of what the settings say for all of them.
    """

    folder: Folder
    files: Sequence[RuleTestFile]
    subjects: Mapping[str, Subject]
    coverages: Mapping[str, Coverage]
    settings: SettingsCoverage
    needed: NeededRules

    @classmethod
    def read(cls, folder: Path, secrets: Collection[str] | None = None) -> "_Tests":
        """Read the rules and every test file, and check one against the other."""
        read = read_folder(folder, secrets=secrets)
        guards: dict[str, Subject] = {guard.id: guard for guard in read.book.guards}
        subjects = guards | {rule.id: rule for rule in read.book.rules}
        checks = FolderChecks(read, subjects)
        files = [
            checks.checked(read_test_file(path, read.plan)) for path in find_test_files(folder)
        ]
        coverages = {
            file.subject: Coverage(
                subject, read.files[subject.id], read.book.segments, read.book.settings
            )
            for file in files
            if not file.is_broken and isinstance(subject := subjects.get(file.subject), Rule)
        }
        noted = tuple(
            coverages[rule.id].rule if rule.id in coverages else rule for rule in read.book.rules
        )
        needed = NeededRules(replace(read.book, rules=noted))
        rules = {rule.id: rule for rule in read.book.rules}
        settings = SettingsCoverage(read.book.settings, read.files.get(SETTINGS), rules)
        return cls(read, files, subjects, coverages, settings, needed)

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """Of the rule files, and of the test files."""
        return (*self.folder.diagnostics, *(d for file in self.files for d in file.diagnostics))

    def untested(self) -> Iterator[Uncovered]:
        """The rules and guards without tests."""
        tested = {file.subject for file in self.files}
        for subject in self.subjects:
            if subject not in tested:
                yield Uncovered(subject, TESTS, Seen.TRUE)


# --- running --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Run:
    """The run of the tests of one file."""

    tests: _Tests
    file: RuleTestFile

    def result(self, test: RuleTest) -> RuleTestResult:
        """Run one test."""
        began = perf_counter()
        failures = self._failures(test)
        seconds = perf_counter() - began
        file = self.file
        return RuleTestResult(file.name, file.subject, test.name, test.line, failures, seconds)

    def _failures(self, test: RuleTest) -> tuple[str, ...]:
        subject = self.tests.subjects.get(self.file.subject)
        named = _rules_named(test)
        book = self.tests.needed.book_for({self.file.subject, *named})
        refused = self._refused(named, book)
        if subject is None or refused is not None:
            return (f"not run: {refused}",)
        try:
            happened = simulate(test, forced(book, test.arms, held_out=test.holdout))
        except SimulationError as error:
            return error.sentences
        coverage = self.tests.coverages.get(subject.id)
        if coverage is not None:
            coverage.note(happened)
        self.tests.settings.note(happened)
        expected = [_of_subject(effect, subject.id) for effect in test.expected]
        rules = {rule.id: rule for rule in book.rules if rule.id in {subject.id, *named}}
        effects = tuple(Observer(subject, rules, test.start).effects(happened))
        complete = _OF_A_RULE if isinstance(subject, Rule) else _OF_A_GUARD
        return compare(expected, effects, complete=complete)

    def _refused(self, named: Sequence[str], book: Rulebook) -> str | None:
        """Why the test cannot be run: a file that it needs has an error."""
        refused = self.tests.folder.refused
        if self.tests.folder.has_settings_refused:
            return "the settings file has an error, and every rule goes by it"
        wrong = [name for name in (self.file.subject, *named, *_segments(book)) if name in refused]
        return f"{refused[wrong[0]]} has an error" if wrong else None


def _segments(book: Rulebook) -> list[str]:
    """The segments that the rules refer to."""
    found: set[str] = set()
    for rule in book.rules:
        found |= rule.where.segments | rule.who.segments
        found |= {each.segment for each in rule.triggers if isinstance(each, OnSegment)}
        found |= {each.segment for each in rule.exits if isinstance(each, ExitOnLeaving)}
    return sorted(found)


def _rules_named(test: RuleTest) -> list[str]:
    """The rules that a test names beside its own: in what it expects, and broadcasts that it triggers."""
    named = [effect.facts.get("rule") for effect in test.expected]
    called = [given.broadcast for given in test.given if isinstance(given, BroadcastCall)]
    return [*(name for name in named if isinstance(name, str)), *called]


def _of_subject(effect: Effect, subject: str) -> Effect:
    """The expectation; that it is of the rule under test need not be said."""
    if effect.facts.get("rule") != subject:
        return effect
    return replace(effect, facts={k: v for k, v in effect.facts.items() if k != "rule"})
