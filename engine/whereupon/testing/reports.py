"""The report of a run of rule tests: results, diagnostics, and what no test covers."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from whereupon.errors import Diagnostic, Location, Severity

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


class Seen(StrEnum):
    """What a test may see of a part of a rule. A word keeps its name for ever.

    ``true``, ``false``: of a condition. ``done``: of a step. ``taken``: of an arm. ``passed``, ``expired``: of
    a wait. ``ended``: that a part of `exit` ended an entry. ``met``, ``missed``: of a goal. ``held-out``,
    ``let-in``: of a holdout. ``kept-out``: by `already` of a goal. ``again``, ``refused``: of re-entry. ``inside``, ``outside``, ``edge``: of a window
    of time. ``below``, ``at``, ``above``: of a value beside a bound. ``came``, ``came-again``, ``moved``,
    ``broken``, ``came-apart``: of a trigger by time. ``held-back``: of caps and quiet hours; ``exempt``: of what goes
    out in spite of them. ``competed``: of a priority.
    """

    TRUE = "true"
    FALSE = "false"
    DONE = "done"
    TAKEN = "taken"
    PASSED = "passed"
    EXPIRED = "expired"
    ENDED = "ended"
    MET = "met"
    MISSED = "missed"
    HELD_OUT = "held-out"
    LET_IN = "let-in"
    KEPT_OUT = "kept-out"
    AGAIN = "again"
    REFUSED = "refused"
    INSIDE = "inside"
    OUTSIDE = "outside"
    EDGE = "edge"
    BELOW = "below"
    AT = "at"
    ABOVE = "above"
    CAME = "came"
    CAME_AGAIN = "came-again"
    MOVED = "moved"
    BROKEN = "broken"
    CAME_APART = "came-apart"
    HELD_BACK = "held-back"
    EXEMPT = "exempt"
    COMPETED = "competed"


_SENTENCES: Final[Mapping[Seen, str]] = {
    Seen.TRUE: "no test has seen this true",
    Seen.FALSE: "no test has seen this false",
    Seen.DONE: "no test comes to this step",
    Seen.TAKEN: "no test takes this arm",
    Seen.PASSED: "no test passes this wait before it expires",
    Seen.EXPIRED: "no test lets this wait expire",
    Seen.ENDED: "no test has an entry end by this",
    Seen.MET: "no test meets this goal",
    Seen.MISSED: "no test misses this goal",
    Seen.HELD_OUT: "no test holds a person out",
    Seen.LET_IN: "no test lets a person past this",
    Seen.KEPT_OUT: "no test keeps out a person who met the goal before",
    Seen.AGAIN: "no test lets a person in again",
    Seen.REFUSED: "no test refuses to let a person in again",
    Seen.INSIDE: "no test is inside this window",
    Seen.OUTSIDE: "no test is outside of this window",
    Seen.EDGE: "no test is just at the edge of this window",
    Seen.BELOW: "no test has a value below this bound",
    Seen.AT: "no test has a value just at this bound",
    Seen.ABOVE: "no test has a value above this bound",
    Seen.CAME: "no test waits until this moment comes",
    Seen.CAME_AGAIN: "no test waits until this moment comes again",
    Seen.MOVED: "no test moves this date",
    Seen.BROKEN: "no test breaks this silence before it has lasted for that long",
    Seen.CAME_APART: "no test lets this time come to two people on different clocks",
    Seen.HELD_BACK: "no test has a send held back by this",
    Seen.EXEMPT: "no test sends what would be held back without this",
    Seen.COMPETED: "no test has the rule send at the same moment as another one",
}


@dataclass(frozen=True, slots=True)
class Uncovered:
    """A part of a rule of which its tests have not seen everything.

    Attributes:
        part: what it is, such as ``where: price is greater than 20`` or ``exit: refund``; ``entering`` for
            whether one test lets a person in (true) and another lets none in (false); ``tests`` for the test
            file.
        missing: what no test has seen.
        location: where the part stands; None if the rule has no tests.
        address: of the step that it is a part of; None for a key of the rule.
    """

    rule: str
    part: str
    missing: Seen
    location: Location | None = None
    address: str | None = None

    def __str__(self) -> str:
        place = "" if self.location is None else f"{self.location.file}:{self.location.line}: "
        return f"{place}{self.rule}{self._sentence}"

    @property
    def _sentence(self) -> str:
        match self.part, self.missing:
            case "tests", _:
                return f" has no tests: write {self.rule}.test.yaml beside it"
            case "entering", Seen.TRUE:
                return ": no test lets a person in"
            case "entering", _:
                return ": every test lets a person in"
        step = "" if self.address is None else f"step {self.address}, "
        return f": {_SENTENCES[self.missing]}: {step}{self.part}"


@dataclass(frozen=True, slots=True)
class RuleTestReport:
    """Everything that one run found.

    Attributes:
        diagnostics: of the rule files and of the test files. If a rule file has an error, its tests fail;
            if a test file has one, no test of that file was run.
    """

    diagnostics: tuple[Diagnostic, ...] = ()
    results: tuple[RuleTestResult, ...] = ()
    uncovered: tuple[Uncovered, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether there is no error and no failure; what is uncovered does not count."""
        errors = any(d.severity is Severity.ERROR for d in self.diagnostics)
        return not errors and not any(result.failures for result in self.results)
