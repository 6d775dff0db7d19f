"""Rule files: the forms they are written in, their JSON Schema, and the way from data to rules.

Nothing here opens a file: `loading` does, and gives each problem its line and column.
"""

from whereupon.rules.reader.guards import lint_guard
from whereupon.rules.reader.reading import (
    Reading,
    RuleFile,
    parse_rule_file,
    read_rule_file,
    rule_from_source,
    segment_from_source,
)
from whereupon.rules.reader.schema import json_schema
from whereupon.rules.rule_reader import InternPool

__all__ = [
    "InternPool",
    "Reading",
    "RuleFile",
    "json_schema",
    "lint_guard",
    "parse_rule_file",
    "read_rule_file",
    "rule_from_source",
    "segment_from_source",
]
