"""Rule files on disk: a folder as a rulebook, with every diagnostic at its line and column.

The one home of PyYAML, and the only package of `rules` that opens files. What a file may say is written
in `rules.files`; here stand the limits on size and depth, and the warnings about rules (`lint`).

For others: `open_rules`, `load_rules`, `read_folder`, `load_document`, `Positions`.
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
