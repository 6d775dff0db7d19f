"""The way from the plain data of a rule file to its value, and the JSON Schema of rule files.

A file with errors gives all of its diagnostics at once. Nothing here opens a file: `loading` does, and
gives each diagnostic its line and column.

For others: `read_rule_file`, `parse_rule_file`, `rule_from_source`, `segment_from_source`, `json_schema`.
"""

from whereupon.rules.reader.file_reader import (
    FileReading,
    parse_rule_file,
    read_rule_file,
    rule_from_source,
    segment_from_source,
)
from whereupon.rules.reader.schema import json_schema

__all__ = [
    "FileReading",
    "json_schema",
    "parse_rule_file",
    "read_rule_file",
    "rule_from_source",
    "segment_from_source",
]
