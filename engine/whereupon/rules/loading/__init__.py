"""Reading rule files from disk: data with the line and column of every part, and all findings at once.

The home of PyYAML. What a file may say is `rulefiles`' business.
"""

from whereupon.rules.loading.documents import load_document
from whereupon.rules.loading.folders import (
    Folder,
    has_plain_name,
    load_rules,
    open_rules,
    read_folder,
)
from whereupon.rules.loading.positions import Positions

__all__ = [
    "Folder",
    "Positions",
    "has_plain_name",
    "load_document",
    "load_rules",
    "open_rules",
    "read_folder",
]
