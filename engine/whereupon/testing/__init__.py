"""Tests of rules and guards, and the contract that every store must pass.

A rule test runs messages through a real engine on a frozen clock and compares the effects with what the
test expects. The engine imports nothing of this package, and only `contracts` needs pytest.

For others: `run_rule_tests` (which ``whereupon test`` calls), its report, `junit_xml`, and `contracts`
for stores of third parties.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from whereupon.testing.junit import junit_xml
    from whereupon.testing.reports import RuleTestReport, RuleTestResult, Seen, Uncovered
    from whereupon.testing.runner import run_rule_tests

__all__ = [
    "RuleTestReport",
    "RuleTestResult",
    "Seen",
    "Uncovered",
    "junit_xml",
    "run_rule_tests",
]

_HOMES = {"junit_xml": "junit", "run_rule_tests": "runner"}


if not TYPE_CHECKING:  # as in `whereupon` itself: a report's classes come without the engine

    def __getattr__(name: str) -> object:
        if name not in __all__:
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message)
        return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'reports')}"), name)
