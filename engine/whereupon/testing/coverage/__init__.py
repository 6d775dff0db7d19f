"""What the tests of a rule have seen of it, and what none of them has.

For others: `Coverage`, and `SettingsCoverage` for what holds for all rules of a folder.
"""

from whereupon.testing.coverage.rule_coverage import Coverage
from whereupon.testing.coverage.settings_probes import SETTINGS, SettingsCoverage

__all__ = ["SETTINGS", "Coverage", "SettingsCoverage"]
