"""The report of a run of rule tests: results, diagnostics, and what no test covers."""

from dataclasses import dataclass
from typing import Literal

from whereupon.errors import Diagnostic, Severity

TESTS = "tests"
ENTERING = "entering"


@dataclass(frozen=True, slots=True)
class RuleTestResult:
    """The result of one test.

    Attributes:
        rule: the id of the rule, or of the guard, that it tests.
        line: of the test in its file.
        failures: a sentence for each; empty if the test passed.
        seconds: the run time on the real clock.
    """

    file: str
    rule: str
    name: str
    line: int
    failures: tuple[str, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Uncovered:
    """A part of a rule that its tests have not seen both true and false.

    Attributes:
        part: a condition, such as ``where: price is greater than 20``; ``entering`` for whether one
            test lets a person in (true) and another lets none in (false); ``tests`` for the test file.
        missing: the answer that no test has seen.
    """

    rule: str
    part: str
    missing: Literal["true", "false"]

    def __str__(self) -> str:
        match self.part, self.missing:
            case "tests", _:
                return f"{self.rule} has no tests: write {self.rule}.test.yaml beside it"
            case "entering", "true":
                return f"{self.rule}: no test lets a person in"
            case "entering", _:
                return f"{self.rule}: every test lets a person in"
        return f"{self.rule}: no test has seen this {self.missing}: {self.part}"


@dataclass(frozen=True, slots=True)
class RuleTestReport:
    """Everything that one run found.

    Attributes:
        diagnostics: of the rule files and of the test files. If a rule file has an error, no test was
            run; if a test file has one, no test of that file was run.
    """

    diagnostics: tuple[Diagnostic, ...] = ()
    results: tuple[RuleTestResult, ...] = ()
    uncovered: tuple[Uncovered, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether there is no error and no failure; what is uncovered does not count."""
        errors = any(d.severity is Severity.ERROR for d in self.diagnostics)
        return not errors and not any(result.failures for result in self.results)
