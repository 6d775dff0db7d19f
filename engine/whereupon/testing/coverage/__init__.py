"""What the tests of a rule have seen of it, and what none of them has.

For others: `Coverage`.
"""

from whereupon.testing.coverage.rule_coverage import Coverage

__all__ = ["Coverage"]
