"""What rules, and third parties' own parts, are tested with. The engine itself imports nothing of it.

`run_rule_tests` is what ``whereupon test`` runs; `whereupon.testing.contracts`, which needs pytest,
is for stores.
"""

from whereupon.testing.junit import junit_xml
from whereupon.testing.reports import RuleTestReport, RuleTestResult, Uncovered
from whereupon.testing.ruletests import run_rule_tests

__all__ = ["RuleTestReport", "RuleTestResult", "Uncovered", "junit_xml", "run_rule_tests"]
