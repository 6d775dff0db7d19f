"""What a run of rule tests found: results, diagnostics, and what no test has tried."""

from dataclasses import dataclass
from typing import Literal

from whereupon.errors import Diagnostic, Severity

TESTS = "tests"
ENTERING = "entering"


@dataclass(frozen=True, slots=True)
class RuleTestResult:
    """How one test went.

    Attributes:
        rule: the id of the rule, or of the guard, that it tests.
        line: where the test stands in its file.
        failures: a sentence each; none when it passed.
        seconds: how long it took, on the real clock.
    """

    file: str
    rule: str
    name: str
    line: int
    failures: tuple[str, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Uncovered:
    """Something of a rule that its tests have not seen both ways.

    Attributes:
        part: a condition, such as ``where: price is greater than 20``; ``entering`` for whether a
            test lets anybody in (true) and one nobody (false); ``tests`` for the test file itself.
        missing: what no test has seen the part to be.
    """

    rule: str
    part: str
    missing: Literal["true", "false"]

    def __str__(self) -> str:
        match self.part, self.missing:
            case "tests", _:
                return f"{self.rule} has no tests: write {self.rule}.test.yaml beside it"
            case "entering", "true":
                return f"{self.rule}: no test lets anybody in"
            case "entering", _:
                return f"{self.rule}: in no test does it stay silent"
        return f"{self.rule}: no test has seen this {self.missing}: {self.part}"


@dataclass(frozen=True, slots=True)
class RuleTestReport:
    """All that one run found.

    Attributes:
        diagnostics: of the rule files and of the test files; with an error among those of the rule
            files nothing was run, with one among a test file's nothing of that file.
    """

    diagnostics: tuple[Diagnostic, ...] = ()
    results: tuple[RuleTestResult, ...] = ()
    uncovered: tuple[Uncovered, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether there is no error and no failure; what is uncovered does not count."""
        errors = any(d.severity is Severity.ERROR for d in self.diagnostics)
        return not errors and not any(result.failures for result in self.results)
