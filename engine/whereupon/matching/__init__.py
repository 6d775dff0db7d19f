"""Matching: the rules that a message triggers, those it may open, and what they need of the past.

The package evaluates conditions, decides nothing and stores nothing. The cost of a message grows neither
with the rules of other names nor, if many rules have its name, with those that it cannot open.

For others: `RuleIndex` (a rulebook, arranged), `TriggerMatch`, `RuleList`, `RuleSelection`, `Candidate`, and
`HistoryWindow` and `EntryWindow` (how far back events and entries are needed), and `TimedSubjects` (what
time alone may change).
"""

from whereupon.matching.entry_window import EntryWindow
from whereupon.matching.history_window import HistoryWindow
from whereupon.matching.rule_block import Candidate
from whereupon.matching.rule_index import RuleIndex
from whereupon.matching.rule_list import RuleList, RuleSelection
from whereupon.matching.timed_subjects import SubjectKind, TimedSubject, TimedSubjects
from whereupon.matching.trigger_match import TriggerMatch

__all__ = [
    "Candidate",
    "EntryWindow",
    "HistoryWindow",
    "RuleIndex",
    "RuleList",
    "RuleSelection",
    "SubjectKind",
    "TimedSubject",
    "TimedSubjects",
    "TriggerMatch",
]
